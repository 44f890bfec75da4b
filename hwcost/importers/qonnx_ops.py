"""Readers of the nodes of a QONNX file: each becomes a layer, in the order of the file."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import onnx
import torch
from onnx import helper
from torch import Tensor, nn

from hwcost import quant
from hwcost.errors import HwcostError, UnknownOperation
from hwcost.importers.qonnx_pools import average, average_all, max_pool, trunc
from hwcost.importers.qonnx_quantizers import Affine, Quantizer, integer, per_channel, threshold, turned
from hwcost.importers.qonnx_reader import Options, Reader, constants_of, first_line

BIASED = quant.QuantLinear | quant.QuantConv1d | quant.QuantConv2d | quant.QuantScaleBias
"""Layers that take up a constant that is added behind them."""


def _read(reader: Reader, node: onnx.NodeProto) -> None:
    """Read one node; skip one that has a reader but stands behind a node that could not be read."""
    if node.op_type not in READERS:  # named even behind another that could not be read
        raise UnknownOperation(f"not one of {', '.join(sorted(READERS))}")
    if any(name in reader.unknown for name in node.input):
        reader.unknown.update(node.output)
        return
    options = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    READERS[node.op_type](reader, node, options)


def _quant(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    if options.get("rounding_mode", b"ROUND") != b"ROUND":
        raise UnknownOperation(f"rounds by {options['rounding_mode'].decode()}; ROUND is what hwcost has")
    x, scale, zero, bits = node.input
    widths = reader.number(bits).reshape(-1)
    if bool((reader.number(zero) != 0).any()) or bool((widths != widths[0]).any()):
        raise UnknownOperation("a zero point, or widths that differ; give one width and zero point 0")
    step, width = reader.number(scale).double(), float(widths[0])
    signed, narrow = bool(options["signed"]), bool(options["narrow"])
    if not 1 <= width <= 32 or width != round(width) or (width == 1 and (signed or narrow)):
        raise UnknownOperation(f"{width:g} bits, signed={signed}, narrow={narrow}; no code of hwcost is like that")
    _quantized(reader, node, integer(step, int(width), signed, narrow), x)


def _bipolar(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    x, scale = node.input
    _quantized(reader, node, quant.BinaryQuantizer(scale=quant.ConstScale(threshold(reader.number(scale).double()))), x)


def _quantized(reader: Reader, node: onnx.NodeProto, quantizer: Quantizer, x: str) -> None:
    reader.quants[node.output[0]] = quantizer
    if x in reader.constants:
        reader.constants[node.output[0]] = quantizer(reader.constants[x].float()).detach()
    elif x in reader.affine:
        affine = reader.affine[x]
        reader.add(node, quant.QuantAffine(quantizer, gain=affine.gain, offset=affine.offset), affine.source)
    else:
        reader.add(node, quant.QuantIdentity(quantizer), x)


def _matmul(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    """(inputs, outputs), but with transB (outputs, inputs), as Brevitas writes it."""
    x, weight = node.input[:2]
    if options.get("transA", 0) or any(float(options.get(factor, 1.0)) != 1.0 for factor in ("alpha", "beta")):
        raise UnknownOperation("transposes or scales what enters; write it as MatMul and Add")
    values, quantizer = reader.weight(weight)
    if not options.get("transB", 0):
        values, quantizer = values.T.contiguous(), turned(quantizer)
    outputs, inputs = values.shape
    layer = quant.QuantLinear(inputs, outputs, bias=False, weight_quant=quantizer)
    layer.weight.data = values
    reader.add(node, layer, x)
    if len(node.input) > 2:
        layer.bias = nn.Parameter(reader.number(node.input[2]).float().reshape(-1))


def _transpose(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    """Transpose a matrix of weights, and nothing else."""
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
    make: Any = quant.QuantConv1d if dimensions == 1 else quant.QuantConv2d
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
    """Read arithmetic on constants, on a stream and a constant, or on two streams."""
    numbers = [reader.constants.get(name) for name in node.input]
    if all(number is not None for number in numbers):
        reader.constants[node.output[0]] = ARITHMETIC[node.op_type](*numbers)
    elif any(number is not None for number in numbers):
        _with_constant(reader, node)
    elif node.op_type == "Add":
        reader.add(node, quant.QuantAdd(_grids(reader, node), ready=(0, 1)), *node.input)
    else:
        raise UnknownOperation("meets two streams; only Add does")


def _with_constant(reader: Reader, node: onnx.NodeProto) -> None:
    """Read a bias of the layer in front, factors per channel, the area in front of Trunc, or an affine map."""
    first = node.input[0] in reader.constants
    constant, stream = node.input if first else reversed(node.input)
    number, layer = reader.constants[constant], reader.last(stream)
    if node.op_type == "Add" and isinstance(layer, BIASED) and layer.bias is None:
        outputs = layer.weight.shape[0]
        layer.bias = nn.Parameter(number.float().reshape(-1).expand(outputs).clone())
        _quantize_bias(reader, layer, constant, stream)
        reader.same[node.output[0]] = reader.alias(stream)
        return
    single = reader.shapes.get(stream, (0, 0))[1:2] == (1,)  # one channel
    if node.op_type == "Mul" and constant in reader.quants and (number.numel() > 1 or single):
        _factors(reader, node, constant, stream)
        return
    if number.numel() != 1 or node.op_type == "Pow":
        raise UnknownOperation("several constants meet a stream; fold them into the layer in front, or QuantScaleBias")
    if node.op_type == "Mul" and isinstance(layer, quant.QuantAvgPool2d) and float(number) == layer.area:
        reader.same[node.output[0]] = reader.alias(stream)  # the sum, which Trunc takes
        return
    affine = reader.affine.get(stream, Affine(reader.alias(stream)))
    reader.affine[node.output[0]] = affine.then(node.op_type, float(number), first=first)


def _quantize_bias(reader: Reader, layer: BIASED, constant: str, stream: str) -> None:
    """Keep the width of a bias that counts in the unit of the sum; any other stays a float, which thresholds absorb.

    32 bits are read as a float too: exporters write them where a bias has no width of its own.
    """
    quantizer = reader.quants.get(constant)
    source = reader.quants.get(reader.entering(stream))
    if not isinstance(quantizer, quant.IntQuantizer) or not quantizer.signed or quantizer.narrow or source is None:
        return
    width, step = int(quantizer.width()), source.step()
    if not 2 <= width < 32 or step.numel() > 1 or layer.weight_quant is None:
        return
    unit = step.reshape(-1) * layer.weight_quant.step(layer.weight).reshape(-1)
    own = quantizer.step().reshape(-1)
    if own.numel() in (1, unit.numel()) and torch.allclose(own.expand_as(unit), unit, rtol=1e-5, atol=0.0):
        layer.bias_quant = quant.BiasQuantizer(bits=width)
        layer.set_source(source)


def _factors(reader: Reader, node: onnx.NodeProto, constant: str, stream: str) -> None:
    """Read one quantized factor per channel."""
    number = reader.constants[constant]
    rank = len(reader.shapes.get(stream, number.shape))
    if number.numel() != ([1] * (rank - number.ndim) + list(number.shape))[1]:
        raise UnknownOperation(f"factors of shape {tuple(number.shape)}; give one per channel, or one")
    layer = quant.QuantScaleBias(number.numel(), bias=False, weight_quant=per_channel(reader.quants[constant]))
    layer.weight.data = number.reshape(-1)
    reader.add(node, layer, stream)


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
    reader.add(node, quant.QuantConcat(grids, ready=tuple(range(len(node.input)))), *node.input)
    reader.quants[node.output[0]] = grids[0]


def _norm(reader: Reader, node: onnx.NodeProto, options: Options) -> None:
    weight, bias, mean, variance = (reader.number(name).float() for name in node.input[1:])
    norm = reader.norm(node.input[0], len(weight), eps=float(options.get("epsilon", 1e-5)))
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
    reader.passed(node)


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
        "MaxPool": max_pool,
        "AveragePool": average,
        "GlobalAveragePool": average_all,
        "Trunc": trunc,
    }
)
"""Reader of each kind of node."""


def read_graph(graph: onnx.GraphProto, name: str) -> tuple[Reader, str]:
    """Read all nodes of a graph.

    Args:
        graph: with one input and one output.
        name: of the file, for errors.

    Returns:
        The layers and their calls, and the tensor that leaves.

    Raises:
        UnknownOperation: all nodes that have no layer here, at once.
    """
    constants = constants_of(graph, name)
    shapes = {one.name: tuple(each.dim_value for each in one.type.tensor_type.shape.dim) for one in graph.value_info}
    ranks = {one.name: len(one.type.tensor_type.shape.dim) for one in graph.input}
    reader = Reader(constants, shapes, ranks=ranks)
    faults: list[str] = []
    for node in graph.node:
        try:
            _read(reader, node)
        except Exception as error:  # any number in a file may be anything: what fails here, fails because of it
            reason = error if isinstance(error, HwcostError) else f"its numbers make no sense ({first_line(error)})"
            faults.append(f"{node.name or ', '.join(node.output)} ({node.op_type}): {reason}")
            reader.unknown.update(node.output)
    sink = graph.output[0].name
    try:
        sink = reader.settled(sink)
    except UnknownOperation as fault:
        faults.append(f"{sink}: {fault}")
    if faults:
        raise UnknownOperation(f"{name}: no layers for\n" + "\n".join(faults))
    return reader, sink
