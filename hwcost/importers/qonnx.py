"""A QONNX file as a network of ours: priced, run and trained like any other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from hwcost.errors import BadData, BadOption, HwcostError, UnknownOperation

if TYPE_CHECKING:
    from onnx import ModelProto


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
    """Read a network with Quant, BipolarQuant and Trunc nodes; needs `pip install 'hwcost[onnx]'`.

    Args:
        path: an ONNX file with one input and one output; clean it with `qonnx-cleanup` where shapes are missing.

    Returns:
        The network in evaluation. Widths, scales and signs are constants, those of the file. A Quant node at a
        constant is the quantizer of the weight that it makes; elsewhere it is an activation.

    Raises:
        BadData: no ONNX file. UnknownOperation: every node that has no layer here, at once. BadOption: the extra is not
            installed.
    """
    try:  # here, so that `from hwcost import *` works without the extra
        import onnx
        from google.protobuf.message import DecodeError
    except ModuleNotFoundError as error:
        raise BadOption(f"from_qonnx: {error.name} is not installed; pip install 'hwcost[onnx]'") from None
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        raise BadData(f"{path}: no ONNX model ({next(iter(str(error).splitlines()), '')})") from error
    return network(model, str(path))


def network(model: ModelProto, name: str) -> QonnxNetwork:
    """Read a model in memory as `from_qonnx` reads a file; errors call it `name`."""
    from onnx import numpy_helper

    from hwcost.importers.qonnx_ops import read
    from hwcost.importers.qonnx_reader import Reader

    graph = model.graph
    constants = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in graph.initializer}
    entering = [one for one in graph.input if one.name not in constants]
    if len(entering) != 1 or len(graph.output) != 1:
        raise BadData(f"{name}: {len(entering)} inputs and {len(graph.output)} outputs; give a network with one each")
    shapes = {one.name: tuple(each.dim_value for each in one.type.tensor_type.shape.dim) for one in graph.value_info}
    reader = Reader(constants, shapes)
    faults: list[str] = []
    for node in graph.node:
        try:
            read(reader, node)
        except HwcostError as fault:
            faults.append(f"{node.name or node.output[0]} ({node.op_type}): {fault}")
            reader.unknown.update(node.output)
    sink = graph.output[0].name
    try:
        sink = reader.settled(sink)
    except UnknownOperation as fault:
        faults.append(f"{sink}: {fault}")
    if faults:
        raise UnknownOperation(f"{name}: no layers for\n" + "\n".join(faults))
    net = QonnxNetwork(reader.layers, reader.calls)
    net._source, net._sink = entering[0].name, sink
    net.shape = tuple(int(side.dim_value) for side in entering[0].type.tensor_type.shape.dim[1:])
    if not net.shape or min(net.shape) < 1:
        raise BadData(f"{name}: the shape of {net._source} is not fixed; run qonnx-cleanup on it")
    return net.eval()
