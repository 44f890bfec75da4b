"""What every layer keeps: the integers it computes are those it describes, no more and no fewer."""

import itertools
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
import torch
from contract_cases import LAYERS, LayerCase
from torch import Tensor, nn

from hwcost.graph.ranges import Range
from hwcost.graph.spec import LayerSpec, MatVec, Signal
from hwcost.quant import (
    Accumulator,
    HadamardClassifier,
    LearnedBits,
    QuantActivation,
    QuantAdd,
    QuantConcat,
    QuantEmbedding,
    QuantIdentity,
    QuantLinear,
    QuantPosition,
    QuantPrefix,
    QuantTensor,
)

EVERY = pytest.mark.parametrize("name", LAYERS)
STEP = 0.25
"""Of the inputs."""


def codes(case: LayerCase, kind: str) -> Tensor:
    """A batch of two samples: the lowest or highest integers that enter, or random ones."""
    low, high = int(case.wire.low), int(case.wire.high)
    shape = (2, *case.shape)
    if kind == "random":
        drawn = torch.randint(low, high + 1, shape)
        return torch.where(drawn == 0, high, drawn) if case.wire.bipolar else drawn
    return torch.full(shape, low if kind == "low" else high)


def entering(layer: nn.Module, case: LayerCase, whole: Tensor) -> Tensor:
    """Values of these integers; of an activation or a merge, values far beyond its bounds."""
    if isinstance(layer, QuantActivation) and layer.input_quant is None and not layer.rises:
        return whole.double() * STEP
    if isinstance(layer, QuantEmbedding):
        return whole
    if (
        isinstance(layer, QuantIdentity | QuantAdd | QuantConcat | QuantPosition | QuantPrefix)
        or getattr(layer, "input_quant", getattr(layer, "left_quant", None)) is not None
    ):
        return (whole.double() - (float(case.wire.low) + float(case.wire.high)) / 2) * 100.0
    return whole.double() * STEP


def result(layer: Any, case: LayerCase, kinds: tuple[str, ...]) -> tuple[Tensor, Range | None]:
    """The integers that leave, and the range that the values carry with them."""
    inputs = [entering(layer, case, codes(case, kind)) for kind in kinds]
    if isinstance(layer, HadamardClassifier):
        scores = layer(inputs[0])
        unit = layer.scale.detach() / inputs[0].norm(dim=1, keepdim=True)
        return torch.round(scores.detach() / (unit * STEP)).to(torch.int64), None
    if case.plain:
        grid = getattr(layer, "quants", [layer])[0]
        return torch.round(layer(*inputs).detach() / grid.step().detach()).to(torch.int64), None
    step = torch.tensor(STEP, dtype=torch.float64)
    out = layer(*(QuantTensor(x, step, case.wire) for x in inputs))
    assert isinstance(out, QuantTensor)
    whole = out.codes()
    value, expected = out.value.detach(), whole.double() * out.scale.detach()
    assert bool(((value - expected).abs() <= 1e-9 * out.scale.detach()).all())
    return whole, out.range


def described(layer: Any, case: LayerCase) -> LayerSpec:
    dtype = next((parameter.dtype for parameter in layer.parameters()), torch.float32)
    blank = torch.zeros(1, *case.shape, dtype=dtype)
    with torch.no_grad():
        if case.plain:
            shape = tuple(layer(blank).shape[1:])
        else:
            whole = QuantTensor(blank, torch.tensor(STEP, dtype=dtype), case.wire)
            shape = tuple(layer(*(whole,) * case.streams).value.shape[1:])
    last = len(case.shape) > 1 and getattr(layer, "channels_last", False)
    signal = Signal(range=case.wire, shape=case.shape, channels_last=last)
    spec: LayerSpec = layer.describe(*(signal,) * case.streams, shape=shape)
    return spec


def extremes(layer: nn.Module) -> Iterator[None]:
    """All weights at once far beyond either bound, and all biases."""
    far = {"weight": (1e4, -1e4), "bias": (1e9, -1e9)}
    own = [(parameter, far[name]) for name, parameter in layer.named_parameters(recurse=False) if name in far]
    with torch.no_grad():
        for signs in itertools.product(*(sizes for _, sizes in own)):
            for (parameter, _), size in zip(own, signs, strict=True):
                parameter.fill_(size)
            yield


def channels(wire: Range, like: Tensor, last: bool) -> tuple[Tensor, Tensor]:
    """Bounds that broadcast against a batch: one each, or one per channel."""
    shape = (1, -1, *[1] * (0 if last else like.ndim - 2))
    return tuple(b.detach() if b.numel() == 1 else b.detach().reshape(shape) for b in (wire.low, wire.high))  # type: ignore[return-value] # two


