"""Machine-independent speed: operations, autograd nodes and Python calls of a training step."""

import cProfile
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from hwcost.quant import (
    IntQuantizer,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    learned_activation,
    learned_weight,
)
from hwcost.quant.kernels import scalar


class Kernels(TorchDispatchMode):
    """Counts operations that compute, by the size of what they make: a full tensor, or a number."""

    def __init__(self, full: int) -> None:
        super().__init__()
        self.full, self.large, self.small = full, 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        if not func.is_view and func.__name__.split(".")[0] not in {"_local_scalar_dense", "detach"}:
            read = [x.numel() for x in args if isinstance(x, Tensor)]
            if self.full in (out.numel() if isinstance(out, Tensor) else 0, *read):
                self.large += 1
            else:
                self.small += 1
        return out


def test_an_activation_takes_at_most_eight_full_kernels_and_four_scalar_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    quantizer, x = learned_activation(bits=4), torch.randn(64, 33, requires_grad=True)
    products: list[int] = []

    def inner(a: np.ndarray, b: np.ndarray) -> float:
        products.append(a.size)
        return float(a.ravel() @ b.ravel())

    monkeypatch.setattr(scalar, "inner", inner)
    with Kernels(x.numel()) as count:
        y = quantizer(x)
        y.backward(torch.ones_like(y.detach()))
    count.large += len(products) - 1  # dot products, in numpy; ones_like
    assert (count.large, count.small) == (8, 2)


@pytest.mark.parametrize("quantizer", [learned_activation(), learned_activation(signed=True), learned_weight()])
def test_saved_activations_are_input_and_output_alone(quantizer: IntQuantizer) -> None:
    saved: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    x = torch.randn(64, 32, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        y = quantizer(x)
    storages = {tensor.untyped_storage().data_ptr() for tensor in saved if tensor.numel() == x.numel()}
    assert storages <= {x.untyped_storage().data_ptr(), y.untyped_storage().data_ptr()}


def mlp() -> nn.Sequential:
    layers: list[nn.Module] = [QuantIdentity(learned_activation(bits=8, max_val=3.0, signed=True))]
    widths = [16, 64, 32, 32, 5]
    for position, (before, after) in enumerate(pairwise(widths)):
        layers.append(QuantLinear(before, after, weight_quant=learned_weight(bits=6)))
        if position < 3:
            layers.append(QuantReLU(learned_activation(bits=6)))
    return nn.Sequential(*layers)


def test_a_step_of_the_mlp_stays_within_its_counts() -> None:
    net, x, y = mlp(), torch.randn(64, 16), torch.randint(0, 5, (64,))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(x), y).backward()
        optimizer.step()

    step()
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        step()
    events = recorded.events()
    assert events is not None
    operations = sum(event.name.startswith("aten::") for event in events)
    nodes = sum(event.name.startswith("autograd::engine::evaluate_function") for event in events)
    calls = cProfile.Profile()
    calls.enable()
    step()
    calls.disable()
    python = sum(entry.callcount for entry in calls.getstats())
    assert operations <= 520, operations
    assert nodes <= 40, nodes
    assert python <= 900, python
