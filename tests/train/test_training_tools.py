"""What people train with changes neither gradients nor prices: checkpointing, accumulation, autocast, compilation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

import hwcost
from hwcost.zoo.mlp import MLP
from hwcost.zoo.mobilenet import MobileNetV1
from hwcost.zoo.precision import Precision

SIDE = 32


def network() -> MobileNetV1:
    torch.manual_seed(0)
    return MobileNetV1(Precision(2, 2, learned=True), width=0.125, image=SIDE, classes=4)


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(4, 3, SIDE, SIDE, generator=generator), torch.arange(4)


def gradients(net: nn.Module, forward: Callable[[Tensor], Tensor], chunks: int = 1) -> dict[str, Tensor]:
    x, y = batch()
    net.zero_grad()
    for part, labels in zip(x.chunk(chunks), y.chunk(chunks), strict=True):
        (F.cross_entropy(forward(part).float(), labels) / chunks).backward()
    return {name: parameter.grad.clone() for name, parameter in net.named_parameters() if parameter.grad is not None}


def test_gradient_checkpointing_is_exact() -> None:
    net = network().eval()  # running means of a batch norm move twice where it is computed twice
    plain = gradients(net, net)
    whole = gradients(net, lambda x: checkpoint(net, x, use_reentrant=False))
    parts = gradients(net, lambda x: net.output(
        net.final_pool(checkpoint_sequential(net.features, 3, x, use_reentrant=False)).flatten(1)
    ))  # fmt: skip
    assert plain.keys() == whole.keys() == parts.keys() and len(plain) == len(list(net.parameters()))
    assert all(torch.equal(plain[name], whole[name]) and torch.equal(plain[name], parts[name]) for name in plain)


def test_accumulated_parts_are_the_whole_batch() -> None:
    net = network().eval()
    whole, parts = gradients(net, net), gradients(net, net, chunks=2)
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-3, atol=1e-6, msg=name)


def test_under_autocast_it_trains_and_costs_the_same() -> None:
    net = network()
    pipeline = hwcost.trace(net, torch.zeros(1, 3, SIDE, SIDE), input_bits=8)
    model = hwcost.Dataflow(device="ZCU104", folding=hwcost.target_fps(pipeline, 100))
    before = hwcost.hardware_cost(pipeline, model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = gradients(net, net)
        inside = hwcost.hardware_cost(pipeline, model)
    assert len(found) == len(list(net.parameters()))
    assert all(gradient.dtype == torch.float32 and bool(gradient.isfinite().all()) for gradient in found.values())
    assert all(torch.equal(before[name], inside[name]) for name in before)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, while it compiles
def test_compiled_it_has_the_same_gradients() -> None:
    torch.manual_seed(0)
    net = MLP((3 * SIDE**2, 8, 4), Precision(2, 2, learned=True)).eval()
    plain, compiled = gradients(net, net), gradients(net, torch.compile(net, backend="aot_eager"))
    assert plain.keys() == compiled.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(compiled[name], gradient, rtol=1e-4, atol=1e-6, msg=name)
