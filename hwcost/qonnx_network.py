"""A QONNX file as a network of ours: priced, run and trained like any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import helper, numpy_helper
from torch import Tensor, nn

from hwcost.errors import BadData, HwcostError, UnknownOperation
from hwcost.quant import (
    BinaryQuantizer,
    ConstScale,
    IntQuantizer,
    QuantAdd,
    QuantAvgPool2d,
    QuantConcat,
    QuantConv1d,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    TernaryQuantizer,
)

Quantizer = IntQuantizer | BinaryQuantizer | TernaryQuantizer


class QonnxNetwork(nn.Module):
    """The nodes of a file in its order, as layers; floats enter and leave.

    Attributes:
        shape: of one sample that enters, without the batch.
    """

    def __init__(self, layers: Mapping[str, nn.Module], calls: list[tuple[str, tuple[str, ...], str]]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(layers)
        self._calls = calls
        self.shape: tuple[int, ...] = ()
        self._source = self._sink = ""

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> what leaves."""
        streams = {self._source: x}
        for layer, inputs, output in self._calls:
            streams[output] = self.layers[layer](*(streams[name] for name in inputs))
        return streams[self._sink]


def from_qonnx(path: Path | str) -> QonnxNetwork:
    """Read a network with Quant, BipolarQuant and Trunc nodes.

    Args:
        path: an ONNX file with one input and one output; clean it with `qonnx-cleanup` where shapes are missing.

    Returns:
        The network in evaluation. Widths, scales and signs are constants, those of the file. A Quant node at a
        constant is the quantizer of the weight that it makes; elsewhere it is an activation.

    Raises:
        BadData: no ONNX file. UnknownOperation: every node that has no layer here, at once.
    """
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        raise BadData(f"{path}: no ONNX model ({next(iter(str(error).splitlines()), '')})") from error
    graph = model.graph
    constants = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in graph.initializer}
    entering = [one for one in graph.input if one.name not in constants]
    if len(entering) != 1 or len(graph.output) != 1:
        raise BadData(f"{path}: {len(entering)} inputs and {len(graph.output)} outputs; give a network with one each")
    reader = _Reader(constants)
    faults: list[str] = []
    for node in graph.node:
        try:
            reader.read(node)
        except HwcostError as fault:
            faults.append(f"{node.name or node.output[0]} ({node.op_type}): {fault}")
            reader.unknown.update(node.output)
    if faults:
        raise UnknownOperation(f"{path}: no layers for\n" + "\n".join(faults))
    net = QonnxNetwork(reader.layers, reader.calls)
    net._source, net._sink = entering[0].name, reader.alias(graph.output[0].name)
    net.shape = tuple(int(side.dim_value) for side in entering[0].type.tensor_type.shape.dim[1:])
    if not net.shape or min(net.shape) < 1:
        raise BadData(f"{path}: the shape of {net._source} is not fixed; run qonnx-cleanup on it")
    return net.eval()


@dataclass(eq=False)
class _Reader:
    """Nodes so far.

    Attributes:
        constants: tensor -> value, weights that are quantized included.
        quants: tensor -> the quantizer that made it.
        layers, calls: of the network.
        same: tensor -> the one that it is.
        unknown: tensors of nodes that could not be read.
    """

    constants: dict[str, Tensor]
    quants: dict[str, Quantizer] = field(default_factory=dict)
    layers: dict[str, nn.Module] = field(default_factory=dict)
    calls: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)
    same: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)

    def alias(self, tensor: str) -> str:
        """The tensor that a name stands for."""
        return self.same.get(tensor, tensor)

    def read(self, node: onnx.NodeProto) -> None:
        """One node, unless something in front of it could not be read."""
        if any(name in self.unknown for name in node.input):
            self.unknown.update(node.output)
            return
        if node.op_type not in READERS:
            raise UnknownOperation(f"not one of {', '.join(sorted(READERS))}")
        options = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        READERS[node.op_type](self, node, options)

    def add(self, node: onnx.NodeProto, layer: nn.Module, *inputs: str) -> None:
        """A layer in the stream."""
        name = (node.name or node.output[0]).replace(".", "_")
        self.layers[name] = layer
        self.calls.append((name, tuple(self.alias(each) for each in inputs), node.output[0]))

    def passed(self, node: onnx.NodeProto) -> None:
        """What leaves is still on the grid of what enters."""
        made = self.quants.get(self.alias(node.input[0]))
        if made is not None:
            self.quants[node.output[0]] = made

    def number(self, tensor: str) -> Tensor:
        """A constant.

        Raises:
            UnknownOperation: it is none.
        """
        if tensor not in self.constants:
            raise UnknownOperation(f"{tensor} is no constant; run qonnx-cleanup on the file")
        return self.constants[tensor]

    def weight(self, tensor: str) -> tuple[Tensor, Quantizer]:
        """A quantized constant, and its quantizer."""
        if tensor not in self.quants:
            raise UnknownOperation(f"its weight {tensor} has no Quant node, so no width")
        return self.number(tensor), self.quants[tensor]

    def last(self, tensor: str) -> Any:
        """The layer that made a tensor."""
        return next((self.layers[layer] for layer, _, output in self.calls if output == self.alias(tensor)), None)


