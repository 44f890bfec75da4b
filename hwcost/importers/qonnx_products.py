"""Nodes of a QONNX file that multiply by weights: MatMul, Gemm, Conv and ConvTranspose."""

from dataclasses import replace
from typing import Any

from torch import Tensor

from hwcost import quant
from hwcost.errors import UnknownOperation
from hwcost.importers.qonnx_node import Node
from hwcost.importers.qonnx_quantizers import Quantizer
from hwcost.importers.qonnx_reader import Reader, last_of
from hwcost.importers.qonnx_values import Grid, Value, number
from hwcost.importers.qonnx_windows import Pads, pads_of, taken_pad

PRODUCTS = ("MatMul", "Gemm", "Conv", "ConvTranspose", "channels last:Conv")
"""Kinds of nodes whose second input is a weight."""


def matmul(reader: Reader, node: Node) -> None:
    """Read MatMul: the weight is (inputs, outputs)."""
    x, name = node.inputs()
    if x in reader.constants:
        raise UnknownOperation("multiplies by its weight from the left; write x W, with (inputs, outputs)")
    values, quantizer = _matrix(reader, name, turned=True)
    _product(reader, node, _linear(values, quantizer), reader.plain(x))


def gemm(reader: Reader, node: Node) -> None:
    """Read Gemm: alpha x W + beta C."""
    turned = not node.attribute("transB", 0)
    node.only(transA=0)
    alpha, beta = float(node.attribute("alpha", 1.0)), float(node.attribute("beta", 1.0))
    values, quantizer = _matrix(reader, node.input(1), turned=turned)
    made = _product(reader, node, _linear(values, quantizer), reader.plain(node.input(0)))
    if alpha != 1:
        made = made.scaled(number(alpha))
    _with_bias(reader, node, made, node.input(2), beta)


def _matrix(reader: Reader, name: str, *, turned: bool) -> tuple[Tensor, Quantizer]:
    """Read a matrix of weights as (outputs, inputs)."""
    if reader.number(name).ndim != 2:
        raise UnknownOperation(f"its weight {name} has the shape {tuple(reader.number(name).shape)}; give a matrix")
    if not turned:
        return reader.weight(name, 0)
    reader.weight(name, 1)
    return reader.weight(reader.moved(name, lambda x: x.T.contiguous()), 0)


def _linear(values: Tensor, quantizer: Quantizer) -> Any:
    outputs, inputs = values.shape
    layer = quant.QuantLinear(inputs, outputs, bias=False, weight_quant=quantizer)
    layer.weight.data = values
    return layer


def _product(reader: Reader, node: Node, layer: Any, x: Value) -> Value:
    """Append a product; note its integers where they have one step."""
    made = reader.add(node, layer, x)
    grid = reader.grid(x)
    step = layer.weight_quant.step(layer.weight).detach().double()
    if grid is not None and step.numel() == 1:
        most = float(layer.integers().abs().sum(1).amax()) * max(abs(grid.low), abs(grid.high))
        reader.grids[made.tensor] = Grid(step=grid.step * step.reshape(()), low=-most, high=most)
    return made


def _with_bias(reader: Reader, node: Node, made: Value, name: str, factor: float = 1.0) -> None:
    if name:
        addend = made.aligned(reader.number(name).double() * factor)
        made = made.shifted(addend, name if factor == 1 else "")
    reader.values[node.output] = made


def conv(reader: Reader, node: Node) -> None:
    """Read Conv, of one or two dimensions, also (N, ..., C)."""
    x, name = node.input(0), node.input(1)
    if node.channels_last:
        name = reader.moved(name, lambda x: x.movedim(-1, 1).contiguous())
    values, quantizer = reader.weight(name, 0)
    dimensions = values.ndim - 2
    kinds: dict[int, Any] = {1: quant.QuantConv1d, 2: quant.QuantConv2d, 3: quant.QuantConv3d}
    make = kinds.get(dimensions)
    if make is None:
        raise UnknownOperation(f"a convolution of {dimensions} dimensions; hwcost has 1, 2 and 3")
    _check_kernel(node, values)
    value = reader.channels_first(x) if node.channels_last else reader.plain(x)
    image = value.shape[2:]
    value, before = taken_pad(reader, value)
    stride = node.integers("strides", [1] * dimensions)
    dilation = node.integers("dilations", [1] * dimensions)
    kernel = tuple(values.shape[2:])
    given = pads_of(node, image, kernel, stride, dilation)
    pads = tuple((a + c, b + d) for (a, b), (c, d) in zip(given, before, strict=True))
    groups = int(node.attribute("group", 1))
    layer = make(
        values.shape[1] * groups,
        values.shape[0],
        kernel,
        stride=stride,
        padding=_padding(pads),
        dilation=dilation,
        groups=groups,
        bias=False,
        weight_quant=quantizer,
    )
    layer.weight.data = values
    if value.shape[1] != values.shape[1] * groups:
        raise UnknownOperation(f"takes {values.shape[1] * groups} channels, and {value.shape[1]} enter")
    made = _product(reader, node, layer, value)
    if node.channels_last:
        made = replace(made, order=last_of(len(made.shape)))
    _with_bias(reader, node, made, _along(reader, node.input(2), 0 if node.channels_last else dimensions))


def _along(reader: Reader, bias: str, dimensions: int) -> str:
    """Bring one number per channel in front of the spatial dimensions."""
    if bias and (reader.number(bias).ndim != 1):
        raise UnknownOperation(f"its bias {bias} has the shape {tuple(reader.number(bias).shape)}; give (outputs,)")
    return reader.moved(bias, lambda x: x.reshape(-1, *[1] * dimensions)) if bias else ""


def _padding(pads: Pads) -> Any:
    return tuple(before for before, _ in pads) if all(before == after for before, after in pads) else pads


def _check_kernel(node: Node, values: Tensor) -> None:
    kernel = node.integers("kernel_shape", list(values.shape[2:]))
    if kernel != tuple(values.shape[2:]):
        raise UnknownOperation(f"kernel_shape={list(kernel)}, and a weight of shape {tuple(values.shape)}")


def conv_transpose(reader: Reader, node: Node) -> None:
    """Read ConvTranspose: the weight is (inputs, outputs / groups, ...)."""
    values, quantizer = reader.weight(node.input(1), 1)
    dimensions = values.ndim - 2
    kinds: dict[int, Any] = {1: quant.QuantConvTranspose1d, 2: quant.QuantConvTranspose2d}
    make = kinds.get(dimensions)
    if make is None:
        raise UnknownOperation(f"a transposed convolution of {dimensions} dimension(s); hwcost has those of 1 and 2")
    _check_kernel(node, values)
    node.only(auto_pad="NOTSET")
    if node.attribute("output_shape") is not None:
        raise UnknownOperation("output_shape; give pads and output_padding instead")
    pads = node.integers("pads", [0] * 2 * dimensions)
    if pads[:dimensions] != pads[dimensions:]:
        raise UnknownOperation(f"pads {list(pads)} differ between sides; give both sides the same")
    groups = int(node.attribute("group", 1))
    layer = make(
        values.shape[0],
        values.shape[1] * groups,
        tuple(values.shape[2:]),
        stride=node.integers("strides", [1] * dimensions),
        padding=pads[:dimensions],
        output_padding=node.integers("output_padding", [0] * dimensions),
        groups=groups,
        bias=False,
        dilation=node.integers("dilations", [1] * dimensions),
        weight_quant=quantizer,
    )
    layer.weight.data = values
    made = _product(reader, node, layer, reader.plain(node.input(0)))
    _with_bias(reader, node, made, _along(reader, node.input(2), dimensions))
