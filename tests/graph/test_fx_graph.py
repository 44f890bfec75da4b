"""The graph that torch.fx finds: whose fault an error is, and what enters a node."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from hwcost.errors import UnknownOperation, UntraceableNetwork
from hwcost.graph.fx_graph import Shapes, graph_of, leaves_of, name_of, refuse_wrappers
from hwcost.graph.rules import RULES
from hwcost.graph.trace import trace
from hwcost.quant import QuantLinear, learned_weight
from hwcost.zoo.lenet import QuantLeNet

IMAGE = torch.zeros(2, 3, 32, 32)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # of torch.compile itself
def test_wrappers_around_a_network_name_the_inner_module() -> None:
    net = nn.Sequential(QuantLinear(4, 4, weight_quant=learned_weight()))
    for wrapped, path in (
        (nn.DataParallel(net), "model.module"),
        (torch.optim.swa_utils.AveragedModel(net), "model.module"),
        (torch.compile(net), "model._orig_mod"),
        (nn.Sequential(torch.compile(net)), "model.0._orig_mod"),
    ):
        with pytest.raises(UntraceableNetwork, match=f"pass the inner module, {path}"):
            trace(wrapped, torch.zeros(1, 4), input_bits=8)  # type: ignore[arg-type] # a wrapper is a module


def test_networks_are_traced_in_several_threads_while_others_run() -> None:
    """torch.fx patches nn.Module for the whole process while it traces."""
    nets = [QuantLeNet() for _ in range(4)]
    wanted = [len(trace(net, IMAGE, input_bits=8).steps) for net in nets]
    shared, apart = QuantLeNet().train(), QuantLeNet().eval()
    with torch.no_grad():
        expected = apart(IMAGE)

    def traced(turn: int) -> bool:
        found = trace(shared if turn % 2 else nets[turn % 4], IMAGE, input_bits=8)
        return len(found.steps) == wanted[0]

    def run(turn: int) -> bool:
        with torch.no_grad():
            return torch.equal(apart(IMAGE), expected)

    with ThreadPoolExecutor(6) as pool:
        results = [pool.submit(run if turn % 3 == 0 else traced, turn) for turn in range(60)]
        assert all(result.result() for result in results)
    assert shared.training


def test_control_flow_on_data_names_the_line() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.sum() > 0:  # this line
                return x
            return -x

    with pytest.raises(UntraceableNetwork, match=r"test_fx_graph\.py:\d+: `if x\.sum\(\) > 0:.*describe\(\)"):
        trace(Branching(), torch.zeros(1, 4), input_bits=8)


def test_a_wrong_example_names_the_layer_in_one_line() -> None:
    with pytest.raises(UntraceableNetwork, match="fc1: running the example failed") as caught:
        trace(QuantLeNet(), torch.zeros(1, 3, 20, 20), input_bits=8)
    assert len(str(caught.value).splitlines()) == 1


class Two(nn.Module):
    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return left - right


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.two, self.fc = Two(), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(x)
        return torch.cat([self.two(right=x, left=y), x, x], 1)


def test_nodes_have_names_values_and_leaves_in_order() -> None:
    net = Net()
    graph = graph_of(net, {**RULES, Two: lambda *a: None, nn.Linear: lambda *a: None})  # type: ignore[dict-item]
    nodes = {name_of(node): node for node in graph.graph.nodes}
    assert list(nodes) == ["x", "fc", "two", "cat", "output"]
    assert [name_of(leaf) for leaf in leaves_of(nodes["two"], net.two)] == ["fc", "x"]  # as forward names them
    assert [name_of(leaf) for leaf in leaves_of(nodes["cat"], None)] == ["two", "x", "x"]
    shapes = Shapes(graph)
    shapes.run(torch.zeros(2, 4))
    assert shapes.env[nodes["cat"]].shape == (2, 12)


def test_an_error_of_ours_keeps_its_class_and_gets_the_place() -> None:
    class Refuses(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise UnknownOperation("not today")

    graph = graph_of(nn.Sequential(Refuses()), {Refuses: lambda *a: None})  # type: ignore[dict-item]
    with pytest.raises(UnknownOperation, match=r"^0: not today$"):
        Shapes(graph).run(torch.zeros(1))


def test_a_plain_network_is_no_wrapper() -> None:
    refuse_wrappers(nn.Sequential(nn.Linear(2, 2)))
    both = nn.Sequential(nn.DataParallel(nn.Linear(2, 2)), nn.DataParallel(nn.Linear(2, 2)))
    with pytest.raises(UntraceableNetwork, match=r"(?s)model\.0\.module.*model\.1\.module"):
        refuse_wrappers(both)
