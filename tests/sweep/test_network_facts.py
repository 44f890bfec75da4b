"""Facts that a network declares, and those that its printed text tells."""

from __future__ import annotations

import pytest
import tiny_recipe
import torch

from hwcost.quant import LearnedBits
from hwcost.sweep.network_facts import agree, facts, facts_of_text


def test_facts_of_a_network_are_its_declared_fields() -> None:
    found = facts(tiny_recipe.TinyNet(3))
    assert found["0"]["class"] == "QuantConv2d" and found["0"]["padding"] == "(1, 1)"
    assert found["0"]["parameter weight"] == "(4, 1, 3, 3) torch.float32"
    assert found["0.weight_quant.bits"]["base"] == "3"
    assert found["0.weight_quant.scale"]["stat"] == "abs_max"
    trained = tiny_recipe.TinyNet(3)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.5)
    assert facts(trained) == found  # values follow from the seed
    other = tiny_recipe.TinyNet(3)
    next(one for one in other.modules() if isinstance(one, LearnedBits)).most = 8
    assert facts(other) != found


@pytest.mark.parametrize("base", [2, 3])
def test_the_printed_text_of_a_network_tells_the_same(base: int) -> None:
    now = facts_of_text(str(tiny_recipe.TinyNet(3)))
    assert {name: entry["class"] for name, entry in now.items()} == {
        name: entry["class"] for name, entry in facts(tiny_recipe.TinyNet(3)).items()
    }
    assert now["0"]["kernel_size"] == "(3, 3)"
    assert agree(facts_of_text(str(tiny_recipe.TinyNet(base))), now) is (base == 3)
