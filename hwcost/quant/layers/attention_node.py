"""Heads of attention as one autograd node: integers forwards, softmax attention in float backwards.

Few passes over the scores, of which there are most.
"""

from dataclasses import dataclass
from math import nan, sqrt
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hwcost.graph.inverse import InverseTable
from hwcost.quant.layers.row_node import EXACT_BITS, inverses


@dataclass(frozen=True)
class HeadRule:
    """Numbers of attention at the present steps of its queries, keys and values.

    Attributes:
        heads: of the features.
        steps: of queries, keys and values; reach: the largest magnitude of their integers.
        words: weight at each address; shift: bits of a difference that the address leaves out.
        table: of the inverse sums; cut: bits cut off a product with one.
    """

    heads: int
    steps: tuple[float, ...]
    reach: tuple[int, ...]
    words: list[int]
    shift: int
    table: InverseTable
    cut: int

    @property
    def unit(self) -> float:
        """Value of one integer of the result."""
        return self.steps[2] * 2.0 ** (self.cut - self.table.scale_bits)

    def wide(self, dtype: torch.dtype, width: int, length: int) -> torch.dtype:
        """A precision that holds every sum: over the features of a head, and over the keys."""
        queries, keys, values = self.reach
        largest = max(width * queries * keys, length * self.words[0] * values)
        return torch.promote_types(dtype, torch.float32) if largest <= 2**EXACT_BITS else torch.float64


class AttendedHeads(torch.autograd.Function):
    """(N, queries, features), (N, keys, features) twice, on their grids -> (N, queries, features).

    Args:
        query, key, value: the streams.
        rule: the numbers of the attention.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, rule: HeadRule) -> Tensor:
        ctx.rule, width = rule, query.shape[-1] // rule.heads
        wide = rule.wide(query.dtype, width, key.shape[1])
        q, k, v = (
            _apart(torch.div(x.to(wide), step).round_(), rule.heads)
            for x, step in zip((query, key, value), rule.steps, strict=True)
        )
        scores = q @ k.transpose(-1, -2)
        largest = scores.amax(-1, keepdim=True)
        ctx.finite = bool(torch.isfinite(largest).all())
        if not ctx.finite:  # no code, and no index of a table
            return torch.full_like(query, nan)
        address = torch.sub(largest, scores, out=scores)
        if rule.shift:
            address.mul_(2.0**-rule.shift).floor_()
        address.clamp_(max=len(rule.words) - 1)
        words = torch.tensor(rule.words, dtype=wide, device=query.device)
        weights = torch.take(words, address.to(torch.int64))
        total = weights.sum(-1, keepdim=True)
        context = weights @ v
        inverse = inverses(rule.table, total.double()).mul_(2.0**-rule.cut)
        y = (context.double() * inverse).floor_().mul_(rule.unit)
        ctx.save_for_backward(q, k, v, weights, total, context)
        return _joined(y.to(query.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        if not ctx.finite:
            return None, None, None, None
        q, k, v, weights, total, context = ctx.saved_tensors
        rule: HeadRule = ctx.rule
        g = _apart(grad.to(q.dtype), rule.heads)
        share = weights / total
        own = (g * context).sum(-1, keepdim=True) / total
        scores = torch.matmul(g, v.transpose(-1, -2)).sub_(own).mul_(share)
        # to the scores of values: a step of the values, and those of queries and keys, over sqrt(width)
        by_query, by_key, by_value = rule.steps
        gain = by_value / sqrt(q.shape[-1])
        d_query = (scores @ k).mul_(gain * by_key)
        d_key = (scores.transpose(-1, -2) @ q).mul_(gain * by_query)
        d_value = share.transpose(-1, -2) @ g
        dq, dk, dv = (_joined(x.to(grad.dtype)) for x in (d_query, d_key, d_value))
        return dq, dk, dv, None


def _apart(x: Tensor, heads: int) -> Tensor:
    """(N, time, features) -> (N, heads, time, width)."""
    return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2).contiguous()


def _joined(x: Tensor) -> Tensor:
    """(N, heads, time, width) -> (N, time, features)."""
    return x.transpose(1, 2).flatten(2)
