"""Idioms of float networks: each means what it meant, and networks full of them convert, train, run and leave."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from habit_networks import HABITS
from torch import Tensor, fx, nn

import hwcost
from hwcost.integer import IntegerNetwork
from hwcost.models import Dataflow, target_fps
from hwcost.quant import convert
from hwcost.quant.idioms import in_known_words

STEP = 1 / 256


def pixels(shape: tuple[int, ...], count: int = 4) -> Tensor:
    return torch.randint(0, 256, (count, *shape)).float() * STEP


def outputs(y: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return y if isinstance(y, tuple) else (y,)


@pytest.mark.parametrize("name", HABITS)
def test_a_network_in_the_habits_of_others(name: str) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed: nothing was exported; pip install 'hwcost[onnx]'")
    from hwcost.export.qonnx import qonnx

    torch.manual_seed(0)
    make, shape = HABITS[name]
    net = make()
    names = set(net.state_dict())
    net = convert(net, "learned8", example=torch.zeros(1, *shape))
    assert names <= set(net.state_dict())
    optimizer = torch.optim.SGD(net.parameters(), 1e-3)
    for _ in range(2):
        loss = torch.stack([y.square().mean() for y in outputs(net(pixels(shape)))]).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # of torch
        optimizer.step()
    net.eval()
    assert qonnx(hwcost.trace(net, torch.zeros(1, *shape), input_bits=8), input_step=STEP).graph.node
    net.double()
    pipeline = hwcost.trace(net, torch.zeros(1, *shape).double(), input_bits=8)
    assert hwcost.estimate(pipeline, Dataflow(device="ZCU104", folding=target_fps(pipeline, 100))).total["LUT"] > 100
    integer = IntegerNetwork.of(pipeline, input_step=STEP)
    x = pixels(shape).double()
    found = integer.run(integer.codes(x))
    for place, wanted in zip(integer.outputs, outputs(net(x)), strict=True):
        step = integer.steps[place - 1]
        assert step.meaning is not None
        assert torch.allclose(step.meaning.value(found[step.name]), wanted.detach(), rtol=0, atol=1e-9)


def grouped(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return x.reshape(n, 2, c // 2, h, w).permute(0, 2, 1, 3, 4).reshape(n, c, h, w)


def not_grouped(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return x.reshape(n, 2, c // 2, h, w).permute(0, 2, 1, 4, 3).reshape(n, c, h, w)


@pytest.mark.parametrize(
    ("function", "restated"),
    [
        (lambda x: x - x.relu(), True),
        (lambda x: -x, True),
        (lambda x: torch.neg(x) * 2, True),
        (lambda x: x * x.mean((2, 3), keepdim=True).expand_as(x), True),
        (lambda x: x.mean(3).mean(2), True),
        (lambda x: x.data + 1, True),
        (grouped, True),
        (not_grouped, False),
        (lambda x: x.mean(2).mean(2), False),
        (lambda x: (lambda y: y.mean(2) + y.sum(2))(x.mean(3)), False),
        (lambda x: x - 1, False),
        (lambda x: x.mean((2, 3), keepdim=True).expand_as(x), False),
    ],
)
def test_what_is_said_in_other_words_means_the_same(function: Callable[[Tensor], Tensor], restated: bool) -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return function(x)

    torch.manual_seed(0)
    x = torch.randn(2, 6, 4, 4)
    graph = fx.symbolic_trace(Net())
    values = fx.Interpreter(graph, garbage_collect_values=False)
    wanted = values.run(x)
    assert in_known_words(graph, values.env) is restated
    graph.recompile()
    assert torch.allclose(graph(x), wanted, atol=1e-6)
    if function is grouped:
        assert [type(each) for each in graph.children()] == [nn.ChannelShuffle]
