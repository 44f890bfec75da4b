"""Random blocks for the tests of hardware models."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from hwcost.graph.ranges import Range, binary, dot, integers
from hwcost.graph.spec import Adder, Block, Concat, LabelSelect, MatVec, Pool, Saturate, ScaleBias, Thresholds, Window

KINDS = (
    "matvec", "xnor", "bipolar", "depthwise", "window", "thresholds", "max", "sum", "adder", "scale", "scale_bias",
    "saturate", "concat", "label",
)  # fmt: skip
COORDINATES = {
    "matvec": 3, "xnor": 1, "bipolar": 2, "depthwise": 3, "window": 1, "thresholds": 2, "max": 2, "sum": 2, "adder": 1,
    "scale": 3, "scale_bias": 4, "saturate": 2,
    "concat": 1, "label": 1,
}  # fmt: skip


def bits(value: float) -> Tensor:
    """A width that takes part in a gradient."""
    return torch.tensor(float(value), dtype=torch.float64, requires_grad=True)


def wire(width: Tensor, *, signed: bool = True, narrow: bool = False) -> Range:
    """An integer range; the range itself carries no gradient, only its width."""
    bounds = integers(width.detach(), signed=signed, narrow=narrow)
    return Range(bounds.low, bounds.high, width)


@st.composite
def geometries(draw: st.DrawFn) -> dict[str, Any]:
    """A kind of block and its sizes, without widths."""
    return {
        "kind": draw(st.sampled_from(KINDS)),
        "rows": draw(st.sampled_from((1, 2, 6, 10, 16, 64))),
        "cols": draw(st.sampled_from((1, 3, 9, 27, 64, 150, 576))),
        "groups": draw(st.sampled_from((1, 2, 4))),
        "vectors": draw(st.sampled_from((1, 9, 100))),
        "narrow": draw(st.booleans()),
        "channels": draw(st.sampled_from((1, 3, 8, 64, 130))),
        "size": draw(st.integers(5, 40)),
        "pad": draw(st.integers(0, 2)),
        "stride": draw(st.integers(1, 3)),
        "kernel": draw(st.sampled_from((1, 2, 3, 5))),
        "plane": draw(st.booleans()),
    }


def build(g: dict[str, Any], widths: list[Tensor]) -> Block:
    """The block of a geometry at the given widths, one per coordinate of its kind."""
    kind, width = g["kind"], iter(widths)
    if kind in ("matvec", "depthwise"):
        grouped = kind == "depthwise"
        return MatVec(
            rows=1 if grouped else g["rows"],
            cols=g["cols"],
            groups=g["channels"] if grouped else g["groups"],
            vectors=g["vectors"],
            weight=wire(next(width), narrow=g["narrow"]),
            input=wire(next(width), signed=False),
            acc=wire(next(width)),
        )
    if kind in ("xnor", "bipolar"):
        weight = binary()
        inputs = binary() if kind == "xnor" else wire(next(width), signed=False)
        return MatVec(rows=g["rows"], cols=g["cols"], weight=weight, input=inputs, acc=wire(next(width)))
    if kind == "window":
        rank = 2 if g["plane"] else 1
        out = (g["size"] + 2 * g["pad"] - g["kernel"]) // g["stride"] + 1
        return Window(
            channels=g["channels"],
            image=(g["size"],) * rank,
            kernel=(g["kernel"],) * rank,
            stride=(g["stride"],) * rank,
            dilation=(1,) * rank,
            padding=((g["pad"], g["pad"]),) * rank,
            output=(out,) * rank,
            input=wire(next(width)),
        )
    stream = {"channels": g["channels"], "vectors": g["vectors"]}
    if kind == "thresholds":
        return Thresholds(**stream, input=wire(next(width)), output=wire(next(width), signed=False))
    if kind in ("max", "sum"):
        return Pool(**stream, kind=kind, kernel=(g["kernel"],) * 2, input=wire(next(width)), output=wire(next(width)))
    if kind == "adder":
        return Adder(**stream, left=wire(bits(4)), right=wire(bits(4)), output=wire(next(width)))
    if kind == "concat":
        streams = (g["channels"], 2 * g["channels"], g["channels"])[: 1 + g["kernel"] % 3]
        return Concat(streams=streams, vectors=g["vectors"], output=wire(next(width)))
    if kind == "label":
        return LabelSelect(**stream, input=wire(next(width)), output=wire(bits(8), signed=False))
    if kind == "saturate":
        return Saturate(**stream, input=wire(next(width)), output=wire(next(width)))
    inputs, weight = wire(next(width)), wire(next(width))
    bias = wire(next(width)) if kind == "scale_bias" else None
    return ScaleBias(**stream, input=inputs, weight=weight, bias=bias, output=wire(next(width)))


def dense(rows: int, cols: int, vectors: int = 1, *, weight: Range | None = None, input: Range | None = None) -> MatVec:
    """A matrix-vector unit of 4-bit operands, with its exact accumulator."""
    weight = weight or integers(4, signed=True)
    input = input or integers(4, signed=False)
    return MatVec(rows=rows, cols=cols, vectors=vectors, weight=weight, input=input, acc=dot(input, weight, cols))
