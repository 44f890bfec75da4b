"""Pooling in a QONNX file, and the truncation behind it."""

from dataclasses import replace
from math import isclose, log2
from typing import Any

import torch
from torch import nn

from hwcost.errors import UnknownOperation
from hwcost.importers.qonnx_codes import rounding
from hwcost.importers.qonnx_node import Node
from hwcost.importers.qonnx_quantizers import bounds
from hwcost.importers.qonnx_reader import Reader, last_of
from hwcost.importers.qonnx_values import Codes, Grid, Value, is_zero, number
from hwcost.importers.qonnx_windows import Sizes, pads_of, windows
from hwcost.quant import QuantAvgPool1d, QuantAvgPool2d, ThresholdQuantizer
from hwcost.quant.grid_quantizer import ROUNDINGS
from hwcost.quant.layers.pool import AveragePool


def max_pool(reader: Reader, node: Node) -> None:
    """Read a maximum, of one or two dimensions, also (N, ..., C)."""
    last = node.channels_last or node.op == "MaxPoolNHWC"
    value = reader.channels_first(node.input(0)) if last else reader.plain(node.input(0), ordered=False)
    node.only(storage_order=0)
    kernel = node.integers("kernel_shape", ())
    stride, dilation = (node.integers(name, [1] * len(kernel)) for name in ("strides", "dilations"))
    ceil = bool(node.attribute("ceil_mode", 0))
    image = value.shape[2:]
    pads = pads_of(node, image, kernel, stride, dilation)
    wanted = windows(image, kernel, stride, dilation, pads, ceil=ceil)
    if len(kernel) not in (1, 2) or min(wanted) < 1:
        raise UnknownOperation(f"kernel {kernel} on an image of {image}; give 1 or 2 dimensions that fit")
    make: Any = nn.MaxPool1d if len(kernel) == 1 else nn.MaxPool2d
    before = tuple(first for first, _ in pads)
    for ceiled in (False, True):  # what torch's equal padding adds behind must not add a window
        made = make(kernel, stride=stride, padding=before, dilation=dilation, ceil_mode=ceiled)
        if all(2 * first <= taps for first, taps in zip(before, kernel, strict=True)):
            found = made(torch.zeros(1, 1, *image)).shape[2:]
            if tuple(found) == wanted:
                out = reader.passed(value, reader.add(node, _plain(made, len(kernel)), value))
                reader.values[node.output] = replace(out, order=last_of(len(out.shape)) if last else None)
                return
    raise UnknownOperation(f"pads {pads}, ceil_mode={int(ceil)}: no padding on both sides gives {wanted} pixels")


def _plain(pool: Any, dimensions: int) -> Any:
    """Keep single numbers where all dimensions have one, as a user writes them."""
    for name in ("kernel_size", "stride", "padding", "dilation"):
        sizes = getattr(pool, name)
        setattr(pool, name, sizes[0] if dimensions == 1 else sizes)
    return pool


def average(reader: Reader, node: Node) -> None:
    """Read a mean: of square windows without padding on integers, of any other in values alone."""
    value = reader.plain(node.input(0))
    kernel = node.integers("kernel_shape", ())
    stride = node.integers("strides", [1] * len(kernel))
    ceil, counted = bool(node.attribute("ceil_mode", 0)), bool(node.attribute("count_include_pad", 0))
    ones = (1,) * len(kernel)
    node.only(dilations=list(ones))
    image = value.shape[2:]
    pads = pads_of(node, image, kernel, stride, ones)
    wanted = windows(image, kernel, stride, ones, pads, ceil=ceil)
    even = all(before == after for before, after in pads)
    if len(kernel) not in (1, 2) or min(wanted) < 1 or not even:
        raise UnknownOperation(f"kernel {kernel}, pads {pads}; give 1 or 2 dimensions, and both sides the same padding")
    whole = not any(max(pair) for pair in pads) and wanted == windows(image, kernel, stride, ones, pads, ceil=False)
    if whole:
        _mean(reader, node, value, kernel, stride)
        return
    make: Any = nn.AvgPool1d if len(kernel) == 1 else nn.AvgPool2d
    before = tuple(first for first, _ in pads)
    pool = make(kernel, stride=stride, padding=before, ceil_mode=ceil, count_include_pad=counted)
    if reader.add(node, pool, value).shape[2:] != wanted:
        raise UnknownOperation(f"pads {pads}, ceil_mode={int(ceil)}: torch gives another number of windows")


