"""Units of an unrolled design: the live weights of each product, with the widths and the copies that are priced."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("amaranth", reason="amaranth is not installed: nothing was verified; pip install 'hwcost[synth]'")

from rtl_simulation import prove
from torch import nn

from hwcost.errors import UnknownPrecision
from hwcost.graph.ranges import binary, integers
from hwcost.graph.spec import MatVec
from hwcost.graph.trace import trace
from hwcost.models import Placed, Unrolled, place
from hwcost.models.resources import COUNTED
from hwcost.quant import QuantConv2d, QuantLinear, QuantReLU, const_activation, const_weight
from hwcost.synth.unrolled_parts import unrolled_parts


def _model(**options: object) -> Unrolled:
    return Unrolled(device="ZCU104", **options)  # type: ignore[arg-type]


def _product(codes: list[list[int]], **changes: object) -> Placed:
    given: dict[str, object] = {
        "rows": len(codes), "cols": len(codes[0]), "weight": integers(4, signed=True),
        "input": integers(3, signed=False), "acc": integers(9, signed=True), "integers": torch.tensor(codes),
    }  # fmt: skip
    return Placed("fc", MatVec(**{**given, **changes}))  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{}, {"value_aware": True}, {"sums": "shared"}])
def test_parts_add_up_to_the_price(options: dict[str, object]) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        QuantConv2d(1, 4, 3, bias=False, weight_quant=const_weight(bits=3)),
        QuantReLU(const_activation(bits=2, max_val=1.0)),
        nn.Flatten(),
        QuantLinear(64, 3, bias=False, weight_quant=const_weight(bits=3)),
    )
    placed = place(trace(net, torch.zeros(1, 1, 6, 6), input_bits=4).layers())
    model = _model(reuse=4, **options)
    found = unrolled_parts(placed, model)
    bill = model.price(placed)
    for name in COUNTED:
        assert sum(part.estimate[name] for part in found) == pytest.approx(float(bill[name].sum()))
    terms = {part.layer: part.terms for part in found if part.block == "MatVec"}
    assert terms["0"] is not None and [times for times, _ in terms["0"]] == [4.0]  # 16 pixels in 4 cycles
    assert terms["3"] is not None and [times for times, _ in terms["3"]] == [1.0]
    assert {part.block for part in found if part.terms is None} == {"Thresholds", "Window"}
    assert all(part.unknown == ("FF",) for part in found if part.terms is not None)


def test_units_have_the_live_weights_of_each_group() -> None:
    item = _product([[1, 0, -3], [0, 0, 0], [0, 5, 0], [0, 0, 7]], rows=2, groups=2)
    (part,) = unrolled_parts([item], _model(value_aware=True))
    assert part.terms is not None
    units = [unit for _, unit in part.terms]
    assert [(unit.input, unit.structure, unit.matrix) for unit in units] == [
        ("UINT3", "", "1 -3"), ("UINT3", "", "5 0;0 7"),
    ]  # fmt: skip
    assert all(prove(unit, vectors=8) for unit in units)


def test_columns_have_their_widths_where_sums_are_shared() -> None:
    bits = torch.tensor([1.0, 4.0, 2.0])
    item = _product([[3, 0, -5], [3, 0, 5]], columns=integers(bits, signed=False))
    for sums, wires in (("shared", "UINT1 UINT2"), ("apart", "UINT3")):
        (part,) = unrolled_parts([item], _model(sums=sums))
        assert part.terms is not None and part.terms[0][1].input == wires
        assert part.terms[0][1].matrix == "3 -5;3 5" and prove(part.terms[0][1], vectors=8)


def test_a_bipolar_input_is_its_bit_and_nothing_is_built_of_zeros() -> None:
    (part,) = unrolled_parts([_product([[3, 0], [0, -5]], input=binary())], _model(sums="shared"))
    assert part.terms is not None and part.terms[0][1].input == "UINT1"
    assert unrolled_parts([_product([[0, 0]])], _model(sums="shared")) == []


def test_weights_that_are_not_known_are_refused() -> None:
    with pytest.raises(UnknownPrecision, match="fc: its integer weights are not known"):
        unrolled_parts([_product([[1, 2]], integers=None)], _model())
