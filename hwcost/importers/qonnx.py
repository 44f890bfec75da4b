"""Import of QONNX files; the network is priced, executed and trained like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from hwcost.errors import BadData, BadOption

if TYPE_CHECKING:
    from onnx import ModelProto


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
    """Read a network with Quant, BipolarQuant and Trunc nodes; needs `pip install 'hwcost[onnx]'`.

    Args:
        model: an ONNX file, or a model in memory, with one input and one output; clean it with `qonnx-cleanup` where
            shapes are missing.

    Returns:
        The network in evaluation. Widths, scales and signs are constants, those of the file. A Quant node at a
        constant is the quantizer of the weight that it makes; elsewhere it is an activation.

    Raises:
        BadData: no ONNX model, several inputs or outputs, or an input of open shape.
        UnknownOperation: all nodes that have no layer here, at once.
        BadOption: the extra is not installed.
    """
    try:  # here, so that `from hwcost import *` works without the extra
        import onnx

        from hwcost.importers.qonnx_ops import read_graph
    except ModuleNotFoundError as error:
        raise BadOption(f"from_qonnx: {error.name} is not installed; pip install 'hwcost[onnx]'") from None
    name = str(model) if isinstance(model, Path | str) else "the QONNX model"
    try:
        loaded = onnx.load(str(model)) if isinstance(model, Path | str) else model
        onnx.checker.check_model(loaded)
    except Exception as error:  # the parser and the checker fail in many ways on a broken file
        raise BadData(f"{name}: no ONNX model ({next(iter(str(error).splitlines()), '')})") from error
    graph = loaded.graph
    constants = {one.name for one in graph.initializer}
    entering = [one for one in graph.input if one.name not in constants]
    if len(entering) != 1 or len(graph.output) != 1:
        raise BadData(f"{name}: {len(entering)} inputs and {len(graph.output)} outputs; give a network with one each")
    source = entering[0].name
    shape = tuple(int(side.dim_value) for side in entering[0].type.tensor_type.shape.dim[1:])
    if not shape or min(shape) < 1:
        raise BadData(f"{name}: the shape of {source} is not fixed; run qonnx-cleanup on it")
    reader, sink = read_graph(graph, name)
    return QonnxNetwork(reader.layers, reader.calls, source=source, sink=sink, shape=shape).eval()
