"""Faults of every kind against real studies: each strikes a process, is followed by a resume, and by an audit.

Every process is a fork of this one, which has imported everything, so that a fault costs a fraction of a second.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch

from faults.shim import KINDS, Fault, Shim
from faults.studies import Auditor, Lost, settled, trials_of
from hwcost.search import JOURNAL
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.ramp import RECORD as RAMP
from hwcost.sweep.study_files import read_json

LIMIT_S = 120
"""Seconds that a process may take; a longer one hangs."""

RECIPE = "from faults.studies import recipe, roomy\n"


class Ended(NamedTuple):
    """How a process ended: status (-9: killed, None: it hung), output, errors, trials that it knew as settled.

    struck: whether its fault did; count: its operations.
    """

    status: int | None
    out: str
    err: str
    told: dict[int, Any]
    struck: bool
    count: int

    @property
    def clean(self) -> bool:
        """Done, refused in one line, or killed."""
        lines = [line for line in self.err.splitlines() if line.startswith("hwcost: error: ")]
        return self.status in (0, -9) or (self.status == 2 and len(lines) == 1 and "Traceback" not in self.err)


def fork(words: Sequence[str], shim: Shim | None = None) -> tuple[int, Path]:
    """Start `hwcost` with these words in a fork; its process and the folder of its output."""
    place = Path(tempfile.mkdtemp(prefix="ended-", dir=Path.cwd()))
    process = os.fork()
    if process:
        return process, place
    status = 1
    try:
        os.setpgid(0, 0)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(place / name, os.O_WRONLY | os.O_CREAT), number)
        told = os.open(place / "told", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        notes = {told}
        _patch(lambda number, values: os.write(told, f"{number} {values!r}\n".encode()), notes)
        sys.argv = ["hwcost", *words]
        if shim is not None:
            notes.add(shim.install(place))
        from hwcost.cli import main

        main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def wait(process: int, place: Path) -> Ended:
    """Wait for a fork, and end those that it leaves behind."""
    until = time.monotonic() + LIMIT_S
    while not (found := os.waitpid(process, os.WNOHANG))[0]:
        if time.monotonic() > until:
            os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            break
        time.sleep(0.005)
    status = os.waitstatus_to_exitcode(found[1]) if found[0] else None
    try:
        os.killpg(process, signal.SIGKILL)
    except ProcessLookupError:
        pass
    out, err, told = ((place / name).read_text(errors="replace") for name in ("out", "err", "told"))
    count = (place / "count").stat().st_size if (place / "count").exists() else 0
    lines = [line.partition(" ") for line in told.splitlines()]
    ended = Ended(
        status, out, err, {int(number): eval(values) for number, _, values in lines}, (place / "struck").exists(), count
    )
    shutil.rmtree(place)
    return ended


def hwcost(*words: object, shim: Shim | None = None) -> Ended:
    """Call the command in a fork."""
    return wait(*fork([str(word) for word in words], shim))


def _patch(tell: Callable[[int, Any], object], notes: set[int]) -> None:
    """Make a process cheap, and let it say which trials are settled; its forks keep the files `notes`."""
    import hwcost.search.storage.database as database
    import hwcost.search.storage.shared_study as shared_study
    import hwcost.sweep.process_pool as process_pool
    import hwcost.sweep.study_report as study_report
    from hwcost.report import read_study
    from hwcost.search.study import Study

    def write_report(folder: Path, trials: Any, run: Any, **_: Any) -> Path:
        """The checks of a report, and its front, without its figures."""
        read_study(trials, run)
        (folder / "index.html").write_text("drawn")
        return folder / "index.html"

    settle = Study._settle

    def settling(self: Any, trial: Any, *given: Any) -> None:
        settle(self, trial, *given)
        tell(trial.number, self._trials()[trial.number].values)

    Study._settle = settling  # type: ignore[method-assign]
    study_report.write_report = write_report  # type: ignore[attr-defined]
    database.SILENT_BEATS = shared_study.SILENT_BEATS = 2
    shared_study.POLL_S = 0.05
    work = process_pool._work

    def alone(connection: Any, *given: Any) -> None:
        """Close what only a fork inherits: the pipes of its siblings, and the lock of the study."""
        kept = {0, 1, 2, connection.fileno(), *notes}
        for number in [int(one.name) for one in Path("/proc/self/fd").iterdir()]:
            if number not in kept:
                with suppress(OSError):
                    os.close(number)
        work(connection, *given)

    process_pool._work = alone
    process_pool.multiprocessing = SimpleNamespace(  # type: ignore[attr-defined]
        get_context=lambda _: multiprocessing.get_context("fork")  # 3 s of imports less
    )


class Plan(NamedTuple):
    """A study, and the command that faults strike.

    Attributes:
        name: of the plan.
        words: of the command, without --out and --trials.
        start: name of the finished study that it begins with, where the command adds no trials.
        equal: whether its trials come out as those of a whole study, place by place.
    """

    name: str
    words: tuple[str, ...]
    start: str | None = None
    equal: bool = True


TRIALS = 8
"""Trials that a whole study has, besides those of its ramp."""

LINKS = 6
"""Faults that strike one study, each in the resume of the one before, until a resume is left alone."""

WARM = ("sweep", "quick.py:roomy", "--bits", "2:5", "--warm", "1", "--ramp", "3")
COLD = ("sweep", "quick.py:recipe", "--sampler", "random")
PLANS = (
    Plan("trials", COLD),
    Plan("ramp and warm trials", WARM),
    Plan("repeats and refit", ("finish", "--repeat", "1", "--refit", "1"), "ramp and warm trials"),
    Plan("polish", ("finish", "--polish", "1"), "ramp and warm trials", equal=False),
    Plan("jobs", (*COLD, "--jobs", "2")),
)
BY_NAME = {plan.name: plan for plan in PLANS}


class Harness:
    """Runs faults in the working folder, which it fills.

    Args:
        seed: of the choice of faults.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.auditor = Auditor()
        self.outcomes: Counter[tuple[str, str, str]] = Counter()
        self.lost: list[str] = []
        self._operations: dict[tuple[str, str, bool], int] = {}
        Path("quick.py").write_text(RECIPE)
        os.environ["HWCOST_KNOWN_RECIPES"] = str(Path("known").resolve())
        for name in ("HWCOST_STORAGE", "HWCOST_ARTIFACTS"):
            os.environ.pop(name, None)
        torch.set_num_threads(1)
        _import_all()
        for plan in PLANS:
            folder = Path("whole") / plan.name
            if plan.start is None:
                for trials in (TRIALS - 1, 1):  # as a resume ends
                    done(hwcost(*plan.words, "--trials", trials, "--out", folder, "--quiet"))
            elif plan.equal:
                shutil.copytree(Path("whole") / plan.start, folder)
                done(hwcost(*self._words(plan, folder, 0)))

    def record(self, kind: str, place: str, outcome: str) -> None:
        """Count a fault that struck."""
        self.outcomes[kind, place, outcome] += 1

    @property
    def struck(self) -> int:
        """Faults so far."""
        return self.outcomes.total()

    def chain(self, plan: Plan, most: int) -> None:
        """Let faults strike one study, one after the other, each followed by an audit; then resume and audit it."""
        folder, told = Path("study"), dict[int, Any]()
        shutil.rmtree(folder, ignore_errors=True)
        if plan.start is not None:
            shutil.copytree(Path("whole") / plan.start, folder)
        said = f"{plan.name}:"
        try:
            for _ in range(min(LINKS, most)):
                if plan.start is None and self._left(plan, folder) <= 2:
                    break
                fault = self._drawn(plan, fresh=not (folder / JOURNAL).exists())
                said += f" {fault.kind} at {fault.at},"
                ended = self._struck(plan, folder, fault)
                told |= ended.told
                if not ended.clean:
                    raise Lost(f"status {ended.status}: {ended.err[-3000:]}")
                if ended.struck:
                    outcome = {0: "went on", 2: "refused in one line", -9: "killed"}[ended.status or 0]
                    self.record(fault.kind, plan.name, outcome)
                self.auditor.check_trials(folder, self._whole(plan), told)
            again = hwcost(*self._words(plan, folder, self._left(plan, folder)))
            if again.status != 0:
                raise Lost(f"no resume: {again.status} {again.err[-3000:]}")
            goal = None if plan.start else len(settled(trials_of(Path("whole") / plan.name)))
            self.auditor.check(folder, goal, self._whole(plan), told | again.told)
        except Exception as error:
            self.lost.append(f"{said} {type(error).__name__}: {error}")
            self.record("lost", plan.name, "LOST")

    def _whole(self, plan: Plan) -> Path | None:
        return Path("whole") / plan.name if plan.equal else None

    def _drawn(self, plan: Plan, *, fresh: bool) -> Fault:
        kind = self.random.choice(KINDS)
        victim = (
            self.random.choice(("first", "forked")) if plan.name == "jobs" and kind in ("kill", "torn") else "first"
        )
        at = 0 if kind == "read-only" else self.random.randrange(self._count(plan, victim, fresh=fresh))
        return Fault(kind, at, self.random.choice((-400.0, -1.0, 1.0, 400.0)), victim)

    def _struck(self, plan: Plan, folder: Path, fault: Fault) -> Ended:
        shim = Shim(folder, fault)
        trials = self.random.randint(1, 2)
        return hwcost(*self._words(plan, folder, trials), shim=shim)

    def _words(self, plan: Plan, folder: Path, trials: int) -> list[str]:
        if plan.start is not None:
            return [plan.words[0], str(folder), *plan.words[1:], "--quiet"]
        return [*plan.words, "--trials", str(trials), "--out", str(folder), "--quiet"]

    def _left(self, plan: Plan, folder: Path) -> int:
        """Trials until the study is whole; its ramp counts when it has joined."""
        if plan.start is not None:
            return 0
        whole, now = (len(settled(trials_of(one))) for one in (Path("whole") / plan.name, folder))
        ramped = len(read_json(Path("whole") / plan.name / RAMP)["points"]) if plan.words == WARM else 0
        return whole - max(now, ramped)

    def _count(self, plan: Plan, victim: str, *, fresh: bool) -> int:
        """Operations of the command, or of a process that it forks, when nothing goes wrong."""
        if (plan.name, victim, fresh) not in self._operations:
            folder = Path("counting")
            shutil.rmtree(folder, ignore_errors=True)
            if not fresh:
                shutil.copytree(Path("whole") / (plan.start or plan.name), folder)
            shim = Shim(folder, Fault("count", 0, 0.0, victim))
            counted = done(hwcost(*self._words(plan, folder, 1), shim=shim)).count
            self._operations[plan.name, victim, fresh] = max(2, counted)
        return self._operations[plan.name, victim, fresh]


def done(ended: Ended) -> Ended:
    """The end of a process that nothing hindered."""
    assert ended.status == 0, ended
    return ended


def _import_all() -> None:
    """Import what a study needs, PyTorch's optimizers among it, so that no fork does."""
    import importlib
    import io
    from contextlib import redirect_stdout

    from faults.studies import roomy
    from hwcost.cli import COMMANDS
    from hwcost.sweep.finish import finish
    from hwcost.sweep.run import run
    from hwcost.sweep.settings import Settings

    for command in COMMANDS.values():
        importlib.import_module(command.where.partition(":")[0])
    settings = Settings(recipe="quick.py:roomy", out=Path("first"), trials=1, bits=(2, 5), warm=1, ramp=1)
    with redirect_stdout(io.StringIO()):
        run(Experiment(roomy, settings))
        finish(Experiment(roomy, settings), repeat=1, refit=1)
    gc.freeze()
