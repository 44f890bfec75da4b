"""Readers of the nodes of a QONNX file: each becomes a layer, in the order of the file."""

from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType

import onnx

from hwcost.errors import HwcostError, UnknownOperation
from hwcost.importers import qonnx_arithmetic, qonnx_codes, qonnx_linear, qonnx_pools, qonnx_shapes, qonnx_windows
from hwcost.importers.qonnx_constants import constants_of, fold, foldable
from hwcost.importers.qonnx_node import Node
from hwcost.importers.qonnx_products import PRODUCTS, conv, conv_transpose, gemm, matmul
from hwcost.importers.qonnx_reader import Reader
from hwcost.importers.qonnx_streams import Call, first_line
from hwcost.importers.qonnx_values import Value

ONCE = ("QuantizeLinear", "DequantizeLinear")
"""Standard nodes whose readers take constants too, and keep their codes."""

READERS: Mapping[str, Callable[[Reader, Node], None]] = MappingProxyType(
    {
        "quantized:Quant": qonnx_codes.integer_quant,
        "quantized:IntQuant": qonnx_codes.integer_quant,
        "quantized:BipolarQuant": qonnx_codes.bipolar_quant,
        "quantized:MultiThreshold": qonnx_codes.multi_threshold,
        "quantized:Trunc": qonnx_pools.trunc,
        "quantized:MaxPoolNHWC": qonnx_pools.max_pool,
        "QuantizeLinear": qonnx_linear.quantize_linear,
        "DequantizeLinear": qonnx_linear.dequantize_linear,
        "Clip": qonnx_linear.clip,
        **dict.fromkeys(qonnx_linear.MODES, qonnx_linear.rounded),
        "Less": qonnx_linear.less,
        "Where": qonnx_linear.where,
        "MatMul": matmul,
        "Gemm": gemm,
        **dict.fromkeys(("Conv", "channels last:Conv"), conv),
        "ConvTranspose": conv_transpose,
        **dict.fromkeys(("Add", "Sub", "Mul", "Div"), qonnx_arithmetic.elementwise),
        "Concat": qonnx_arithmetic.concat,
        **dict.fromkeys(("BatchNormalization", "channels last:BatchNormalization"), qonnx_arithmetic.batch_norm),
        "Relu": qonnx_arithmetic.relu,
        **dict.fromkeys(qonnx_arithmetic.CURVES, qonnx_arithmetic.curve),
        "PRelu": qonnx_arithmetic.prelu,
        "Neg": qonnx_arithmetic.negative,
        "Slice": qonnx_shapes.slices,
        "Pad": qonnx_windows.pad,
        **dict.fromkeys(("MaxPool", "channels last:MaxPool"), qonnx_pools.max_pool),
        "AveragePool": qonnx_pools.average,
        **dict.fromkeys(("GlobalAveragePool", "ReduceMean"), qonnx_pools.average_all),
        "GlobalMaxPool": qonnx_pools.max_all,
        **dict.fromkeys(("Identity", "Dropout", "Cast"), qonnx_shapes.same),
        "Shape": qonnx_shapes.shape_of,
        "Flatten": qonnx_shapes.flatten,
        "Reshape": qonnx_shapes.reshape,
        **dict.fromkeys(("Squeeze", "Unsqueeze"), qonnx_shapes.squeeze),
        "Transpose": qonnx_shapes.transpose,
        **dict.fromkeys(("Resize", "Upsample"), qonnx_shapes.resize),
        "DepthToSpace": qonnx_shapes.depth_to_space,
        **dict.fromkeys(("Softmax", "LogSoftmax"), qonnx_shapes.softmax),
        "ArgMax": qonnx_shapes.argmax,
        "TopK": qonnx_shapes.top_k,
    }
)
"""Reader of each kind of node, by `Node.key`."""


def read_graph(graph: onnx.GraphProto, name: str, opset: int, shape: tuple[int, ...]) -> tuple[list[Call], str]:
    """Read all nodes of a graph.

    Args:
        graph: with one input and one output.
        name: of the file, for errors.
        opset: version of its standard nodes.
        shape: of its input, with the batch.

    Returns:
        The layers that lead to the output, in order, and the tensor that leaves.

    Raises:
        UnknownOperation: all nodes that have no layer here, at once.
    """
    constants, codes = constants_of(graph, name)
    readers = Counter(tensor for node in graph.node for tensor in node.input)
    readers[graph.output[0].name] += 1
    (source,) = (one.name for one in graph.input if one.name not in constants)
    reader = Reader(constants, readers, batch=shape[0], codes=codes)
    reader.values[source], reader.shapes[source] = Value(tensor=source, shape=shape), shape
    faults: list[str] = []
    for proto in graph.node:
        node = Node(proto, opset)
        try:
            _read(reader, node)
        except Exception as error:  # any number in a file may be anything: what fails here, fails because of it
            faults.append(f"{node.name} ({node.op}): {_reason(error)}")
            reader.unknown.update(proto.output)
    sink = graph.output[0].name
    if not faults:
        try:
            return _needed(reader, reader.plain(sink).tensor)
        except Exception as error:
            faults.append(f"{sink}: {_reason(error)}")
    raise UnknownOperation(f"{name}: no layers for\n" + "\n".join(faults))


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, HwcostError) else f"its numbers make no sense ({first_line(error)})"


def _read(reader: Reader, node: Node) -> None:
    """Read one node; of one that stands behind a node that could not be read, only what that one does not touch."""
    known = node.key in READERS
    if any(tensor in reader.unknown for tensor in node.proto.input):
        reader.unknown.update(node.proto.output)
        if known and node.key in PRODUCTS and node.input(1) in reader.constants:
            reader.weight(node.input(1), 0)  # a weight without a width is named even here
        if known:
            return
    if foldable(reader, node) and node.key not in ONCE:
        fold(reader, node)
    elif not known:
        there = ", ".join(sorted({key.split(":")[-1] for key in READERS}))
        raise UnknownOperation(f"{node.key.removeprefix('quantized:')} is not one of {there}")
    else:
        READERS[node.key](reader, node)
    node.finish()


def _needed(reader: Reader, sink: str) -> tuple[list[Call], str]:
    """Keep the layers that lead to the output."""
    found: list[Call] = []
    wanted = {sink}
    for call in reversed(reader.calls.values()):
        if call.output in wanted:
            found.append(call)
            wanted.update(call.inputs)
    return found[::-1], sink
