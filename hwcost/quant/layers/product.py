"""Base of linear layers and convolutions: quantized operands, and the matrix-vector unit behind them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Required, TypedDict, Unpack

import torch
from torch import Tensor

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import Range, add, bounded_sum, dot, widest
from hwcost.graph.spec import Block, Form, LayerSpec, MatVec, Signal
from hwcost.quant.layers.accumulator import Accumulator
from hwcost.quant.layers.bias import BiasQuantizer
from hwcost.quant.layers.signals import by_column, entering
from hwcost.quant.layers.source import Sourced
from hwcost.quant.quantizers import Quantizer, checked, common_range, common_step, per_channel
from hwcost.quant.tensor import QuantTensor


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """A layer as a matrix-vector unit.

    Attributes:
        rows: outputs per group. cols: multiply-adds per output. groups: independent products.
        terms: products that one sum really holds; below cols where a transposed convolution multiplies by zeros.
    """

    rows: int
    cols: int
    groups: int = 1
    terms: int


class Quantizers(TypedDict, total=False):
    """Quantizers of a layer, its keyword arguments; see `QuantLinear`."""

    weight_quant: Required[Quantizer | None]
    input_quant: Quantizer | None
    bias_quant: BiasQuantizer | None
    accumulator: Accumulator | None
    source: Quantizer | None


class Product(Sourced):
    """A linear map with quantized weights; its subclasses say which.

    A plain tensor gives a plain tensor, a QuantTensor a QuantTensor. `bias_quant` and `accumulator` work on integers,
    so they need the step of the input: from a QuantTensor, from `input_quant`, or from `source`.
    """

    row_dim: ClassVar[int] = 0
    """Dimension of the output channels in the weight."""

    channels_last: ClassVar[bool] = False
    """Whether samples of several dimensions hold their channels last."""

    weight: Tensor
    bias: Any  # a Parameter or None
    weight_quant: Quantizer | None
    input_quant: Quantizer | None
    bias_quant: BiasQuantizer | None
    accumulator: Accumulator | None

    def adopt(self, **given: Unpack[Quantizers]) -> None:
        """Take the quantizers; start a weight scale that starts at a statistic."""
        name, known = type(self).__name__, Quantizers.__annotations__
        for unknown in given.keys() - known.keys():
            raise TypeError(f"{name}: unexpected keyword argument {unknown!r}; the quantizers are {', '.join(known)}")
        if "weight_quant" not in given:
            raise TypeError(f"{name}: weight_quant is missing; give a quantizer, or None for float weights")
        bias_quant, accumulator = given.get("bias_quant"), given.get("accumulator")
        self.weight_quant = checked(given["weight_quant"], f"{name}: weight_quant")
        self.input_quant = checked(given.get("input_quant"), f"{name}: input_quant")
        if bias_quant is not None and not isinstance(bias_quant, BiasQuantizer):
            raise BadOption(f"{name}: bias_quant={bias_quant!r}; give a BiasQuantizer, or None for a float bias")
        if bias_quant is not None and self.bias is None:
            raise BadOption(f"{name}: bias_quant without a bias; give bias=True, or drop it")
        if accumulator is not None and not isinstance(accumulator, Accumulator):
            raise BadOption(f"{name}: accumulator={accumulator!r}; give an Accumulator or None")
        if accumulator is not None and self.bias is not None and bias_quant is None:
            raise BadOption(f"{name}: an accumulator adds no float bias; give bias_quant=, or bias=False")
        self.bias_quant, self.accumulator = bias_quant, accumulator
        self.set_source(given.get("source"))
        self._check_widths()
        start = getattr(self.weight_quant, "start", None)
        if start is not None:
            start(self.weight)

    def _check_widths(self) -> None:
        """Widths of one sum may differ only where their steps are powers of two apart."""
        quantizer: Any = self.weight_quant
        if not getattr(quantizer, "several", False):
            return
        name, shape = type(self).__name__, tuple(quantizer.bits().shape)
        try:
            fits = torch.empty(shape).expand(self.weight.shape) is not None
        except RuntimeError:
            fits = False
        if not fits:
            raise BadOption(f"{name}: widths of shape {shape} for weights of shape {tuple(self.weight.shape)}")
        if self._within_a_row(shape) and not quantizer.power:
            raise BadOption(
                f"{name}: widths of shape {shape} differ within one sum, so their steps must be powers of two "
                "apart; give the scale domain=POW2"
            )

    def _within_a_row(self, shape: tuple[int, ...]) -> bool:
        """Whether numbers of a shape that broadcasts against the weight differ among the weights of one output."""
        full = (1,) * (self.weight.ndim - len(shape)) + tuple(shape)
        return any(size > 1 for dim, size in enumerate(full) if dim != self.row_dim)

    def product(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The linear map itself."""
        raise NotImplementedError(f"{type(self).__name__}.product")

    def geometry(self) -> Geometry:
        """Shape of the layer as a matrix-vector unit."""
        raise NotImplementedError(f"{type(self).__name__}.geometry")

    def element(self, signal: Signal) -> Range:
        """Range of what one multiplier may see: the wire, and zeros of padding."""
        return widest(signal.range)

    def channels_first(self, per_channel: Tensor, rank: int) -> Tensor:
        """Reshape one number per output channel to broadcast against an output of `rank` dimensions."""
        return per_channel if per_channel.numel() == 1 else per_channel.reshape(-1, *[1] * (rank - 2))

    def quantized_weight(self) -> Tensor:
        """The weight as it enters the product."""
        return self.weight if self.weight_quant is None else self.weight_quant(self.weight)

    if not TYPE_CHECKING:  # nn.Linear and nn.Conv2d each type forward in their own way

        def forward(self, input):
            """(N, ...) -> (N, ...): the product of quantized operands."""
            if isinstance(input, QuantTensor):
                return self._on_integers(input)
            if self.bias_quant is not None or self.accumulator is not None:
                return self._on_integers(self._with_step(input)).value
            x = input if self.input_quant is None else self.input_quant(input)
            quantizer = self._modules.get("weight_quant")  # past Module.__getattr__: small networks wait for Python
            own = self.weight
            weight = own if quantizer is None else quantizer(own)
            if x.dtype is weight.dtype is own.dtype:
                return self.product(x, weight, self.bias)
            return self._multiplied(x, weight, self.bias)

    def _multiplied(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The product, in one precision: a quantizer gives float32 where that of the network cannot hold its codes."""
        if x.dtype is weight.dtype is self.weight.dtype or torch.is_autocast_enabled(x.device.type):
            return self.product(x, weight, bias)
        wide = torch.promote_types(x.dtype, weight.dtype)
        y = self.product(x.to(wide), weight.to(wide), None if bias is None else bias.to(wide))
        return y.to(self.weight.dtype)

    def _with_step(self, x: Tensor) -> QuantTensor:
        if self.input_quant is not None:
            return QuantTensor(x, x.new_ones(()), self.input_quant.range())  # its own scale replaces this one
        return self.on_grid(x, "use input_quant=")

    def _on_integers(self, x: QuantTensor) -> QuantTensor:
        if self.weight_quant is None:
            raise UnknownPrecision(f"{type(self).__name__}: float weights make no integers; give it a weight_quant=")
        if self.input_quant is not None:
            value = self.input_quant(x.value)
            x = QuantTensor(value, self.input_quant.step(x.value), self.input_quant.range())
        if x.scale.numel() != 1:
            raise BadOption(f"{type(self).__name__}: an input scale per channel cannot be factored out of the sum")
        if self.bias is not None and self.bias_quant is None:
            raise BadOption(f"{type(self).__name__}: a float bias leaves the integers; give bias_quant=, or bias=False")
        wire = self.products(self._stream(x.range, tuple(x.value.shape[1:])))
        weight = self.quantized_weight()  # before its step is read: a scale may measure what it quantizes
        step = x.scale.reshape(()) * self._weight_step()
        bias = None
        if self.bias is not None and self.bias_quant is not None:
            bias = self.bias_quant(self.bias, step, wire)
            wire = add(wire, self.bias_quant.range(wire))
        value = self._multiplied(x.value, weight, bias)
        wire = wire.each(lambda bound: self.channels_first(bound, value.ndim))
        out = QuantTensor(value, self.channels_first(step, value.ndim), wire)
        return out if self.accumulator is None else self.accumulator(out)

    def _weight_step(self) -> Tensor:
        """() or (channels,)."""
        assert self.weight_quant is not None
        return per_channel(common_step(self.weight_quant, self.weight))

    def _stream(self, wire: Range, shape: tuple[int, ...]) -> Signal:
        return Signal(range=wire, shape=shape, channels_last=self.channels_last and len(shape) > 1)

    def weight_range(self, *, common: bool = False) -> Range:
        """Integers of the weights: () or (rows,) or (rows, cols), all groups.

        Args:
            common: in units of the step that the sum counts in, where widths differ.

        Raises:
            UnknownPrecision: float weights.
        """
        if self.weight_quant is None:
            raise UnknownPrecision("its weights are float; give the layer a weight_quant=")
        wire = common_range(self.weight_quant) if common else self.weight_quant.range()
        if wire.low.numel() == 1:
            return wire.each(per_channel)
        rows = wire.each(lambda bound: self.matrix(bound.expand(self.weight.shape)))
        return rows if self._within_a_row(tuple(wire.low.shape)) else rows.each(lambda bound: bound[:, 0])

    def matrix(self, per_weight: Tensor) -> Tensor:
        """One number per weight, in the weight's shape -> (output channels, cols)."""
        return per_weight.flatten(1)

    def integers(self) -> Tensor:
        """The integer weights now, int64 on the CPU (output channels, cols), for a hardware model that asks for them.

        Raises:
            UnknownPrecision: float weights.
        """
        if self.weight_quant is None:
            raise UnknownPrecision("its weights are float; give the layer a weight_quant=")
        return self.matrix(self.weight_quant.integers(self.weight)).cpu()

    def products(self, signal: Signal) -> Range:
        """Exact range of the sum of products, without bias; () or (rows,)."""
        weight, element, terms = self.weight_range(common=True), self.element(signal), self.geometry().terms
        acc = dot(element, weight, terms if weight.low.ndim < 2 else weight.low.shape[1])
        bound = getattr(self.weight_quant, "l1_bound", None)
        return acc if bound is None else bounded_sum(acc, element, *bound())

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """A matrix-vector unit, with what stands in front of it (thresholds, window) and behind (saturation).

        Raises:
            UnknownPrecision: float weights, an input of no width, or one with an unabsorbed affine map.
        """
        (outer,) = signals
        signal, before = entering(outer, self.input_quant, apart=self.channels_apart())
        if self.input_quant is None:
            self.check_tie(outer)
        geometry, acc = self.geometry(), self.products(signal)
        affine, form = self._open(signal)
        output = replace(self._stream(acc, shape), affine=affine, form=form, grid=self)
        bias = None if self.bias_quant is None else self.bias_quant.range(acc)
        if bias is not None:
            acc = add(acc, bias)
        unit = MatVec(
            rows=geometry.rows,
            cols=geometry.cols,
            groups=geometry.groups,
            vectors=output.positions,
            weight=self.weight_range(),
            input=self.element(signal),
            acc=acc if self.accumulator is None else self.accumulator.register(acc),
            integers=self.integers,
            bias=bias,
            columns=None if geometry.groups > 1 or self.row_dim else by_column(signal, geometry.cols),
        )
        blocks: tuple[Block, ...] = (*before, *self.window(signal, shape), unit)
        result = acc
        if self.accumulator is not None:
            blocks += self.accumulator.blocks(acc, channels=output.channels, vectors=output.positions)
            result = self.accumulator.range(acc)
        shifts = signal.shifts and self.accumulator is None and getattr(self.weight_quant, "power", False) is True
        return LayerSpec(output=replace(output, range=result, shifts=shifts), blocks=blocks)

    def channels_apart(self) -> bool:
        """Whether every sum stays within one input channel and in float, so that channels may have their own scales."""
        return False

    def window(self, signal: Signal, shape: tuple[int, ...]) -> tuple[Block, ...]:
        """The sliding window in front, if there is one."""
        return ()

    def _steps_per_channel(self) -> bool:
        per_channel = getattr(self.weight_quant, "per_channel", None)
        if per_channel is None:  # a quantizer of the user's own
            return self._weight_step().numel() > 1
        return bool(per_channel)

    def _open(self, signal: Signal) -> tuple[str | None, Form]:
        """The map per channel from the accumulator to the value, by name; None where one common step does."""
        if self.bias is not None and self.bias_quant is None:
            return f"a float bias ({type(self).__name__})", Form.AFFINE
        if self._steps_per_channel():
            return f"one weight scale per channel ({type(self).__name__})", Form.SCALE
        return signal.affine, Form.SCALE
