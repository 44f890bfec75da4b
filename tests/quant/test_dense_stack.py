"""A perceptron as one call: the values of its modules, their gradients, and no other network is taken for one."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from hwcost.errors import BadOption, DivergedTraining
from hwcost.quant import (
    LearnedBits,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    const_input,
    learned_activation,
    learned_weight,
)
from hwcost.quant.dense_stack import stacked
from hwcost.quant.granularity import refine_widths


def perceptron(per: str, *, signed: bool = True, bias: bool = True) -> nn.Sequential:
    """A refined network of two layers, widths from pruned to eight bits, sums exact in float32."""
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Flatten(),
        QuantIdentity(const_input(bits=6, max_val=4.0, signed=signed)),
        QuantLinear(6, 5, bias=bias, weight_quant=learned_weight(bits=4)),
        nn.Identity(),
        QuantReLU(learned_activation(bits=4)),
        QuantLinear(5, 3, bias=False, weight_quant=learned_weight(bits=4)),
    )
    refine_widths(net, torch.zeros(2, 2, 3), per=per)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, LearnedBits) and module.offset.ndim:
                module.offset.copy_(torch.rand_like(module.offset) * 10 - 1.5)  # below zero, and beyond the most
            if isinstance(module, QuantLinear) and module.bias is not None:
                module.bias.copy_((torch.randn_like(module.bias) * 64).round() / 64)
    return net


def slopes(net: nn.Module, call: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, dict[str, Tensor | None]]:
    net.zero_grad(set_to_none=True)
    x.grad = None
    out = call(x)
    (out * torch.linspace(-1, 1, out.numel()).reshape(out.shape).sin()).sum().backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    return out.detach(), {"x": x.grad} | {name: one.grad for name, one in net.named_parameters()}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("per", ["weight", "channel", "layer"])
def test_values_are_equal_and_gradients_close_to_those_of_the_modules(per: str, signed: bool, bias: bool) -> None:
    net = perceptron(per, signed=signed, bias=bias)
    x = (3 * torch.randn(33, 2, 3)).requires_grad_()
    found = stacked(net)
    assert found is not None
    out, mine = slopes(net, found, x)
    expected, theirs = slopes(net, net, x)
    assert torch.equal(out, expected)
    assert {name for name, one in mine.items() if one is None} == {name for name, one in theirs.items() if one is None}
    for name, slope in theirs.items():
        if slope is not None:
            torch.testing.assert_close(
                mine[name], slope, rtol=2e-5, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}"
            )  # type: ignore[misc] # bound now


def test_the_largest_of_two_equal_weights_takes_the_slope_of_the_step() -> None:
    net = perceptron("weight")
    first = net[2]
    assert isinstance(first, QuantLinear)
    with torch.no_grad():
        first.weight[1, 2], first.weight[1, 4] = -0.9, 0.9
        first.weight[3] = 0
    x = torch.randn(9, 2, 3)
    found = stacked(net)
    assert found is not None
    _, mine = slopes(net, found, x)
    _, theirs = slopes(net, net, x)
    torch.testing.assert_close(mine["2.weight"], theirs["2.weight"], rtol=2e-5, atol=2e-5)


def test_it_reads_the_parameters_at_the_call() -> None:
    net = perceptron("channel")
    found = stacked(net)
    assert found is not None
    x = torch.randn(4, 2, 3)
    before = found(x)
    changed = {name: one.detach().clone().mul_(-1) for name, one in net.named_parameters() if name.endswith("weight")}
    net.load_state_dict(net.state_dict() | changed, assign=True)
    assert torch.equal(found(x), net(x)) and not torch.equal(found(x), before)


def test_a_width_that_is_no_number_and_a_second_derivative_are_refused() -> None:
    net = perceptron("weight")
    found = stacked(net)
    assert found is not None
    out = found(torch.randn(4, 2, 3))
    with pytest.raises(BadOption, match="second derivative"):
        torch.autograd.grad(out.sum(), list(net.parameters()), create_graph=True, allow_unused=True)
    for name in ("1.quant.bits.offset", "5.weight_quant.bits.offset"):
        torch.nn.init.constant_(net.get_parameter(name), float("nan"))
        with pytest.raises(DivergedTraining, match="NaN"):
            found(torch.randn(4, 2, 3))
        torch.nn.init.constant_(net.get_parameter(name), 3.0)


def _hooked(net: nn.Sequential) -> nn.Module:
    net[4].register_forward_hook(lambda *_: None)
    return net


OTHERS: dict[str, Callable[[nn.Sequential], nn.Module]] = {
    "no chain": lambda net: nn.ModuleList(net),
    "a hook": _hooked,
    "dropout": lambda net: nn.Sequential(*net[:5], nn.Dropout(0.5), net[5]),
    "an activation at the end": lambda net: nn.Sequential(*net, net[4]),
    "two activations": lambda net: nn.Sequential(*net[:5], net[4], net[5]),
    "nothing in front": lambda net: nn.Sequential(net[0], *net[2:]),
    "another precision": lambda net: net.double(),
    "steps that are no powers of two": lambda net: nn.Sequential(
        *net[:4], QuantReLU(learned_activation(bits=4)), net[5]
    ),
    "a float layer": lambda net: nn.Sequential(*net[:5], nn.Linear(5, 3)),
    "one width, not pruned, beside others": lambda net: nn.Sequential(
        *net[:5], QuantLinear(5, 3, weight_quant=learned_weight(bits=4))
    ),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_network_is_left_to_its_modules(other: str) -> None:
    assert stacked(OTHERS[other](perceptron("weight"))) is None
