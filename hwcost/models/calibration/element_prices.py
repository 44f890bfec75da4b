"""Blocks and formulas of units that treat each element on its own, or change the order of a stream."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from immutabledict import immutabledict

from hwcost.graph.blocks import ChannelSum, Multiplier, Pad, Reorder, Table
from hwcost.graph.ranges import product
from hwcost.graph.spec import Block, Saturate
from hwcost.models.calibration.corpus import Unit, wire
from hwcost.models.formulas.elements import ChannelSumFormula, MultiplierFormula, TableFormula
from hwcost.models.formulas.elementwise import SaturateFormula
from hwcost.models.formulas.formula import Law
from hwcost.models.formulas.order import BufferFormula, PadFormula

Priced = tuple[Law[Any], Block]


def _multiplier(unit: Unit) -> Priced:
    left, right = wire(unit.input), wire(unit.weight)
    return MultiplierFormula(), Multiplier(
        channels=unit.pe, vectors=1, left=left, right=right, output=product(left, right)
    )


def _table(unit: Unit) -> Priced:
    return TableFormula(), Table(channels=unit.pe, vectors=1, input=wire(unit.input), output=wire(unit.output))


def _channel_sum(unit: Unit) -> Priced:
    ((folds, pixels),) = unit.numbers
    wires = wire(unit.input), wire(unit.output)
    return ChannelSumFormula(), ChannelSum(channels=folds * unit.pe, vectors=pixels, input=wires[0], output=wires[1])


def _reorder(unit: Unit) -> Priced:
    sizes, ways = unit.numbers
    half = 1 + sum((size - 1) * way for size, way in zip(sizes, ways, strict=True))
    return BufferFormula(), Reorder(
        channels=unit.pe, vectors=prod(sizes), held=half * unit.pe, lanes=unit.pe, input=wire(unit.input)
    )


def _pad(unit: Unit) -> Priced:
    (folds, *pixels), before, after = unit.numbers
    first, *pads = zip(before, after, strict=True)
    element = wire(unit.input)
    ends = ((first[0] * unit.pe, first[1] * unit.pe), *pads)
    return PadFormula(), Pad(sides=(folds * unit.pe, *pixels), pads=ends, input=element, output=element)


def _saturate(unit: Unit) -> Priced:
    block = Saturate(channels=unit.pe, vectors=1, input=wire(unit.input), output=wire(unit.output))
    return SaturateFormula(), block


ELEMENT_BLOCKS: Mapping[str, Callable[[Unit], Priced]] = immutabledict(
    {
        "multiplier": _multiplier,
        "table": _table,
        "channel_sum": _channel_sum,
        "reorder": _reorder,
        "pad": _pad,
        "saturate": _saturate,
    }
)
"""Kind -> unit -> its formula and block."""
