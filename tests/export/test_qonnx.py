"""QONNX and plain ONNX: what other tools compute is what we compute, code by code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

pytest.importorskip("onnx", reason="onnx is not installed: nothing was exported; pip install 'hwcost[onnx]'")
pytest.importorskip("qonnx", reason="qonnx is not installed: no export was run; pip install qonnx")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: no export was run")

import onnxruntime
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp
from qonnx.util.cleanup import cleanup_model
from qonnx.util.inference_cost import inference_cost

from hwcost.cli import cli
from hwcost.cli.network import pipeline_of
from hwcost.errors import UnknownOperation
from hwcost.export.qonnx import plain_onnx, qonnx
from hwcost.graph.ranges import integers
from hwcost.graph.trace import Pipeline, trace
from hwcost.integer import IntegerNetwork
from hwcost.quant import (
    Accumulator,
    BiasQuantizer,
    HadamardClassifier,
    QuantAdd,
    QuantAvgPool2d,
    QuantConcat,
    QuantConv1d,
    QuantConv2d,
    QuantConvTranspose2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    QuantScaleBias,
    QuantSigmoid,
    QuantTanh,
    binary_weight,
    const_activation,
    const_input,
    const_weight,
    learned_activation,
    learned_weight,
    ternary_weight,
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
        x if x.ndim == 0 else x.reshape(1, -1, *[1] * (value.ndim - 2)) for x in (meaning.step, meaning.offset)
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


class Merging(nn.Module):
    """Every merge and every average."""

    def __init__(self) -> None:
        super().__init__()
        self.grid = act(5, signed=True)
        self.enter = QuantConv2d(3, 6, 3, padding=1, bias=False, weight_quant=weight(6))
        self.norm, self.first = nn.BatchNorm2d(6), QuantIdentity(self.grid)
        self.inner = QuantConv2d(6, 6, 3, padding="same", groups=3, weight_quant=weight())
        self.add, self.relu = QuantAdd(self.grid, ready=(0,)), QuantReLU(act())
        self.pool = nn.MaxPool2d(2)
        self.left = QuantConv2d(6, 4, 1, weight_quant=ternary_weight())
        self.right = QuantConv2d(6, 4, 1, weight_quant=binary_weight())
        self.join = QuantConcat(act(4))
        self.mean = QuantAvgPool2d(2, source=self.join.quants[0], corrected=True)
        self.fc = QuantLinear(8 * 4, 5, weight_quant=weight(per_channel=False))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.norm(self.enter(x)))
        x = self.pool(self.relu(self.add(x, self.inner(x))))
        return self.fc(self.mean(self.join(self.left(x), self.right(x))).flatten(1))


class Sequence(nn.Sequential):
    """One dimension, saturating functions, wide codes."""

    def __init__(self) -> None:
        super().__init__(
            QuantConv1d(2, 4, 3, stride=2, bias=False, weight_quant=weight(10)),
            QuantTanh(const_input(bits=9, signed=True)),
            QuantConv1d(4, 4, 3, dilation=2, weight_quant=weight(3)),
            QuantSigmoid(const_input(bits=4)),
            nn.MaxPool1d(2, stride=1, padding=1),
            nn.Flatten(),
            nn.Dropout(0.5),
            QuantLinear(4 * 4, 3, weight_quant=weight(5)),
        )


@pytest.mark.slow
@pytest.mark.parametrize(("build", "shape"), [(Merging, (3, 8, 8)), (Sequence, (2, 15))])
def test_every_kind_of_node(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    check(build(), shape)


def test_biases_on_the_grid_of_the_sum() -> None:
    grid = act(5)
    net = nn.Sequential(
        nn.Flatten(),
        QuantLinear(12, 8, bias=False, weight_quant=weight(5)),
        QuantReLU(grid),
        QuantLinear(8, 4, weight_quant=weight(4), bias_quant=BiasQuantizer(), source=grid),
    )
    check(net, (3, 2, 2))


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("where", ["source", "input_quant"])
def test_a_multiply_add_per_channel_with_a_bias_on_its_grid(where: str, per_channel: bool) -> None:
    grid = act(4)
    layer = QuantScaleBias(
        4,
        weight_quant=learned_weight(bits=4, per_channel=per_channel),
        bias_quant=BiasQuantizer(bits=7),
        **{where: grid},  # type: ignore[arg-type]
    )
    nn.init.uniform_(layer.weight, -1.0, 1.0)
    assert layer.bias is not None
    nn.init.uniform_(layer.bias, -3.0, 3.0)
    front = QuantReLU(grid if where == "source" else act(8))
    net = nn.Sequential(
        QuantConv2d(3, 4, 3, bias=False, weight_quant=weight()), front, layer, QuantIdentity(act(6, signed=True))
    )
    check(net, (3, 6, 6))


def test_a_bias_is_clipped_where_the_register_behind_the_input_quantizer_ends() -> None:
    layer = QuantLinear(12, 4, weight_quant=weight(3), input_quant=act(2), bias_quant=BiasQuantizer())
    nn.init.constant_(layer.bias, 1e4)
    check(nn.Sequential(nn.Flatten(), QuantReLU(act(8)), layer), (3, 2, 2))


def test_a_classifier_without_stored_weights() -> None:
    net = nn.Sequential(nn.Flatten(), QuantReLU(act(4)), HadamardClassifier(16, 10)).eval()
    pipeline = trace(net, torch.zeros(1, 1, 4, 4), input_range=integers(8, signed=False))
    model = cleanup_model(ModelWrapper(qonnx(pipeline, input_step=STEP)))
    plain = onnxruntime.InferenceSession(plain_onnx(pipeline, input_step=STEP).SerializeToString())
    for x in (pixels((1, 4, 4), 1), torch.zeros(1, 1, 4, 4)):
        with torch.no_grad():
            wanted = net(x)
        found = execute_onnx(model, {model.graph.input[0].name: x.numpy()})[model.graph.output[0].name]
        assert torch.allclose(torch.from_numpy(found), wanted, atol=1e-6)
        assert torch.allclose(torch.from_numpy(plain.run(None, {"input": x.numpy()})[0]), wanted, atol=1e-6)


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


@pytest.mark.parametrize(("groups", "per_channel"), [(1, False), (1, True), (2, False)])
def test_transposed_convolutions(groups: int, per_channel: bool) -> None:
    net = nn.Sequential(
        QuantConv2d(3, 4, 3, stride=2, padding=1, bias=False, weight_quant=weight()),
        QuantReLU(act()),
        QuantConvTranspose2d(
            4,
            6,
            3,
            stride=2,
            padding=1,
            output_padding=1,
            groups=groups,
            weight_quant=learned_weight(bits=3, per_channel=per_channel, channel_dim=1),
        ),
        QuantIdentity(act(5, signed=True)),
    )
    check(net, (3, 8, 8))


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


def test_widths_and_signs_are_those_of_the_network() -> None:
    net = nn.Sequential(
        QuantConv2d(3, 4, 3, bias=False, weight_quant=const_weight(bits=5)),
        QuantReLU(const_activation(bits=3)),
        nn.Flatten(),
        QuantLinear(4 * 36, 2, bias=False, weight_quant=binary_weight()),
    )
    pipeline = trace(net.eval(), torch.zeros(1, 3, 8, 8), input_range=integers(8, signed=False))
    model = cleanup_model(ModelWrapper(qonnx(pipeline, input_step=STEP)))
    found = [
        getCustomOp(node).get_integer_datatype(model).name if node.op_type == "Quant" else "BIPOLAR"
        for node in model.graph.node
        if node.op_type in ("Quant", "BipolarQuant")
    ]
    assert sorted(found) == sorted(["UINT8", "INT5", "UINT3", "BIPOLAR"])


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
