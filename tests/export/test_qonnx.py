"""QONNX and plain ONNX: what other tools compute is what we compute, code by code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

pytest.importorskip("onnx", reason="onnx is not installed: nothing was exported; pip install 'hwcost[onnx]'")
pytest.importorskip("qonnx", reason="qonnx is not installed: no export was run; pip install qonnx")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: no export was run")

from onnx_check import STEP, act, check, compare, pixels, weight
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.inference_cost import inference_cost

from hwcost.cli import cli
from hwcost.cli.network import pipeline_of
from hwcost.errors import UnknownOperation
from hwcost.export.qonnx import qonnx
from hwcost.graph.ranges import integers
from hwcost.graph.trace import trace
from hwcost.quant import (
    Accumulator,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    binary_weight,
    const_activation,
    const_weight,
    ternary_weight,
)


def random_network(seed: int) -> tuple[nn.Module, tuple[int, ...]]:
    """Convolutions and linear layers of any width, scale and sign."""
    torch.manual_seed(seed)

    def pick(*values: Any) -> Any:
        return values[int(torch.randint(len(values), ()))]

    def any_weight() -> Any:
        return pick(
            binary_weight(),
            ternary_weight(),
            const_weight(bits=pick(2, 3, 4, 8)),
            weight(pick(2, 3, 5, 7)),
            weight(pick(4, 6), per_channel=False),
        )

    def any_activation() -> nn.Module:
        return pick(
            QuantReLU(act(pick(2, 4, 8))),
            QuantReLU(const_activation(bits=pick(3, 5), max_val=2.0)),
            QuantIdentity(act(pick(2, 4, 7), signed=True)),
        )

    layers: list[nn.Module] = []
    channels, size = 2, 8
    for _ in range(pick(1, 2, 3)):
        wider = pick(3, 4, 6)
        layers += [
            QuantConv2d(
                channels, wider, 3, padding=pick(0, 1, "same"), bias=pick(True, False), weight_quant=any_weight()
            )
        ]
        if pick(True, False):
            layers.append(nn.BatchNorm2d(wider))
        layers.append(any_activation())
        channels = wider
    if pick(True, False):
        layers.append(nn.MaxPool2d(2))
    net = nn.Sequential(*layers, nn.Flatten())
    features = net(torch.zeros(2, 2, size, size)).shape[1]
    return nn.Sequential(*net, QuantLinear(features, 4, bias=pick(True, False), weight_quant=any_weight())), (
        2,
        size,
        size,
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_random_networks(seed: int) -> None:
    net, shape = random_network(seed)
    check(net, shape, count=100, seed=seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "letter", "lenet", "tfc-w1a1", "cnv-w1a1", "cnv-w2a2", "resnet8", "ds-cnn"])
def test_the_zoo(name: str) -> None:
    pipeline, _ = pipeline_of(name, None, None)
    for call in (each.call for each in pipeline.steps):  # fresh ones put sign(0) where a rounding error decides
        if call is not None and isinstance(call.module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(call.module.bias, -0.5, 0.5)
            nn.init.uniform_(call.module.running_mean, -0.5, 0.5)
    (entering,) = pipeline.inputs
    step = STEP if entering.range.known else None
    x = pixels(entering.shape, 3)
    if step is not None:
        x = x.clamp(max=float(entering.range.high) * STEP)
    assert compare(pipeline, x, step) == (0, 0)
    cost = inference_cost(ModelWrapper(qonnx(pipeline, input_step=step)), discount_sparsity=False)["total_cost"]
    assert cost["total_macs"] == sum(
        getattr(block, "macs", 0) for layer in pipeline.layers() for block in layer.spec.blocks
    )


def test_what_has_no_node_is_named_at_once() -> None:
    def layer(mode: str) -> QuantLinear:
        register = Accumulator(bits=6, mode=mode)
        return QuantLinear(4, 4, bias=False, weight_quant=weight(), accumulator=register, input_quant=act())

    net = nn.Sequential(layer("saturate"), QuantReLU(act()), layer("wrap"))
    pipeline = trace(net.eval(), torch.zeros(1, 4), input_range=integers(8, signed=False))
    with pytest.raises(UnknownOperation, match=r"(?s)0: .*saturate.*2: .*wrap"):
        qonnx(pipeline, input_step=STEP)


@pytest.mark.parametrize("form", ["qonnx", "onnx"])
def test_the_command_writes_a_model(tmp_path: Path, form: str) -> None:
    file = tmp_path / "net.onnx"
    run = CliRunner().invoke(cli, ["export", "tfc-w1a1", "--to", form, "-o", str(file)])
    assert run.exit_code == 0, run.output
    assert ModelWrapper(str(file)).graph.input[0].type.tensor_type.shape.dim[1].dim_value == 1
    run = CliRunner().invoke(cli, ["export", "tfc-w1a1", "--to", form, "-o", str(file), "--fps", "10"])
    assert run.exit_code != 0 and "omit fps" in run.output
    run = CliRunner().invoke(cli, ["export", "tfc-w1a1", "--to", form, "-o", str(tmp_path / "no" / "net.onnx")])
    assert run.exit_code != 0 and "cannot be written" in run.output
