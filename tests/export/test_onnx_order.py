"""Operations that move elements as nodes: what other tools compute is what we compute."""

from __future__ import annotations

from copy import deepcopy

import pytest

pytest.importorskip("onnx", reason="onnx is not installed: nothing was exported; pip install 'hwcost[onnx]'")

import torch
from onnx_check import compare
from ordered_networks import ORDERED, ordered

from hwcost.export.onnx_order import ORDER_WRITERS
from hwcost.graph.order import ORDER_RULES
from hwcost.graph.trace import trace


@pytest.mark.parametrize("name", ORDERED)
def test_what_moves_elements_is_exported(name: str) -> None:
    net, shape = ordered(name)
    net = deepcopy(net).eval()
    x = torch.rand(3, *shape) * 2.4 - 1.2
    assert compare(trace(net, x[:1]), x, None) == (0, 0)


def test_everything_that_has_a_rule_has_a_writer() -> None:
    assert ORDER_WRITERS.keys() == ORDER_RULES.keys()
