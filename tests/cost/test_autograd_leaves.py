"""Parameters behind tensors, and blocks cut off from them."""

from __future__ import annotations

import torch

from hwcost.cost.autograd_leaves import Trail, cut, of_block, of_range
from hwcost.graph.ranges import Range, integers
from hwcost.graph.spec import Adder


def test_the_parameters_behind_tensors() -> None:
    a, b, c, still = (torch.tensor(float(n), requires_grad=n < 4) for n in (1, 2, 3, 4))
    both = a * b + still
    later = (both.exp() - both) * both  # by three ways to the same
    trail = Trail()
    assert trail.leaves([both]) == trail.leaves([later]) == {id(a), id(b)}
    assert trail.leaves([c, still, later.detach()]) == {id(c)}
    assert trail.leaves([]) == set()


def test_a_long_chain_needs_no_recursion() -> None:
    leaf = torch.ones((), requires_grad=True)
    value = leaf * 1
    for _ in range(3_000):
        value = value + 1
    assert Trail().leaves([value]) == {id(leaf)}


def adder() -> tuple[Adder, torch.Tensor]:
    leaf = torch.tensor(4.0, requires_grad=True)
    plain = integers(4, signed=False)
    width = leaf * 2
    return Adder(channels=2, vectors=1, left=plain, right=plain, output=Range(plain.low, plain.high, width)), width


def test_a_block_is_cut_off_where_it_has_a_gradient() -> None:
    block, width = adder()
    found = cut(block)
    (end,) = found.ends
    assert found.starts == (width,) and end.is_leaf and end.requires_grad and end.item() == 8
    assert isinstance(found.block, Adder) and found.block.output.bits is end
    assert found.block.left.bits is block.left.bits and found.block.channels == 2
    assert len(list(of_block(block))) == 9 and of_range(block.output)[2] is width


def test_without_gradients_the_block_is_left_as_it_is() -> None:
    block, _ = adder()
    with torch.no_grad():
        assert cut(block).block is block and cut(block).starts == ()
