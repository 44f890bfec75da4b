"""Live networks of Brevitas: the same values, the widths of its own quantizers, exact accumulators.

Skipped without brevitas 0.13.4 and onnxoptimizer.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("onnx", reason="onnx is not installed: no network of Brevitas was read")
pytest.importorskip("onnxoptimizer", reason="onnxoptimizer is not installed: Brevitas exported nothing")

import onnx

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # brevitas imports what torch calls deprecated
    qnn: Any = pytest.importorskip("brevitas.nn", reason="brevitas is not installed: none of its networks was read")
    from brevitas.quant import (
        Int8WeightPerChannelFloat,
        Int32Bias,
        SignedTernaryWeightPerTensorConst,
    )
    from brevitas_examples.bnn_pynq.models.CNV import CNV
    from brevitas_examples.bnn_pynq.models.common import CommonActQuant, CommonWeightQuant
    from brevitas_examples.imagenet_classification.models.mobilenetv1 import MobileNet

from hwcost import Dataflow, HwcostError, estimate, from_brevitas, target_fps, trace
from hwcost.errors import BadOption, UnknownOperation, UnknownPrecision, UntraceableNetwork
from hwcost.export.qonnx import qonnx
from hwcost.graph.ranges import integers
from hwcost.graph.spec import MatVec
from hwcost.graph.trace import Pipeline
from hwcost.importers.qonnx import from_qonnx
from hwcost.integer import IntegerNetwork
from hwcost.quant import QuantConv2d, QuantLinear

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Brevitas is installed for the slow tier
PIXELS = integers(8, signed=False)


class LeNet(nn.Module):
    """The one of Brevitas' README, its input quantized inside."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = qnn.QuantIdentity(bit_width=8, return_quant_tensor=True)
        self.conv1 = qnn.QuantConv2d(3, 6, 5, bias=True, weight_bit_width=4)
        self.relu1 = qnn.QuantReLU(bit_width=4)
        self.conv2 = qnn.QuantConv2d(6, 16, 5, bias=True, weight_bit_width=3, weight_quant=Int8WeightPerChannelFloat)
        self.relu2 = qnn.QuantReLU(bit_width=3)
        self.fc1 = qnn.QuantLinear(400, 120, bias=True, weight_bit_width=4)
        self.relu3 = qnn.QuantReLU(bit_width=4)
        self.fc2 = qnn.QuantLinear(120, 84, bias=True, weight_bit_width=5)
        self.relu4 = qnn.QuantReLU(bit_width=2, return_quant_tensor=True)
        self.fc3 = qnn.QuantLinear(84, 10, bias=True, bias_quant=Int32Bias, weight_bit_width=4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.max_pool2d(self.relu1(self.conv1(self.enter(x))), 2)
        x = torch.max_pool2d(self.relu2(self.conv2(x)), 2)
        return self.fc3(self.relu4(self.fc2(self.relu3(self.fc1(x.flatten(1))))))


def mobilenet() -> MobileNet:
    """The published 4-bit network at a quarter of its channels; FLOOR is what the published average does."""
    stages = [[8], [16], [32, 32], [64, 64], [128] * 6, [256, 256]]
    return MobileNet(
        channels=stages,
        first_stage_stride=False,
        round_average_pool=False,
        act_bit_width=4,
        weight_bit_width=4,
        last_layer_bit_width=4,
        avg_pool_kernel_size=2,
        num_classes=10,
    )


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], Any]] = {
    "lenet": (LeNet, (3, 32, 32), None),
    "cnv-w1a1": (lambda: CNV(10, 1, 1, 8, 3), (3, 32, 32), None),
    "cnv-w2a2": (lambda: CNV(10, 2, 2, 8, 3), (3, 32, 32), None),
    "mobilenet": (mobilenet, (3, 64, 64), PIXELS),
}


