"""Import of QONNX files; the network is priced, executed and trained like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from hwcost.errors import BadData, BadOption

if TYPE_CHECKING:
    from onnx import ModelProto

MOST_VALUES = 2**26
"""Values of a sample, at most: no memory holds more of a broken file."""


class QonnxNetwork(nn.Module):
    """Layers made of the nodes of a file, in its order; floats enter and leave.

    Args:
        layers: by name.
        calls: in order: the layer, the tensors that it reads, the tensor that it makes.
        source, sink: the tensors that enter and leave.
        shape: of one sample that enters, without the batch.

    Attributes:
        shape: likewise.
    """

    def __init__(
        self,
        layers: Mapping[str, nn.Module],
        calls: Sequence[tuple[str, tuple[str, ...], str]],
        *,
        source: str,
        sink: str,
        shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(layers)
        self.shape = shape
        self._calls, self._source, self._sink = tuple(calls), source, sink

    def forward(self, x: Tensor) -> Tensor:
        """(N, *shape) -> what leaves."""
        streams = {self._source: x}
        for layer, inputs, output in self._calls:
            streams[output] = self.layers[layer](*(streams[name] for name in inputs))
        return streams[self._sink]


def from_qonnx(model: Path | str | ModelProto) -> QonnxNetwork:
    """Read a quantized network; needs `pip install 'hwcost[onnx]'`.

    Quant, IntQuant, BipolarQuant, Trunc and MultiThreshold nodes are read under every domain that tools have given
    them, declared or not, and QuantizeLinear, Clip and DequantizeLinear (QCDQ) likewise. What a node says and no layer
    computes (an attribute, an input, a layout) is an error, never left out.

    Args:
        model: an ONNX file, or a model in memory, with one input and one output.

    Returns:
        The network in evaluation. Widths, scales and signs are constants, those of the file. A quantizer at a
        constant is that of the weight that it makes; elsewhere it is an activation. Layers without hardware (a
        constant for each pixel, another order of axes) have values, and `trace` names them.

    Raises:
        BadData: no ONNX model, several inputs or outputs, or an input of open shape.
        UnknownOperation: all nodes that have no layer here, at once.
        BadOption: the extra is not installed.
    """
    try:  # here, so that `from hwcost import *` works without the extra
        from hwcost.importers.qonnx_model import load
        from hwcost.importers.qonnx_ops import read_graph
    except ModuleNotFoundError as error:
        raise BadOption(f"from_qonnx: {error.name} is not installed; pip install 'hwcost[onnx]'") from None
    name = str(model) if isinstance(model, Path | str) else "the QONNX model"
    loaded, opset = load(model, name)
    graph = loaded.graph
    constants = {one.name for one in graph.initializer}
    entering = [one for one in graph.input if one.name not in constants]
    if len(entering) != 1 or len(graph.output) != 1:
        raise BadData(f"{name}: {len(entering)} inputs and {len(graph.output)} outputs; give a network with one each")
    source, sides = entering[0].name, entering[0].type.tensor_type.shape.dim
    shape = tuple(int(side.dim_value) for side in sides[1:])
    if not shape or min(shape) < 1:
        raise BadData(f"{name}: the shape of {source} is not fixed; run qonnx-cleanup on it")
    if prod(shape) > MOST_VALUES:
        raise BadData(f"{name}: {prod(shape):,} values in a sample of {shape}; give at most {MOST_VALUES:,}")
    calls, sink = read_graph(graph, name, opset, (max(1, int(sides[0].dim_value)), *shape))
    layers: dict[str, nn.Module] = {}
    order = []
    for call in calls:
        place = _place(call.name, layers)
        layers[place] = call.module
        order.append((place, call.inputs, call.output))
    return QonnxNetwork(layers, order, source=source, sink=sink, shape=shape).eval()


def _place(name: str, taken: Mapping[str, nn.Module]) -> str:
    """Make a name for a child of a ModuleDict, which no other has, without dots and not one of its own attributes."""
    wanted = name.replace(".", "_") or "layer"
    if hasattr(nn.ModuleDict, wanted) or wanted in vars(nn.ModuleDict()):
        wanted += "_"
    place, count = wanted, 1
    while place in taken:
        count += 1
        place = f"{wanted}_{count}"
    return place
