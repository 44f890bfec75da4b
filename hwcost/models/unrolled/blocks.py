"""Everything but matrix products in an unrolled design: constant thresholds, pooling, adders, clips, windows.

A channel with a width of its own is priced at that width. Laws are written once, see `relax`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log2, prod
from types import MappingProxyType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph.ranges import widest
from hwcost.graph.spec import Adder, Block, Concat, LabelSelect, Link, Pool, Saturate, ScaleBias, Thresholds, Window
from hwcost.models.formulas import lut
from hwcost.models.formulas.elementwise import adds_signed, clip, clips_signed
from hwcost.models.formulas.formula import Setting
from hwcost.models.formulas.memory import memory, style_index
from hwcost.models.formulas.relax import Arithmetic, Quantity, relax
from hwcost.models.unrolled.signed_digits import expected_digits

PARTS = ("LUT", "FF", "BRAM18", "levels")
"""What a law gives; DSP and URAM are never used."""


FIRST_BITS = 4
"""Bits of an accumulator that a comparison with a constant gets for nothing. Source: fit, as `constant_comparator`."""

SHORT_BITS = 12
"""Widest accumulator that is compared with a constant in LUTs, without a carry chain. Source: Yosys 0.70."""

FUNCTIONS = 12
"""Different functions of a few bits that comparisons on carry chains are made of: what two of them have in common is
built once. Source: fit, as `constant_comparator`."""

ROM_BITS = 5
"""Output bits that a comparator's LUTs can look at beside the bit that they compare: LUT6."""


@dataclass(frozen=True, eq=False)
class Wired:
    """A block with the number of copies that work at once.

    Attributes:
        layer: for messages.
        block: what to build.
        copies: vectors (pixels) per cycle.
    """

    layer: str
    block: Any
    copies: int


@dataclass(frozen=True)
class WiredLaw:
    """How one kind of block is priced.

    Attributes:
        vectors: of the block, what copies are counted in.
        widths: the widths of the law, () or (channels,) each.
        elements: how many of what the law prices; spread evenly over its widths.
        geometry: the other numbers of the law.
        law: (arithmetic, widths, geometry, setting) -> PARTS of one element.
    """

    vectors: Callable[[Any], int]
    widths: Callable[[Any], tuple[Tensor, ...]]
    elements: Callable[[Wired], int]
    geometry: Callable[[Wired], Mapping[str, float]]
    law: Callable[[Arithmetic, Any, Any, Setting], dict[str, Quantity]]

    def price(self, items: Sequence[Wired], setting: Setting) -> dict[str, Tensor]:
        """PARTS of every block, float64 (len(items),); exact at whole widths, the gradient never dies.

        Args:
            items: blocks of this kind.
            setting: what they share.
        """
        columns, owners, counts, geometry = [], [], [], []
        for index, item in enumerate(items):
            widths = [bits.to(torch.float64).reshape(-1) for bits in self.widths(item.block)]
            entries = max(len(bits) for bits in widths)
            columns.append(torch.stack([bits.expand(entries) for bits in widths]))
            owners += [index] * entries
            counts += [self.elements(item) / entries] * entries
            geometry += [self.geometry(item)] * entries
        owner, count = torch.tensor(owners), torch.tensor(counts, dtype=torch.float64)
        table = {
            name: torch.tensor([row[name] for row in geometry], dtype=torch.float64) for name in (geometry[0] or ())
        }
        place = SimpleNamespace(**table)
        found = relax(lambda ops, widths: self.law(ops, widths, place, setting), torch.cat(columns, 1))
        none = torch.zeros(len(items), dtype=torch.float64)
        bill = {name: none.index_add(0, owner, found[name] * count) for name in PARTS[:-1]}
        return bill | {"levels": none.scatter_reduce(0, owner, found["levels"], "amax")}