def started(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> nn.Module:
    """With norms and scales that three batches have moved; in training."""
    torch.manual_seed(0)
    net = make()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    with torch.no_grad():
        for _ in range(3):
            net(torch.rand(4, *shape))
    return net


def out_of(net: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        found = copy.deepcopy(net).eval()(x)
    return getattr(found, "value", found)


def plain(name: str) -> str:
    """A module's name as Brevitas' export writes it."""
    return "/" + re.sub(r"[./]", "_", name) + "_"


def products(net: nn.Module) -> dict[str, nn.Module]:
    return {plain(name): layer for name, layer in net.named_modules() if hasattr(layer, "quant_weight")}


def twin_of(name: str, among: dict[str, nn.Module]) -> Any:
    """The layer of Brevitas that a layer of ours comes from."""
    flat = "/" + re.sub(r"[./]", "_", name.removeprefix("layers.").removeprefix("/")) + "_"
    return next(layer for key, layer in among.items() if flat.startswith(key))


def matvecs(pipeline: Pipeline) -> dict[str, MatVec]:
    return {layer.name: block for layer in pipeline.layers() for block in layer.blocks if isinstance(block, MatVec)}


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def pair(request: pytest.FixtureRequest) -> tuple[nn.Module, nn.Module, Pipeline, tuple[int, ...]]:
    """A network of Brevitas, ours, and its pipeline."""
    make, shape, wire = NETWORKS[request.param]
    net = started(make, shape)
    ours = from_brevitas(net, torch.rand(1, *shape))
    return net, ours, trace(ours, torch.zeros(1, *shape), input_range=wire), shape


def test_the_values_are_equal(pair: Any) -> None:
    net, ours, _, shape = pair
    x = torch.rand(8, *shape)
    wanted = out_of(net, x)
    assert wanted.std() > 0
    with torch.no_grad():
        torch.testing.assert_close(ours(x), wanted, rtol=1e-4, atol=1e-5)


def test_weights_are_those_of_brevitas_in_width_sign_and_code(pair: Any) -> None:
    net, _, pipeline, _ = pair
    live, blocks = products(net.eval()), matvecs(pipeline)
    assert len(blocks) == len(live)
    for name, block in blocks.items():
        weight = twin_of(name, live).quant_weight()
        codes = torch.round(weight.value / weight.scale).to(torch.int64).flatten(1)
        assert torch.equal(block.constants(), codes), name
        assert int(block.weight.bits.amax()) == int(weight.bit_width), name
        assert bool(block.weight.low.amin() < 0) == bool(weight.signed), name


def test_activations_are_those_of_brevitas_in_width_and_sign(pair: Any) -> None:
    net, ours, _, _ = pair
    live = {
        plain(name): layer.act_quant
        for name, layer in net.named_modules()
        if getattr(layer, "act_quant", None) is not None and layer.act_quant.is_quant_enabled
    }
    found = {name: layer.quant for name, layer in ours.layers.items() if getattr(layer, "quant", None) is not None}
    assert len(found) == len(live) > 0
    for name, quant in found.items():
        theirs = twin_of(name, live)
        assert int(quant.range().bits.amax()) == int(theirs.bit_width()), name
        assert quant.signed == bool(theirs.is_signed), name
        torch.testing.assert_close(quant.step().reshape(-1), theirs.scale().reshape(-1).detach())


def test_accumulators_are_the_worst_case_of_the_weights(pair: Any) -> None:
    """Of every code that Brevitas' quantizers have, since weights train on; those of now reach no further."""
    net, _, pipeline, _ = pair
    live = products(net.eval())
    for name, block in matvecs(pipeline).items():
        layer = twin_of(name, live)
        weight, narrow = layer.quant_weight(), bool(layer.weight_quant.is_narrow_range)
        bits = int(weight.bit_width)
        codes = range(-(2 ** (bits - 1)) + narrow, 2 ** (bits - 1)) if bits > 1 else (-1, 1)
        pixels = (int(block.input.low.amin()), int(block.input.high.amax()))
        each = [code * pixel for code in codes for pixel in pixels]
        assert (int(block.acc.low), int(block.acc.high)) == (min(each) * block.cols, max(each) * block.cols), name
        rows = torch.round(weight.value / weight.scale).to(torch.int64).flatten(1)
        up, down = rows.clamp(min=0).sum(1), rows.clamp(max=0).sum(1)
        assert int(block.acc.low) <= int((up * pixels[0] + down * pixels[1]).amin()), name
        assert int((up * pixels[1] + down * pixels[0]).amax()) <= int(block.acc.high), name


def test_the_model_stays_as_it_was() -> None:
    net = started(LeNet, (3, 32, 32))
    net.conv1.eval()  # a mixture of modes comes back as it was
    modes = [module.training for module in net.modules()]
    before = {name: number.clone() for name, number in net.state_dict().items()}
    from_brevitas(net, torch.rand(2, 3, 32, 32))
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(number, before[name]) for name, number in net.state_dict().items())
    net.train()(torch.rand(2, 3, 32, 32)).sum().backward()
    assert net.conv1.weight.grad is not None


class Branches(nn.Module):
    """Layers that the networks above lack."""

    def __init__(self) -> None:
        super().__init__()
        binary = dict(act_quant=CommonActQuant, bit_width=1)
        self.enter = qnn.QuantHardTanh(bit_width=6, min_val=-1.0, max_val=1.0, return_quant_tensor=True)
        self.first = qnn.QuantConv2d(3, 8, 3, padding=1, bias=False, weight_quant=SignedTernaryWeightPerTensorConst)
        self.relu = qnn.QuantReLU(bit_width=4, return_quant_tensor=True)
        self.inner = qnn.QuantConv2d(8, 8, 3, padding=1, groups=4, bias=False, weight_bit_width=4)
        self.add = qnn.QuantEltwiseAdd(bit_width=5, return_quant_tensor=True)
        self.again = qnn.QuantReLU(bit_width=4, return_quant_tensor=True)
        self.depth = qnn.QuantConv2d(8, 8, 3, groups=8, bias=False, weight_quant=CommonWeightQuant, weight_bit_width=1)
        self.norm, self.sign = nn.BatchNorm2d(8), qnn.QuantIdentity(**binary)
        self.left = qnn.QuantConv2d(8, 8, 1, bias=False, weight_bit_width=3)
        self.grid = qnn.QuantIdentity(bit_width=4, return_quant_tensor=True)
        self.pool = nn.AvgPool2d(2)
        self.fc = qnn.QuantLinear(8, 4, bias=True, weight_bit_width=4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.first(self.enter(x)))
        x = self.again(self.add(x, self.inner(x)))
        x = self.left(self.sign(self.norm(self.depth(x))))
        return self.fc(self.pool(self.grid(x)).flatten(1))


def test_branches_groups_binary_ternary_and_hard_tanh() -> None:
    net = started(Branches, (3, 4, 4))
    x = torch.randn(8, 3, 4, 4)
    ours = from_brevitas(net, x)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), out_of(net, x), rtol=1e-4, atol=1e-5)
    pipeline = trace(ours, x)
    widths = [int(block.weight.bits.amax()) for block in matvecs(pipeline).values()]
    assert widths == [2, 4, 1, 3, 4]
    assert float(estimate(pipeline, Dataflow(device="ZCU104", folding=target_fps(pipeline, 1_000))).total["LUT"]) > 0


