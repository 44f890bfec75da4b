"""Codes in low precision, and calls that torch's protocols see."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hwcost.quant import (
    FLOAT,
    LOG,
    POW2,
    ConstScale,
    Domain,
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    StatScale,
    abs_max,
    const_weight,
    learned_activation,
    learned_weight,
)

LOW = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])


def gradients(quantizer: Any, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    quantizer.zero_grad()
    y = quantizer(x)
    y.float().sum().backward()
    return y.detach(), {name: parameter.grad.clone() for name, parameter in quantizer.named_parameters()}


@LOW
@pytest.mark.parametrize("width", [4, 7, 8, 9, 10, 11, 16])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("domain", [LOG, POW2])
def test_codes_are_exact_in_the_precision_that_comes_out(
    dtype: torch.dtype, width: int, signed: bool, domain: Domain
) -> None:
    for threshold in (0.7, 1.0, 1.3, 1.99, 5.9):
        bits = LearnedBits(width)
        quantizer = IntQuantizer(bits=bits, scale=LearnedScale(threshold, domain=domain), signed=signed)
        step, wire = quantizer.step().detach(), quantizer.range()
        codes = torch.arange(int(wire.low.detach()), int(wire.high.detach()) + 1)
        x = (codes * step).to(dtype)
        y = quantizer(x).detach()
        expected = torch.round(x.float() / step).clamp(codes[0], codes[-1])
        assert y.dtype == (dtype if quantizer.holds_in(dtype, width) else torch.float32)
        assert torch.equal(torch.round(y.double() / step.double()).float(), expected)


@LOW
@pytest.mark.parametrize("power", [True, False])
def test_what_a_precision_holds_by_brute_force(dtype: torch.dtype, power: bool) -> None:
    """All codes of a width, in many steps: the first width that loses one is the first that is not held."""
    steps = torch.ones(1, 1) if power else torch.linspace(1, 2, 203)[:, None]

    def survives(bits: int) -> bool:
        codes = torch.arange(2**bits).float()
        values = codes * steps
        return torch.equal(torch.round(values.to(dtype).float() / steps), codes.expand(len(steps), -1))

    domain = POW2 if power else FLOAT
    for bits in range(1, 13):
        quantizer = IntQuantizer(bits=bits, scale=ConstScale(1.0, domain=domain), signed=False)
        assert quantizer.holds_in(dtype) == survives(bits), bits
    assert quantizer.holds_in(torch.float32) and quantizer.holds_in(torch.float64)


@pytest.mark.parametrize("bits", [8, 7, 4])
@pytest.mark.parametrize("signed", [True, False])
def test_gradients_in_bfloat16_are_those_of_float32(bits: int, signed: bool) -> None:
    quantizer = IntQuantizer(bits=LearnedBits(bits), scale=LearnedScale(6.0), signed=signed)
    x = (torch.rand(20_000) * 6.4).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, low = gradients(quantizer, x)
    exact, high = gradients(quantizer, x.float())
    assert torch.equal(torch.round(y.float() / quantizer.step()), torch.round(exact / quantizer.step()))
    for name, gradient in low.items():
        torch.testing.assert_close(gradient, high[name], rtol=2e-3, atol=0.05)


def test_a_network_in_bfloat16_trains_where_its_codes_need_float32() -> None:
    net = nn.Sequential(
        QuantConv2d(2, 3, 3, weight_quant=learned_weight()),
        nn.BatchNorm2d(3),
        QuantReLU(learned_activation()),
        nn.Flatten(),
        QuantLinear(12, 2, weight_quant=const_weight(bits=4)),
    ).bfloat16()
    y = net(torch.rand(4, 2, 4, 4).bfloat16())
    assert y.dtype == torch.bfloat16
    y.sum().backward()
    assert all(bool(parameter.grad.isfinite().all()) for parameter in net.parameters() if parameter.grad is not None)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # of torch's own tracer
def test_compiled_it_depends_on_the_largest_width() -> None:
    x = torch.rand(10).bfloat16()
    for most, dtype in ((7, torch.bfloat16), (16, torch.float32)):
        quantizer = IntQuantizer(bits=LearnedBits(4, most=most), scale=LearnedScale(1.3), signed=False)
        y = torch.compile(quantizer, fullgraph=True, backend="eager")(x)
        assert y.dtype == dtype and torch.equal(y.to(torch.bfloat16), quantizer(x))


PLACES: dict[str, Any] = {
    "activation": lambda quantizer: (QuantReLU(quantizer), "quant"),
    "identity": lambda quantizer: (QuantIdentity(quantizer), "quant"),
    "weight": lambda quantizer: (QuantLinear(4, 3, weight_quant=quantizer), "weight_quant"),
    "input": lambda quantizer: (QuantLinear(4, 3, weight_quant=None, input_quant=quantizer), "input_quant"),
}


def made(place: str, kind: type[IntQuantizer] = IntQuantizer) -> IntQuantizer:
    if place == "weight":
        return kind(bits=LearnedBits(3), scale=StatScale(abs_max, channel_dim=0), narrow=True)
    return kind(bits=LearnedBits(3), scale=LearnedScale(1.0), signed=place != "activation")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("part", ["", "scale", "bits"])
def test_forward_and_backward_hooks_fire(place: str, part: str) -> None:
    layer, name = PLACES[place](made(place))
    watched = getattr(layer, name).get_submodule(part)
    seen: list[str] = []
    watched.register_forward_hook(lambda *_: seen.append("forward"))
    watched.register_forward_pre_hook(lambda *_: seen.append("before"))
    if not part:  # a scale and a width compute nothing from x that would have a gradient
        watched.register_full_backward_hook(lambda *_: seen.append("backward"))
    layer(torch.rand(2, 4, requires_grad=True)).sum().backward()
    assert seen[:2] == ["before", "forward"] and ("backward" in seen) == (not part)


@pytest.mark.parametrize("place", PLACES)
def test_a_hook_that_returns_something_changes_the_result(place: str) -> None:
    layer, name = PLACES[place](made(place))
    x = torch.rand(2, 4)
    getattr(layer, name).register_forward_hook(lambda module, given, y: y * 0)
    expected = torch.zeros(2, 3) + layer.bias if isinstance(layer, QuantLinear) else torch.zeros(2, 4)
    assert torch.equal(layer(x), expected)


class Halved(IntQuantizer):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) / 2


class Nothing(IntQuantizer):
    def quantize(self, x: Tensor) -> Tensor:
        return x * 0


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind,factor", [(Halved, 0.5), (Nothing, 0.0)])
def test_what_a_subclass_overrides_is_what_the_layers_call(place: str, kind: Any, factor: float) -> None:
    layer, _ = PLACES[place](made(place, kind))
    plain, _ = PLACES[place](made(place))
    if isinstance(layer, QuantLinear):
        plain.load_state_dict(layer.state_dict())
    x = torch.rand(2, 4)
    bias = layer.bias if isinstance(layer, QuantLinear) else torch.zeros(4)
    torch.testing.assert_close(layer(x) - bias, (plain(x) - bias) * factor)


def test_hooks_of_other_modules_leave_the_declared_form() -> None:
    layer = QuantReLU(made("activation"))
    layer.register_forward_hook(lambda *_: None)
    y = layer(torch.rand(3, requires_grad=True))
    assert type(y.grad_fn).__name__ == "_ScalarQuantBackward"


def test_a_price_leads_through_zero_to_the_floor() -> None:
    bits = LearnedBits(4, base=0, shape=(1, 4))
    with torch.no_grad():
        bits.offset.copy_(torch.tensor([[3.0, 1.0, -1.0, 0.0]]))
    quantizer = IntQuantizer(bits=bits, scale=StatScale(abs_max, domain=POW2), signed=True, narrow=True)
    wire = quantizer.range()
    assert wire.bits.tolist() == [[3, 0, 0, 0]]  # one bit codes nothing but zero
    wire.bits.sum().backward()
    assert bits.offset.grad is not None
    assert bits.offset.grad.tolist() == [[1, 1, -1, 0]]  # at the floor there is nothing left to save