def _thresholds(ops: Arithmetic, widths: Any, g: Any, setting: Setting) -> dict[str, Quantity]:
    """Comparators with constants: one per threshold, their adder included, or one per output bit.

    A stage of a search looks its constant up by the output bits above it: in the LUTs of its comparator up to 5 bits,
    in a ROM of LUTs beyond.

    Error: 20 synthesized sets of random thresholds, none of the fit: "parallel" MAPE 8.4%, "search" 8.0%, worst 23%
    both (reports/calibration/unrolled.md).
    Source: Yosys 0.70; constants in coefficients.json. Above 5 output bits not measured.
    """
    c = setting.constants
    compared, bits = widths
    steps = ops.exp2(bits) - 1
    # in LUTs, the first of which takes several bits at once, or on a carry chain, parts of which neighbours share
    short = c["short_comparator"] * ops.maximum(compared - FIRST_BITS, compared / (FIRST_BITS + 1))
    is_short = ops.special(compared <= SHORT_BITS)
    one = ops.where(is_short, short, c["constant_comparator"] * compared)
    if setting.thresholds == "parallel":
        different = FUNCTIONS * (1 - ops.exp2(steps * log2(1 - 1 / FUNCTIONS)))
        encoder = c["constant_encoder"] * ops.maximum(2 * steps - bits - 2, 0 * bits)
        logic = ops.where(is_short, one * steps, one * different + encoder)
    else:
        first = ops.minimum(bits, 1 + 0 * bits)
        rom = ops.exp2(ops.maximum(bits - ROM_BITS, 0 * bits)) - 1
        logic = one * first + compared * (c["constant_stage"] * (bits - first) + rom)
    return {"LUT": logic, "FF": bits + 0 * steps, "BRAM18": 0 * bits, "levels": bits + 0 * steps}


def _pool(ops: Arithmetic, widths: Any, g: Any, setting: Setting) -> dict[str, Quantity]:
    c = setting.constants
    inputs, outputs = widths
    largest = c["maximum_bit"] * (g.window - 1) * inputs
    total = c["adder_bit"] * lut.adder_tree(ops, g.window, inputs)
    logic = ops.where(g.sums == 1, total, largest)
    return {"LUT": logic, "FF": outputs, "BRAM18": 0 * outputs, "levels": ops.ceil_log2(g.window) + 0 * outputs}


def _adder(ops: Arithmetic, widths: Any, g: Any, setting: Setting) -> dict[str, Quantity]:
    left, right, outputs = widths
    added = ops.where(g.signed == 1, ops.maximum(left, right), ops.minimum(left, right))
    return {
        "LUT": setting.constants["adder_bit"] * added, "FF": outputs, "BRAM18": 0 * outputs, "levels": 1 + 0 * outputs
    }  # fmt: skip


def _saturate(ops: Arithmetic, widths: Any, g: Any, setting: Setting) -> dict[str, Quantity]:
    c = setting.constants
    inputs, outputs = widths
    return {
        "LUT": clip(ops, inputs, outputs, g.signed, c),
        "FF": outputs,
        "BRAM18": 0 * outputs,
        "levels": 1 + 0 * outputs,
    }


def _scale_bias(ops: Arithmetic, widths: Any, g: Any, setting: Setting) -> dict[str, Quantity]:
    """A constant factor per channel, by its expected digits, and a constant to add."""
    inputs, weight, outputs = widths
    digits = expected_digits(weight)
    logic = digits * inputs + setting.constants["adder_bit"] * outputs * g.biased
    return {"LUT": logic, "FF": outputs, "BRAM18": 0 * outputs, "levels": digits + g.biased}


def _window(ops: Arithmetic, widths: Any, g: Any, setting: Setting) -> dict[str, Quantity]:
    (bits,) = widths
    word = g.word * bits
    in_lut, in_bram, _ = memory(ops, word, g.depth, g.style)
    return {
        "LUT": setting.constants["window_control"] * g.built + g.buffers * in_lut,
        "FF": g.pixels * word,
        "BRAM18": g.buffers * in_bram,
        "levels": 0 * bits,
    }