def _mean(reader: Reader, node: Node, value: Value, kernel: Sizes, stride: Sizes) -> None:
    pool = (QuantAvgPool1d if len(kernel) == 1 else QuantAvgPool2d)(_one(kernel), _one(stride), truncate=False)
    made, grid = reader.add(node, pool, value), reader.grid(value)
    if grid is not None:
        step = grid.step / pool.area
        reader.grids[made.tensor] = Grid(step=step, low=grid.low * pool.area, high=grid.high * pool.area)


def _one(sizes: Sizes) -> int | Sizes:
    return sizes[0] if len({*sizes}) == 1 else sizes


def average_all(reader: Reader, node: Node) -> None:
    """Read a mean of the whole map: GlobalAveragePool, or ReduceMean over the pixels."""
    value = reader.plain(node.input(0))
    rank, keep = len(value.shape), True
    if node.op == "ReduceMean":
        axes, keep = node.attribute("axes"), bool(node.attribute("keepdims", 1))
        if name := node.input(1):
            axes = reader.number(name).tolist()
        node.only(noop_with_empty_axes=0)
        if axes is None or sorted(int(axis) % rank for axis in axes) != list(range(2, rank)):
            raise UnknownOperation(f"the mean over axes {axes} of a stream of rank {rank}; give those of the pixels")
    if rank not in (3, 4):
        raise UnknownOperation(f"averages a map of shape {value.shape}; give one or two spatial dimensions")
    _mean(reader, node, value, value.shape[2:], value.shape[2:])
    if not keep:
        made = reader.values[node.output]
        out = reader.call(f"{node.name}_flat", nn.Flatten(), f"{node.output}.flat", made)
        reader.values[node.output] = reader.passed(made, out)


def max_all(reader: Reader, node: Node) -> None:
    """Read the maximum of the whole map."""
    value = reader.plain(node.input(0))
    image = value.shape[2:]
    if len(image) not in (1, 2):
        raise UnknownOperation(f"a map of shape {value.shape}; give one or two spatial dimensions")
    make: Any = nn.MaxPool1d(image[0]) if len(image) == 1 else nn.MaxPool2d(image)
    reader.passed(value, reader.add(node, make, value))


