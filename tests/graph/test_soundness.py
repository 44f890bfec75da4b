"""A network with NaN or infinite weights, or a negative variance, is neither priced nor written."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from hwcost.cost.estimate import estimate
from hwcost.errors import DivergedTraining
from hwcost.export.qonnx import plain_onnx, qonnx
from hwcost.export.verilog import verilog
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import Dataflow, target_fps
from hwcost.models.device import device
from hwcost.quant import QuantIdentity, QuantLinear, const_activation, const_weight


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        QuantLinear(4, 3, bias=True, weight_quant=const_weight(bits=4)),
        nn.BatchNorm1d(3),
        QuantIdentity(const_activation(bits=4, signed=False)),
        QuantLinear(3, 2, bias=False, weight_quant=const_weight(bits=4)),
    )


def priced(pipeline: Pipeline) -> object:
    folding = target_fps(pipeline, 1000.0, clock_mhz=100.0)
    return estimate(pipeline, Dataflow(device=device("xc7z020"), folding=folding, clock_mhz=100.0))


USES: dict[str, Callable[[Pipeline], object]] = {
    "estimate": priced,
    "qonnx": lambda pipeline: qonnx(pipeline, input_step=0.5),
    "onnx": lambda pipeline: plain_onnx(pipeline, input_step=0.5),
    "verilog": lambda pipeline: verilog(pipeline, input_step=0.5),
}
SPOILED = {
    "NaN weight": (lambda net: net[0].weight.data.view(-1)[:2].fill_(float("nan")), "0: weight has 2 values of 12"),
    "infinite bias": (lambda net: net[0].bias.data[0].fill_(float("inf")), "0: bias has 1 values of 3"),
    "infinite weight": (lambda net: net[3].weight.data[0, 0].fill_(-float("inf")), "3: weight has 1 values of 6"),
    "NaN mean": (lambda net: net[1].running_mean.data[0].fill_(float("nan")), "1: running_mean"),
    "negative variance": (lambda net: net[1].running_var.data[1].fill_(-0.25), "1: running_var .* -0.25"),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", SPOILED)
def test_what_no_hardware_computes_is_refused_by_layer(use: str, kind: str) -> None:
    net = network()
    pipeline = trace(net, torch.zeros(1, 4), input_bits=4)
    USES[use](pipeline)  # as it is, it can be used
    spoil, message = SPOILED[kind]
    spoil(net)
    with pytest.raises(DivergedTraining, match=message):
        USES[use](pipeline)


def test_all_layers_are_named_at_once() -> None:
    net = network()
    pipeline = trace(net, torch.zeros(1, 4), input_bits=4)
    for kind in ("NaN weight", "negative variance", "infinite weight"):
        SPOILED[kind][0](net)
    with pytest.raises(DivergedTraining, match=r"(?s)0: weight.*\n1: running_var.*\n3: weight"):
        priced(pipeline)
