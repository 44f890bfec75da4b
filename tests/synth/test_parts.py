"""Which units measure which block: what is estimated and what is built are the same hardware."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

pytest.importorskip("amaranth", reason="amaranth is not installed: nothing was verified; pip install 'hwcost[synth]'")

from rtl_simulation import prove
from torch import nn

from hwcost.errors import BadData, BadOption
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Concat, Link, MatVec
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, Fold, place, target_fps
from hwcost.models.calibration.corpus import Measured, Unit
from hwcost.models.formulas.arithmetic import EXACT
from hwcost.models.formulas.formula import Adapter
from hwcost.models.formulas.memory import write_port
from hwcost.models.resources import COUNTED
from hwcost.quant import QuantLinear, const_weight
from hwcost.synth.parts import link_terms, parts
from hwcost.synth.units import build
from hwcost.synth.verify import MEASURED, against, by_layer, corrections, verify
from hwcost.synth.vivado import read_report
from hwcost.zoo.lenet import reference
from hwcost.zoo.precision import Precision
from hwcost.zoo.resnet import ResNet8

PIPELINE = trace(reference(), torch.zeros(1, 3, 32, 32), input_bits=8)
FOLDING = target_fps(PIPELINE, 1000)


def model(**options: object) -> Dataflow:
    return Dataflow(device="xc7z020", folding=FOLDING, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"thresholds": "parallel"},
        {"multipliers": "dsp"},
        {"weight_memory": "lutram"},
        {"weight_memory": "bram18", "writable": True},
    ],
)
def test_parts_add_up_to_the_price(options: dict[str, object]) -> None:
    placed, priced = place(PIPELINE.layers()), model(**options)
    bill = priced.price(placed)
    found = parts(placed, priced)
    for name in COUNTED:
        assert sum(part.estimate.get(name, 0.0) for part in found) == pytest.approx(float(bill[name].detach().sum()))


@pytest.mark.slow
def test_every_unit_can_be_built() -> None:
    units = {unit for part in parts(place(PIPELINE.layers()), model()) for _, unit in part.terms or ()}
    assert {unit.kind for unit in units} == {
        "matvec", "memory", "control", "window", "thresholds", "pool", "converter", "fifo"
    }  # fmt: skip
    for unit in units:
        assert build(unit).rtlil()
    small = [unit for unit in units if unit.kind == "pool"]
    assert small and all(prove(unit) for unit in small)


def test_a_unit_is_built_once_and_counted_for_every_pe() -> None:
    unit = next(item for item in place(PIPELINE.layers()) if item.layer == "conv2" and isinstance(item.block, MatVec))
    found = parts([unit], Dataflow(device="xc7z020", folding={"conv2": Fold(4, 5)}))
    ((factor, lane),) = found[0].terms or ()
    assert (factor, lane.pe, lane.simd) == (4.0, 1, 5)
    counted = {lane: Measured(unit=lane, amounts=dict.fromkeys(COUNTED, 7), family="xc7", source="test")}
    assert found[0].measure(counted) == dict.fromkeys(COUNTED, 28.0)


class Sevens:
    """A laboratory in which all takes seven of everything."""

    def measure(self, units: list[Unit], progress: object = None) -> dict[Unit, Measured]:
        amounts = dict.fromkeys(COUNTED, 7)
        return {unit: Measured(unit=unit, amounts=amounts, family="xcup", source="test") for unit in units}


@pytest.mark.parametrize(("part", "known"), [("VCK190", {"LUT", "FF"}), ("ZCU104", set(COUNTED))])
def test_what_no_synthesizer_knows_of_a_part_is_left_open(part: str, known: set[str]) -> None:
    net = nn.Sequential(QuantLinear(8, 4, bias=False, weight_quant=const_weight(bits=4)))
    placed = place(trace(net, torch.zeros(1, 8), input_bits=4).layers())
    found = verify(placed, Dataflow(device=part, folding={"0": Fold(2, 2)}), Sevens())  # type: ignore[arg-type]
    assert {name for name in COUNTED if found[f"{name}_measured"].notna().all()} == known
    assert {name for name in COUNTED if found[f"{name}_measured"].notna().any()} == known


def test_weights_that_are_written_have_a_port() -> None:
    net = nn.Sequential(QuantLinear(512, 64, bias=False, weight_quant=const_weight(bits=8)))
    placed = place(trace(net, torch.zeros(1, 512), input_bits=4).layers())
    bills, units = [], []
    for writable in (False, True):
        part = "VCK190"  # its URAM may hold constants, too
        model = Dataflow(device=part, folding={"0": Fold(2, 4)}, weight_memory="uram", writable=writable)
        bills.append({name: float(model.price(placed)[name].sum()) for name in ("LUT", "FF", "URAM")})
        units.append(
            {unit.geometry for one in parts(placed, model) for _, unit in one.terms or () if unit.structure == "loader"}
        )
    lut, ff = write_port(EXACT, 8 * 2 * 4, 12, 1)
    more = {name: bills[1][name] - bills[0][name] for name in bills[0]}
    assert more == {"LUT": lut, "FF": ff, "URAM": 0} and units == [set(), {"4096x64x1"}]


def test_links_are_cut_into_what_is_built() -> None:
    wire = integers(4, signed=False)
    join = Concat(streams=(2, 4), vectors=1, output=wire)
    link = Link(source=None, sink=join, wire=wire)
    adapter = Adapter(produced=6, consumed=4, depth=300, copied=True)
    terms = link_terms(link, adapter)
    assert {(factor, unit.kind, unit.structure, unit.geometry) for factor, unit in terms} == {
        (1.0, "converter", "up", "2x24"),
        (1.0, "converter", "down", "3x16"),
        (1.0, "fifo", "bram18", "512x16"),
        (0.5, "copy", "", "2"),
    }
    assert link_terms(link, Adapter()) == ()
    ((_, shallow),) = link_terms(link, Adapter(depth=40))
    assert (shallow.structure, shallow.geometry) == ("srl", "40x4")


def test_a_residual_network_has_rtl_for_every_block() -> None:
    net = ResNet8(Precision(3, 3))
    pipeline = trace(net, torch.zeros(1, 3, 32, 32), input_bits=8)
    found = parts(place(pipeline.layers()), Dataflow(device="ZCU104", folding=target_fps(pipeline, 100)))
    assert all(part.terms is not None for part in found)
    kinds = {unit.kind for part in found for _, unit in part.terms or ()}
    assert {"fifo", "copy", "adder", "converter"} <= kinds


def test_units_of_high_level_synthesis_are_refused() -> None:
    with pytest.raises(BadOption, match="flow 'hls'"):
        parts(place(PIPELINE.layers()), model(flow="hls"))


def test_corrections_are_measured_over_estimated() -> None:
    rows = pd.DataFrame(
        [
            {"layer": layer} | dict.fromkeys(COUNTED, ours) | dict.fromkeys(MEASURED, measured)
            for layer, ours, measured in (("a", 10.0, 20.0), ("a", 30.0, 20.0), ("b", 5.0, 4.0), ("c", 9.0, None))
        ]
    )
    assert list(by_layer(rows)["layer"]) == ["a", "b"]
    assert corrections(rows) == {"a": 1.0, "b": 0.8}


FLAT = """
| CLB LUTs*                  | 1234 |     0 |
| CLB Registers              |  987 |     0 |
| Block RAM Tile             | 10.5 |     0 |
| URAM                       |    2 |     0 |
| DSPs                       |    3 |     0 |
"""
TREE = """
|   Instance   | Module | Total LUTs | Logic LUTs |  FFs | RAMB36 | RAMB18 | DSP Blocks |
| top          | (top)  |        300 |        300 |  200 |      2 |      1 |          0 |
|   u_conv1    |  mvu   |        100 |        100 |   50 |      1 |      0 |          0 |
|   u_fc1      |  mvu_1 |        150 |        150 |   90 |      1 |      1 |          0 |
"""


def test_reports_of_vivado(tmp_path: Path) -> None:
    (tmp_path / "flat.rpt").write_text(FLAT)
    (tmp_path / "tree.rpt").write_text(TREE)
    assert read_report(tmp_path / "flat.rpt") == {"": {"LUT": 1234, "FF": 987, "BRAM18": 21, "URAM": 2, "DSP": 3}}
    tree = read_report(tmp_path / "tree.rpt")
    assert tree["u_fc1"] == {"LUT": 150, "FF": 90, "BRAM18": 3, "DSP": 0} and tree[""]["BRAM18"] == 5
    estimate = {layer: dict.fromkeys(COUNTED, 10.0) for layer in ("conv1", "fc1")}
    assert list(against(["conv1", "fc1"], estimate, tree)["LUT_measured"]) == [100, 150]
    whole = against(["conv1", "other"], {"conv1": estimate["conv1"], "other": estimate["fc1"]}, tree)
    assert list(whole["layer"]) == ["total"] and list(whole["LUT"]) == [20]
    (tmp_path / "bad.rpt").write_text("nothing")
    with pytest.raises(BadData, match="report_utilization"):
        read_report(tmp_path / "bad.rpt")