def trunc(reader: Reader, node: Node) -> None:
    """Read Trunc: bits are cut off codes, in front of it or of an average.

    Version 1 keeps the step (x, scale, zero, bits before, bits after); version 2 names the new one (..., bits before,
    scale after, bits after), and clamps.
    """
    second = node.count() == 6
    if node.count() not in (5, 6):
        raise UnknownOperation(f"{node.count()} inputs; version 1 has 5, version 2 has 6")
    value = reader.read(node.input(0))
    numbers = [reader.single(node.input(place)) for place in range(1, node.count())]
    step, zero, before = numbers[:3]
    mode = rounding(node, "FLOOR")
    signed, narrow = bool(node.attribute("signed", 1)), bool(node.attribute("narrow", 0))
    if zero or not step > 0:
        raise UnknownOperation(f"scale {step:g}, zero point {zero:g}; give a scale above 0 and zero point 0")
    after = numbers[3] if second else step
    shift = float(round(log2(after / step))) if second and after > 0 else before - numbers[3]
    if shift < 0 or shift != round(shift) or not after > 0:
        raise UnknownOperation(f"cuts off {shift:g} bits, to a scale of {after:g}; give a whole number of at least 0")
    grid = reader.grid(value)
    each = 0.0 if grid is None else float(grid.step) / step
    if grid is None or each < 0.5 or not isclose(each, round(each), rel_tol=1e-5):
        raise UnknownOperation(f"truncates what is no multiple of its scale {step:g}; put a Quant node in front of it")
    cut = Codes(step=number(step * 2**shift), factor=number(after), rounding=mode)
    ends = torch.tensor([grid.low, grid.high]).double() * round(each) / 2**shift
    low, high = (float(end) for end in ROUNDINGS[mode](ends))
    limits = bounds(numbers[4], signed, narrow) if second else (low, high)
    codes = replace(cut, low=max(low, limits[0]), high=min(high, limits[1]))
    inside = limits[0] <= low and high <= limits[1]
    if inside and (mode == "FLOOR" or not shift) and _averaged(reader, node, value, codes, int(numbers[-1])):
        return
    if not codes.low < codes.high:
        raise UnknownOperation(f"leaves the single code {codes.low:g}")
    if mode in TOWARDS or not shift:  # whole numbers stay clear of ties, however their mean was rounded
        value = value.shifted(number(TOWARDS.get(mode, 0.0) * (2**shift - 1) / 2 * step))
        reader.put(node, reader.quantized(value, replace(codes, rounding="HALF_EVEN"), node.output))
    else:
        reader.put(node, reader.activated(value, _steps(codes, grid, round(each), step), node.output))


def _steps(codes: Codes, grid: Grid, each: int, step: float) -> ThresholdQuantizer:
    """Make the thresholds of codes that round whole numbers with ties, halfway between two of those."""
    first, last = round(grid.low) * each, round(grid.high) * each
    if last - first > MOST_STEPS:
        raise UnknownOperation(f"rounds {last - first} codes ({codes.rounding}); use FLOOR, or at most {MOST_STEPS}")
    whole = torch.arange(first, last + 1).double()
    cut = ROUNDINGS[codes.rounding](whole * step / codes.step).clamp(codes.low, codes.high)
    low, high = int(cut[0]), int(cut[-1])
    edges = torch.searchsorted(cut, torch.arange(low + 1, high + 1).double())
    if not len(edges):
        raise UnknownOperation(f"leaves the single code {low}")
    return ThresholdQuantizer(((whole[edges] - 0.5) * step)[None].float(), step=float(codes.factor), low=low)


MOST_STEPS = 2**16
"""Codes that are rounded with ties, at most."""
TOWARDS = {"FLOOR": -1.0, "CEIL": 1.0}
"""Rounding of whole numbers that are shifted right -> the direction in which it moves them to the nearest."""


def _averaged(reader: Reader, node: Node, value: Value, codes: Codes, width: int) -> bool:
    """Make the average in front one that truncates to a width; False where there is none that does exactly this."""
    pool = reader.made_by(value)
    if not isinstance(pool, AveragePool) or pool.truncate or value.gain.ndim or not is_zero(value.offset):
        return False
    call = reader.calls[value.tensor]
    source = reader.grids.get(call.inputs[0])
    if source is None or source.quantizer is None:
        return False
    area = pool.area
    shift = log2(float(codes.step) * area / (float(source.step) * float(value.gain)))
    if not isclose(shift, round(shift), abs_tol=1e-5):
        return False
    shift = round(shift)
    for corrected in (False, True):
        bits: dict[str, Any] = {"corrected": True, "least": width, "most": width} if corrected else {}
        made = type(pool)(pool.kernel_size, pool.stride, source=source.quantizer, **bits)
        gain = float(codes.factor) / (float(source.step) * (2.0**shift / area if corrected else 1.0))
        if made.shift(source.quantizer.range()) == shift and isclose(gain, 1.0, rel_tol=1e-5):
            x = Value(tensor=call.inputs[0], shape=reader.shapes[call.inputs[0]])
            out = reader.add(node, made, x)
            reader.grids[out.tensor] = Grid(step=codes.factor, low=codes.low, high=codes.high)
            return True
    return False
