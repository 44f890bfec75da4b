"""Settings of all tests: seeded, on one thread, without deadlines, so that a failure repeats on every machine."""

import signal
from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

settings.register_profile("hwcost", deadline=None, derandomize=True)
settings.load_profile("hwcost")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background job; what tests start must hear it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield


@pytest.fixture(autouse=True)
def _known_recipes(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test names is known to that test alone, not to the user who runs it."""
    monkeypatch.setenv("HWCOST_KNOWN_RECIPES", str(tmp_path_factory.mktemp("known") / "recipes"))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep writes no page: it takes longer than these trials, and has tests of its own."""
    monkeypatch.setattr(
        "hwcost.sweep.study_report.write_report", lambda folder, trials, run, **_: folder / "index.html"
    )
