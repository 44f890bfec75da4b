"""What every quantizer keeps; every configuration of `contract_cases.QUANTIZERS` is held to it."""

import inspect
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from contract_cases import COLS, LAYERS, PARTS, QUANTIZERS, ROWS, OnBias
from torch import Tensor, nn

import hwcost.quant
from hwcost.errors import BadOption
from hwcost.graph.ranges import Range
from hwcost.quant import (
    FLOAT,
    LOG,
    POW2,
    BiasQuantizer,
    BinaryQuantizer,
    BoundedQuantizer,
    ConstBits,
    ConstScale,
    GridQuantizer,
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    Restrict,
    StatScale,
    TernaryQuantizer,
    ThresholdQuantizer,
)

PUBLIC = {name: thing for name in dir(hwcost.quant) if callable(thing := getattr(hwcost.quant, name))}
NO_CASE = {
    "Quantizer": "a protocol",
    "Scale": "a protocol",
    **dict.fromkeys(
        ("QuantGRU", "QuantLSTM", "QuantLayerNorm", "QuantMultiheadAttention", "QuantRMSNorm"),
        "a layer of sequences: tests/quant/test_sequence_networks.py and tests/integer/test_sequences.py",
    ),
    "Product": "what linear layers and convolutions share",
    "ScaleBias": "in float: it has no hardware; its quantized form is in the table",
}
"""Public modules that the tables leave out, and why."""

BOTH = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
EVERY = pytest.mark.parametrize("name", QUANTIZERS)


def sample(dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(ROWS, COLS, generator=generator, dtype=torch.float64).to(dtype)


def built(name: str, dtype: torch.dtype = torch.float32) -> Any:
    return QUANTIZERS[name]().to(dtype)


def codes(quantizer: Any, x: Tensor) -> Tensor:
    if isinstance(quantizer, OnBias):
        return torch.round(quantizer(x).detach() / quantizer.step()).to(torch.int64)
    result: Tensor = quantizer.integers(x)
    return result


def learned(module: nn.Module) -> list[LearnedBits]:
    return [part for part in module.modules() if isinstance(part, LearnedBits)]


def gradients(quantizer: Any, x: Tensor, g: Tensor) -> dict[str, Tensor]:
    leaf = x.clone().requires_grad_()
    quantizer.zero_grad()
    (quantizer(leaf) * g.to(x)).sum().backward()
    assert leaf.grad is not None
    found = {name: parameter.grad for name, parameter in quantizer.named_parameters() if parameter.grad is not None}
    return {"x": leaf.grad, **found}


def test_every_public_class_is_in_a_table() -> None:
    covered: set[type] = set()
    cases = [*QUANTIZERS.values(), *PARTS.values(), *(case.build for case in LAYERS.values())]
    for build in cases:
        covered |= {type(module) for module in build().modules()}
    missing = {name for name, thing in PUBLIC.items() if _is_part(thing) and thing not in covered} - set(NO_CASE)
    assert not missing, f"add a case to tests/contract_cases.py for {sorted(missing)}"
    assert not set(NO_CASE) - set(PUBLIC), "NO_CASE names what is not public any more"


def _is_part(thing: Any) -> bool:
    """A module, or any class that a layer could take for one."""
    foreign = inspect.isclass(thing) and (hasattr(thing, "describe") or hasattr(thing, "quantize"))
    return foreign or (inspect.isclass(thing) and issubclass(thing, nn.Module))


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, thing in PUBLIC.items()
        if inspect.isfunction(thing) or (_is_part(thing) and name not in ("Quantizer", "Scale"))
    ],
)
def test_unknown_keyword_raises(name: str) -> None:
    needed = {"QuantLinear": (1, 1)}.get(name, (1, 1, 1) if name.startswith("QuantConv") else ())
    options: dict[str, Any] = {}
    if name in ("QuantLSTM", "QuantGRU"):
        needed = (1, 1)
        options = {"weight_quant": hwcost.quant.const_weight, "input_quant": hwcost.quant.const_activation(bits=4)}
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        PUBLIC[name](*needed, **options, nonsense=1)


def test_unknown_keyword_of_a_batch_norm_raises() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        hwcost.quant.QuantScaleBias.from_batch_norm(nn.BatchNorm1d(3), weight_quant=None, nonsense=1)


