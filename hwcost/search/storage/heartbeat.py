"""Signs of life that a thread gives during a training."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType


class Heart:
    """A thread that calls `beat` again and again while it is open.

    Args:
        beat: one sign of life. What it raises is dropped: a database that is away for a moment hears the next one,
            and one that stays away is noticed by whoever writes a result.
        interval_s: seconds between two.
    """

    def __init__(self, beat: Callable[[], None], interval_s: float) -> None:
        self._beat, self._interval_s = beat, interval_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Heart:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._beat()
            except Exception:  # see `beat`
                pass
            self._ended.wait(self._interval_s)
