"""Estimates against measurements: what is known, what is left open, and the ratio of both."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

pytest.importorskip("amaranth", reason="amaranth is not installed: nothing was verified; pip install 'hwcost[synth]'")

from torch import nn

from hwcost.errors import BadOption
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, Fold, Mixed, Unrolled, place
from hwcost.models.calibration.corpus import Measured, Unit
from hwcost.models.resources import COUNTED
from hwcost.quant import QuantLinear, QuantReLU, const_activation, const_weight
from hwcost.synth.verify import MEASURED, against, by_layer, corrections, verify


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


def test_constants_are_measured_without_registers_and_mixed_with_folded_units() -> None:
    net = nn.Sequential(
        QuantLinear(8, 4, bias=False, weight_quant=const_weight(bits=4)),
        QuantReLU(const_activation(bits=2, max_val=1.0)),
        QuantLinear(4, 3, bias=False, weight_quant=const_weight(bits=4)),
    )
    placed = place(trace(net, torch.zeros(1, 8), input_bits=4).layers())
    unrolled = Unrolled(device="ZCU104", clock_mhz=100.0, sums="shared")
    rows = verify(placed, unrolled, Sevens()).set_index("layer")  # type: ignore[arg-type]
    assert list(rows["block"]) == ["MatVec", "Thresholds", "MatVec"]
    assert list(rows["LUT_measured"].notna()) == [True, False, True] and rows["FF_measured"].isna().all()
    folded = Dataflow(device="ZCU104", folding={"0": Fold(2, 2), "1": Fold(2, 1), "2": Fold(1, 1)})
    mixed = verify(placed, Mixed(folded, unrolled, ["2"]), Sevens())  # type: ignore[arg-type]
    built = {layer: set(found["part"]) for layer, found in mixed[mixed["block"] == "MatVec"].groupby("layer")}
    assert built == {"0": {"arithmetic", "weights", "control"}, "2": {"sums"}}
    total = Mixed(folded, unrolled, ["2"]).price(placed)["LUT"].sum()
    assert mixed["LUT"].sum() == pytest.approx(float(total))


def test_corrections_are_measured_over_estimated() -> None:
    rows = pd.DataFrame(
        [
            {"layer": layer} | dict.fromkeys(COUNTED, ours) | dict.fromkeys(MEASURED, measured)
            for layer, ours, measured in (("a", 10.0, 20.0), ("a", 30.0, 20.0), ("b", 5.0, 4.0), ("c", 9.0, None))
        ]
    )
    assert list(by_layer(rows)["layer"]) == ["a", "b"]
    assert corrections(rows) == {"a": 1.0, "b": 0.8}


def test_a_report_is_compared_by_layer_or_in_total() -> None:
    estimate = {layer: dict.fromkeys(COUNTED, 10.0) for layer in ("block.conv", "fc")}
    report = {
        "": {"LUT": 70.0},
        "top_block_conv_i": {"LUT": 30.0},
        "top_block_conv_i_0": {"LUT": 99.0},
        "fc": {"LUT": 40},
    }
    rows = against(["block.conv", "fc"], estimate, report)
    assert rows["layer"].tolist() == ["block.conv", "fc"] and rows["LUT_measured"].tolist() == [30, 40]
    assert rows["FF_measured"].isna().all() and rows["LUT"].tolist() == [10, 10]
    (total,) = against(["block.conv", "fc"], estimate, {"": {"LUT": 70.0}}).to_dict("records")
    assert (total["layer"], total["LUT"], total["LUT_measured"]) == ("total", 20, 70)
    with pytest.raises(BadOption, match="the report has no totals, and no instance for each layer"):
        against(["block.conv", "fc"], estimate, {"fc": {"LUT": 40.0}})


def test_what_was_estimated_at_nothing_has_no_correction() -> None:
    none, some = (
        {"layer": layer} | dict.fromkeys(COUNTED, ours) | dict.fromkeys(MEASURED, 3.0)
        for layer, ours in (("wires", 0.0), ("fc", 6.0))
    )
    assert corrections(pd.DataFrame([none, some])) == {"fc": 0.5}
