"""A page that is drawn while a sweep runs: seldom, and by a process of its own."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from hwcost.sweep.live_page import PAUSE_S, LivePage


def test_pages_of_a_long_run_are_as_few_as_its_tenths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = 0.0
    page = LivePage(tmp_path, lambda: at)
    drawn: list[float] = []
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: drawn.append(at))
    while at < 20_000:  # a trial each second
        at += 1
        if page.due():
            page.draw()
    pauses = [later - earlier for earlier, later in pairwise(drawn)]
    assert drawn[0] == PAUSE_S and min(pauses) == PAUSE_S
    assert all(pause >= later / 10 for pause, later in zip(pauses, drawn[1:], strict=True))
    assert 50 < len(drawn) < 70


def test_no_page_is_begun_while_one_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at, ended, waited = 0.0, None, []

    class Drawing:
        def __init__(self, *_: object, **__: object) -> None: ...

        def poll(self) -> int | None:
            return ended

        def wait(self) -> None:
            waited.append(at)

    monkeypatch.setattr("subprocess.Popen", Drawing)
    page = LivePage(tmp_path, lambda: at)
    page.draw()
    at = 1000.0
    assert not page.due()
    ended = 0
    assert page.due()
    page.close()
    assert waited == [1000.0]