Options = Mapping[str, Any]


def _quant(reader: _Reader, node: onnx.NodeProto, options: Options) -> None:
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
    _quantized(reader, node, _integer(step, int(width), signed, narrow), x)


def _integer(step: Tensor, bits: int, signed: bool, narrow: bool) -> Quantizer:
    if signed and narrow and bits == 2:
        return TernaryQuantizer(scale=ConstScale(_scale(step)))
    reach = 2 ** (bits - 1) - narrow if signed else 2**bits - 1
    return IntQuantizer(bits=bits, scale=ConstScale(_scale(step * reach)), signed=signed, narrow=narrow and signed)


def _scale(threshold: Tensor) -> Tensor:
    one: Tensor = threshold.reshape(()) if threshold.numel() == 1 else threshold
    return one


def _bipolar(reader: _Reader, node: onnx.NodeProto, options: Options) -> None:
    x, scale = node.input
    _quantized(reader, node, BinaryQuantizer(scale=ConstScale(_scale(reader.number(scale).double()))), x)


def _quantized(reader: _Reader, node: onnx.NodeProto, quantizer: Quantizer, x: str) -> None:
    reader.quants[node.output[0]] = quantizer
    if x in reader.constants:
        reader.constants[node.output[0]] = quantizer(reader.constants[x].float()).detach()
    else:
        reader.add(node, QuantIdentity(quantizer), x)


def _matmul(reader: _Reader, node: onnx.NodeProto, options: Options) -> None:
    """(inputs, outputs), but with transB (outputs, inputs), as Brevitas writes it."""
    x, weight = node.input[:2]
    if options.get("transA", 0) or any(float(options.get(factor, 1.0)) != 1.0 for factor in ("alpha", "beta")):
        raise UnknownOperation("transposes or scales what enters; write it as MatMul and Add")
    values, quantizer = reader.weight(weight)
    if not options.get("transB", 0):
        values, quantizer = values.T.contiguous(), _turned(quantizer)
    outputs, inputs = values.shape
    layer = QuantLinear(inputs, outputs, bias=False, weight_quant=quantizer)
    layer.weight.data = values
    reader.add(node, layer, x)
    if len(node.input) > 2:
        layer.bias = nn.Parameter(reader.number(node.input[2]).float().reshape(-1))


def _transpose(reader: _Reader, node: onnx.NodeProto, options: Options) -> None:
    """Of a matrix of weights alone."""
    values, quantizer = reader.weight(node.input[0])
    if values.ndim != 2:
        raise UnknownOperation("transposes what is no matrix of weights")
    reader.constants[node.output[0]], reader.quants[node.output[0]] = values.T.contiguous(), _turned(quantizer)


def _turned(quantizer: Quantizer) -> Quantizer:
    """The quantizer of the transposed matrix."""
    if quantizer.scale.channel_dim is None:
        return quantizer
    scale = ConstScale(quantizer.scale.threshold.T.contiguous())
    if isinstance(quantizer, IntQuantizer):
        bits = int(quantizer.width())
        return IntQuantizer(bits=bits, scale=scale, signed=quantizer.signed, narrow=quantizer.narrow)
    return BinaryQuantizer(scale=scale) if isinstance(quantizer, BinaryQuantizer) else TernaryQuantizer(scale=scale)


def _conv(reader: _Reader, node: onnx.NodeProto, options: Options) -> None:
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


def _add(reader: _Reader, node: onnx.NodeProto, options: Options) -> None:
    """A bias of the layer in front, or two streams on one grid."""
    streams = [name for name in node.input if name not in reader.constants]
    if len(streams) == 1:
        (constant,) = (name for name in node.input if name in reader.constants)
        layer = reader.last(streams[0])
        if not isinstance(layer, QuantLinear | QuantConv1d | QuantConv2d) or layer.bias is not None:
            raise UnknownOperation("adds a constant to what is no product; fold it into the layer in front")
        outputs = layer.weight.shape[0]
        layer.bias = nn.Parameter(reader.number(constant).float().reshape(-1).expand(outputs).clone())
        reader.same[node.output[0]] = reader.alias(streams[0])
        return
    reader.add(node, QuantAdd(_grids(reader, node), ready=(0, 1)), *node.input)


