"""Quantizers in standard nodes: QuantizeLinear, Clip and DequantizeLinear (QCDQ), Round and Clip, Less and Where."""

from dataclasses import replace
from math import inf

import torch
from torch import Tensor, nn

from hwcost.errors import UnknownOperation
from hwcost.importers.qonnx_codes import aligned
from hwcost.importers.qonnx_node import Node
from hwcost.importers.qonnx_reader import Reader
from hwcost.importers.qonnx_values import Codes, by_channel, number
from hwcost.quant.grid_quantizer import ROUNDINGS


def quantize_linear(reader: Reader, node: Node) -> None:
    """Read QuantizeLinear: integers, which Clip may narrow, until DequantizeLinear takes them."""
    x = node.input(0)
    node.only(block_size=0, saturate=1, precision=0)
    scale, zero, kind = _linear(reader, node, x)
    low, high = _range_of(kind)
    codes = Codes(step=scale, factor=scale, low=low - zero, high=high - zero, raw=True)
    if x in reader.constants:
        whole = (reader.constants[x].float() / scale.float()).round().clamp(low - zero, high - zero) + zero
        reader.constants[node.output] = whole.to(torch.int64)
        reader.codes[node.output] = replace(codes, factor=scale.expand(whole.shape), zero_point=zero)
        return
    value = reader.read(x)
    codes = replace(codes, step=value.aligned(scale), factor=value.aligned(scale))
    reader.values[node.output] = replace(value, codes=replace(codes, zero_point=zero))


def dequantize_linear(reader: Reader, node: Node) -> None:
    """Read DequantizeLinear, behind QuantizeLinear or at integer constants."""
    x = node.input(0)
    node.only(block_size=0)
    scale, zero, _ = _linear(reader, node, x)
    if x in reader.constants:
        whole = reader.constants[x]
        codes = reader.codes.get(x)
        low, high = _range_of(whole.dtype) if codes is None else (codes.low, codes.high)
        raised = 0 if codes is None else codes.zero_point
        full = scale.expand(whole.shape)
        reader.constants[node.output] = ((whole.double() - zero).float() * scale.float()).float()
        reader.codes[node.output] = Codes(step=full, factor=full, low=low + raised - zero, high=high + raised - zero)
        return
    value = reader.value(x)
    if value.codes is None or not value.codes.raw:
        raise UnknownOperation("converts what no QuantizeLinear made; put one in front of it")
    step = value.aligned(scale)
    codes = value.codes
    if zero != codes.zero_point or not torch.allclose(step.expand_as(codes.step), codes.step, rtol=1e-6, atol=0.0):
        raise UnknownOperation("its scale or zero point is not that of the QuantizeLinear in front")
    if codes.step.ndim and not by_channel(codes.step):
        raise UnknownOperation("its scales differ along another axis than the channels; give one for each channel")
    taken = replace(codes, raw=False, zero_point=0)
    reader.put(node, reader.quantized(replace(value, codes=None), taken, node.output))


def _linear(reader: Reader, node: Node, x: str) -> tuple[Tensor, int, torch.dtype]:
    """Read scale, zero point and type of the integers; the scale in the rank of x where it has several numbers."""
    scale, axis = reader.number(node.input(1)).double(), int(node.attribute("axis", 1))
    name = node.input(2)
    zero, kind = (0, torch.uint8) if not name else (int(reader.single(name)), reader.number(name).dtype)
    node.only(output_dtype=0)
    if not bool(((scale > 0) & scale.isfinite()).all()) or not scale.numel():
        raise UnknownOperation(f"scale {scale.flatten()[:4].tolist()}; give numbers above 0")
    if scale.ndim == 1 and scale.numel() > 1:
        rank = reader.constants[x].ndim if x in reader.constants else len(reader.value(x).view)
        scale = scale.reshape([-1 if place == axis % rank else 1 for place in range(rank)])
    elif scale.numel() == 1:
        scale = scale.reshape(())
    return scale, zero, kind


