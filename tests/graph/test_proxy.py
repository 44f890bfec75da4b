"""What Python asks of a value while the graph is found: assertions, unpacking, and shapes of an example."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from float_networks import Asking
from torch import Tensor, nn

from hwcost.errors import UntraceableNetwork
from hwcost.graph.fx_graph import graph_of
from hwcost.graph.rules import RULES


class Shaped(nn.Module):
    """Control flow that depends on shapes."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] != x.shape[3]:
            x = F.pad(x, (0, int(x.shape[2]) - int(x.shape[3])))
        total = 1
        for size in x.shape[1:]:
            total *= size
        return x.reshape(len(x), total) if len(x.shape) == 4 else x


def calls(graph: Any) -> list[str]:
    return [node.name for node in graph.graph.nodes if node.op.startswith("call_")]


def test_assertions_defaults_and_unpacking_need_no_example() -> None:
    graph = graph_of(Asking(), RULES)
    assert [node.name for node in graph.graph.nodes if node.op == "placeholder"] == ["x"]
    assert not any(name.startswith(("mul", "eq", "gt", "dim")) for name in calls(graph))
    x = torch.randn(2, 3, 6, 6)
    net = Asking()
    assert torch.equal(graph_of(net, RULES)(x), net(x))


def test_shapes_are_those_of_the_example() -> None:
    x = torch.randn(2, 3, 6, 5)
    with pytest.raises(UntraceableNetwork, match=r"if x\.shape"):
        graph_of(Shaped(), RULES)
    graph = graph_of(Shaped(), RULES, (x,))
    assert torch.equal(graph(x), Shaped()(x)) and "pad" in calls(graph)


def test_control_flow_on_an_input_is_refused() -> None:
    with pytest.raises(UntraceableNetwork, match="if flag"):
        graph_of(Asking(), RULES, (torch.randn(2, 3, 6, 6), torch.ones(1)))
