"""Lowering of layers that multiply: linear layers, convolutions, and one factor per channel."""

from typing import cast

import torch
from torch import Tensor, nn

from hwcost.graph.ranges import Range, add, widest
from hwcost.graph.rules import Call
from hwcost.graph.spec import Signal
from hwcost.integer.encoding import Lowered, Stream, entering, meaning_of
from hwcost.integer.meaning import Meaning
from hwcost.integer.operations import Chain, ChannelsLast, Multiply, Operation, Register, Sums
from hwcost.quant import Accumulator, BiasQuantizer, QuantScaleBias
from hwcost.quant.layers.conv import Convolution
from hwcost.quant.layers.product import Product
from hwcost.quant.layers.transposed import Transposed
from hwcost.quant.quantizers import common_step, per_channel


def product(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower a linear layer or convolution: its input quantizer, the sum, and its accumulator."""
    (stream,) = streams
    layer = cast("Product", call.module)
    before, stream = entering(layer, stream)
    meaning = meaning_of(stream)
    if layer.channels_apart():
        step = meaning.channel_step()
        step = step if step.ndim == 0 else step.repeat_interleave(output.channels // stream.signal.channels)
    else:
        step = meaning.plain_step()
    weight, unit = _weight(layer)
    total = step * unit
    offset = torch.zeros((), dtype=torch.float64)
    bias, sums = None, layer.products(stream.signal)
    if layer.bias_quant is not None:
        bias = _bias(layer.bias_quant, layer.bias, total, sums)
    elif layer.bias is not None:
        offset = layer.bias.detach().double()
    parts: tuple[Operation, ...] = (*before, _sums(layer, weight, bias, stream.signal))
    if layer.accumulator is not None:
        wire = sums if layer.bias_quant is None else add(sums, layer.bias_quant.range(sums))
        register, gain = _register(layer.accumulator, wire)
        parts, total = (*parts, register), total * gain
    last = output.channels_last
    if last:  # what an input quantizer makes stands in its place already
        parts = (*before, ChannelsLast(Chain(parts[len(before) :])))
    return Chain(parts), Meaning(step=total, offset=offset, last=last)


def _weight(layer: Product) -> tuple[Tensor, Tensor]:
    """Read the integer weights in the unit of the sum, and the value of that unit: () or (channels,)."""
    quantizer = layer.weight_quant
    assert quantizer is not None  # a product in float has no description
    step = common_step(quantizer, layer.weight).detach().double()
    if hasattr(quantizer, "common_step"):
        return torch.round(quantizer(layer.weight).detach().double() / step).to(torch.int64), per_channel(step)
    return quantizer.integers(layer.weight), per_channel(step)  # a quantizer of the user's own


def _bias(quantizer: BiasQuantizer, bias: Tensor, step: Tensor, sums: Range) -> Tensor:
    whole = torch.round(quantizer(bias.detach().double(), step, sums).detach() / step)
    return whole.to(torch.int64)


def _register(accumulator: Accumulator, wire: Range) -> tuple[Operation, float]:
    """Make the accumulator's operation, and the factor by which it changes the step."""
    out, shift = accumulator.range(wire), 0
    if accumulator.mode == "truncate":
        shift = int(accumulator.shift(wire))
    low, high = (bound.detach().to(torch.int64).reshape(-1) for bound in (out.low, out.high))
    gain = 1.0 if accumulator.keep_scale else 2.0**shift
    return Register(mode=accumulator.mode, low=low, high=high, shift=shift), gain


def _sums(layer: Product, weight: Tensor, bias: Tensor | None, signal: Signal) -> Sums:
    if isinstance(layer, nn.Linear):
        return Sums(weight=weight, bias=bias)
    conv = cast("Convolution", layer)
    pads = conv.pads(signal.shape[1:])
    stride, spread = conv.stride, (1,) * len(pads)
    if isinstance(conv, Transposed):
        # a plain convolution with the kernel turned around, over the image with zeros between its pixels
        kernel = conv.matrix(weight).reshape(-1, conv.in_channels // conv.groups, *conv.kernel_size)
        weight = kernel.flip(tuple(range(2, kernel.ndim)))
        stride, spread = spread, stride
    return Sums(
        weight=weight, bias=bias, stride=stride, dilation=conv.dilation, pads=pads, spread=spread, groups=conv.groups
    )


def scale_bias(call: Call, /, *streams: Stream, output: Signal) -> Lowered:
    """Lower one multiply-add per channel."""
    (stream,) = streams
    layer = cast("QuantScaleBias", call.module)
    before, stream = entering(layer, stream)
    meaning = meaning_of(stream)
    entered = meaning.channel_step() if layer.bias_quant is None else meaning.plain_step()
    step = entered * layer.weight_quant.step(layer.weight).detach().double().squeeze()
    offset, addend = torch.zeros((), dtype=torch.float64), None
    if layer.bias is not None and layer.bias_quant is not None:
        addend = _bias(layer.bias_quant, layer.bias, step, layer.product_range(widest(stream.signal.range)))
    elif layer.bias is not None:
        offset = layer.bias.detach().double()
    multiply = Multiply(factor=layer.weight_quant.integers(layer.weight), addend=addend)
    return Chain((*before, multiply)), Meaning(step=step, offset=offset)
