"""Functions as float layers: what they compute, for every function that has one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import fx, nn

from hwcost.errors import UnknownOperation
from hwcost.quant.functions import FUNCTIONS, Mean

ARGUMENTS: dict[Any, tuple[Any, ...]] = {
    F.avg_pool1d: (2,), torch.avg_pool1d: (2, 1), F.avg_pool2d: (2, 1), F.adaptive_avg_pool1d: (2,),
    F.adaptive_avg_pool2d: ((2, 4),), torch.clamp: (-1.0, 2.0), torch.clip: (0, 6), "clamp": (0,), "clip": (-1.0, 0.5),
    "clamp_": (0, 6), torch.mean: ((2, 3),), "mean": ((2, 3), True), F.leaky_relu: (0.3,), F.elu: (0.5,),
    F.gelu: (), F.softplus: (), F.hardtanh: (-2.0, 3.0),
}  # fmt: skip


@pytest.mark.parametrize("target", FUNCTIONS, ids=lambda target: str(getattr(target, "__name__", target)))
def test_the_layer_computes_what_the_function_computes(target: Any) -> None:
    flat = target in (F.avg_pool1d, torch.avg_pool1d, F.adaptive_avg_pool1d, F.dropout1d)
    x = torch.linspace(-4, 4, 2 * 3 * 8).reshape(2, 3, 8) if flat else torch.linspace(-4, 4, 96).reshape(2, 3, 4, 4)
    more = ARGUMENTS.get(target, ())
    graph = fx.Graph()
    entering = graph.placeholder("x")
    node = (
        graph.call_method(target, (entering, *more))
        if isinstance(target, str)
        else graph.call_function(target, (entering, *more))
    )
    layer = FUNCTIONS[target](node).eval()
    if isinstance(layer, nn.Dropout | nn.Dropout1d | nn.Dropout2d):
        assert torch.equal(layer(x), x)
        return
    wanted = getattr(x.clone(), target)(*more) if isinstance(target, str) else target(x.clone(), *more)
    assert torch.equal(layer(x.clone()), wanted)


def test_a_clip_with_one_bound_and_a_mean_of_everything_are_no_layers() -> None:
    graph = fx.Graph()
    x = graph.placeholder("x")
    for target, more in ((torch.clamp, (None, 3.0)), (torch.mean, ())):
        with pytest.raises(UnknownOperation, match=r"give two bounds|name the dimensions"):
            FUNCTIONS[target](graph.call_function(target, (x, *more)))


def test_dimensions_of_a_mean_one_by_one() -> None:
    graph = fx.Graph()
    layer = FUNCTIONS["mean"](graph.call_method("mean", (graph.placeholder("x"), -1)))
    assert isinstance(layer, Mean) and layer.dim == -1 and not layer.keepdim
