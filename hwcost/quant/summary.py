"""A table of every width of a network."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hwcost.quant.bits import ConstBits, LearnedBits
from hwcost.quant.layers.accumulator import NarrowedBits
from hwcost.quant.quantizers import Quantizer


@dataclass(frozen=True, kw_only=True)
class WidthRow:
    """One width of a network, or one tensor of widths.

    Attributes:
        layer: name of the layer it belongs to; "" for the network itself.
        kind: "weight", "input", "output", "bias", "accumulator", or the attribute that holds its quantizer.
        bits: width now, in bits; the mean of several; None where it follows the width of a sum (`NarrowedBits`).
        smallest, largest: of several widths, in bits.
        count: number of widths.
        base, most: bounds, in bits.
        offset: learned Parameter: the offset (mean magnitude of several), or p; None of a constant width.
        state: "learned", "frozen" or "constant".
        shared: where the same width already stands in the table, "" if nowhere.
    """

    layer: str
    kind: str
    bits: float | None
    smallest: float | None
    largest: float | None
    count: int
    base: int
    most: int
    offset: float | None
    state: str
    shared: str


KINDS = {"weight_quant": "weight", "input_quant": "input", "bias_quant": "bias", "quant": "output"}
COLUMNS = ("layer", "kind", "bits", "base", "most", "offset", "state", "shared")


class WidthSummary(list[WidthRow]):
    """Rows, in the order of the network; prints as a table, and `pandas.DataFrame(summary)` is one."""

    def __str__(self) -> str:
        lines = [COLUMNS, *(_cells(row) for row in self)]
        sizes = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
        return "\n".join(
            "  ".join(cell.ljust(size) for cell, size in zip(line, sizes, strict=True)).rstrip() for line in lines
        )


def _cells(row: WidthRow) -> tuple[str, ...]:
    bits = "of the sum" if row.bits is None else f"{row.bits:.4g}"
    if row.count > 1:
        bits += f" ({row.smallest:.4g} to {row.largest:.4g}, {row.count} widths)"
    offset = "" if row.offset is None else f"{row.offset:.3f}"
    return row.layer, row.kind, bits, str(row.base), str(row.most), offset, row.state, row.shared


def width_summary(net: nn.Module) -> WidthSummary:
    """Every width of a network: learned, frozen and constant, of weights, activations, inputs, biases, accumulators.

    Args:
        net: any module.

    Returns:
        One row per place where a width is used, so that shared ones appear several times; no gradient.

    >>> from hwcost.quant import QuantReLU, learned_activation
    >>> print(width_summary(nn.Sequential(QuantReLU(learned_activation(bits=5)))))
    layer  kind    bits  base  most  offset  state    shared
    0      output  5     2     16    3.000   learned
    """
    first: dict[int, str] = {}
    rows = WidthSummary()
    for name, module in net.named_modules(remove_duplicate=False):
        holder, last = name.rpartition(".")[::2]
        if isinstance(module, LearnedBits | ConstBits | NarrowedBits):
            place = holder if last == "bits" else name
        elif isinstance(module, Quantizer) and not isinstance(getattr(module, "bits", None), nn.Module):
            place = name
        else:
            continue
        layer, kind = place.rpartition(".")[::2]
        if kind.isdigit():  # one of the quantizers of a merge
            layer, kind = layer.rpartition(".")[0], f"stream {kind}"
        rows.append(_row(module, layer, KINDS.get(kind, kind), first.get(id(module), "")))
        first.setdefault(id(module), place)
    return rows


@torch.no_grad()
def _row(module: nn.Module, layer: str, kind: str, shared: str) -> WidthRow:
    parameter: nn.Parameter | None = None
    widths: Tensor | None = None
    if isinstance(module, NarrowedBits):
        parameter, base, most = module.p, module.least, module.most
    elif isinstance(module, LearnedBits):
        parameter, base, most, widths = module.offset, module.base, module.most, module()
    else:
        widths = module.range().bits if isinstance(module, Quantizer) else module()
        base, most = int(widths.amin()), int(widths.amax())
    state = "constant" if parameter is None else "learned" if parameter.requires_grad else "frozen"
    return WidthRow(
        layer=layer,
        kind=kind,
        bits=None if widths is None else float(widths.mean()),
        smallest=None if widths is None else float(widths.amin()),
        largest=None if widths is None else float(widths.amax()),
        count=1 if widths is None else widths.numel(),
        base=base,
        most=most,
        offset=None if parameter is None else float(parameter.abs().mean()),
        state=state,
        shared=shared,
    )