def within(x: Tensor, wire: Range) -> bool:
    low, high = wire.low.detach(), wire.high.detach()
    return bool(((x >= low) & (x <= high)).all())


def holds(wire: Range) -> bool:
    """Whether the width holds the range, with no formula of ours."""
    corners = zip(wire.low.detach().flatten(), wire.high.detach().flatten(), wire.bits.detach().flatten(), strict=True)
    for low, high, bits in corners:
        if wire.bipolar:
            continue
        span = 2 ** int(bits)
        lowest, highest = (-span // 2, span // 2 - 1) if low < 0 else (0, span - 1)
        if not lowest <= low <= high <= highest:
            return False
    return True


@EVERY
@BOTH
@pytest.mark.parametrize("size", [1.0, 100.0, 1e-6])
def test_values_are_whole_steps_inside_the_range(name: str, dtype: torch.dtype, size: float) -> None:
    quantizer, x = built(name, dtype), sample(dtype) * size
    y, whole = quantizer(x).detach(), codes(quantizer, x)
    assert torch.equal(whole.to(dtype) * quantizer.step(x).detach(), y)
    assert within(whole, quantizer.range()) and holds(quantizer.range())
    if quantizer.range().bipolar:
        assert set(whole.unique().tolist()) <= {-1, 1}


@EVERY
def test_both_ends_of_the_range_are_reached(name: str) -> None:
    quantizer = built(name)
    if isinstance(quantizer, BoundedQuantizer):
        quantizer.acc_bits = 32  # nothing to shrink
    for part in quantizer.modules():
        if isinstance(part, StatScale) and part.gain is not None:
            part.gain.data.fill_(1.0)
    wire = quantizer.range()
    for end, bound in ((1e3, wire.high), (-1e3, wire.low)):
        whole = codes(quantizer, torch.full((ROWS, COLS), end)).double()
        assert torch.equal(whole, bound.detach().expand(ROWS, COLS))


def smooth_threshold(scale: Any, x: Tensor) -> Tensor:
    """The threshold without rounding up to a power of two; right up to a constant factor."""
    domain = scale.domain
    if domain is POW2:
        scale.domain = LOG if isinstance(scale, LearnedScale) else FLOAT
    try:
        threshold: Tensor = scale(x)
    finally:
        scale.domain = domain
    return threshold


def real_bits(bits: LearnedBits | ConstBits) -> Tensor:
    """The width without rounding to a whole number; right up to a constant."""
    if isinstance(bits, ConstBits):
        return bits.width
    size = bits.offset.abs()
    return torch.exp2(size) if bits.restrict is Restrict.POW2 else size


def surrogate(quantizer: Any, x: Tensor) -> Callable[[Tensor], Tensor]:
    """The quantizer with every rounding error frozen at x: a smooth function with the straight-through gradient."""
    if isinstance(quantizer, OnBias):
        inner = quantizer.quantizer
        bits = inner.bits if inner.bits is not None else ConstBits(int(inner.width(quantizer.wire)))
        return _uniform(quantizer, x, lambda x: quantizer.step(), bits, constant_step=True)
    scale: Any = quantizer.scale
    factor = scale(x) / smooth_threshold(scale, x)

    def threshold(x: Tensor) -> Tensor:
        return factor * smooth_threshold(scale, x)

    if isinstance(quantizer, IntQuantizer):
        return _uniform(quantizer, x, threshold, quantizer.bits, constant_step=False)
    s = scale(x)
    if isinstance(quantizer, GridQuantizer | ThresholdQuantizer):
        edges = getattr(quantizer, "thresholds", torch.tensor([[quantizer.low * 1.0, getattr(quantizer, "high", 0)]]))
        unit = 1.0 if isinstance(quantizer, ThresholdQuantizer) else s
        beyond = s if isinstance(quantizer, ThresholdQuantizer) else 0.0
        low, high = (edges.to(x.dtype)[:, end] * unit + beyond * sign for end, sign in ((0, -1), (-1, 1)))
        still = quantizer(x) - torch.minimum(torch.maximum(x, low), high)
        return lambda x: torch.minimum(torch.maximum(x, low), high) + still
    if isinstance(quantizer, BinaryQuantizer):

        def clip(x: Tensor) -> Tensor:
            return torch.minimum(torch.maximum(x, -scale(x)), scale(x)) if quantizer.clipped else x

        rest = quantizer(x) / s - clip(x)
        return lambda x: threshold(x) * (clip(x) + rest)
    assert isinstance(quantizer, TernaryQuantizer)
    sign, still = quantizer(x) / s, x.clone()
    return lambda x: threshold(x) * (sign + (x - still) * sign.abs())


def _uniform(
    quantizer: Any, x: Tensor, threshold: Any, bits: Any, *, constant_step: bool
) -> Callable[[Tensor], Tensor]:
    powers = isinstance(bits, LearnedBits) and bits.restrict is Restrict.POW2
    width = quantizer.width() if hasattr(quantizer, "width") else quantizer.range().bits
    start = real_bits(bits).clone()
    narrow, power = getattr(quantizer, "narrow", False), getattr(quantizer, "power", False)

    def scaled(x: Tensor) -> tuple[Tensor, Tensor]:
        now = width * real_bits(bits) / start if powers else width + real_bits(bits) - start
        span = torch.exp2(now - 1 if quantizer.signed else now)
        reach = span if power or (quantizer.signed and not narrow) else span - 1
        step = threshold(x) if constant_step else threshold(x) / reach
        low = (-span + narrow) if quantizer.signed else torch.zeros_like(span)
        return torch.minimum(torch.maximum(x / step, low), span - 1), step

    inside, step = scaled(x)
    error = quantizer(x) / step - inside

    def value(x: Tensor) -> Tensor:
        inside, step = scaled(x)
        return (inside + error) * step

    return value


CUT = "what a bounded weight loses to its limit counts as constant"
NO_SURROGATE = {
    "bounded": CUT,
    "bounded signed input": CUT,
    "bounded centered": CUT,
    "bounded, one scale": CUT,
    "bounded by a common factor": "the factor moves with every weight of the row: see the test of its own",
}


@pytest.mark.parametrize("name", [name for name in QUANTIZERS if name not in NO_SURROGATE])
def test_gradients_are_those_of_the_straight_through_surrogate(name: str) -> None:
    quantizer, x = built(name, torch.float64), sample()
    g = torch.linspace(-1, 2, ROWS * COLS, dtype=torch.float64).reshape(ROWS, COLS)
    exact = gradients(quantizer, x, g)
    places = {"x": x, **dict(quantizer.named_parameters())}
    with torch.no_grad():
        value = surrogate(quantizer, x)
        for key, place in places.items():
            for index in range(place.numel()):
                number = place.view(-1)
                middle, eps = number[index].item(), 1e-6
                ends = []
                for side in (eps, -eps):
                    number[index] = middle + side
                    ends.append(float((value(x) * g).sum()))
                number[index] = middle
                slope = (ends[0] - ends[1]) / (2 * eps)
                found = exact[key].flatten()[index].item() if key in exact else 0.0
                assert math.isclose(found, slope, rel_tol=2e-5, abs_tol=2e-6), f"{key}[{index}]: {found}, not {slope}"


@EVERY
def test_single_precision_has_the_gradients_of_double(name: str) -> None:
    x = sample(torch.float32)
    g = torch.linspace(-1, 2, ROWS * COLS).reshape(ROWS, COLS)
    single, double = gradients(built(name), x, g), gradients(built(name, torch.float64), x.double(), g)
    assert single.keys() == double.keys()
    for key, gradient in single.items():
        assert torch.allclose(gradient.double(), double[key], rtol=2e-4, atol=2e-5), key


EXACT_STEPS: dict[str, tuple[Callable[[], nn.Module], float]] = {
    "int": (lambda: IntQuantizer(bits=4, scale=ConstScale(1.0)), 1.0),
    "int narrow": (lambda: IntQuantizer(bits=4, scale=ConstScale(1.0, domain=POW2), narrow=True), 1.0),
    "int unsigned": (lambda: IntQuantizer(bits=4, scale=ConstScale(15.0), signed=False), 1.0),
    "learned": (lambda: IntQuantizer(bits=LearnedBits(4), scale=LearnedScale(2.0)), 1.0),
    "learned per channel": (
        lambda: IntQuantizer(bits=LearnedBits(4), scale=LearnedScale(torch.full((ROWS, 1), 2.0))),
        1.0,
    ),
    "learned pow2": (lambda: IntQuantizer(bits=4, scale=LearnedScale(2.0, domain=POW2), signed=False), 1.0),
    "bounded": (lambda: BoundedQuantizer(bits=4, scale=ConstScale(7.0), acc_bits=20, input_bits=4), 1.0),
    "bias": (lambda: OnBias(BiasQuantizer(bits=4)), 1.0),
    "binary": (lambda: BinaryQuantizer(scale=LearnedScale(2.0)), 2.0),
    "binary clipped": (lambda: BinaryQuantizer(scale=LearnedScale(2.0), clipped=True), 2.0),
}
"""Quantizers whose bounds are exact numbers, and the gradient to x there."""


@BOTH
@pytest.mark.parametrize("name", EXACT_STEPS)
def test_the_bounds_count_as_inside(name: str, dtype: torch.dtype) -> None:
    build, inside = EXACT_STEPS[name]
    quantizer: Any = build().to(dtype)
    step, wire = quantizer.step(torch.ones(ROWS, COLS, dtype=dtype)).detach().to(dtype), quantizer.range()
    for bound in (wire.low, wire.high):
        x = (bound.detach().to(dtype) * step).expand(ROWS, COLS)
        assert torch.equal(gradients(quantizer, x, torch.ones(ROWS, COLS))["x"], torch.full_like(x, inside))


ODD: dict[str, Tensor] = {
    "zeros": torch.zeros(ROWS, COLS),
    "a channel of zeros": sample(torch.float32) * torch.tensor([[1.0], [0.0], [1.0], [1.0]]),
    "constant": torch.full((ROWS, COLS), 0.37),
    "huge": sample(torch.float32).sign() * 1e30,
    "one huge": torch.zeros(ROWS, COLS).index_fill(1, torch.tensor([2]), 1e30),
    "tiny": sample(torch.float32) * 1e-30,
    "subnormal": sample(torch.float32).sign() * 1e-40,
    "minus zero": torch.full((ROWS, COLS), -0.0),
}


@EVERY
@pytest.mark.parametrize("odd", ODD)
def test_odd_inputs_give_finite_values_and_gradients(name: str, odd: str) -> None:
    quantizer, x = built(name), ODD[odd]
    assert bool(quantizer(x).isfinite().all())
    for key, gradient in gradients(quantizer, x, torch.ones(ROWS, COLS)).items():
        assert bool(gradient.isfinite().all()), key
    assert within(codes(quantizer, x), quantizer.range())


@EVERY
@BOTH
def test_nan_propagates_and_has_no_code(name: str, dtype: torch.dtype) -> None:
    quantizer, x = built(name, dtype), sample(dtype)
    x[1, 2] = float("nan")
    y = quantizer(x)
    assert bool(y[1, 2].isnan())
    if not isinstance(quantizer, OnBias):
        with pytest.raises(BadOption, match="NaN"):
            quantizer.integers(x)


@pytest.mark.parametrize("name", [name for name in QUANTIZERS if learned(QUANTIZERS[name]())])
@pytest.mark.parametrize("step", [1e9, -1e9, 1e-9])
def test_no_width_leaves_its_bounds(name: str, step: float) -> None:
    quantizer = built(name)
    for bits in learned(quantizer):
        bits.offset.data -= step
        assert bool(((bits() >= bits.base) & (bits() <= bits.most)).all())
        width = quantizer.range().bits
        assert bool(((width >= bits.base) & (width <= bits.most)).all())
    assert bool(quantizer(sample(torch.float32)).isfinite().all())


@pytest.mark.parametrize("name", [name for name in QUANTIZERS if learned(QUANTIZERS[name]())])
def test_the_range_grows_with_the_width(name: str) -> None:
    quantizer = built(name)
    (bits,) = learned(quantizer)
    bits.offset.data.fill_(0.0)
    before = quantizer.range()
    for _ in range(12):
        bits.offset.data += 1
        after = quantizer.range()
        assert bool((after.low <= before.low).all()) and bool((after.high >= before.high).all())
        assert bool((after.bits >= before.bits).all())
        before = after
    quantizer.range().bits.sum().backward()
    assert bits.offset.grad is not None