def smallest_width(low: int, high: int) -> int:
    """By trial: the first width whose codes hold every integer from low to high."""
    for bits in range(1, 64):
        span = 2**bits
        lowest, highest = (-span // 2, span // 2 - 1) if low < 0 else (0, span - 1)
        if lowest <= low and high <= highest:
            return bits
    raise AssertionError(f"{low}..{high}")


@EVERY
def test_no_integer_leaves_its_described_range_and_both_ends_are_reached(name: str) -> None:
    case = LAYERS[name]
    layer: Any = case.build().double()
    signal = described(layer, case).output
    output = signal.range
    seen_low, seen_high = [], []

    def look(kinds: tuple[str, ...]) -> None:
        whole, carried = result(layer, case, kinds)
        low, high = channels(output, whole, signal.channels_last)
        assert bool(((whole >= low) & (whole <= high)).all()), kinds
        if carried is not None:
            assert torch.equal(carried.low.flatten(), output.low.flatten())
            assert torch.equal(carried.high.flatten(), output.high.flatten())
            assert torch.equal(carried.bits.flatten(), output.bits.flatten())
        rows = whole.movedim(-1 if signal.channels_last else 1, 0).flatten(1)
        seen_low.append(rows.amin(1))
        seen_high.append(rows.amax(1))

    for _ in range(3):
        look(("random",) * case.streams)
    every_input = list(itertools.product(("low", "high", "random"), repeat=case.streams))
    for _ in extremes(layer):
        for kinds in every_input:
            look(kinds)
    if case.loose is None:
        assert torch.equal(torch.stack(seen_low).amin(0).double(), output.low.detach().expand(len(seen_low[0])))
        assert torch.equal(torch.stack(seen_high).amax(0).double(), output.high.detach().expand(len(seen_high[0])))


@EVERY
def test_every_described_width_is_the_smallest_that_holds_its_range(name: str) -> None:
    case = LAYERS[name]
    layer = case.build()
    spec = described(layer, case)
    accumulators = [block.acc for block in spec.blocks if isinstance(block, MatVec)]
    for wire in accumulators if isinstance(layer, QuantIdentity) else [*accumulators, spec.output.range]:
        if wire.bipolar or isinstance(getattr(layer, "accumulator", None), Accumulator):
            continue  # codes of a chosen width; see the next test
        bounds = torch.broadcast_tensors(wire.low.detach(), wire.high.detach(), wire.bits.detach())
        for low, high, bits in zip(*(bound.flatten().tolist() for bound in bounds), strict=True):
            assert bits == smallest_width(int(low), int(high))


@EVERY
def test_every_described_width_holds_its_range(name: str) -> None:
    case = LAYERS[name]
    for wire in _wires(described(case.build(), case)):
        if wire.bipolar:
            continue
        bounds = torch.broadcast_tensors(wire.low.detach(), wire.high.detach(), wire.bits.detach())
        for low, high, bits in zip(*(bound.flatten().tolist() for bound in bounds), strict=True):
            assert low <= high and bits >= smallest_width(int(low), int(high))


def _wires(spec: LayerSpec) -> list[Range]:
    inside = [getattr(block, field.name) for block in spec.blocks for field in fields(block)]
    return [spec.output.range, *(wire for wire in inside if isinstance(wire, Range))]


def widths(module: nn.Module) -> list[LearnedBits]:
    return [part for part in module.modules() if isinstance(part, LearnedBits)]


LEARNED = [name for name, case in LAYERS.items() if widths(case.build())]


@pytest.mark.parametrize("name", LEARNED)
def test_no_width_and_no_bound_shrinks_when_a_learned_width_grows(name: str) -> None:
    case = LAYERS[name]
    layer = case.build()
    accumulator = getattr(layer, "accumulator", None)
    # a wider sum loses more of its lowest bits, and what is left of its bounds may be smaller; its width may not
    shifted = accumulator is not None and accumulator.mode == "truncate"
    for bits in widths(layer):
        bits.offset.data.fill_(0.0)
        before = _wires(described(layer, case))
        for _ in range(bits.most - bits.base + 1):
            bits.offset.data += 1
            after = _wires(described(layer, case))
            for narrow, wide in zip(before, after, strict=True):
                lower, higher = wide.low <= narrow.low, wide.high >= narrow.high
                assert shifted or bool(lower.all() & higher.all())
                assert bool((wide.bits >= narrow.bits).all())
            before = after
        bits.offset.data.fill_(2.0)


@pytest.mark.parametrize("name", LEARNED)
def test_a_description_has_finite_gradients_to_every_width_also_at_its_floor(name: str) -> None:
    case = LAYERS[name]
    for offset in (0.0, 2.0, 1e9):
        layer = case.build()
        for bits in widths(layer):
            bits.offset.data.fill_(offset)
        wires = _wires(described(layer, case))
        torch.stack([wire.bits.sum() + wire.high.sum() * 1e-6 for wire in wires]).sum().backward()
        for bits in widths(layer):
            assert bits.offset.grad is not None and bool(bits.offset.grad.isfinite().all())
            assert offset == 1e9 or bool((bits.offset.grad > 0).all())


@pytest.mark.parametrize("name", [name for name, case in LAYERS.items() if name.startswith("linear")])
def test_sums_stay_in_the_accumulator_in_any_order(name: str) -> None:
    """A multiply-accumulate unit adds one product after the other: what it holds in between must fit, too."""
    case = LAYERS[name]
    layer: Any = case.build().double()
    assert isinstance(layer, QuantLinear)
    if layer.accumulator is not None or layer.input_quant is not None:
        return
    (unit,) = (block for block in described(layer, case).blocks if isinstance(block, MatVec))
    assert layer.weight_quant is not None
    half = 2 ** (unit.acc.bits.detach() - 1)
    low, high = torch.where(unit.acc.low < 0, -half, 0.0), torch.where(unit.acc.low < 0, half, 2 * half) - 1
    for _ in range(20):
        weights = layer.weight_quant.integers(layer.weight)
        for kind in ("random", "low", "high"):
            products = (codes(case, kind)[:, None, :] * weights)[..., torch.randperm(7)]
            sums = products.cumsum(-1).movedim(1, -1)
            assert bool(((sums >= low) & (sums <= high)).all())
        nn.init.normal_(layer.weight)
