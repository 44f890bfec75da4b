"""Reader of a QONNX file: what is still to be applied to its streams becomes layers where the next node needs it."""

from __future__ import annotations

from dataclasses import replace
from math import isclose, isfinite
from typing import Any

import torch
from torch import nn

from hwcost import quant
from hwcost.errors import UnknownOperation
from hwcost.importers.qonnx_layers import Permute, PixelAffine
from hwcost.importers.qonnx_node import Node
from hwcost.importers.qonnx_quantizers import Quantizer, clamped, grown, quantizer_of, single_step
from hwcost.importers.qonnx_streams import Streams
from hwcost.importers.qonnx_values import Codes, Value, by_channel, is_one, is_zero, number

BIASED = quant.Product | quant.QuantScaleBias
"""Layers that take up a constant that is added behind them."""


class Reader(Streams):
    """Streams, and the layers that settle them."""

    def value(self, tensor: str) -> Value:
        """Look up a stream.

        Raises:
            UnknownOperation: it is a constant, or nothing that was read makes it.
        """
        if tensor in self.constants:
            raise UnknownOperation(f"{tensor} is a constant where a stream is expected")
        if tensor not in self.values:
            raise UnknownOperation(f"{tensor or 'an input'} is missing: no node that was read makes it")
        found = self.values[tensor]
        if self.readers.get(tensor, 1) > 1 and self.takes_bias(found):  # now, for all who read it
            self.values[tensor] = found = self.settled(found, tensor)
        return replace(found, sole=found.sole and self.readers.get(tensor, 1) == 1)

    def channels_first(self, tensor: str) -> Value:
        """Look up a stream of (N, ..., C) as (N, C, ...)."""
        value = self.plain(tensor, ordered=True)
        rank = len(value.shape)
        if value.order == last_of(rank):
            return replace(value, order=None)
        value = self.plain(tensor)
        made = self.call(f"{tensor}_permute", Permute((0, rank - 1, *range(1, rank - 1))), f"{tensor}.first", value)
        return self.passed(value, made)

    def plain(self, tensor: str, *, ordered: bool = False) -> Value:
        """Look up a stream with nothing left to apply to it.

        Args:
            tensor: its name.
            ordered: leave the order of its axes.
        """
        read = self.value(tensor)
        value = self.settled(self.values[tensor], tensor)
        self.values[tensor] = value
        if value.order is not None and not ordered:
            made = self.call(f"{tensor}_permute", Permute(value.order), f"{tensor}.permuted", value)
            self.values[tensor] = value = self.passed(value, made)
        return replace(value, sole=read.sole)

    def put(self, node: Node, value: Value) -> None:
        """Note what a node makes; the layer that makes it takes its name."""
        self.values[node.output] = value
        if value.tensor == node.output:
            self.calls[value.tensor].name = node.name

    def read(self, tensor: str) -> Value:
        """Look up a stream without codes that a quantizer has still to make; a map may be left to apply."""
        return self.plain(tensor, ordered=True) if self.value(tensor).codes is not None else self.value(tensor)

    def settled(self, value: Value, name: str) -> Value:
        """Make layers of what is still to be applied to a stream; the order of its axes stays."""
        if value.codes is not None:
            value = self.quantized(value, value.codes, name)
        if value.plain:
            return value
        base = replace(value, gain=number(1), offset=number(0), bias="")
        if self.takes_bias(value):
            self._bias(value)
            return base
        module = self.made_by(value)
        gain = float(value.gain) if value.gain.ndim == 0 and is_zero(value.offset) else 0.0
        bigger = grown(module.quant, gain) if gain > 0 and type(module) in GROWING else None
        if bigger is not None:
            return self._grown(value, module, *bigger, gain)
        made = self.call(f"{name}_affine", self._affine(value), f"{name}.affine", base)
        return replace(base, tensor=made.tensor, sole=True)

    def takes_bias(self, value: Value) -> bool:
        """Whether the layer in front adds the offset as its bias: nobody else reads it without."""
        module = self.made_by(value)
        return (
            value.sole
            and value.codes is None
            and is_one(value.gain)
            and not is_zero(value.offset)
            and isinstance(module, BIASED)
            and (not value.offset.ndim or by_channel(value.offset, features_of(module)))
            and module.bias is None
        )

    def _bias(self, value: Value) -> None:
        module = self.made_by(value)
        rows = value.shape[features_of(module)]
        module.bias = nn.Parameter(value.offset.reshape(-1).expand(rows).float().clone())
        self.grids.pop(value.tensor, None)
        if value.bias in self.codes:
            self._quantize_bias(module, self.codes[value.bias], self.calls[value.tensor].inputs[0])

    def _quantize_bias(self, layer: Any, codes: Codes, entering: str) -> None:
        """Keep the width of a bias that counts in the unit of the sum; any other is a float, which thresholds absorb.

        32 bits are read as a float too: exporters write them where a bias has no width of its own.
        """
        grid = self.grids.get(entering)
        if grid is None or grid.quantizer is None or layer.weight_quant is None or codes.bipolar:
            return
        bits = int(codes.high + 1).bit_length() if isfinite(codes.high) else 0
        if codes.low != -codes.high - 1 or not 2 <= bits < 32:
            return
        unit = grid.step * layer.weight_quant.step(layer.weight).detach().double().reshape(-1)
        own = codes.factor.reshape(-1)
        if bool((own == own[:1]).all()):
            own = own[:1]
        if own.numel() in (1, unit.numel()) and torch.allclose(own.expand_as(unit), unit, rtol=1e-5, atol=0.0):
            layer.bias_quant = quant.BiasQuantizer(bits=bits)
            layer.set_source(grid.quantizer)

    def _grown(self, value: Value, module: Any, quantizer: Quantizer, inner: float, gain: float) -> Value:
        """Make a quantizer of `gain` times its values instead of the one in front."""
        call = self.calls[value.tensor]
        factor, offset = (module.gain, module.offset) if isinstance(module, quant.QuantAffine) else (1.0, 0.0)
        source = Value(tensor=call.inputs[0], shape=self.shapes[call.inputs[0]])
        made = self.call(call.name, activation(quantizer, factor * inner, offset * inner), call.output, source)
        self.note(made, quantizer)
        return Value(tensor=made.tensor, shape=value.shape, order=value.order)

    def _affine(self, value: Value) -> nn.Module:
        """Make a batch norm of a map per channel, and a layer without hardware of any other."""
        rank, channels = len(value.shape), value.shape[1] if len(value.shape) > 1 else 0
        if rank not in (2, 3, 4, 5) or not (by_channel(value.gain) and by_channel(value.offset)):
            return PixelAffine(value.gain, value.offset)
        norm: nn.Module = norm_of_rank(rank)(channels, eps=0.0)
        for parameter, numbers in ((norm.weight, value.gain), (norm.bias, value.offset)):
            parameter.data = numbers.reshape(-1).expand(channels).float().clone()
        return norm

    def quantized(self, value: Value, codes: Codes, name: str) -> Value:
        """Append the quantizer of a stream."""
        if codes.raw:
            raise UnknownOperation("reads the integers of QuantizeLinear; only Clip and DequantizeLinear do here")
        value = replace(value, codes=None)
        ratio = codes.factor / codes.step
        quantizer = quantizer_of(codes)
        if not bool(((ratio - 1).abs() < 1e-6).all()):
            value = replace(value, gain=value.gain * ratio, offset=value.offset * ratio, bias="")
        return self.activated(value, quantizer, name)

    def activated(self, value: Value, quantizer: Quantizer, name: str) -> Value:
        """Append an activation behind a stream, which takes up one number for all its channels."""
        whole = value.gain.ndim == 0 and value.offset.ndim == 0 and float(value.gain) > 0
        if whole and not self.takes_bias(value):
            gain, offset = float(value.gain), float(value.offset)
            gain = 1.0 if isclose(gain, 1.0, rel_tol=1e-6) else gain
        else:
            value, gain, offset = self.settled(value, name), 1.0, 0.0
        base = replace(value, gain=number(1), offset=number(0), bias="")
        function, layer = self.made_by(base), activation(quantizer, gain, offset)
        curve = curve_of(function, quantizer) if (gain, offset) == (1.0, 0.0) else None
        if self._needless(base, quantizer, gain, offset) or curve is not None:
            layer = layer if curve is None or self._needless(base, quantizer, gain, offset) else curve
            base = replace(base, tensor=self.calls[base.tensor].inputs[0])
        made = self.call(name, layer, name, base)
        self.note(made, quantizer)
        return Value(tensor=made.tensor, shape=value.shape, order=value.order)

    def _needless(self, value: Value, quantizer: Quantizer, gain: float, offset: float) -> bool:
        """Whether a clip in front of a quantizer cuts off nothing that it would not clip itself."""
        module, step = self.made_by(value), single_step(quantizer)
        if not isinstance(module, nn.Hardtanh) or step is None or isinstance(quantizer, quant.ThresholdQuantizer):
            return False
        low, high = (bound * float(step) for bound in clamped(quantizer))
        if isinstance(quantizer, quant.BinaryQuantizer):
            return module.min_val < 0 <= module.max_val
        return gain * module.min_val + offset <= low and high <= gain * module.max_val + offset