def _range_of(kind: torch.dtype) -> tuple[float, float]:
    if kind.is_floating_point or kind is torch.bool:
        raise UnknownOperation(f"codes of type {kind}; give integers")
    info = torch.iinfo(kind)
    return int(info.min), int(info.max)


def clip(reader: Reader, node: Node) -> None:
    """Read Clip of codes, or of a stream as a function that a quantizer behind it may make needless."""
    x, (low, high) = node.input(0), clip_bounds(reader, node)
    value = reader.value(x)
    codes = value.codes
    if codes is None:
        value = reader.plain(x, ordered=True)
        if low == 0 and high == inf:
            made = reader.call(node.name, nn.ReLU(), node.output, value)
        elif low < high:
            made = reader.call(node.name, nn.Hardtanh(low, high), node.output, value)
        else:
            raise UnknownOperation(f"clips to {low:g}..{high:g}; give the smaller number first")
        reader.values[node.output] = replace(made, order=value.order)
        return
    if codes.raw:
        low, high = low - codes.zero_point, high - codes.zero_point
    elif codes.factor.ndim == 0:
        low, high = low / float(codes.factor), high / float(codes.factor)
    if any(abs(bound) != inf and bound != round(bound) for bound in (low, high)):
        raise UnknownOperation(f"clips codes to {low:g}..{high:g}; give whole numbers")
    narrowed = replace(codes, low=max(low, codes.low), high=min(high, codes.high))
    reader.values[node.output] = replace(value, codes=narrowed)


def clip_bounds(reader: Reader, node: Node) -> tuple[float, float]:
    """Read the bounds of a Clip node, attributes in old files, inputs in others."""
    low, high = float(node.attribute("min", -inf)), float(node.attribute("max", inf))
    if name := node.input(1):
        low = reader.single(name)
    if name := node.input(2):
        high = reader.single(name)
    return low, high


MODES = {"Round": "HALF_EVEN", "Floor": "FLOOR", "Ceil": "CEIL"}


def rounded(reader: Reader, node: Node) -> None:
    """Read Round, Floor or Ceil of a stream: the codes of a quantizer, unless it holds whole numbers already."""
    x = node.input(0)
    value = reader.read(x)
    if value.gain.ndim or value.offset.ndim:
        raise UnknownOperation("rounds behind one number for each channel; put a Quant node there")
    grid = reader.grids.get(value.tensor)
    if grid is not None:
        each, addend = float(grid.step) * float(value.gain), float(value.offset)
        if abs(each) > 0.5 and abs(each - round(each)) < 1e-5 * abs(each) and addend == round(addend):
            reader.values[node.output] = value
            return
    low, high = -inf, inf
    mode = MODES[node.op]
    if grid is not None and float(value.gain) > 0:
        ends = torch.tensor([grid.low, grid.high]).double() * grid.step * value.gain + value.offset
        low, high = (float(end) for end in ROUNDINGS[mode](ends))
    one = number(1)
    reader.values[node.output] = replace(value, codes=Codes(step=one, factor=one, rounding=mode, low=low, high=high))


def less(reader: Reader, node: Node) -> None:
    """Read Less than 0, the condition of a bipolar quantizer in standard nodes."""
    x = node.input(0)
    if reader.single(node.input(1)) != 0:
        raise UnknownOperation("compares with another number than 0")
    value = reader.read(x)
    one = number(1)
    reader.values[node.output] = replace(value, codes=Codes(step=one, factor=one, bipolar=True, raw=True))


def where(reader: Reader, node: Node) -> None:
    """Read Where: -s where a stream is below 0, and s elsewhere."""
    condition, below, above = node.inputs()
    value, step = reader.value(condition), reader.number(above).double()
    codes = value.codes
    signs = codes is not None and codes.bipolar and codes.raw
    if not (signs and torch.equal(reader.number(below).double(), -step) and bool((step > 0).all())):
        raise UnknownOperation("chooses between other numbers than -s where a stream is below 0, and s elsewhere")
    taken = aligned(value, Codes(step=step, factor=step, bipolar=True))
    reader.put(node, reader.quantized(replace(value, codes=None), taken, node.output))
