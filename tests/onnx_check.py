"""Exports of ONNX against integers: what other tools compute is what we compute, code by code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("onnx", reason="onnx is not installed: nothing was exported; pip install 'hwcost[onnx]'")
pytest.importorskip("qonnx", reason="qonnx is not installed: no export was run; pip install qonnx")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: no export was run")

import onnxruntime
import torch
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model
from torch import Tensor, nn

from hwcost.export.qonnx import plain_onnx, qonnx
from hwcost.graph.ranges import integers
from hwcost.graph.trace import Pipeline, trace
from hwcost.integer import IntegerNetwork
from hwcost.quant import (
    learned_activation,
    learned_weight,
)

STEP = 1 / 256


def settled(net: nn.Module, shape: tuple[int, ...], draw: Callable[[int], Tensor], seed: int = 0) -> nn.Module:
    """Scales started, batch norms with statistics and signs of their own."""
    torch.manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    net.train()
    with torch.no_grad():
        for _ in range(3):
            net(draw(8))
    return net.eval()


def codes(value: Tensor, meaning: Any) -> Tensor:
    """The integers behind values that leave."""
    assert not meaning.maps
    step, offset = (
        x if x.ndim == 0 else x.reshape(1, -1, *[1] * (0 if meaning.last else value.ndim - 2))
        for x in (meaning.step, meaning.offset)
    )
    return torch.round((value.double() - offset) / step).to(torch.int64)


def compare(pipeline: Pipeline, x: Tensor, step: float | None) -> tuple[int, int]:
    """How many codes the QONNX executor gets wrong on every x; the worst distance of onnxruntime in codes."""
    whole = IntegerNetwork.of(pipeline, input_step=step)
    last = whole.steps[whole.outputs[0] - len(whole.inputs)]
    wanted = whole.run(x if step is None else whole.codes(x))[last.name]
    model = cleanup_model(ModelWrapper(qonnx(pipeline, input_step=step)))
    options = onnxruntime.SessionOptions()  # fused, its integer kernels round in places of their own
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    plain = onnxruntime.InferenceSession(plain_onnx(pipeline, input_step=step).SerializeToString(), options)
    (entering,), (leaving,) = model.graph.input, model.graph.output
    (port,) = plain.get_inputs()
    wrong, far = 0, 0
    for place in range(len(x)):
        one = x[place : place + 1]
        ours = torch.from_numpy(execute_onnx(model, {entering.name: one.numpy()})[leaving.name])
        theirs = torch.from_numpy(plain.run(None, {port.name: one.numpy()})[0])
        wrong += int((codes(ours, last.meaning) != wanted[place : place + 1]).sum())
        far = max(far, int((codes(theirs, last.meaning) - wanted[place : place + 1]).abs().max()))
    return wrong, far


def pixels(shape: tuple[int, ...], count: int) -> Tensor:
    return torch.randint(0, 256, (count, *shape)).float() * STEP


def check(net: nn.Module, shape: tuple[int, ...], count: int = 10, seed: int = 0) -> None:
    settled(net, shape, lambda batch: pixels(shape, batch), seed)
    pipeline = trace(net, torch.zeros(1, *shape), input_range=integers(8, signed=False))
    assert compare(pipeline, pixels(shape, count), STEP) == (0, 0)


def act(bits: int = 4, **options: Any) -> Any:
    return learned_activation(bits=bits, max_val=2.0, **options)


def weight(bits: int = 4, **options: Any) -> Any:
    return learned_weight(bits=bits, **options)