GROWING = (quant.QuantIdentity, quant.QuantAffine)
FUNCTIONS = (
    *(nn.Sigmoid, nn.Tanh, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU),
    *(nn.GELU, nn.Softplus, nn.Softsign, nn.Mish, quant.Exp),
)
"""Functions of one number that a quantizer behind them takes up."""


def curve_of(function: object, quantizer: Quantizer) -> nn.Module | None:
    """Make the layer that is a function and the quantizer behind it; None where there is none."""
    if type(function) is nn.Sigmoid and not quantizer.signed:
        return quant.QuantSigmoid(quantizer)
    if type(function) is nn.Tanh and quantizer.signed:
        return quant.QuantTanh(quantizer)
    if type(function) is nn.PReLU:
        slopes = function.weight.detach()
        if bool((slopes.log2() == slopes.log2().round()).all()) and bool(((slopes <= 1) & (slopes >= 2.0**-8)).all()):
            layer = quant.QuantPReLU(quantizer, len(slopes))
            layer.weight.data = slopes
            return layer
    return quant.QuantActivation(function, quantizer) if isinstance(function, FUNCTIONS) else None


def activation(quantizer: Quantizer, gain: float, offset: float) -> nn.Module:
    """Make the layer that quantizes gain * x + offset; gain above 0."""
    if (gain, offset) == (1.0, 0.0):
        return quant.QuantIdentity(quantizer)
    return quant.QuantAffine(quantizer, gain=gain, offset=offset)


def last_of(rank: int) -> tuple[int, ...]:
    """Order of the axes of (N, C, ...) as (N, ..., C)."""
    return (0, *range(2, rank), 1)


def features_of(layer: nn.Module) -> int:
    """Find the axis of what leaves a product along which its outputs lie."""
    return -1 if isinstance(layer, nn.Linear) else 1


def norm_of_rank(rank: int) -> Any:
    """Find the class of batch norms of a rank, the batch included."""
    return {4: nn.BatchNorm2d, 5: nn.BatchNorm3d}.get(rank, nn.BatchNorm1d)