def test_a_plain_sum_of_two_streams_on_one_grid() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.grid = qnn.QuantIdentity(bit_width=5, return_quant_tensor=True)
            self.conv = qnn.QuantConv2d(3, 3, 1, bias=False, weight_bit_width=4)
            self.out = qnn.QuantConv2d(3, 2, 1, bias=False, weight_bit_width=4)

        def forward(self, x: Tensor) -> Tensor:
            x = self.grid(x)
            return self.out(x + self.grid(self.conv(x)))

    net = started(Residual, (3, 4, 4))
    x = torch.rand(4, 3, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(from_brevitas(net, x)(x), out_of(net, x), rtol=1e-4, atol=1e-5)


def test_it_runs_in_integers_alone() -> None:
    net = started(lambda: CNV(10, 2, 2, 8, 3), (3, 32, 32))
    x = torch.rand(2, 3, 32, 32)
    whole = IntegerNetwork.of(trace(from_brevitas(net, x), x))
    torch.testing.assert_close(whole.values(x).float(), out_of(net, x), rtol=1e-4, atol=1e-4)


def test_it_is_exported_again(tmp_path: Path) -> None:
    net = started(lambda: CNV(10, 2, 2, 8, 3), (3, 32, 32))
    x = torch.rand(2, 3, 32, 32)
    onnx.save(qonnx(trace(from_brevitas(net, x), x)), tmp_path / "net.onnx")
    with torch.no_grad():
        torch.testing.assert_close(from_qonnx(tmp_path / "net.onnx")(x), out_of(net, x), rtol=1e-4, atol=1e-4)


def test_it_trains_on() -> None:
    net = started(LeNet, (3, 32, 32))
    ours = from_brevitas(net, torch.rand(1, 3, 32, 32)).train()
    ours(torch.rand(2, 3, 32, 32)).sum().backward()
    layers = [layer for layer in ours.modules() if isinstance(layer, QuantConv2d | QuantLinear)]
    assert layers and all(layer.weight.grad is not None for layer in layers)


def test_floats_that_enter_have_to_be_described() -> None:
    net = nn.Sequential(qnn.QuantConv2d(3, 4, 3, bias=False, weight_bit_width=4), qnn.QuantReLU(bit_width=4))
    x = torch.rand(1, 3, 8, 8)
    ours = from_brevitas(net, x)
    with pytest.raises(UnknownPrecision, match=r"Conv.*input_bits="):
        trace(ours, x)
    assert matvecs(trace(ours, x, input_bits=8))


def test_every_unknown_layer_is_named_at_once() -> None:
    net = nn.Sequential()
    net.add_module("grid", qnn.QuantIdentity(bit_width=8))
    net.add_module("odd", nn.Conv2d(3, 3, 1))
    net.add_module("soft", nn.Softshrink())
    net.add_module("middle", qnn.QuantReLU(bit_width=4))
    net.add_module("elu", nn.Hardshrink())
    with pytest.raises(UnknownOperation) as told:
        from_brevitas(net, torch.rand(1, 3, 8, 8))
    assert {*re.findall(r"(?m)^/(\w+)/", str(told.value))} == {"odd", "soft", "elu"}
    assert "has no Quant node" in str(told.value)


@pytest.mark.parametrize("size", [2, 3])
def test_averages_that_round_have_their_values(size: int) -> None:
    """Brevitas rounds half to even by default, on whole numbers: ties fall as there."""
    torch.manual_seed(0)
    there = nn.Sequential(
        qnn.QuantReLU(bit_width=4, return_quant_tensor=True), qnn.TruncAvgPool2d(size, bit_width=4), qnn.QuantIdentity()
    )
    for _ in range(3):
        there(torch.rand(4, 3, 12, 12))
    x = torch.rand(8, 3, 12, 12)
    ours = from_brevitas(there.eval(), x)
    torch.testing.assert_close(ours(x), there(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, (None, 3)])
@pytest.mark.parametrize("truncate", [False, True])
def test_adaptive_averages_come_in_as_fixed_ones(size: Any, truncate: bool) -> None:
    torch.manual_seed(0)
    pool = (
        qnn.TruncAdaptiveAvgPool2d(size, bit_width=4, float_to_int_impl_type="FLOOR", return_quant_tensor=False)
        if truncate
        else nn.AdaptiveAvgPool2d(size)
    )
    there = nn.Sequential(
        qnn.QuantIdentity(bit_width=8),
        qnn.QuantConv2d(3, 4, 3, weight_bit_width=4, bias=False),
        qnn.QuantReLU(bit_width=4, return_quant_tensor=truncate),
        pool,
        nn.Flatten(),
        qnn.QuantIdentity(bit_width=6),
    ).eval()
    side = 5 if size == (None, 3) else 8
    x = torch.rand(4, 3, side, side)
    net = from_brevitas(there, x)
    assert torch.equal(net(x), there(x))
    pipeline = trace(net, x)
    part = Dataflow(device="PYNQ-Z1", folding=target_fps(pipeline, 1_000))
    assert estimate(pipeline, part).total["LUT"] > 0
    assert isinstance(there[3], type(pool)), "the model stays as it is"


def test_windows_that_overlap_are_refused_with_the_layer() -> None:
    net = nn.Sequential(qnn.QuantIdentity(bit_width=8), nn.AdaptiveAvgPool2d(3), qnn.QuantIdentity(bit_width=6))
    with pytest.raises(UnknownOperation, match=r"^1: averages 8 x 8 pixels to 3 x 3; give equal square windows"):
        from_brevitas(net, torch.rand(1, 3, 8, 8))


def test_what_is_wrong_with_the_call_is_one_line() -> None:
    net = nn.Sequential(qnn.QuantIdentity(), qnn.QuantLinear(4, 2, bias=False, weight_bit_width=4))
    with pytest.raises(BadOption, match="one tensor"):
        from_brevitas(net, (torch.rand(1, 4),))  # type: ignore[arg-type] # on purpose
    with pytest.raises(UntraceableNetwork, match="Sequential: Brevitas cannot export"):
        from_brevitas(net, torch.rand(1, 5))
    assert issubclass(UntraceableNetwork, HwcostError)
