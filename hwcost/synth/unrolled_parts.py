"""The parts of an unrolled design: each product with constants is a unit, with the sums that its price counts."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from hwcost.graph.ranges import Range, widest
from hwcost.graph.spec import MatVec
from hwcost.models import Placed, Unrolled
from hwcost.models.calibration.corpus import Unit, name_of
from hwcost.models.resources import COUNTED
from hwcost.models.unrolled.constant_product import known
from hwcost.models.unrolled.liveness import live
from hwcost.synth.constant import SHARED
from hwcost.synth.parts import Part

REGISTERED = ("FF",)
"""Resources of a product that are not built: its registers."""


def unrolled_parts(placed: Sequence[Placed], model: Unrolled) -> list[Part]:
    """Every block of an unrolled design that costs something; products alone have units.

    The units have the present weights, whether the model prices their values or their widths alone.

    Args:
        placed: the blocks with their links, as `hwcost.models.place` gives them.
        model: prices them; its sums decide whether the units share theirs.

    Raises:
        UnknownPrecision: weights that are not known.
    """
    products = {at: known(item) for at, item in enumerate(placed) if isinstance(item.block, MatVec)}
    with torch.no_grad():
        bill, codes = model.price(placed), live(placed, products).codes
    found = []
    for at, item in enumerate(placed):
        amounts = {name: float(bill[name][at]) for name in COUNTED}
        part = Part(layer=item.layer, block=type(item.block).__name__, name="all", estimate=amounts, terms=None)
        if isinstance(item.block, MatVec):
            copies = float(model.copies(item.layer, item.block.vectors))
            units = _products(item.block, codes[at], model.sums == SHARED)
            terms = tuple((copies, unit) for unit in units)
            part = replace(part, name="sums", terms=terms, unknown=REGISTERED)
        if any(amounts.values()):
            found.append(part)
    return found


def _products(block: MatVec, codes: Tensor, shares: bool) -> list[Unit]:
    """A unit for each group of channels; columns that nothing reads are left out, and rows that are constant."""
    units = []
    for group in range(block.groups):
        matrix = codes[group * block.rows : (group + 1) * block.rows]
        read = (matrix != 0).any(0)
        matrix = matrix[(matrix != 0).any(1)][:, read]
        if not len(matrix):
            continue
        wires = [_wire(block.input)]
        if shares and block.columns is not None:
            wires = [_wire(_column(block.columns, at)) for at in read.nonzero().flatten().tolist()]
        rows = ";".join(" ".join(map(str, row)) for row in matrix.tolist())
        units.append(Unit(kind="constant", structure=SHARED if shares else "", input=" ".join(wires), matrix=rows))
    return units


def _wire(inputs: Range) -> str:
    """The code of an input; a bipolar one is its bit, since what it adds to a sum is constant."""
    one = widest(inputs)
    return "UINT1" if one.bipolar else name_of(one)


def _column(columns: Range, at: int) -> Range:
    """The range of one column."""
    return columns.each(lambda bound: bound if bound.ndim == 0 else bound[at])
