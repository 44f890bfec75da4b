"""Whole networks in int64 arithmetic equal their fake-quantized selves: what we price is what we train."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import hwcost
from hwcost.graph.ranges import between
from hwcost.integer import IntegerNetwork
from hwcost.quant import (
    POW2,
    IntQuantizer,
    LearnedScale,
    QuantAdd,
    QuantAvgPool2d,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    StatScale,
    abs_max,
    learned_activation,
    learned_weight,
    ternary_weight,
)
from hwcost.zoo.cnn import SmallCNN, Widths
from hwcost.zoo.data import digits
from hwcost.zoo.lenet import QuantLeNet

PIXEL = 1 / 16
DIGITS = digits()


def act(bits: int = 4, max_val: float = 2.0, signed: bool = False) -> IntQuantizer:
    return learned_activation(bits=bits, max_val=max_val, signed=signed)


def weight(bits: int = 4, **options: Any) -> IntQuantizer:
    return learned_weight(bits=bits, **options)


class Mlp(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Flatten(),
            QuantLinear(64, 32, weight_quant=weight(5)),
            QuantReLU(act(5)),
            QuantLinear(32, 24, bias=False, weight_quant=ternary_weight()),
            nn.BatchNorm1d(24),
            QuantReLU(act(3)),
            QuantLinear(24, 10, weight_quant=weight(per_channel=False)),
        )


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = QuantConv2d(1, 8, 3, padding=1, bias=False, weight_quant=weight(6))
        self.norm = nn.BatchNorm2d(8)
        self.grid = act(5, signed=True)
        self.enter = QuantIdentity(self.grid)
        self.conv1 = QuantConv2d(8, 8, 3, padding=1, weight_quant=weight())
        self.norm1 = nn.BatchNorm2d(8)
        self.relu1 = QuantReLU(act())
        self.conv2 = QuantConv2d(8, 8, 3, padding=1, weight_quant=weight())
        self.norm2 = nn.BatchNorm2d(8)
        self.add = QuantAdd(self.grid, ready=(0,))
        self.relu2 = QuantReLU(act())
        self.pool = nn.MaxPool2d(2)
        self.fc = QuantLinear(128, 10, weight_quant=weight(per_channel=False))

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(self.norm(self.stem(x)))
        inner = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        x = self.pool(self.relu2(self.add(x, inner)))
        return self.fc(x.flatten(1))


class Depthwise(nn.Sequential):
    def __init__(self) -> None:
        def block(before: int, after: int, stride: int) -> list[nn.Module]:
            return [
                QuantConv2d(
                    before, before, 3, stride=stride, padding="same", groups=before, bias=False, weight_quant=weight(5)
                ),
                nn.BatchNorm2d(before),
                QuantReLU(act()),
                QuantConv2d(before, after, 1, bias=False, weight_quant=weight()),
                nn.BatchNorm2d(after),
                QuantReLU(act(5)),
            ]

        super().__init__(
            QuantConv2d(1, 8, 3, padding=1, bias=False, weight_quant=weight(6)),
            nn.BatchNorm2d(8),
            QuantReLU(act()),
            *block(8, 12, 2),
            *block(12, 16, 2),
            QuantAvgPool2d(2, truncate=False),
            nn.Flatten(),
            QuantLinear(16, 10, weight_quant=weight(per_channel=False)),
        )


def small_cnn() -> SmallCNN:
    return SmallCNN(
        image=(1, 8, 8), channels=(6, 12), hidden=16, classes=10, widths=Widths(conv=2, dense=2, activation=2)
    )


def as_digits(x: Tensor) -> Tensor:
    return x


def as_colour_32(x: Tensor) -> Tensor:
    """Digits enlarged to 24 x 24, padded to 32 x 32, in three channels; every pixel keeps its code."""
    return F.pad(x.repeat_interleave(3, 2).repeat_interleave(3, 3), (4, 4, 4, 4)).expand(-1, 3, -1, -1).contiguous()


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[Tensor], Tensor]]] = {
    "mlp": (Mlp, as_digits),
    "lenet": (QuantLeNet, as_colour_32),
    "residual": (Residual, as_digits),
    "depthwise": (Depthwise, as_digits),
    "small cnn": (small_cnn, as_digits),
}


def trained(build: Callable[[], nn.Module], view: Callable[[Tensor], Tensor], steps: int = 12) -> nn.Module:
    """A few steps, so that scales, widths, biases and batch norms are those of training and not round numbers."""
    net = build()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    with torch.no_grad():  # some batch norms turn their channel around
        for norm in net.modules():
            if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
                norm.weight[::3] *= -1
    for batch in range(steps):
        place = slice(64 * batch, 64 * batch + 64)
        optimizer.zero_grad()
        F.cross_entropy(net(view(DIGITS.train.x[place])), DIGITS.train.y[place]).backward()
        optimizer.step()
    return net.eval()


def pow2_scales(net: nn.Module) -> nn.Module:
    """Every scale a power of two, and batch norms gone into nothing: float32 then computes exactly."""
    for module in net.modules():
        for name in ("quant", "weight_quant", "grid"):
            quantizer = getattr(module, name, None)
            if isinstance(quantizer, IntQuantizer):
                quantizer.scale = (
                    LearnedScale(2.0, domain=POW2) if name != "weight_quant" else StatScale(abs_max, domain=POW2)
                )
    return net


def activations(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """The codes of every activation in the fake-quantized forward pass."""
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(module: Any, _: Any, y: Tensor) -> None:
            found[name] = torch.round(y / module.quant.step(y)).to(torch.int64)

        return hook

    hooks = [m.register_forward_hook(keep(n)) for n, m in net.named_modules() if isinstance(m, QuantIdentity)]
    with torch.no_grad():
        found["scores"] = net(x)
    for hook in hooks:
        hook.remove()
    return found


@pytest.fixture(scope="module")
def nets() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {name: trained(build, view) for name, (build, view) in NETWORKS.items()}


def on_integers(net: nn.Module, x: Tensor) -> IntegerNetwork:
    return IntegerNetwork.of(hwcost.trace(net, x[:1], input_range=between(0, 16)), input_step=PIXEL)


@pytest.mark.parametrize("name", NETWORKS)
def test_integers_equal_fake_quantization_on_every_test_image(nets: dict[str, nn.Module], name: str) -> None:
    net = copy.deepcopy(nets[name]).double()
    x = NETWORKS[name][1](DIGITS.test.x).double()
    integer = on_integers(net, x)
    expected = activations(net, x)
    found = integer.run(integer.codes(x))
    layers = expected.keys() - {"scores"}
    assert len(layers) >= 2 and layers <= found.keys()
    for layer in layers:
        assert torch.equal(found[layer], expected[layer]), layer
        assert found[layer].unique().numel() > 2, f"{layer} does nothing"
    scores = integer.values(integer.codes(x))
    assert torch.allclose(scores, expected["scores"], rtol=0, atol=1e-12)
    winners = expected["scores"].argmax(1, keepdim=True)  # of several equal integers, either
    assert torch.allclose(scores.gather(1, winners), scores.amax(1, keepdim=True), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_in_single_precision_only_ties_differ(nets: dict[str, nn.Module], name: str) -> None:
    """float32 rounds sums and steps; a value within that error of a threshold may get the neighbouring code."""
    net = nets[name]
    x = NETWORKS[name][1](DIGITS.test.x)
    integer = on_integers(net, x)
    found, expected = integer.run(integer.codes(x)), activations(net, x)
    layers = [layer for layer in found if layer in expected]
    differing = {layer: found[layer] != expected[layer] for layer in layers}
    first = next((layer for layer in layers if bool(differing[layer].any())), None)
    if first is not None:  # later layers follow from it
        assert int((found[first] - expected[first]).abs().amax()) == 1
        distance = to_next_threshold(net, first, x)
        assert float(distance[differing[first]].amax()) < 1e-4, "in units of a step"
    count, total = (sum(int(part.sum()) for part in differing.values()), sum(found[layer].numel() for layer in layers))
    assert count <= 2e-5 * total, f"{count} of {total} activations"


def to_next_threshold(net: nn.Module, layer: str, x: Tensor) -> Tensor:
    """How far what enters an activation is from where its code changes, in float64 and in steps."""
    twin = copy.deepcopy(net).double()
    found: list[Tensor] = []

    def look(module: Any, given: tuple[Tensor, ...]) -> None:
        steps = module.function(given[0]) / module.quant.step(given[0])
        found.append((steps - torch.floor(steps) - 0.5).abs())

    twin.get_submodule(layer).register_forward_pre_hook(look)
    with torch.no_grad():
        twin(x.double())
    return found[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "lenet"])
def test_with_powers_of_two_single_precision_is_exact(name: str) -> None:
    build, view = NETWORKS[name]
    torch.manual_seed(1)
    net = trained(lambda: pow2_scales(build()), view, steps=4)
    for module in net.modules():  # values with few bits: no sum rounds
        if isinstance(module, QuantLinear | QuantConv2d) and module.bias is not None:
            module.bias.data = torch.round(module.bias.data * 256) / 256
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.zero_()
            module.running_var.fill_(1 - module.eps)
            module.weight.data = module.weight.data.sign()
            module.bias.data.zero_()
    x = view(DIGITS.test.x)
    integer = on_integers(net, x)
    found, expected = integer.run(integer.codes(x)), activations(net, x)
    for layer in expected.keys() - {"scores"}:
        assert torch.equal(found[layer], expected[layer]), layer
    assert torch.equal(integer.values(integer.codes(x)).float(), expected["scores"])
