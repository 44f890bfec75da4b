"""Runs of tools: remembered by content, checked against the part, the median of several seeds."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from routed import SOURCE, FakeRouter, FakeSynthesizer, netlist, run

from hwcost.build.route.flow import DoesNotFit
from hwcost.build.route.runs import Runs, check_fits, median
from hwcost.models.device import device

PART = device("ecp5-85k")


def runs(folder: Path, **amounts: int) -> tuple[Runs, FakeSynthesizer, FakeRouter]:
    synthesizer, router = FakeSynthesizer(netlist(**amounts)), FakeRouter()
    return Runs(synthesizer=synthesizer, router=router, cache=folder, jobs=2), synthesizer, router


def test_equal_content_is_recalled_as_it_was_made(tmp_path: Path) -> None:
    heard: list[str] = []
    made, synthesizer, router = runs(tmp_path, LUT=10)
    first = made.synthesize(SOURCE, heard.append)
    routed = made.route(first, PART, [1, 2], heard.append)
    assert sorted(heard) == ["seed 1: routing", "seed 2: routing", "synthesizing"]
    assert made.synthesize(SOURCE, heard.append) == first and synthesizer.calls == 1
    assert made.route(first, PART, [2, 1, 3], heard.append) == [routed[1], routed[0], run(3, 65.0)]
    assert sorted(router.routed) == [1, 2, 3]
    assert routed[0].files == {"design.bit": b"\x00\xff"}


def test_other_content_and_another_tool_are_not_recalled(tmp_path: Path) -> None:
    made, synthesizer, router = runs(tmp_path, LUT=10)
    made.synthesize(SOURCE, print)
    for changed in ({"top": "other"}, {"files": {"net.v": ""}}, {"units": ("a",)}, {"in_dsp": frozenset("a")}):
        made.synthesize(replace(SOURCE, **changed), print)
    synthesizer.name = "synthesizer 2.0"
    made.synthesize(SOURCE, print)
    synthesizer.passes = "map to carry cells"
    made.synthesize(SOURCE, print)
    assert synthesizer.calls == 7
    for part in (PART, device("LFE5U-85F-8BG756C")):
        made.route(netlist(LUT=10), part, [1], print)
    router.name = "router 2.0"
    made.route(netlist(LUT=10), PART, [1], print)
    made.route(netlist(LUT=11), PART, [1], print)
    assert router.routed == [1, 1, 1, 1]


def test_what_other_code_made_is_not_recalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, synthesizer, router = runs(tmp_path, LUT=10)
    for code in ("one", "other", "one"):
        monkeypatch.setattr("hwcost.build.route.runs.code_hash", lambda code=code: code)
        made.synthesize(SOURCE, print)
        made.route(netlist(LUT=10), PART, [1], print)
    assert synthesizer.calls == 2 and router.routed == [1, 1]


def test_a_damaged_record_is_made_again(tmp_path: Path) -> None:
    made, synthesizer, _ = runs(tmp_path, LUT=10)
    made.synthesize(SOURCE, print)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:20])
    made.synthesize(SOURCE, print)
    assert synthesizer.calls == 2


def test_what_does_not_fit_is_told_before_routing(tmp_path: Path) -> None:
    made, _, router = runs(tmp_path)
    check_fits(netlist(LUT=PART.LUT, pins=100), PART, router)
    big = netlist(LUT=2 * PART.LUT, BRAM18=209, pins=150)
    message = "does not fit ECP5-85F: LUT 167,280 of 83,640 (+100%), BRAM18 209 of 208 (+0%), pins 150 of 100 (+50%)"
    with pytest.raises(DoesNotFit, match=re.escape(message)):
        made.route(big, PART, [1], print)
    assert router.routed == []


@pytest.mark.parametrize(("clocks", "expected"), [((60.0,), 60.0), ((60.0, 80.0, 70.0), 70.0), ((60.0, 80.0), 60.0)])
def test_the_median(clocks: tuple[float, ...], expected: float) -> None:
    assert median([run(seed, clock) for seed, clock in enumerate(clocks)]).fmax_mhz == expected
