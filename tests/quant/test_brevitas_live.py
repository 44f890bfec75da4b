"""Ours against brevitas, run side by side: equal values and gradients for every configuration that both have.

Skipped without brevitas 0.13.4. What differs on purpose stands in `test_brevitas_differences.py`.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from brevitas_pairs import (
    ACTIVATIONS,
    COLS,
    LEARNED,
    ROWS,
    WEIGHTS,
    WIDTH,
    Int8Bias,
    ScalingImplType,
    StatsOp,
    activation_injector,
    activation_pair,
    close,
    qnn,
    weight_injector,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hwcost.quant import (
    BiasQuantizer,
    ConstScale,
    IntQuantizer,
    LearnedBits,
    QuantAvgPool2d,
    QuantConv1d,
    QuantConv2d,
    QuantConvTranspose2d,
    QuantLinear,
    QuantReLU,
    QuantSigmoid,
    QuantTanh,
    RunningScale,
    StatScale,
    abs_max,
)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Brevitas is installed for the slow tier


def seeded(seed: int, rows: int = ROWS) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    size = 10 ** (torch.rand((), generator=generator, dtype=torch.float64) * 2 - 1)
    return torch.randn(rows, COLS, generator=generator, dtype=torch.float64) * size


def beside_bounds(quantizer: Any, x: Tensor) -> bool:
    """Whether no value lies between a bound and half a step beyond it: see DIFFERENCES."""
    if not isinstance(quantizer, IntQuantizer):
        return True
    wire = quantizer.range()
    steps = (x / quantizer.step(x)).detach()
    above, below = steps - wire.high, wire.low - steps
    return not bool((((above > 1e-9) & (above < 0.51)) | ((below > 1e-9) & (below < 0.51))).any())


def drawn(seed: int, build: Callable[[], Any], rows: int = ROWS) -> Tensor:
    """Random values that avoid the one place where gradients differ on purpose."""
    for attempt in range(1000):
        x = seeded(1000 * seed + attempt, rows)
        quantizer = build().double()
        if hasattr(quantizer, "start"):
            quantizer.start(x)
        if beside_bounds(quantizer, x):
            return x
    raise AssertionError("no sample beside the bounds")


def same_parameters(ours: nn.Module, theirs: nn.Module, names: dict[str, str]) -> None:
    mine, other = dict(ours.named_parameters()), dict(theirs.named_parameters())
    for here, there in names.items():
        (first,) = (value for name, value in mine.items() if name.endswith(here))
        (second,) = (value for name, value in other.items() if name.endswith(there))
        assert first.grad is not None and second.grad is not None
        close(first.grad, second.grad, here)


SEEDS = given(seed=st.integers(0, 10_000))
FEW = settings(max_examples=5, deadline=None, derandomize=True)


@pytest.mark.parametrize("name", WEIGHTS)
@FEW
@SEEDS
def test_weights(name: str, seed: int) -> None:
    pair = WEIGHTS[name]
    w = drawn(seed, pair.ours)
    g = seeded(seed + 7)
    quantizer = pair.ours().double()
    getattr(quantizer, "start", lambda x: None)(w)
    mine = w.clone().requires_grad_()
    theirs = qnn.QuantLinear(COLS, ROWS, bias=False, weight_quant=weight_injector(**pair.theirs)).double()
    theirs.weight.data.copy_(w)
    if "scaling_impl.value" in pair.parameters.values():
        theirs.quant_weight()  # starts at its statistic; then the largest weight moves off the bound
        w = w * 0.9
        theirs.weight.data.copy_(w)
        mine = w.clone().requires_grad_()
    y, other = quantizer(mine), theirs.quant_weight()
    close(y.detach(), other.value.detach(), "value")
    close(quantizer.step(w).detach(), other.scale.detach(), "step")
    assert float(quantizer.range().bits) == float(other.bit_width)
    (y * g).sum().backward()
    (other.value * g).sum().backward()
    assert mine.grad is not None
    close(mine.grad, theirs.weight.grad, "weight")
    same_parameters(quantizer, theirs, pair.parameters)


@pytest.mark.parametrize("name", ACTIVATIONS)
@FEW
@SEEDS
def test_activations(name: str, seed: int) -> None:
    pair = ACTIVATIONS[name]
    x, g = drawn(seed, pair.ours), seeded(seed + 7)
    here, there = activation_pair(pair)
    mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, z = here(mine), there(other)
    close(y.detach(), z.value.detach(), "value")
    close(here.quant.step(x).detach(), z.scale.detach(), "step")
    assert float(here.quant.range().bits) == float(z.bit_width)
    (y * g).sum().backward()
    (z.value * g).sum().backward()
    assert mine.grad is not None and other.grad is not None
    close(mine.grad, other.grad, "x")
    same_parameters(here, there, pair.parameters)


@pytest.mark.parametrize("kind", ["sigmoid", "tanh"])
@FEW
@SEEDS
def test_functions(kind: str, seed: int) -> None:
    signed = kind == "tanh"
    quantizer = IntQuantizer(bits=5, scale=ConstScale(1.0), signed=signed)
    options = {"scaling_impl_type": ScalingImplType.CONST, "scaling_init": 1.0, "bit_width": 5, "signed": signed}
    here = (QuantTanh if signed else QuantSigmoid)(quantizer).double()
    there = (qnn.QuantTanh if signed else qnn.QuantSigmoid)(act_quant=activation_injector(**options)).double()
    x, g = seeded(seed), seeded(seed + 7)
    steps = here.function(x) / quantizer.step()
    if bool((steps > 2.0**4 - 1).any()) and signed:
        return  # between the bound and half a step beyond it: see DIFFERENCES
    mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, z = here(mine), there(other)
    close(y.detach(), z.detach(), "value")
    (y * g).sum().backward()
    (z * g).sum().backward()
    assert mine.grad is not None and other.grad is not None
    close(mine.grad, other.grad, "x")


@pytest.mark.parametrize("momentum", [0.1, 0.5, None])
@FEW
@SEEDS
def test_running_statistics(momentum: float | None, seed: int) -> None:
    here = QuantReLU(IntQuantizer(bits=4, scale=RunningScale(abs_max, momentum=momentum), signed=False)).double()
    options = {
        "scaling_impl_type": ScalingImplType.STATS,
        "scaling_stats_op": StatsOp.MAX,
        "scaling_stats_momentum": momentum,
    }
    there = qnn.QuantReLU(act_quant=activation_injector(**options), return_quant_tensor=True).double()
    for batch in range(4):
        x = seeded(seed + batch).abs()
        g = seeded(seed + 7)
        mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()
        y, z = here(mine), there(other)
        close(y.detach(), z.value.detach(), "value")
        (y * g).sum().backward()
        (z.value * g).sum().backward()
        assert mine.grad is not None and other.grad is not None
        close(mine.grad, other.grad, "x")
    here.eval(), there.eval()
    x = seeded(seed + 99).abs()
    close(here(x), there(x).value, "in evaluation")


LAYERS: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[int, ...], int]] = {
    "linear": (
        lambda **q: QuantLinear(6, 5, **q), lambda **q: qnn.QuantLinear(6, 5, bias=True, **q), (3, 6), 0
    ),
    "conv1d": (
        lambda **q: QuantConv1d(4, 6, 3, stride=2, padding=1, **q),
        lambda **q: qnn.QuantConv1d(4, 6, 3, stride=2, padding=1, **q), (2, 4, 9), 0,
    ),
    "conv2d": (
        lambda **q: QuantConv2d(4, 6, 3, stride=2, padding=1, groups=2, **q),
        lambda **q: qnn.QuantConv2d(4, 6, 3, stride=2, padding=1, groups=2, **q), (2, 4, 7, 7), 0,
    ),
    "depthwise": (
        lambda **q: QuantConv2d(4, 4, 3, dilation=2, groups=4, **q),
        lambda **q: qnn.QuantConv2d(4, 4, 3, dilation=2, groups=4, **q), (2, 4, 7, 7), 0,
    ),
    "same": (
        lambda **q: QuantConv2d(4, 6, 3, padding="same", **q),
        lambda **q: qnn.QuantConv2d(4, 6, 3, padding="same", **q), (2, 4, 7, 7), 0,
    ),
    "transposed": (
        lambda **q: QuantConvTranspose2d(4, 6, 3, 2, 1, 1, **q),
        lambda **q: qnn.QuantConvTranspose2d(4, 6, 3, 2, 1, 1, **q), (2, 4, 5, 5), 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
@FEW
@SEEDS
def test_layers(name: str, seed: int) -> None:
    build, build_theirs, shape, channel = LAYERS[name]
    torch.manual_seed(seed)
    scale = StatScale(abs_max, channel_dim=channel)
    here = build(weight_quant=IntQuantizer(bits=LearnedBits(4), scale=scale, narrow=True)).double()
    options = {"scaling_stats_op": StatsOp.MAX, "scaling_per_output_channel": True, **LEARNED}
    there = build_theirs(weight_quant=weight_injector(**options)).double()
    there.weight.data.copy_(here.weight.data)
    there.bias.data.copy_(here.bias.data)
    x = torch.randn(shape, dtype=torch.float64)
    mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, z = here(mine), there(other)
    g = torch.randn_like(y)
    close(y.detach(), z.detach(), "value")
    (y * g).sum().backward()
    (z * g).sum().backward()
    assert mine.grad is not None and other.grad is not None
    close(mine.grad, other.grad, "x")
    close(here.weight.grad, there.weight.grad, "weight")
    close(here.bias.grad, there.bias.grad, "bias")
    same_parameters(here, there, WIDTH)


@FEW
@SEEDS
def test_bias_on_the_grid_of_the_accumulator(seed: int) -> None:
    torch.manual_seed(seed)
    source = IntQuantizer(bits=4, scale=ConstScale(1.7))
    here = QuantLinear(
        6,
        5,
        weight_quant=IntQuantizer(bits=4, scale=StatScale(abs_max, channel_dim=0), narrow=True),
        input_quant=source,
        bias_quant=BiasQuantizer(bits=8),
    ).double()
    there = qnn.QuantLinear(
        6,
        5,
        bias=True,
        weight_quant=weight_injector(scaling_stats_op=StatsOp.MAX, scaling_per_output_channel=True),
        input_quant=activation_injector(signed=True, scaling_impl_type=ScalingImplType.CONST, scaling_init=1.7),
        bias_quant=Int8Bias,
    ).double()
    there.weight.data.copy_(here.weight.data)
    # a bias inside of its 8 bits: beyond them the two gradients differ as in DIFFERENCES
    here.bias.data.uniform_(-0.05, 0.05)
    there.bias.data.copy_(here.bias.data)
    x = torch.rand(3, 6, dtype=torch.float64)
    y, z = here(x), there(x)
    close(y.detach(), z.detach(), "value")
    y.square().sum().backward()
    z.square().sum().backward()
    close(here.bias.grad, there.bias.grad, "bias")


@pytest.mark.parametrize("kernel", [2, 3])
def test_truncating_average(kernel: int) -> None:
    """The integers: brevitas' scale makes up for the area, as `corrected` does."""
    source = IntQuantizer(bits=4, scale=ConstScale(1.5), signed=False)
    here = QuantAvgPool2d(kernel, corrected=True, source=source).double()
    front = qnn.QuantIdentity(
        act_quant=activation_injector(scaling_impl_type=ScalingImplType.CONST, scaling_init=1.5),
        return_quant_tensor=True,
    ).double()
    there = qnn.TruncAvgPool2d(kernel, bit_width=4, float_to_int_impl_type="FLOOR", return_quant_tensor=True).double()
    x = torch.rand(2, 3, 6, 6, dtype=torch.float64) * 1.5
    theirs = there(front(x))
    ours = here(source.double()(x))
    step = source.step().detach() * 2 ** here.shift(source.range()) / kernel**2
    assert torch.equal(torch.round(ours / step).detach(), torch.round(theirs.value / theirs.scale).detach())
