"""Products with constant matrices: adder trees over the digits of the weights, expected or actual."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hwcost.errors import UnknownPrecision
from hwcost.graph.ranges import bits_for, widest
from hwcost.graph.spec import MatVec
from hwcost.graph.ste import ceil_log2
from hwcost.models.resources import Placed
from hwcost.models.unrolled.signed_digits import expected_digits, signed_digits, zero_share
from hwcost.models.unrolled.small_table import Bits, few_bits, luts

HALF_ADDER = 1.5
"""LUTs of the sum of two single bits: an XOR and an AND, of which the next adder takes in every second one (sums of 4,
8, 16 and 32 bits take 5, 13, 31 and 68 LUTs in Yosys 0.70; so counted 5, 13, 30 and 65)."""


@dataclass(frozen=True, eq=False)
class TreeCost:
    """Adder trees of N blocks, one copy each.

    Attributes:
        adder_bits: bits of all adders, each as wide as its wider operand: one LUT each.
        register_bits: bits of the pipeline registers, that of the result included.
        levels: adders one after the other, on the longest path.
    """

    adder_bits: Tensor
    register_bits: Tensor
    levels: Tensor


@dataclass(frozen=True, eq=False)
class _Rows:
    """Dot products of all blocks: those of one block that are alike are one entry."""

    block: Tensor
    alike: Tensor
    leaves: Tensor
    empty: Tensor
    input_bits: Tensor


def expected_trees(blocks: Sequence[MatVec], stage_levels: int, *, smooth: bool = False) -> TreeCost:
    """The cost of trees of which only the widths of the weights are known.

    With D expected digits and a share p of outputs without any, an output has n = D - 1 + p adders; in a balanced tree
    their wider operands have n b + n - log2(n + 1) bits, b those of an input.

    Args:
        blocks: each weight, row or matrix with a width of its own; zero bits build nothing.
        stage_levels: adders between two registers.
        smooth: leave out what the first digit of an output saves: only for the gradient, which then never dies.

    Returns:
        TreeCost of float64 (len(blocks),); differentiable to the widths of weights, inputs and accumulators.

    Error: LUT of 21 synthesized products whose widths tell where weights are zero: MAPE 9.6% (13 with a width for each
        weight) and 13.7% (8 dense ones); 19 with zeros that no width shows: 2.5 times too many in the median
        (reports/calibration/unrolled.md).
    Source: balanced adder tree; weights spread evenly over their codes.
    """
    rows = _rows(blocks)
    leaves = rows.leaves if smooth else rows.leaves - 1 + rows.empty
    adders = leaves.clamp(min=0)
    tree = adders * (rows.input_bits + 1) - torch.log2(adders + 1)
    shrink = 2.0**-stage_levels
    inner = shrink / (1 - shrink)  # the nodes at the registered levels, as a share of the leaves
    registers = adders * inner * (rows.input_bits + stage_levels / (1 - shrink))
    count = len(blocks)
    none = torch.zeros(count, dtype=torch.float64)
    results = torch.stack([_per_output(block, block.acc.bits) for block in blocks])
    deepest = none.scatter_reduce(0, rows.block, adders, "amax")
    return TreeCost(
        adder_bits=none.index_add(0, rows.block, tree * rows.alike),
        register_bits=none.index_add(0, rows.block, registers * rows.alike) + results,
        levels=torch.log2(deepest + 1) if smooth else ceil_log2(deepest + 1),
    )


def _per_output(block: MatVec, bits: Tensor) -> Tensor:
    return bits.to(torch.float64).mean() * (block.rows * block.groups)


def _rows(blocks: Sequence[MatVec]) -> _Rows:
    """Sum the expected digits of every dot product; all weights of all blocks in one go."""
    bits: list[Tensor] = []
    terms: list[Tensor] = []
    row_of: list[Tensor] = []
    block_of: list[Tensor] = []
    alike: list[Tensor] = []
    first = 0
    for index, block in enumerate(blocks):
        outputs = block.rows * block.groups
        own = _code_bits(block)
        distinct = own.shape[0] if own.ndim else 1
        bits.append(own.reshape(-1))
        terms.append(torch.full((own.numel(),), block.cols * distinct / own.numel(), dtype=torch.float64))
        row_of.append(first + torch.arange(distinct).repeat_interleave(own.numel() // distinct))
        block_of.append(torch.full((distinct,), index))
        alike.append(torch.full((distinct,), outputs / distinct, dtype=torch.float64))
        first += distinct
    flat, count, row, owner = torch.cat(bits), torch.cat(terms), torch.cat(row_of), torch.cat(block_of)
    bipolar = torch.tensor([float(block.weight.bipolar) for block in blocks], dtype=torch.float64)[owner[row]]
    digits = torch.where(bipolar == 1, torch.ones_like(flat), expected_digits(flat))
    absent = zero_share(flat) * (1 - bipolar)
    none = torch.zeros(len(owner), dtype=torch.float64)
    inputs = torch.stack([widest(block.input).bits.to(torch.float64) for block in blocks])
    return _Rows(
        block=owner,
        alike=torch.cat(alike),
        leaves=none.index_add(0, row, digits * count),
        empty=torch.exp(none.index_add(0, row, torch.log(absent.clamp(min=1e-300)) * count)),
        input_bits=inputs[owner],
    )


def _code_bits(block: MatVec) -> Tensor:
    """Widths of the weights as signed codes: an unsigned one, if it has bits at all, is as one with a sign bit more."""
    weight = block.weight
    bits = weight.bits.to(torch.float64)
    return torch.where((weight.low >= 0) & (weight.high > 0), bits + bits.clamp(max=1), bits)


def actual_trees(matrices: Sequence[Tensor], blocks: Sequence[MatVec], stage_levels: int) -> TreeCost:
    """The cost of trees whose integer weights are known.

    All digits of an output are ordered by their shift and added pairwise. The range of every partial sum is followed:
    an adder has as many bits as its wider operand, of two unsigned ones the narrower, above the lowest bit of the
    other; where two unsigned operands do not overlap, nothing is built. An output that sees no more input bits than a
    LUT has is a table instead (`small_table`).

    Args:
        matrices: integer weights of each block, int64 (outputs, cols).
        blocks: the products.
        stage_levels: adders between two registers.

    Returns:
        TreeCost of float64 (len(blocks),), whole numbers; no gradient.

    Error: LUT of 40 synthesized products: MAPE 5.3%, worst 23%, median 1.01 (reports/calibration/unrolled.md), of 19
        kept back 4.6%, worst 11% (error.md). The netlists are built as it is counted here; sub-expressions that outputs
        have in common are not shared, but for tables.
    Source: structure, counted bit by bit.
    """
    small = [few_bits(matrix, Bits.of(block.input)) for matrix, block in zip(matrices, blocks, strict=True)]
    parts = [
        _leaves(matrix.where(~few[:, None], 0), block)
        for matrix, few, block in zip(matrices, small, blocks, strict=True)
    ]
    outputs = torch.tensor([block.rows * block.groups for block in blocks])
    owner = torch.arange(len(blocks)).repeat_interleave(outputs)
    first = outputs.cumsum(0) - outputs
    row = torch.cat([part[0] + start for part, start in zip(parts, first, strict=True)])
    shift, sign, low, high = (torch.cat([part[column] for part in parts]) for column in range(1, 5))
    trees = _Reduction(row, shift, sign, low, high, owner).run(len(blocks), stage_levels)
    tables = torch.tensor(
        [luts(matrix[few], Bits.of(block.input)) for matrix, few, block in zip(matrices, small, blocks, strict=True)],
        dtype=torch.float64,
    )
    return TreeCost(
        adder_bits=trees.adder_bits + tables[:, 0],
        register_bits=trees.register_bits + tables[:, 1],
        levels=torch.maximum(trees.levels, (tables[:, 0] > 0).to(torch.float64)),
    )


def known(item: Placed) -> Tensor:
    """The integer weights of a product.

    Raises:
        UnknownPrecision: they may change at run time.
    """
    integers = item.block.constants() if isinstance(item.block, MatVec) else None
    if integers is None:
        raise UnknownPrecision(
            f"{item.layer}: its integer weights are not known, so their digits cannot be counted; describe the layer "
            "with MatVec(integers=...), or price with value_aware=False"
        )
    return integers


def _leaves(integers: Tensor, block: MatVec) -> tuple[Tensor, ...]:
    """Row, shift, sign, low, high of every digit, sorted by row and shift."""
    plus, minus = signed_digits(integers)
    shifts = torch.arange(max(1, int((plus | minus).max()).bit_length()))[:, None]
    digits = (plus[:, None, :] >> shifts & 1) - (minus[:, None, :] >> shifts & 1)
    row, shift, column = digits.nonzero(as_tuple=True)
    inputs = widest(block.input)
    low, high = (bound.detach().to(torch.float64).expand(len(row)) for bound in (inputs.low, inputs.high))
    return row, shift.to(torch.float64), digits[row, shift, column].to(torch.float64), low, high


class _Reduction:
    """Adds neighbours, level by level, until each output has one node; a node is sign * (low..high) * 2^shift."""

    def __init__(
        self, row: Tensor, shift: Tensor, sign: Tensor, low: Tensor, high: Tensor, block_of_row: Tensor
    ) -> None:
        self.row, self.shift, self.sign, self.low, self.high = row, shift, sign, low, high
        self.block_of_row = block_of_row

    def run(self, blocks: int, stage_levels: int) -> TreeCost:
        """Sums per block."""
        adder_bits, register_bits, levels = (torch.zeros(blocks, dtype=torch.float64) for _ in range(3))
        spent_on = torch.zeros(len(self.block_of_row), dtype=torch.float64)
        count = torch.bincount(self.row, minlength=len(self.block_of_row))
        levels = levels.scatter_reduce(0, self.block_of_row, ceil_log2(count.clamp(min=1).to(torch.float64)), "amax")
        for level in range(1, int(levels.max()) + 1):
            spent_on.index_add_(0, *self._level(count))
            count = (count + 1) // 2
            if level % stage_levels == 0:
                owners = self.block_of_row[self.row]
                kept = bits_for(self.low, self.high) * (level < levels[owners])
                register_bits.index_add_(0, owners, kept)
        spent_on.index_add_(0, self.row, torch.where(self.sign < 0, self._turning(), 0.0))
        adder_bits.index_add_(0, self.block_of_row, spent_on)
        register_bits.index_add_(0, self.block_of_row[self.row], bits_for(self.low, self.high))
        return TreeCost(adder_bits, register_bits, levels)

    def _turning(self) -> Tensor:
        """Bits of a negation: the lowest is a wire; an unsigned number gets a sign."""
        return bits_for(self.low, self.high) - (self.low < 0).to(torch.float64)

    def _level(self, count: Tensor) -> tuple[Tensor, Tensor]:
        """Add every even node to its right neighbour of the same output, if it has one; rows, bits of their adders."""
        start = count.cumsum(0) - count
        place = torch.arange(len(self.row)) - start[self.row]
        even = (place % 2 == 0).nonzero()[:, 0]
        paired = place[even] + 1 < count[self.row[even]]
        other = torch.where(paired, even + 1, even)
        # of two digits in one place, the positive is the one that the other is taken from
        turned = (self.shift[even] == self.shift[other]) & (self.sign[even] < self.sign[other])
        swap = (self.shift[even] > self.shift[other]) | turned
        a, b = torch.where(swap, other, even), torch.where(swap, even, other)
        gap = self.shift[b] - self.shift[a]
        same = self.sign[a] == self.sign[b]
        bottom, top = self.low[b] * torch.exp2(gap), self.high[b] * torch.exp2(gap)
        low = torch.where(same, self.low[a] + bottom, self.low[a] - top)
        high = torch.where(same, self.high[a] + top, self.high[a] - bottom)
        under, over = bits_for(self.low[a], self.high[a]), bits_for(self.low[b], self.high[b]) + gap
        beside = (self.low[a] >= 0) & (under <= gap)  # no bit of one meets a bit of the other
        # above the narrower of two unsigned operands there is only the carry
        unsigned = same & (self.low[a] >= 0) & (self.low[b] >= 0)
        wide = torch.where(unsigned, torch.minimum(under, over), torch.maximum(under, over))
        met = torch.minimum(wide, bits_for(low, high)) - gap
        met = torch.where(unsigned & (met == 1), HALF_ADDER, met)
        alone = torch.where(same, 0.0, over - gap - 1)  # wires, or a negation, whose lowest bit is one too
        spent = torch.where(paired, torch.where(beside, alone, met), 0.0)
        self.low, self.high = (
            torch.where(paired, low, self.low[even]),
            torch.where(paired, high, self.high[even]),
        )
        self.shift, self.sign = self.shift[a], self.sign[a]
        self.row = self.row[even]
        return self.row, spent
