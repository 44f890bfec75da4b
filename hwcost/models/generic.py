"""Cost without an architecture: counts of operations and of stored bits, effective bit operations, energy."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from hwcost.graph.blocks import Multiplier
from hwcost.graph.ranges import Range, widest
from hwcost.graph.spec import Adder, Block, MatVec, Pool, ScaleBias, Thresholds
from hwcost.models.resources import Placed

GENERIC = ("MACs", "BOPs", "EBOPs", "weight_bits", "activation_bits", "arithmetic_pJ", "memory_pJ")

MULTIPLY_PJ = (0.002994791667, 0.001041666667)
ADD_PJ = 0.003125
"""Energy of a multiplication, per product of both widths and per bit of the wider one, and of an addition per bit: a
line through 8 and 32 bits (multiply 0.2 and 3.1 pJ, add 32 bits 0.1 pJ). Source: Horowitz, ISSCC 2014, 45 nm, 0.9 V;
the same fit as in QTools."""

SRAM_PJ = 10 / 64
"""Energy of one bit read from, or written to, an 8 kB SRAM. Source: Horowitz, ISSCC 2014: 10 pJ for 64 bits."""

ADDER_SHARE = 0.65
"""Share of a bit operation that EBOPs count for each bit of an addition. Source: HGQ2 (88ddffd), QAdd."""


class Generic:
    """Multiply-accumulates, bit operations, bits to store and energy, per inference; other blocks count nothing.

    * MACs: multiply-accumulates.
    * BOPs: sum over them of weight bits times input bits; each weight its own width.
    * EBOPs: effective bit operations as HGQ2 counts them: the same sum over effective bits, plus the bits of a bias
      for every output; an addition counts 0.65 of the narrower operand's bits, pooling the bits that enter. Effective
      bits leave out the sign of a symmetric code (-7..7 in 4 bits: 3). Zero bits are free.
    * weight_bits: sum over weights of their widths. * activation_bits: sum over quantized activations of their widths.
    * arithmetic_pJ: multiplications and additions. * memory_pJ: every weight read once per vector, every quantized
      activation written and read once, from a small on-chip SRAM.

    Error: none, as definitions. BOPs with one scale against LUTs of folded matrix-vector units: MAPE 24.9% (180 units,
        reports/calibration/error.md). EBOPs with one scale against LUTs of products with constants: 13% with a width
        for each weight, 19% dense with one width (reports/calibration/unrolled.md); 9.9% on 13 published networks,
        leaving one out. HGQ skips what a convolution multiplies by padding; a block does not know its padding, so a
        padded border counts here. Energy is that of an ASIC at 45 nm: good for ratios.
    Source: BOPs as in the UNIQ paper (arXiv:1804.10969), without its accumulator term. EBOPs: HGQ2 88ddffd
        (arXiv:2405.00645). Energy: Horowitz, ISSCC 2014.
    """

    resources: tuple[str, ...] = GENERIC

    def __repr__(self) -> str:
        return "Generic()"

    def price(self, placed: Sequence[Placed]) -> dict[str, Tensor]:
        """Counts per block.

        Args:
            placed: blocks of any kind.

        Returns:
            The counts, float64 (len(placed),) each. Gradient: to the widths, each weight's or channel's own.
        """
        rows = [_counts(item.block) for item in placed]
        return {name: _column([row.get(name) for row in rows]) for name in GENERIC}


def effective_bits(wire: Range) -> Tensor:
    """Bits that EBOPs count: all of the code, less the sign where it is symmetric; like wire.bits, at least 0.

    HGQ leaves out the sign of every code but a saturating two's complement one; symmetric codes are those that are left
    out here. A bipolar wire counts its one bit.
    """
    symmetric = (wire.low < 0) & (wire.low == -wire.high) & (wire.bits > 1)
    return (wire.bits - symmetric.to(wire.bits.dtype)).clamp(min=0)


def _column(entries: list[Tensor | None]) -> Tensor:
    none = torch.zeros((), dtype=torch.float64)
    return torch.stack([none if entry is None else entry for entry in entries]) if entries else none.reshape(1)[:0]


def _counts(block: Block) -> dict[str, Tensor]:
    if isinstance(block, MatVec):
        return _product(block)
    if isinstance(block, Thresholds):
        stored = _each(block.output.bits, block.channels, block.vectors)
        return {"activation_bits": stored, "memory_pJ": 2 * SRAM_PJ * stored}
    if isinstance(block, Pool):
        entering = block.channels * block.vectors * prod(block.kernel)
        sums = entering - block.channels * block.vectors if block.kind == "sum" else 0
        return {
            "EBOPs": effective_bits(widest(block.input)) * entering,
            "arithmetic_pJ": ADD_PJ * widest(block.output).bits * sums,
        }
    if isinstance(block, Adder):
        elements = block.channels * block.vectors
        narrower = torch.minimum(effective_bits(widest(block.left)), effective_bits(widest(block.right)))
        return {
            "EBOPs": ADDER_SHARE * narrower * elements,
            "arithmetic_pJ": ADD_PJ * widest(block.output).bits * elements,
        }
    if isinstance(block, Multiplier):
        return _multiplied(block)
    return _scale(block) if isinstance(block, ScaleBias) else {}


def _multiplied(block: Multiplier) -> dict[str, Tensor]:
    elements = block.channels * block.vectors
    left, right = widest(block.left), widest(block.right)
    per_product, per_bit = MULTIPLY_PJ
    energy = per_product * left.bits * right.bits + per_bit * torch.maximum(left.bits, right.bits)
    return {
        "BOPs": left.bits * right.bits * elements,
        "EBOPs": effective_bits(left) * effective_bits(right) * elements,
        "arithmetic_pJ": energy * elements,
    }


def _product(block: MatVec) -> dict[str, Tensor]:
    outputs, inputs = block.rows * block.groups, widest(block.input)
    stored = _each(block.weight.bits, outputs, block.cols)
    effective = _each(effective_bits(block.weight), outputs, block.cols)
    built = block.weight.bits > 0  # a weight of zero bits is neither multiplied nor added
    wider = _each(torch.maximum(block.weight.bits, inputs.bits) * built, outputs, block.cols)
    acc = block.acc.bits[:, None] if block.acc.bits.ndim and built.ndim == 2 else block.acc.bits
    sums = _each(acc * built, outputs, block.cols)
    per_product, per_bit = MULTIPLY_PJ
    multiply = per_product * stored * inputs.bits + per_bit * wider
    ebops = effective * effective_bits(inputs)
    if block.bias is not None:
        ebops = ebops + _each(effective_bits(block.bias), outputs, 1)
    return {
        "MACs": torch.tensor(float(block.macs), dtype=torch.float64),
        "BOPs": stored * inputs.bits * block.vectors,
        "EBOPs": ebops * block.vectors,
        "weight_bits": 0 * stored if block.held else stored,
        "arithmetic_pJ": (multiply + ADD_PJ * sums) * block.vectors,
        "memory_pJ": SRAM_PJ * stored * block.vectors,
    }


def _scale(block: ScaleBias) -> dict[str, Tensor]:
    inputs = widest(block.input)
    stored = _each(block.weight.bits, block.channels, 1)
    ebops = _each(effective_bits(block.weight), block.channels, 1) * effective_bits(inputs)
    per_product, per_bit = MULTIPLY_PJ
    wider = _each(torch.maximum(block.weight.bits, inputs.bits), block.channels, 1)
    energy = per_product * stored * inputs.bits + per_bit * wider
    if block.bias is not None:
        ebops = ebops + _each(effective_bits(block.bias), block.channels, 1)
        energy = energy + ADD_PJ * widest(block.output).bits * block.channels
    return {"EBOPs": ebops * block.vectors, "arithmetic_pJ": energy * block.vectors}


def _each(bits: Tensor, rows: int, per_row: int) -> Tensor:
    """Sum of widths over rows x per_row elements, float64; bits is (), (rows,) or (rows, per_row)."""
    return bits.to(torch.float64).sum() * (rows * per_row / bits.numel())