def _grids(reader: _Reader, node: onnx.NodeProto) -> list[Quantizer]:
    made = [reader.quants.get(reader.alias(name)) for name in node.input]
    known = [quantizer for quantizer in made if quantizer is not None]
    if len(known) < len(made):
        raise UnknownOperation("meets a stream that no Quant node made; put one in front of each")
    return known


def _concat(reader: _Reader, node: onnx.NodeProto, options: Options) -> None:
    if options["axis"] != 1:
        raise UnknownOperation(f"axis {options['axis']}; only channels are joined")
    grids = _grids(reader, node)
    reader.add(node, QuantConcat(grids, ready=tuple(range(len(node.input)))), *node.input)
    reader.quants[node.output[0]] = grids[0]


def _norm(reader: _Reader, node: onnx.NodeProto, options: Options) -> None:
    weight, bias, mean, variance = (reader.number(name).float() for name in node.input[1:])
    wide = isinstance(reader.last(node.input[0]), QuantConv2d)
    norm = (nn.BatchNorm2d if wide else nn.BatchNorm1d)(len(weight), eps=float(options.get("epsilon", 1e-5)))
    norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var = weight, bias, mean, variance
    reader.add(node, norm, node.input[0])


def _relu(reader: _Reader, node: onnx.NodeProto, options: Options) -> None:
    reader.add(node, nn.ReLU(), node.input[0])


def _flat(reader: _Reader, node: onnx.NodeProto, options: Options) -> None:
    if node.op_type == "Reshape" and reader.number(node.input[1]).tolist()[1:] != [-1]:
        shape = reader.number(node.input[1]).tolist()
        if len(shape) != 2:
            raise UnknownOperation(f"reshapes to {shape}; only flattening is a wire")
    if int(options.get("axis", 1)) != 1:
        raise UnknownOperation(f"axis {options['axis']}; a sample is flattened whole")
    reader.add(node, nn.Flatten(), node.input[0])


def _max_pool(reader: _Reader, node: onnx.NodeProto, options: Options) -> None:
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


def _average(reader: _Reader, node: onnx.NodeProto, options: Options) -> None:
    kernel, stride = list(options["kernel_shape"]), list(options.get("strides", [1, 1]))
    if len(set(kernel)) != 1 or len(set(stride)) != 1 or len(kernel) != 2 or any(options.get("pads", [0])):
        raise UnknownOperation(f"kernel {kernel}, stride {stride}; give squares without padding")
    reader.add(node, QuantAvgPool2d(kernel[0], stride[0], truncate=False), node.input[0])


def _mul(reader: _Reader, node: onnx.NodeProto, options: Options) -> None:
    """Only the area of an average in front of Trunc: it makes a sum of it."""
    pool, (constant,) = reader.last(node.input[0]), reader.number(node.input[1]).reshape(-1).tolist()
    if not isinstance(pool, QuantAvgPool2d) or pool.truncate or constant != pool.kernel_size**2:
        raise UnknownOperation("multiplies by a constant; fold it into a scale, or use QuantScaleBias")
    reader.same[node.output[0]] = reader.alias(node.input[0])


def _trunc(reader: _Reader, node: onnx.NodeProto, options: Options) -> None:
    """The average in front becomes one that truncates."""
    name = reader.alias(node.input[0])
    pool = reader.last(name)
    before, after = (float(reader.number(bits).reshape(())) for bits in node.input[3:5])
    if options.get("rounding_mode", b"FLOOR") != b"FLOOR" or not isinstance(pool, QuantAvgPool2d) or pool.truncate:
        raise UnknownOperation("truncates what is no average, or does not round down")
    place = next(place for place, call in enumerate(reader.calls) if call[2] == name)
    layer, inputs, output = reader.calls[place]
    source = reader.quants.get(inputs[0])
    shift = round(before - after)
    made = QuantAvgPool2d(pool.kernel_size, pool.stride, source=source)
    if source is None or made.shift(source.range()) != shift:
        raise UnknownOperation(f"drops {shift} bits of a window of {pool.kernel_size} pixels, or of no Quant node")
    reader.layers[layer] = made
    reader.same[node.output[0]] = output


READERS: Mapping[str, Callable[[_Reader, onnx.NodeProto, Options], None]] = MappingProxyType(
    {
        "Quant": _quant,
        "BipolarQuant": _bipolar,
        "MatMul": _matmul,
        "Gemm": _matmul,
        "Transpose": _transpose,
        "Conv": _conv,
        "Add": _add,
        "Concat": _concat,
        "BatchNormalization": _norm,
        "Relu": _relu,
        "Flatten": _flat,
        "Reshape": _flat,
        "MaxPool": _max_pool,
        "AveragePool": _average,
        "Mul": _mul,
        "Trunc": _trunc,
    }
)
"""Node -> what reads it."""
