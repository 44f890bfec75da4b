"""Page of a running study: drawn again now and then, by a process of its own, so that no training waits for it."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PAUSE_S = 10.0
"""Seconds between two pages, at least; later in a long run a tenth of the time that it has taken."""

_DRAW = """
import sys
from pathlib import Path
from hwcost.sweep.study_report import publish
publish(Path(sys.argv[1]), running=True)
"""


class LivePage:
    """The page of a folder while trials are still to come.

    Args:
        folder: of the study.
        clock: seconds, from any time on.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._began = self._drawn = clock()
        self._process: subprocess.Popen[bytes] | None = None

    def due(self) -> bool:
        """Whether the last page is old enough, and drawn."""
        now = self._clock()
        if now - self._drawn < max(PAUSE_S, (now - self._began) / 10):
            return False
        return self._process is None or self._process.poll() is not None

    def draw(self) -> None:
        """Begin to draw the page from the files of the study."""
        self._drawn = self._clock()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _DRAW, str(self._folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the sweep
        )

    def close(self) -> None:
        """Wait for a page that is being drawn, which would else replace a later one."""
        if self._process is not None:
            self._process.wait()
