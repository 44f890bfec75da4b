"""Processes that train the trials of one sweep side by side; the study stays with the process that began it."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType, TracebackType

import torch

from hwcost.errors import HwcostError
from hwcost.search import Outcome, Suggestion
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.listener import Listener
from hwcost.sweep.recipe import Recipe
from hwcost.sweep.settings import Settings
from hwcost.sweep.trial import evaluated
from hwcost.train.loop import Epoch

GRACE_S = 10.0
"""Seconds that a process has to end cleanly, on a busy machine, too."""

Find = Callable[[str], Recipe]
"""Reference -> recipe; a function of a module, so that another process can call it."""


class Workers:
    """Processes that each have the recipe and the data of a sweep; a `hwcost.search.Crew`.

    Args:
        settings: of the sweep; `jobs` is the number of processes, and each finds the recipe again by its reference.
        find: reference -> recipe.
    """

    def __init__(self, settings: Settings, find: Find) -> None:
        self.size = settings.jobs
        self._settings = settings
        self._find = find
        self._idle: list[_Worker] = []
        self._busy: dict[int, _Worker] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, suggestion: Suggestion) -> None:
        """Give a trial to an idle process, or to a new one."""
        with _deaf_to_ctrl_c():
            worker = self._idle.pop() if self._idle else _Worker(self._find, self._settings)
            self._busy[suggestion.number] = worker
            worker.give(suggestion)

    def finished(self) -> tuple[int, Outcome | Exception | None]:
        """Wait for a trial: its number, and what came of it; None where its process died."""
        ready = wait([worker.connection for worker in self._busy.values()])
        number = next(number for number, worker in self._busy.items() if worker.connection in ready)
        worker = self._busy.pop(number)
        result = worker.take()
        if result is None:
            worker.end()
        else:
            self._idle.append(worker)
        return number, result

    def stop(self) -> None:
        """End every process, whatever it does."""
        for worker in self._busy.values():
            worker.dismiss()
        for worker in self._idle:
            worker.connection.close()  # at the end of its pipe a process goes, and tidies up behind itself
        for worker in (*self._busy.values(), *self._idle):  # all are asked, then waited for
            worker.end()
        self._idle, self._busy = [], {}


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Defer Ctrl-C until the block ends; a process started in it ignores Ctrl-C, and obeys SIGTERM from `_work` on.

    The mask is for the new process. This one may have other threads, which hear what the mask keeps from the main one.
    """
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield  # Python delivers signals to its main thread alone; Windows has no masks
        return
    told = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, set())
    try:
        resource_tracker.ensure_running()  # its start lifts the mask, so it comes first
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, told)
        if heard:
            signal.raise_signal(signal.SIGINT)


def _go(number: int, frame: FrameType | None) -> None:
    """Exit normally, so that Python's libraries release what they hold of the system.

    A second signal is ignored: another exit would interrupt the cleaning up.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


class _Worker:
    def __init__(self, find: Find, settings: Settings) -> None:
        context = multiprocessing.get_context("spawn")  # threads of PyTorch do not survive a fork
        self.connection, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(
            target=_work, args=(theirs, find, settings, os.getpid()), daemon=True
        )
        self._process.start()
        theirs.close()  # so that its death is the end of the pipe

    def give(self, suggestion: Suggestion) -> None:
        try:
            self.connection.send(suggestion)
        except OSError:
            pass  # it died while idle; `take` finds out

    def take(self) -> Outcome | Exception | None:
        try:
            result: Outcome | Exception = self.connection.recv()
        except (EOFError, OSError):
            return None
        return result

    def dismiss(self) -> None:
        self._process.terminate()

    def end(self) -> None:
        """Wait for it to end, at most `GRACE_S`; then kill it."""
        self._process.join(GRACE_S)
        self._process.kill()
        self._process.join()
        self.connection.close()


class _UntilOrphaned(Listener):
    """Ends the process when the one that holds the study is gone, since nobody would take the outcome."""

    def __init__(self, parent: int) -> None:
        self._parent = parent

    def epoch_done(self, epoch: Epoch) -> None:
        if os.getppid() != self._parent:
            os._exit(1)


def _work(connection: Connection, find: Find, settings: Settings, parent: int) -> None:
    """Train what is sent until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that holds the study; it ends this one
    signal.signal(signal.SIGTERM, _go)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    torch.set_num_threads(1)
    try:
        experiment = Experiment.find(settings, find)
        data = experiment.load()
    except Exception as error:  # whatever a user's recipe does, reported with the first trial
        _tell(connection, error, waits=True)
        return
    listener = _UntilOrphaned(parent)
    while True:
        try:
            suggestion = connection.recv()
        except EOFError:
            return
        try:
            result: Outcome | Exception = evaluated(experiment, data, suggestion, listener)
        except Exception as error:  # a failed trial, which the study knows what to do with
            result = error
        _tell(connection, result)


def _tell(connection: Connection, result: Outcome | Exception, *, waits: bool = False) -> None:
    """Send a result; an error that cannot be pickled is sent as its text."""
    if waits:
        connection.recv()
    try:
        pickle.loads(pickle.dumps(result))
    except Exception:  # anything at all may go wrong in a user's class
        result = HwcostError(f"{type(result).__name__}: {result}")
    connection.send(result)
