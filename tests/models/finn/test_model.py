"""FINN as a hardware model: the figures of `finn.node` on our blocks."""

from __future__ import annotations

import pytest
import torch

from hwcost.errors import UnknownBlock
from hwcost.graph.ranges import Range, binary, integers
from hwcost.graph.spec import Adder, MatVec, Pool, ScaleBias, Thresholds, Window
from hwcost.models import Finn, Fold, HardwareModel, Placed
from hwcost.models.finn import node

U4 = integers(4, signed=False)
I12 = integers(12, signed=True)


def unit(bits: torch.Tensor, groups: int = 1, rows: int = 16) -> MatVec:
    bounds = integers(bits.detach(), signed=True)
    weight = Range(bounds.low, bounds.high, bits)
    return MatVec(rows=rows, cols=9, groups=groups, vectors=4, weight=weight, input=U4, acc=I12)


def width(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def items() -> list[Placed]:
    window = Window(
        channels=4, image=(8,), kernel=(3,), stride=(1,), dilation=(1,), padding=((1, 1),), output=(8,), input=U4
    )
    act = Thresholds(channels=16, vectors=4, input=I12, output=integers(2, signed=False))
    pool = Pool(kind="max", channels=16, kernel=(2, 2), vectors=1, input=U4, output=U4)
    adder = Adder(channels=16, vectors=4, left=U4, right=U4, output=integers(5, signed=False))
    blocks = {"win": window, "fc": unit(width(4)), "act": act, "pool": pool, "add": adder}
    return [Placed(name, block) for name, block in blocks.items()]


MODEL = Finn(device="xc7z020", folding={"fc": Fold(4, 3)})
GROUPED = Finn(device="xc7z020", folding={"fc": Fold(4, 1)})


def test_price_is_what_finn_says_of_each_node() -> None:
    placed = items()
    bill = MODEL.price(placed)
    for index, (op, attributes) in enumerate(MODEL.nodes(placed)):
        figures = node(op, attributes, "xc7z020clg400-1")
        assert {n: int(t[index]) for n, t in bill.items()} == {n.replace("_18K", "18"): v for n, v in figures.items()}
    ops = [op for op, _ in MODEL.nodes(placed)]
    assert ops == ["ConvolutionInputGenerator_rtl", "MVAU_hls", "Thresholding_rtl", "Pool_hls", "AddStreams_hls"]
    assert isinstance(MODEL, HardwareModel)
    assert MODEL.price([])["LUT"].shape == (0,)


def test_line_between_whole_widths_and_slope_of_the_next_bit() -> None:
    at = {bits: float(MODEL.price([Placed("fc", unit(width(bits)))])["LUT"].detach()) for bits in (4.0, 4.25, 5.0)}
    assert at[4.25] == pytest.approx(0.75 * at[4.0] + 0.25 * at[5.0], rel=1e-12)
    bits = width(4)
    (slope,) = torch.autograd.grad(MODEL.price([Placed("fc", unit(bits))])["LUT"].sum(), bits)
    assert float(slope) == at[5.0] - at[4.0]


def test_a_free_bit_still_has_a_slope() -> None:
    bits = width(4)
    bill = MODEL.price([Placed("fc", unit(bits))])
    (slope,) = torch.autograd.grad(bill["BRAM18"].sum(), bits)
    assert float(bill["BRAM18"].detach()) == float(MODEL.price([Placed("fc", unit(width(5)))])["BRAM18"].detach())
    assert slope > 0


def test_depthwise_and_bipolar_nodes() -> None:
    deep = GROUPED.nodes([Placed("fc", unit(width(4), groups=8, rows=1))])
    assert deep[0][0] == "VVAU_hls" and deep[0][1]["Channels"] == 8
    xnor = MatVec(rows=16, cols=9, weight=binary(), input=binary(), acc=I12)
    (_, attributes) = MODEL.nodes([Placed("fc", xnor)])[0]
    assert attributes["weightDataType"] == attributes["inputDataType"] == "BIPOLAR"


def test_what_finn_cannot_build() -> None:
    with pytest.raises(UnknownBlock, match="fc: FINN has no unit for 2 groups of 4 outputs"):
        GROUPED.price([Placed("fc", unit(width(4), groups=2, rows=4))])
    scale = ScaleBias(channels=4, vectors=1, input=U4, weight=U4, bias=None, output=I12)
    with pytest.raises(UnknownBlock, match="bn: FINN has no node for a ScaleBias block"):
        MODEL.price([Placed("bn", scale)])