def _window_geometry(item: Wired) -> dict[str, float]:
    """Line buffers as long as a line, split over the copies; the pixels of a window in registers."""
    block = item.block
    if len(block.image) > 2:
        raise BadOption(f"{item.layer}: a window of {len(block.image)} dimensions has no formula; lower it to 1 or 2")
    plane = len(block.image) == 2
    rows, row_dilation = (block.kernel[0], block.dilation[0]) if plane else (1, 1)
    cols, col_dilation = block.kernel[-1], block.dilation[-1]
    width = block.image[-1] + sum(block.padding[-1])
    depth = ceil(width * row_dilation / item.copies)
    whole = item.copies >= _pixels(block)  # the image is on wires: a window is only their choice
    span = (cols - 1) * col_dilation + item.copies
    return {
        "word": block.channels * item.copies,
        "depth": depth,
        "style": style_index("auto", depth, "rtl"),
        "built": float(not whole),
        "buffers": 0 if whole else rows - 1,
        "pixels": 0 if whole else rows * span / item.copies,
    }


def _pixels(block: Window) -> int:
    return prod(size + before + after for size, (before, after) in zip(block.image, block.padding, strict=True))


def _wires(ops: Arithmetic, widths: Any, g: Any, setting: Setting) -> dict[str, Quantity]:
    """Blocks stand side by side: a stream between them, or a concatenation, is only wires."""
    (bits,) = widths
    return dict.fromkeys(PARTS, 0.0 * bits)


def _label_select(ops: Arithmetic, widths: Any, g: Any, setting: Setting) -> dict[str, Quantity]:
    """A tree of comparisons, each of which passes the larger element and its index on."""
    c = setting.constants
    (bits,) = widths
    logic = (g.labels - 1) * (c["maximum_bit"] * bits + g.index)
    return {"LUT": logic, "FF": g.index + 0 * bits, "BRAM18": 0 * bits, "levels": g.index + 0 * bits}


def _label_geometry(item: Wired) -> dict[str, float]:
    return {"labels": item.block.channels, "index": (item.block.channels - 1).bit_length()}


def _pool_geometry(item: Wired) -> dict[str, float]:
    if item.block.kind not in ("max", "sum"):
        raise BadOption(f"{item.layer}: pooling of kind {item.block.kind!r} has no formula; use 'max' or 'sum'")
    return {"window": prod(item.block.kernel), "sums": float(item.block.kind == "sum")}


def _adder_geometry(item: Wired) -> dict[str, float]:
    return {"signed": float(adds_signed(item.block))}


def _nothing(item: Wired) -> dict[str, float]:
    return {}


def _lanes(item: Wired) -> int:
    return int(item.copies * item.block.channels)


def _vectors(block: Any) -> int:
    return int(block.vectors)


def _scale_widths(block: ScaleBias) -> tuple[Tensor, ...]:
    return widest(block.input).bits, block.weight.bits, block.output.bits


WIRED: Mapping[type[Block], WiredLaw] = MappingProxyType(
    {
        Thresholds: WiredLaw(_vectors, lambda b: (b.input.bits, b.output.bits), _lanes, _nothing, _thresholds),
        Pool: WiredLaw(_vectors, lambda b: (b.input.bits, b.output.bits), _lanes, _pool_geometry, _pool),
        Adder: WiredLaw(
            _vectors, lambda b: (b.left.bits, b.right.bits, b.output.bits), _lanes, _adder_geometry, _adder
        ),
        Saturate: WiredLaw(
            _vectors,
            lambda b: (b.input.bits, b.output.bits),
            _lanes,
            lambda item: {"signed": float(clips_signed(item.block))},
            _saturate,
        ),
        ScaleBias: WiredLaw(
            _vectors, _scale_widths, _lanes, lambda item: {"biased": float(item.block.bias is not None)}, _scale_bias
        ),
        LabelSelect: WiredLaw(
            _vectors, lambda b: (widest(b.input).bits,), lambda item: item.copies, _label_geometry, _label_select
        ),
        Concat: WiredLaw(_vectors, lambda b: (b.output.bits,), _lanes, _nothing, _wires),
        Link: WiredLaw(lambda b: 1, lambda b: (widest(b.wire).bits,), lambda item: 1, _nothing, _wires),
        Window: WiredLaw(_pixels, lambda b: (b.input.bits,), lambda item: 1, _window_geometry, _window),
    }
)
"""The law of each kind of block; pass `wired=WIRED | {MyBlock: my_law}` to add one."""
