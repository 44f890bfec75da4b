"""Tensors of a QONNX file while it is read: streams with what is still to be applied to them, and coded constants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf

import torch
from torch import Tensor

from hwcost.errors import UnknownOperation
from hwcost.quant.quantizers import Quantizer


def number(value: float) -> Tensor:
    """Make a float64 tensor of shape ()."""
    return torch.tensor(float(value), dtype=torch.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Grid:
    """Integers behind a stream.

    Attributes:
        step: value of one, float64 ().
        low, high: smallest and largest.
        quantizer: that made them, if one did.
    """

    step: Tensor
    low: float
    high: float
    quantizer: Quantizer | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Codes:
    """Integers of a stream or constant: round(x / step), clamped; each stands for `factor`.

    Attributes:
        step, factor: float64, () or broadcastable to the stream.
        rounding: as in `GridQuantizer`.
        low, high: of the integers; infinite where nothing clamps.
        zero_point: as in `GridQuantizer`.
        bipolar: -1 and +1 instead.
        raw: whether they still hold their zero point, in front of the node that takes it off.
    """

    step: Tensor
    factor: Tensor
    rounding: str = "HALF_EVEN"
    low: float = -inf
    high: float = inf
    zero_point: int = 0
    bipolar: bool = False
    raw: bool = False

    def moved(self, move: Callable[[Tensor], Tensor]) -> Codes:
        """Move the steps as the numbers of a constant were moved."""
        return replace(self, step=move(self.step), factor=move(self.factor))


@dataclass(frozen=True, eq=False, kw_only=True)
class Value:
    """A tensor of the file: codes of gain * base + offset, in another order of axes.

    Attributes:
        tensor, shape: of the base, a tensor that a layer makes; shape with the batch.
        gain, offset: float64, () or of the rank of the base.
        bias: name of the constant that is the whole offset; "" if it is another.
        order: axes of the base, as the file has them; None where it has them unchanged.
        codes: made of it, not yet taken up by a quantizer.
        sole: whether everything between the base and this tensor has one reader, so that the base may change.
    """

    tensor: str
    shape: tuple[int, ...]
    gain: Tensor = field(default_factory=lambda: number(1))
    offset: Tensor = field(default_factory=lambda: number(0))
    bias: str = ""
    order: tuple[int, ...] | None = None
    codes: Codes | None = None
    sole: bool = True

    @property
    def view(self) -> tuple[int, ...]:
        """Shape as the file has it."""
        return self.shape if self.order is None else tuple(self.shape[axis] for axis in self.order)

    @property
    def plain(self) -> bool:
        """Whether it is the base itself, but for the order of its axes."""
        return self.codes is None and is_one(self.gain) and is_zero(self.offset)

    def axis(self, place: int) -> int:
        """Axis of the base that stands at a place in the file's order."""
        place %= len(self.shape)
        return place if self.order is None else self.order[place]

    def aligned(self, constant: Tensor) -> Tensor:
        """Bring a constant that broadcasts to the tensor of the file into the axes of the base.

        Returns:
            float64: () where all its numbers are one, else of the rank of the base.

        Raises:
            UnknownOperation: it does not broadcast, or would make the tensor larger.
        """
        view, rank = self.view, len(self.shape)
        same = constant.numel() > 0 and bool((constant == constant.flatten()[0]).all())
        leading = constant.ndim - rank
        full = (1,) * -leading + tuple(constant.shape)
        fits = leading <= 0 and all(size in (1, of) for size, of in zip(full, view, strict=True))
        if not fits or not constant.numel():
            raise UnknownOperation(
                f"a constant of shape {tuple(constant.shape)} does not broadcast to a stream of shape {view}"
            )
        if same:
            return constant.double().flatten()[0].reshape(())
        placed = constant.double().reshape(full)
        if self.order is None:
            return placed
        return placed.permute([self.order.index(axis) for axis in range(rank)])

    def scaled(self, factor: Tensor) -> Value:
        """Multiply."""
        if self.codes is not None:
            return replace(self, codes=replace(self.codes, factor=self.codes.factor * factor))
        return replace(self, gain=self.gain * factor, offset=self.offset * factor, bias="")

    def shifted(self, addend: Tensor, bias: str = "") -> Value:
        """Add; `bias` names the constant."""
        alone = bias if is_zero(self.offset) and is_one(self.gain) else ""
        return replace(self, offset=self.offset + addend, bias=alone)


def is_one(x: Tensor) -> bool:
    """Whether every element is 1."""
    return bool((x == 1).all())


def is_zero(x: Tensor) -> bool:
    """Whether every element is 0."""
    return bool((x == 0).all())


def by_channel(x: Tensor, axis: int = 1) -> bool:
    """Whether numbers differ along one axis at most."""
    return all(size == 1 for place, size in enumerate(x.shape) if place != axis % x.ndim)


def unified(x: Tensor) -> Tensor:
    """Reshape equal numbers to ()."""
    same = x.numel() > 0 and bool((x == x.flatten()[0]).all())
    return x.flatten()[0].reshape(()) if same else x


def along_axis(steps: Tensor, axis: int) -> Tensor:
    """Reduce one step per weight to () or one per index of an axis.

    Raises:
        UnknownOperation: they differ within one sum.
    """
    rows = steps.movedim(axis, 0).flatten(1)
    if not bool((rows == rows[:, :1]).all()):
        raise UnknownOperation(
            "its weight has steps that differ within one sum, such as one for each input; give it one step for each "
            "output, or one in all"
        )
    shape = [-1 if place == axis % steps.ndim else 1 for place in range(steps.ndim)]
    return unified(rows[:, 0].reshape(shape))
