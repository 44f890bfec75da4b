"""Tables of widths: equal to describing and pricing the network again, assignment by assignment."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from block_strategies import dense

from hwcost.errors import BadOption
from hwcost.models import RESOURCES, Dataflow, Fold, place
from hwcost.models.assignments import WidthTable
from hwcost.ranges import Range, add, binary, dot, integers
from hwcost.spec import Adder, Block, Layer, LayerSpec, MatVec, Pool, ScaleBias, Signal, Thresholds, Window

FOLDS = {"conv": Fold(4, 9), "left": Fold(2, 4), "right": Fold(1, 8), "head": Fold(1, 4)}
MODEL = Dataflow(device="xc7z020", folding=FOLDS)


def layer(name: str, source: Range, output: Range, *blocks: Block) -> Layer:
    signals = Signal(range=source, shape=(1,)), Signal(range=output, shape=(1,))
    return Layer(name=name, kind="test", inputs=signals[:1], spec=LayerSpec(output=signals[1], blocks=blocks))


def network(bits: tuple[int, ...], *, extra: int = 0, shared: bool = False) -> list[Layer]:
    """conv, pool, two branches, their sum and a head; widths in the order of the wires of a table."""
    image = integers(8, signed=False)
    weights = [integers(b, signed=True, narrow=i == 0) for i, b in enumerate((bits[0], bits[2], bits[4], bits[6]))]
    if shared:
        weights[2] = weights[1]
    acts = [integers(b, signed=False) for b in (bits[1], bits[3], bits[5])]
    window = Window(
        channels=1, image=(10, 10), kernel=(3, 3), stride=(1, 1), dilation=(1, 1), padding=((0, 0),) * 2,
        output=(8, 8), input=image,
    )  # fmt: skip
    layers = []

    def unit(name: str, source: Range, weight: Range, rows: int, cols: int, vectors: int, *before: Block) -> Range:
        acc = dot(source, weight, cols)
        acc = dataclasses.replace(acc, bits=acc.bits + extra)
        block = MatVec(rows=rows, cols=cols, vectors=vectors, weight=weight, input=source, acc=acc)
        layers.append(layer(name, source, acc, *before, block))
        return acc

    def activate(name: str, source: Range, output: Range, channels: int, vectors: int) -> None:
        block = Thresholds(channels=channels, vectors=vectors, input=source, output=output)
        layers.append(layer(name, source, output, block))

    activate("act", unit("conv", image, weights[0], 8, 9, 64, window), acts[0], 8, 64)
    pool = Pool(kind="max", channels=8, kernel=(2, 2), vectors=16, input=acts[0], output=acts[0])
    layers.append(layer("pool", acts[0], acts[0], pool))
    activate("left_act", unit("left", acts[0], weights[1], 8, 8, 16), acts[1], 8, 16)
    activate("right_act", unit("right", acts[0], weights[2], 8, 8, 16), acts[2], 8, 16)
    total = add(acts[1], acts[2])
    adder = Adder(channels=8, vectors=16, left=acts[1], right=acts[2], output=total)
    layers.append(layer("add", acts[1], total, adder))
    unit("head", total, weights[3], 4, 128, 1)
    return layers


def priced(layers: list[Layer]) -> dict[str, float]:
    bill = MODEL.price(place(layers))
    return {name: float(bill[name].max() if name == "cycles" else bill[name].sum()) for name in RESOURCES}


WIRES = (
    "conv.weight", "act.output", "left.weight", "left_act.output", "right.weight", "right_act.output", "head.weight",
)  # fmt: skip


@pytest.mark.parametrize("extra", [0, 2])
def test_equal_to_pricing_again(extra: int) -> None:
    table = WidthTable(MODEL, network((4, 3, 4, 3, 4, 3, 4), extra=extra), most_bits=7)
    assert table.wires == WIRES
    assert table.described.tolist() == [4, 3, 4, 3, 4, 3, 4]
    bits = torch.randint(2, 8, (40, len(WIRES)))
    totals = table.totals(bits)
    for index, row in enumerate(bits.tolist()):
        expected = priced(network(tuple(row), extra=extra))
        assert {name: float(totals[name][index]) for name in RESOURCES} == expected


def test_one_quantizer_in_two_layers_is_one_width() -> None:
    table = WidthTable(MODEL, network((4, 3, 4, 3, 4, 3, 4), shared=True))
    assert "right.weight" not in table.wires and len(table.wires) == 6
    wider = torch.tensor([[4, 3, 7, 3, 3, 4]])
    expected = priced(network((4, 3, 7, 3, 7, 3, 4), shared=True))
    assert {name: float(total[0]) for name, total in table.totals(wider).items()} == expected


def test_bipolar_weights_stay_bipolar_at_one_bit() -> None:
    image = integers(4, signed=False)
    acc = dot(image, binary(), 8)
    unit = MatVec(rows=8, cols=8, weight=binary(), input=image, acc=acc)
    layers = [layer("left", image, acc, unit)]
    table = WidthTable(MODEL, layers)
    assert float(table.totals(torch.tensor([[1]]))["LUT"]) == priced(layers)["LUT"]


def test_shadow_prices_are_differences_of_totals() -> None:
    bits = torch.tensor([4, 3, 4, 3, 8, 3, 4])
    table = WidthTable(MODEL, network((4, 3, 4, 3, 4, 3, 4)))
    prices = table.shadow_prices(bits)
    assert set(prices) == set(WIRES) - {"right.weight"}  # already as wide as the table
    wider = bits.clone()
    wider[1] += 1
    here, there = priced(network(tuple(bits.tolist()))), priced(network(tuple(wider.tolist())))
    assert prices["act.output"]["LUT"] == there["LUT"] - here["LUT"] > 0


def test_no_assignments_and_bad_ones() -> None:
    table = WidthTable(MODEL, network((4, 3, 4, 3, 4, 3, 4)))
    assert table.totals(torch.zeros(0, 7, dtype=torch.int64))["LUT"].shape == (0,)
    with pytest.raises(BadOption, match=r"integers of shape \(assignments, 7\)"):
        table.totals(torch.zeros(3, 7))
    with pytest.raises(BadOption, match="widths from 0 to 0; use 1 to 8"):
        table.totals(torch.zeros(3, 7, dtype=torch.int64))
    with pytest.raises(BadOption, match="most_bits=20"):
        WidthTable(MODEL, [], most_bits=20)


def test_a_block_whose_widths_come_from_elsewhere_is_named() -> None:
    image = integers(4, signed=False)
    scale = ScaleBias(channels=4, vectors=1, input=image, weight=image, bias=None, output=image)
    with pytest.raises(BadOption, match="bn: the widths of a ScaleBias follow from no weight or activation here"):
        WidthTable(MODEL, [layer("left", image, image, dense(8, 8)), layer("bn", image, image, scale)][1:])
