"""Nodes of a QONNX file -> layers of ours, one by one in the order of the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isclose, log2
from types import MappingProxyType
from typing import Any

import onnx
import torch
from onnx import helper
from torch import Tensor, nn

from hwcost.errors import UnknownOperation
from hwcost.qonnx_grids import Affine, Quantizer, integer, threshold, turned
from hwcost.qonnx_streams import Reader
from hwcost.quant import (
    BinaryQuantizer,
    ConstScale,
    QuantAdd,
    QuantAffine,
    QuantAvgPool2d,
    QuantConcat,
    QuantConv1d,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
)


def read(reader: Reader, node: onnx.NodeProto) -> None:
    """One node; nothing is said of one that has a reader and stands behind another that could not be read.

    Raises:
        UnknownOperation: it has no layer here.
    """
    if node.op_type not in READERS:  # named even behind another that could not be read
        raise UnknownOperation(f"not one of {', '.join(sorted(READERS))}")
    if any(name in reader.unknown for name in node.input):
        reader.unknown.update(node.output)
        return
    options = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    READERS[node.op_type](reader, node, options)


Options = Mapping[str, Any]


def _quant(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    if options.get("rounding_mode", b"ROUND") != b"ROUND":
        raise UnknownOperation(f"rounds by {options['rounding_mode'].decode()}; ROUND is what hwcost has")
    x, scale, zero, bits = node.input
    widths = reader.number(bits).reshape(-1)
    if bool((reader.number(zero) != 0).any()) or bool((widths != widths[0]).any()):
        raise UnknownOperation("a zero point, or widths that differ; give one width and zero point 0")
    step, width = reader.number(scale).double(), float(widths[0])
    signed, narrow = bool(options["signed"]), bool(options["narrow"])
    if width != round(width) or width < 1 or (width == 1 and (signed or narrow)):
        raise UnknownOperation(f"{width:g} bits, signed={signed}, narrow={narrow}; no code of hwcost is like that")
    _quantized(reader, node, integer(step, int(width), signed, narrow), x)


def _bipolar(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    x, scale = node.input
    _quantized(reader, node, BinaryQuantizer(scale=ConstScale(threshold(reader.number(scale).double()))), x)


def _quantized(reader: Reader, node: onnx.NodeProto, quantizer: Quantizer, x: str) -> None:
    reader.quants[node.output[0]] = quantizer
    if x in reader.constants:
        reader.constants[node.output[0]] = quantizer(reader.constants[x].float()).detach()
    elif x in reader.affine:
        affine = reader.affine[x]
        reader.add(node, QuantAffine(quantizer, gain=affine.gain, offset=affine.offset), affine.source)
    else:
        reader.add(node, QuantIdentity(quantizer), x)


def _matmul(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    """(inputs, outputs), but with transB (outputs, inputs), as Brevitas writes it."""
    x, weight = node.input[:2]
    if options.get("transA", 0) or any(float(options.get(factor, 1.0)) != 1.0 for factor in ("alpha", "beta")):
        raise UnknownOperation("transposes or scales what enters; write it as MatMul and Add")
    values, quantizer = reader.weight(weight)
    if not options.get("transB", 0):
        values, quantizer = values.T.contiguous(), turned(quantizer)
    outputs, inputs = values.shape
    layer = QuantLinear(inputs, outputs, bias=False, weight_quant=quantizer)
    layer.weight.data = values
    reader.add(node, layer, x)
    if len(node.input) > 2:
        layer.bias = nn.Parameter(reader.number(node.input[2]).float().reshape(-1))


def _transpose(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    """Of a matrix of weights alone."""
    values, quantizer = reader.weight(node.input[0])
    if values.ndim != 2:
        raise UnknownOperation("transposes what is no matrix of weights")
    reader.constants[node.output[0]], reader.quants[node.output[0]] = values.T.contiguous(), turned(quantizer)


def _conv(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    values, quantizer = reader.weight(node.input[1])
    dimensions = values.ndim - 2
    if dimensions not in (1, 2):
        raise UnknownOperation(f"a convolution of {dimensions} dimensions; hwcost has 1 and 2")
    pads = list(options.get("pads", [0] * 2 * dimensions))
    if options.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID") or pads[:dimensions] != pads[dimensions:]:
        raise UnknownOperation(f"pads {pads} differ between sides; give both sides the same")
    make: Any = QuantConv1d if dimensions == 1 else QuantConv2d
    groups = int(options.get("group", 1))
    layer = make(
        values.shape[1] * groups,
        values.shape[0],
        tuple(values.shape[2:]),
        stride=tuple(options.get("strides", [1] * dimensions)),
        padding=tuple(pads[:dimensions]),
        dilation=tuple(options.get("dilations", [1] * dimensions)),
        groups=groups,
        bias=False,
        weight_quant=quantizer,
    )
    layer.weight.data = values
    reader.add(node, layer, node.input[0])
    if len(node.input) > 2:
        layer.bias = nn.Parameter(reader.number(node.input[2]).float().reshape(-1))


def _elementwise(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    """Of constants, of a stream and a constant, or of two streams."""
    numbers = [reader.constants.get(name) for name in node.input]
    if all(number is not None for number in numbers):
        reader.constants[node.output[0]] = ARITHMETIC[node.op_type](*numbers)
    elif any(number is not None for number in numbers):
        _with_constant(reader, node)
    elif node.op_type == "Add":
        reader.add(node, QuantAdd(_grids(reader, node), ready=(0, 1)), *node.input)
    else:
        raise UnknownOperation("meets two streams; only Add does")


def _with_constant(reader: Reader, node: onnx.NodeProto) -> None:
    """A bias of the layer in front, the area of an average in front of Trunc, or an affine map."""
    first = node.input[0] in reader.constants
    constant, stream = node.input if first else reversed(node.input)
    number, layer = reader.constants[constant], reader.last(stream)
    if node.op_type == "Add" and isinstance(layer, QuantLinear | QuantConv1d | QuantConv2d) and layer.bias is None:
        outputs = layer.weight.shape[0]
        layer.bias = nn.Parameter(number.float().reshape(-1).expand(outputs).clone())
        reader.same[node.output[0]] = reader.alias(stream)
        return
    if number.numel() != 1 or node.op_type == "Pow":
        raise UnknownOperation("several constants meet a stream; fold them into the layer in front, or QuantScaleBias")
    if node.op_type == "Mul" and isinstance(layer, QuantAvgPool2d) and float(number) == layer.kernel_size**2:
        reader.same[node.output[0]] = reader.alias(stream)  # the sum, which Trunc takes
        return
    affine = reader.affine.get(stream, Affine(reader.alias(stream)))
    reader.affine[node.output[0]] = affine.then(node.op_type, float(number), first=first)


def _grids(reader: Reader, node: onnx.NodeProto) -> list[Quantizer]:
    made = [reader.quants.get(reader.alias(name)) for name in node.input]
    known = [quantizer for quantizer in made if quantizer is not None]
    if len(known) < len(made):
        raise UnknownOperation("meets a stream that no Quant node made; put one in front of each")
    return known


def _concat(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    if options["axis"] != 1:
        raise UnknownOperation(f"axis {options['axis']}; only channels are joined")
    grids = _grids(reader, node)
    reader.add(node, QuantConcat(grids, ready=tuple(range(len(node.input)))), *node.input)
    reader.quants[node.output[0]] = grids[0]


def _norm(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    weight, bias, mean, variance = (reader.number(name).float() for name in node.input[1:])
    wide = isinstance(reader.last(node.input[0]), QuantConv2d)
    norm = (nn.BatchNorm2d if wide else nn.BatchNorm1d)(len(weight), eps=float(options.get("epsilon", 1e-5)))
    norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var = weight, bias, mean, variance
    reader.add(node, norm, node.input[0])


def _relu(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    reader.add(node, nn.ReLU(), node.input[0])


def _flat(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    if node.op_type == "Reshape" and reader.number(node.input[1]).tolist()[1:] != [-1]:
        shape = reader.number(node.input[1]).tolist()
        if len(shape) != 2:
            raise UnknownOperation(f"reshapes to {shape}; only flattening is a wire")
    if int(options.get("axis", 1)) != 1:
        raise UnknownOperation(f"axis {options['axis']}; a sample is flattened whole")
    reader.add(node, nn.Flatten(), node.input[0])


def _max_pool(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
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


def _average(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    kernel, stride = list(options["kernel_shape"]), list(options.get("strides", [1, 1]))
    if len(set(kernel)) != 1 or len(set(stride)) != 1 or len(kernel) != 2 or any(options.get("pads", [0])):
        raise UnknownOperation(f"kernel {kernel}, stride {stride}; give squares without padding")
    reader.add(node, QuantAvgPool2d(kernel[0], stride[0], truncate=False), node.input[0])


def _average_all(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    shape = reader.shapes.get(node.input[0], ())
    if len(shape) != 4 or shape[2] != shape[3] or not shape[2]:
        raise UnknownOperation(f"averages a map of shape {shape}; give a square one, and run qonnx-cleanup for shapes")
    reader.add(node, QuantAvgPool2d(shape[2], truncate=False), node.input[0])


def _trunc(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    """The average in front becomes one that truncates."""
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
    """The average, and the bits that are cut off its sum.

    Version 1 of Trunc keeps the step (x, scale, zero, bits before, bits after); version 2 names the new one (..., bits
    before, scale after, bits after), and the mean stands in front of it.
    """
    numbers = [float(reader.number(each).reshape(-1)[0]) for each in node.input[1:]]
    if len(numbers) == 4:
        return QuantAvgPool2d(pool.kernel_size, pool.stride, source=source), round(numbers[2] - numbers[3])
    step, _, _, after, bits = numbers
    if not isclose(step * pool.kernel_size**2, float(source.step().reshape(-1)[0]), rel_tol=1e-5):
        raise UnknownOperation(f"its step {step:g} is not that of a mean of {pool.kernel_size} x {pool.kernel_size}")
    width = int(bits)
    made = QuantAvgPool2d(pool.kernel_size, pool.stride, corrected=True, least=width, most=width, source=source)
    return made, round(log2(after / step))


ARITHMETIC: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {"Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Div": torch.div, "Pow": torch.pow}
)

READERS: Mapping[str, Callable[[Reader, onnx.NodeProto, Options], None]] = MappingProxyType(
    {
        "Quant": _quant,
        "BipolarQuant": _bipolar,
        "MatMul": _matmul,
        "Gemm": _matmul,
        "Transpose": _transpose,
        "Conv": _conv,
        **dict.fromkeys(ARITHMETIC, _elementwise),
        "Concat": _concat,
        "BatchNormalization": _norm,
        "Relu": _relu,
        "Flatten": _flat,
        "Reshape": _flat,
        "MaxPool": _max_pool,
        "AveragePool": _average,
        "GlobalAveragePool": _average_all,
        "Trunc": _trunc,
    }
)
"""Node -> what reads it."""
