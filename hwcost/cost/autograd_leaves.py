"""Find the parameters behind a tensor, and cut blocks off from them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from hwcost.graph.ranges import Range
from hwcost.graph.spec import Block


def of_range(wire: Range) -> tuple[Tensor, Tensor, Tensor]:
    """The tensors of a range."""
    return wire.low, wire.high, wire.bits


def of_block(block: Block) -> Iterable[Tensor]:
    """The tensors of all ranges of a block."""
    return chain.from_iterable(of_range(value) for value in vars(block).values() if isinstance(value, Range))


class Trail:
    """The way back through autograd graphs; every node is visited once, over all calls."""

    def __init__(self) -> None:
        self._known: dict[Any, frozenset[int]] = {}

    def leaves(self, tensors: Iterable[Tensor]) -> set[int]:
        """Identities of the parameters behind tensors."""
        found: set[int] = set()
        for tensor in tensors:
            if tensor.grad_fn is not None:
                found |= self._behind(tensor.grad_fn)
            elif tensor.requires_grad:
                found.add(id(tensor))
        return found

    def _behind(self, root: Any) -> frozenset[int]:
        stack = [root]
        while stack:
            node = stack[-1]
            ahead = [following for following, _ in node.next_functions if following is not None]
            unknown = [following for following in ahead if following not in self._known]
            if unknown and node not in self._known:
                stack.extend(unknown)
                continue
            stack.pop()
            leaf = getattr(node, "variable", None)  # only nodes that accumulate into a parameter have one
            mine = frozenset[int]() if leaf is None else frozenset({id(leaf)})
            self._known[node] = mine.union(*(self._known[following] for following in ahead))
        return self._known[root]


@dataclass(frozen=True, eq=False)
class Cut:
    """A block apart from what its ranges were computed from.

    Attributes:
        block: with ranges of their own.
        starts: tensors of the original's ranges that have a gradient.
        ends: those of the block, in that order.
    """

    block: Block
    starts: tuple[Tensor, ...]
    ends: tuple[Tensor, ...]


def cut(block: Block) -> Cut:
    """The block with leaves instead of computed tensors; the block itself where gradients are switched off."""
    if not torch.is_grad_enabled():
        return Cut(block, (), ())
    apart: dict[int, tuple[Tensor, Tensor]] = {}

    def end(start: Tensor) -> Tensor:
        if not start.requires_grad:
            return start
        return apart.setdefault(id(start), (start, start.detach().requires_grad_()))[1]

    ranges = {name: value for name, value in vars(block).items() if isinstance(value, Range)}
    fresh: dict[str, object] = {name: Range(*map(end, of_range(wire))) for name, wire in ranges.items()}
    starts, ends = zip(*apart.values(), strict=True) if apart else ((), ())
    return Cut(replace(block, **fresh), starts, ends)
