"""Cost without an architecture: counts of operations and of stored bits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hwcost.models.resources import Placed
from hwcost.ranges import widest
from hwcost.spec import MatVec, Thresholds

GENERIC = ("MACs", "BOPs", "weight_bits", "activation_bits")


class Generic:
    """Multiply-accumulates, bit operations, and bits to store, per inference; other blocks than these count nothing.

    * MACs: multiply-accumulates. * BOPs: sum over them of weight bits times input bits; each weight its own width.
    * weight_bits: sum over weights of their widths. * activation_bits: sum over quantized activations of their widths.

    Error: none, as definitions; against LUTs of matrix-vector units BOPs with one scale have a MAPE of 12.9%
        (140 units, Yosys 0.70).
    Source: BOPs as in the UNIQ paper (arXiv:1804.10969), without its accumulator term.
    """

    resources: tuple[str, ...] = GENERIC

    def price(self, placed: Sequence[Placed]) -> dict[str, Tensor]:
        """Counts per block.

        Args:
            placed: blocks of any kind.

        Returns:
            The four counts, float64 (len(placed),) each. Gradient: to the widths, each weight's or channel's own.
        """
        rows = [_counts(item) for item in placed]
        return {name: _column([row.get(name) for row in rows]) for name in GENERIC}


def _column(entries: list[Tensor | None]) -> Tensor:
    none = torch.zeros((), dtype=torch.float64)
    return torch.stack([none if entry is None else entry for entry in entries]) if entries else none.reshape(1)[:0]


def _counts(item: Placed) -> dict[str, Tensor]:
    block = item.block
    if isinstance(block, MatVec):
        stored = _each(block.weight.bits, block.rows * block.groups, block.cols)
        return {
            "MACs": torch.tensor(float(block.macs), dtype=torch.float64),
            "BOPs": stored * widest(block.input).bits * block.vectors,
            "weight_bits": stored,
        }
    if isinstance(block, Thresholds):
        return {"activation_bits": _each(block.output.bits, block.channels, block.vectors)}
    return {}


def _each(bits: Tensor, rows: int, per_row: int) -> Tensor:
    """Sum of widths over rows x per_row elements; bits is (), (rows,) or (rows, per_row)."""
    return bits.sum() * (rows * per_row / bits.numel())
