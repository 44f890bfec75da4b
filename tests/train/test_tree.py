"""Trees of tensors keep their form, whatever is done with each tensor."""

from __future__ import annotations

import pytest
import torch

from hwcost.train.tree import called, each, joined, leaves, shapes

TREE = {"a": torch.zeros(2, 3), "b": (torch.ones(2), [torch.ones(2, 1, 4)])}


def test_each_tensor_is_reached_in_the_form_of_the_tree() -> None:
    assert shapes(TREE) == {"a": (3,), "b": ((), ((1, 4),))}
    assert [one.sum() for one in leaves(TREE)] == [0, 2, 8]
    assert [one.sum() for one in leaves(each(lambda one: one + 1, TREE))] == [6, 4, 16]


def test_trees_are_joined_sample_after_sample() -> None:
    assert shapes(joined([TREE, TREE, TREE])) == shapes(TREE)
    assert [len(one) for one in leaves(joined([TREE, TREE, TREE]))] == [6] * 3
    with pytest.raises(KeyError):
        joined([TREE, {"a": TREE["a"]}])


class _Minus(torch.nn.Module):
    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left - right


def test_a_network_gets_inputs_by_place_or_by_name() -> None:
    x = torch.arange(4.0)
    assert torch.equal(called(_Minus(), {"right": x, "left": 2 * x}), x)
    assert torch.equal(called(_Minus(), (2 * x, x)), x) and torch.equal(called(torch.nn.Identity(), x), x)
