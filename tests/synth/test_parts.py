"""Which units measure which block: what is estimated and what is built are the same hardware."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("amaranth", reason="amaranth is not installed: nothing was verified; pip install 'hwcost[synth]'")

from rtl_simulation import prove
from torch import nn

from hwcost.errors import BadOption
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Concat, Link, MatVec
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, Fold, place, target_fps
from hwcost.models.calibration.corpus import Measured
from hwcost.models.formulas.arithmetic import EXACT
from hwcost.models.formulas.formula import Adapter
from hwcost.models.formulas.memory import write_port
from hwcost.models.resources import COUNTED
from hwcost.quant import QuantLinear, const_weight
from hwcost.synth.parts import link_terms, parts
from hwcost.synth.units import build
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
