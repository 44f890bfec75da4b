"""Networks in users' own styles convert as they are: they train, are priced, and run on integers and as QONNX."""

from __future__ import annotations

import copy
import logging
import operator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from float_networks import STYLES, TOKENS, LeNet
from torch import Tensor, nn

import hwcost
from hwcost.errors import HwcostError, UntraceableNetwork
from hwcost.graph.ranges import between, integers
from hwcost.integer import IntegerNetwork
from hwcost.models import Dataflow, target_fps
from hwcost.quant import (
    QuantAdd,
    QuantConcat,
    QuantIdentity,
    QuantMul,
    QuantReLU,
    calibrate_scales,
    convert,
    load_float,
)

STEP = 1 / 256


SEQUENCES = ("mlp norm", "vit", "conv gru", "sensor lstm", "tagger", "encoder", "gpt")


def samples(name: str, count: int = 4) -> Tensor:
    """Pixels in steps of 1/256, or tokens."""
    shape = (count, *STYLES[name][1])
    return torch.randint(0, TOKENS[name], shape) if name in TOKENS else torch.randint(0, 256, shape).double() * STEP


def traced(net: nn.Module, name: str) -> hwcost.Pipeline:
    wire = between(0, TOKENS[name] - 1) if name in TOKENS else integers(8, signed=False)
    return hwcost.trace(net, samples(name, 1).to(next(net.parameters()).dtype), input_range=wire)


