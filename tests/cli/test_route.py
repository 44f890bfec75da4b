"""`hwcost build --route`: tables, files, and errors in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("pyosys", reason="pyosys is not installed: nothing was built; pip install 'hwcost[synth]'")

from accelerated import folded, traced
from click.testing import CliRunner
from routed import SOURCE, FakeRouter, FakeSynthesizer, netlist

from hwcost.build.route import families
from hwcost.build.route.flow import DoesNotFit
from hwcost.cli.build import build_command
from hwcost.cli.laboratory import Tools
from hwcost.cli.route import Placed, Routing, place_and_route, show_placed, write_placed
from hwcost.cost.estimate import estimate
from hwcost.errors import BadOption
from hwcost.models.device import Device

ROUTING = Routing(route=True, route_device=None, seeds=3, route_s=60)


def placed(monkeypatch: pytest.MonkeyPatch, folder: Path, routing: Routing = ROUTING, **amounts: int) -> Placed:
    """A small network as the fake tools see it."""

    def tools_of(device: Device, yosys: str | None) -> tuple[FakeSynthesizer, FakeRouter]:
        return FakeSynthesizer(netlist(**amounts)), FakeRouter()

    monkeypatch.setattr(families, "tools_of", tools_of)
    pipeline = traced("dense")
    model = folded(pipeline, 40)
    tools = Tools(tool=None, cache=folder, jobs=1, limit_s=60)
    return place_and_route(SOURCE, pipeline, model, estimate(pipeline, model), routing, tools)


def test_the_run_with_the_median_clock_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = placed(monkeypatch, tmp_path, LUT=10, FF=5)
    assert made.device.name == "ECP5-12F" and [run.seed for run in made.runs] == [1, 2, 3]
    record = made.record()
    assert record["fmax_mhz"] == 65.0 and record["seeds"] == {"1": 60.0, "2": 70.0, "3": 65.0}
    assert record["synthesized"]["LUT"] == 10 and record["routed"]["LUT"] == 1
    assert record["critical_path_ns"]["a"] == {"logic": 0.75, "routing": 2.0}
    assert record["priced"]["LUT"] > 0 and json.loads(json.dumps(record)) == record


def test_files_and_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = placed(monkeypatch, tmp_path / "cache", LUT=10, FF=5)
    assert write_placed(tmp_path, "net", made) == ["floorplan.png", "net.bit", "route.json"]
    assert (tmp_path / "net.bit").read_bytes() == b"\x00\xff"
    with pytest.raises(BadOption, match="cannot be written"):
        write_placed(tmp_path / "nowhere", "net", made)
    show_placed(made)
    shown = capsys.readouterr().out
    priced = made.record()["priced_fmax_mhz"]
    assert isinstance(priced, float) and 20 < priced < 200
    wanted = (
        f"ECP5-12F: Fmax 65.0 MHz, the median of 60.0, 70.0, 65.0; {priced:.0f} MHz priced; 100 MHz asked: not reached"
    )
    assert wanted in shown
    assert "critical path, 3.8 ns:\n  a: logic 0.8 ns, routing 2.0 ns\n  b: logic 1.0 ns, routing 0.0 ns" in shown
    show_placed(replace(made, clock_mhz=60.0))
    assert "60 MHz asked: reached" in capsys.readouterr().out
    show_placed(replace(made, priced_mhz=None))
    assert "MHz priced" not in capsys.readouterr().out


def test_a_part_is_routed_on_as_asked_or_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    on = replace(ROUTING, route_device="ecp5-25k", seeds=1)
    assert placed(monkeypatch, tmp_path, on, LUT=10).device.name == "ECP5-25F"
    with pytest.raises(DoesNotFit, match=r"does not fit ECP5-25F: LUT 30,000 of 24,288 \(\+24%\)"):
        placed(monkeypatch, tmp_path / "empty", on, LUT=30_000)
    monkeypatch.undo()
    pipeline = traced("dense")
    model = folded(pipeline, 40)
    tools = Tools(tool=None, cache=tmp_path, jobs=1, limit_s=60)
    with pytest.raises(BadOption, match="has no open router"):
        xilinx = replace(ROUTING, route_device="PYNQ-Z1")
        place_and_route(SOURCE, pipeline, model, estimate(pipeline, model), xilinx, tools)


@pytest.mark.parametrize("given", [["--seeds", "1"], ["--route-device", "ecp5-25k"], ["--route-s", "60"]])
def test_options_of_place_and_route_need_it(given: list[str], tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="also give --route"):
        CliRunner().invoke(build_command, ["digits", *given, "--out", str(tmp_path)], catch_exceptions=False)


def test_retraining_needs_a_trial(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match=r"--retrain.*also give --trial"):
        CliRunner().invoke(build_command, ["x", "--retrain", "--out", str(tmp_path)], catch_exceptions=False)
    run = CliRunner().invoke(build_command, ["x", "--trial", "bst", "--out", str(tmp_path)])
    assert run.exit_code == 2 and "'bst' is not a valid" in run.output
