"""Pooling in a QONNX file, and the truncation behind it."""

from math import isclose, log2
from typing import Any

import onnx
from torch import nn

from hwcost.errors import UnknownOperation
from hwcost.importers.qonnx_quantizers import Quantizer
from hwcost.importers.qonnx_reader import Options, Reader
from hwcost.quant import QuantAvgPool2d


def max_pool(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    """Read a maximum."""
    kernel = tuple(options["kernel_shape"])
    pads = list(options.get("pads", [0] * 2 * len(kernel)))
    if options.get("ceil_mode", 0) or pads[: len(kernel)] != pads[len(kernel) :] or len(kernel) > 2:
        raise UnknownOperation(f"kernel {kernel}, pads {pads}; give 1 or 2 dimensions, equal pads, no ceil_mode")
    make: Any = nn.MaxPool1d if len(kernel) == 1 else nn.MaxPool2d
    stride = tuple(options.get("strides", [1] * len(kernel)))
    dilation = tuple(options.get("dilations", [1] * len(kernel)))
    plain = [x[0] if len(x) == 1 else x for x in (kernel, stride, tuple(pads[: len(kernel)]), dilation)]
    reader.add(node, make(plain[0], stride=plain[1], padding=plain[2], dilation=plain[3]), node.input[0])
    reader.passed(node)


def average(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    """Read a mean."""
    kernel, stride = list(options["kernel_shape"]), list(options.get("strides", [1, 1]))
    if len(set(kernel)) != 1 or len(set(stride)) != 1 or len(kernel) != 2 or any(options.get("pads", [0])):
        raise UnknownOperation(f"kernel {kernel}, stride {stride}; give squares without padding")
    reader.add(node, QuantAvgPool2d(kernel[0], stride[0], truncate=False), node.input[0])


def average_all(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    """Read a mean of the whole map."""
    shape = reader.shapes.get(node.input[0], ())
    if len(shape) != 4 or shape[2] != shape[3] or not shape[2]:
        raise UnknownOperation(f"averages a map of shape {shape}; give a square one, and run qonnx-cleanup for shapes")
    reader.add(node, QuantAvgPool2d(shape[2], truncate=False), node.input[0])


def trunc(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    """Turn the average in front into one that truncates."""
    name = reader.alias(node.input[0])
    pool = reader.last(name)
    if not isinstance(pool, QuantAvgPool2d) or pool.truncate:
        raise UnknownOperation("truncates what is no average")
    place = next(place for place, call in enumerate(reader.calls) if call[2] == name)
    layer, inputs, output = reader.calls[place]
    source = reader.quants.get(inputs[0])
    if source is None:
        raise UnknownOperation("truncates an average of what no Quant node made; put one in front of it")
    made, shift = _truncating(reader, node, pool, source)
    if options.get("rounding_mode", b"FLOOR") != b"FLOOR" and shift:
        raise UnknownOperation("rounds what it truncates; hwcost rounds down: float_to_int_impl_type='FLOOR'")
    if made.shift(source.range()) != shift:
        raise UnknownOperation(f"drops {shift} bits of a window of {pool.kernel_size} x {pool.kernel_size} pixels")
    reader.layers[layer] = made
    reader.same[node.output[0]] = output


def _truncating(
    reader: Reader, node: onnx.NodeProto, pool: QuantAvgPool2d, source: Quantizer
) -> tuple[QuantAvgPool2d, int]:
    """Make the average, and count the bits that are cut off its sum.

    Version 1 of Trunc keeps the step (x, scale, zero, bits before, bits after); version 2 names the new one (..., bits
    before, scale after, bits after), and the mean stands in front of it.
    """
    numbers = [float(reader.number(each).reshape(-1)[0]) for each in node.input[1:]]
    if len(numbers) == 4:
        return QuantAvgPool2d(pool.kernel_size, pool.stride, source=source), round(numbers[2] - numbers[3])
    step, _, _, after, bits = numbers
    if not isclose(step * pool.area, float(source.step().reshape(-1)[0]), rel_tol=1e-5):
        raise UnknownOperation(f"its step {step:g} is not that of a mean of {pool.kernel_size} x {pool.kernel_size}")
    width = int(bits)
    made = QuantAvgPool2d(pool.kernel_size, pool.stride, corrected=True, least=width, most=width, source=source)
    return made, round(log2(after / step))