def outputs(y: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return y if isinstance(y, tuple) else (y,)


def converted(name: str) -> nn.Module:
    torch.manual_seed(0)
    return convert(STYLES[name][0](), "learned8", example=floats(samples(name, 1)))


def floats(x: Tensor) -> Tensor:
    return x.float() if x.is_floating_point() else x


@pytest.mark.parametrize("name", STYLES)
def test_a_network_as_people_write_it(name: str) -> None:
    net = converted(name)
    load_float(net, STYLES[name][0]().state_dict())
    optimizer = torch.optim.SGD(net.parameters(), 1e-3)
    for _ in range(2):
        loss = torch.stack([y.square().mean() for y in outputs(net(floats(samples(name))))]).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # of torch
        optimizer.step()
    assert all(parameter.grad is not None for parameter in net.parameters())
    net = net.double().eval()
    x = samples(name)
    pipeline = traced(net, name)
    model = Dataflow(device="xczu7ev", folding=target_fps(pipeline, 1000))
    assert float(hwcost.hardware_cost(pipeline, model)["LUT"].detach()) > 100
    integer = IntegerNetwork.of(pipeline, input_step=1.0 if name in TOKENS else STEP)
    found = integer.run(integer.codes(x))
    for place, wanted in zip(integer.outputs, outputs(net(x)), strict=True):
        step = integer.steps[place - 1]
        assert step.meaning is not None
        assert torch.allclose(step.meaning.value(found[step.name]), wanted.detach(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", SEQUENCES)
def test_at_eight_bits_a_network_is_near_its_float_one(name: str) -> None:
    torch.manual_seed(0)
    net = STYLES[name][0]().eval()
    x = floats(samples(name, 64))
    wanted = net(x).detach()
    quantized = convert(copy.deepcopy(net), "int8", example=x[:1])
    calibrate_scales(quantized, [x])
    found = quantized(x).detach()
    if name == "tagger":  # its last layer is left out
        found = F.log_softmax(found, -1)
    assert float((found - wanted).norm()) < 0.05 * float((wanted - wanted.mean()).norm())


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in STYLES if name not in SEQUENCES])
def test_it_leaves_as_qonnx(name: str) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed: nothing was exported; pip install 'hwcost[onnx]'")
    from hwcost.export.qonnx import qonnx

    assert qonnx(traced(converted(name).eval(), name), input_step=STEP).graph.node


@pytest.mark.parametrize("name", SEQUENCES)
def test_layers_on_sequences_are_refused_in_qonnx_by_name(name: str) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed: nothing was exported; pip install 'hwcost[onnx]'")
    from hwcost.export.qonnx import qonnx

    net = converted(name).eval()
    pipeline = traced(net, name)
    with pytest.raises(HwcostError) as caught:
        qonnx(pipeline, input_step=STEP)
    told = {line.split(":")[0] for line in str(caught.value).splitlines()}
    assert told > {"no QONNX"} and told <= {"no QONNX", *(step.name for step in pipeline.steps)}


def test_shapes_need_an_example_and_the_error_says_so() -> None:
    with pytest.raises(UntraceableNetwork, match=r"convert\(\.\.\., example=x\)"):
        convert(LeNet(), "int8")
    assert convert(LeNet(), "int8", example=torch.zeros(1, 1, 32, 32))(torch.zeros(3, 1, 32, 32)).shape == (3, 10)


class Net(nn.Module):
    """Two convolutions, and a function around them."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.a, self.b, self.function = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), function

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.function(self, x)
        return y


def kinds(net: nn.Module) -> list[type[nn.Module]]:
    return [type(module) for module in net.modules() if type(module).__name__.startswith("Quant")]


@pytest.mark.parametrize("add", [operator.add, torch.add, operator.iadd, lambda a, b: a.add(b), lambda a, b: a.add_(b)])
def test_every_form_of_a_sum(add: Any) -> None:
    net = convert(Net(lambda n, x: add(n.b(F.relu(n.a(x))), n.a(x))), "int8")
    assert kinds(net).count(QuantAdd) == 1 and kinds(net).count(QuantReLU) == 1
    hwcost.trace(net, torch.zeros(1, 3, 5, 5), input_bits=8)


def test_a_quantizer_stands_in_front_of_every_product_and_only_once() -> None:
    net = convert(Net(lambda n, x: n.b(n.a(x)) + n.b(n.a(x) * n.a(x))), "int8")
    assert kinds(net).count(QuantMul) == 1
    hwcost.trace(net, torch.zeros(1, 3, 5, 5), input_bits=8)
    shared = convert(Net(lambda n, x: (lambda y: n.b(y) + n.b(y))(n.a(x))), "int8")
    assert kinds(shared).count(QuantIdentity) == 1


def test_a_merge_of_streams_without_sign_has_none() -> None:
    net = convert(Net(lambda n, x: torch.cat([F.relu(n.a(x)), n.a(x).sigmoid()], 1)), "int8")
    (merge,) = (module for module in net.modules() if isinstance(module, QuantConcat))
    assert not merge.quants[0].signed


def test_what_is_written_in_place_is_what_later_lines_read() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        y = net.a(x)
        F.relu_(y)
        return net.b(y)  # type: ignore[no-any-return] # a convolution

    assert kinds(convert(Net(forward), "int8")).count(QuantReLU) == 1


def test_a_softmax_at_the_end_is_left_out_with_a_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "hwcost"):
        net = convert(Net(lambda n, x: F.log_softmax(n.a(x).flatten(1), dim=1)), "int8")
    assert "log_softmax is left out" in caplog.text and "soft" not in str(getattr(net, "graph", ""))


def test_everything_that_cannot_be_is_named_at_once_with_a_remedy() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        y = torch.atan(net.a(x))
        z = F.softmax(net.b(y), 1) * y
        return torch.fft.fft(z).real

    with pytest.raises(HwcostError) as caught:
        convert(Net(forward), "int8")
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines][:2] == ["atan", "softmax"]
    assert all("give it a describe() method" in line or "use nn.MultiheadAttention" in line for line in lines)


def test_the_policy_is_asked_for_functions_too() -> None:
    asked: dict[str, str] = {}

    def policy(name: str, layer: nn.Module) -> dict[str, Any]:
        asked[name] = type(layer).__name__
        return {"weight_quant": None} if isinstance(layer, nn.Conv2d) else {}

    with pytest.raises(HwcostError, match="add: Add with nothing"):
        convert(Net(lambda n, x: n.a(x) + n.a(x)), policy)
    assert asked == {"a": "Conv2d", "b": "Conv2d", "add": "Add"}


def test_parts_that_are_kept_keep_their_functions() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.c = Net(lambda n, x: n.b(torch.atan(n.a(x)))), nn.Conv2d(4, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(self.c(self.inner(x)))

    net = convert(Outer(), "int8", keep=("inner",))
    assert kinds(net).count(QuantReLU) == 1 and type(net.get_submodule("inner.a")) is nn.Conv2d
