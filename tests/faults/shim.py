"""Faults of a machine, in one process: every operation that changes a folder is counted, and one of them goes wrong."""

from __future__ import annotations

import builtins
import datetime
import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

CHANGES = ("replace", "rename", "unlink", "remove", "link", "truncate", "mkdir", "fsync")

STICKY = ("full", "short", "read-only")
"""Faults that stay until the process ends; the others strike once."""

KINDS = ("kill", "torn", "full", "error", "short", "read-only", "clock")


class Fault(NamedTuple):
    """What goes wrong, and at which operation.

    kill: the process is killed before it; torn: in the middle of a write, else behind it. full: no byte more than half
    of it fits, here and later. error: EIO, once. short: a third of every write is taken. read-only: EROFS.
    clock: the time of day jumps by `days`. The victim is the "first" process, or any that it forks ("forked").
    """

    kind: str
    at: int
    days: float = 0.0
    victim: str = "first"


class Shim:
    """Counts the operations below a folder; installed in a process that ends with it.

    Args:
        folder: whose changes count.
        fault: of a kind of its own ("count") nothing goes wrong.
    """

    def __init__(self, folder: Path, fault: Fault) -> None:
        self._count = 0
        self._on = False
        self._folder, self._fault = f"{folder.resolve()}{os.sep}", fault

    def install(self, notes: Path) -> int:
        """Patch Python's doors to files, and SQLAlchemy's to databases.

        Args:
            notes: folder for a file `struck`, and for `count`, which grows by a byte with each operation.

        Returns:
            The descriptor of `count`.
        """
        real, self._pid = open, os.getpid()
        self._struck_file = str(notes / "struck")
        self._counted_in = os.open(notes / "count", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for name in CHANGES:
            setattr(os, name, self._counted(getattr(os, name)))

        def opened(file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **named: Any) -> Any:
            if not set(mode) & set("wax+") or not self._is_ours(file):
                return real(file, mode, buffering, *rest, **named)
            if self.struck():
                self._die()
            raw = Faulty(file, mode.replace("b", "").replace("t", ""), shim=self)
            if buffering == 0:
                return raw
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, *rest, **named)

        builtins.open = io.open = opened  # type: ignore[assignment]
        from sqlalchemy import Engine, event

        event.listen(Engine, "before_cursor_execute", lambda *_: self.struck())
        return self._counted_in

    def _is_ours(self, file: Any) -> bool:
        return isinstance(file, str | Path) and f"{os.path.realpath(file)}{os.sep}".startswith(self._folder)

    def _counted(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            if isinstance(given[0], int) or any(self._is_ours(one) for one in given[:2]):
                torn = self.struck()
                try:
                    return change(*given, **named)
                finally:
                    if torn:
                        self._die()
            return change(*given, **named)

        return counted

    def written(self, write: Callable[[Any], int], content: Any) -> int:
        """Write, as much as the fault allows."""
        torn = self.struck(writes=True)
        content = memoryview(content).cast("B")
        if torn or self._sticks("full"):
            write(content[: len(content) // 2])
            if torn:
                self._die()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(content[: max(1, len(content) // 3)] if self._sticks("short") else content)

    def _sticks(self, kind: str) -> bool:
        return self._fault.kind == kind and self._mine() and self._on

    def _mine(self) -> bool:
        return (os.getpid() == self._pid) == (self._fault.victim == "first")

    def struck(self, *, writes: bool = False) -> bool:
        """Count an operation; whether it shall be torn."""
        fault, now = self._fault, self._count
        if not self._mine():
            return False
        self._count += 1
        os.write(self._counted_in, b".")
        if fault.kind == "count" or now < fault.at or (now > fault.at and fault.kind not in STICKY):
            return False
        if not self._on:  # of several forks one is struck
            try:
                os.close(os.open(self._struck_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return False
        self._on = True
        if fault.kind == "kill":
            self._die()
        if fault.kind == "error":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if fault.kind == "read-only":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        if fault.kind == "full" and not writes and now % 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if fault.kind == "clock":
            _jump(fault.days)
        return fault.kind == "torn"

    def _die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Faulty(io.FileIO):
    """A file whose writes go through a shim."""

    def __init__(self, file: Any, mode: str, *, shim: Shim) -> None:
        self._shim = shim
        super().__init__(file, mode)

    def write(self, content: Any) -> int:
        return self._shim.written(super().write, content)

    def truncate(self, size: int | None = None) -> int:
        if self._shim.struck():
            self._shim._die()
        return super().truncate(size)


def _jump(days: float) -> None:
    class Jumped(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return datetime.datetime.now(tz) + datetime.timedelta(days=days)

    for name, module in list(sys.modules.items()):
        if name.startswith(("optuna", "hwcost")) and getattr(module, "datetime", None) is datetime.datetime:
            module.datetime = Jumped  # type: ignore[attr-defined]
