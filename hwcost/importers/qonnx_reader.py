"""Streams of a QONNX file while its nodes are read, and the layers made of them so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from hwcost.errors import BadData, UnknownOperation
from hwcost.importers.qonnx_quantizers import Affine, Quantizer, rows_of

Options = Mapping[str, Any]
"""Attributes of a node."""


@dataclass(eq=False)
class Reader:
    """State after the nodes that have been read.

    Attributes:
        constants: tensor -> value, weights that are quantized included.
        shapes: tensor -> its shape, 0 where open, as far as the file says.
        quants: tensor -> the quantizer that made it.
        layers, calls: of the network.
        same: tensor -> the one that it is.
        affine: tensor -> the map that makes it, which nothing has taken up yet.
        unknown: tensors of nodes that could not be read.
        ranks: tensor -> its dimensions, the batch included.
    """

    constants: dict[str, Tensor]
    shapes: Mapping[str, tuple[int, ...]]
    quants: dict[str, Quantizer] = field(default_factory=dict)
    layers: dict[str, nn.Module] = field(default_factory=dict)
    calls: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)
    same: dict[str, str] = field(default_factory=dict)
    affine: dict[str, Affine] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    ranks: dict[str, int] = field(default_factory=dict)

    def alias(self, tensor: str) -> str:
        """Follow a name to the tensor that it stands for."""
        return self.same.get(tensor, tensor)

    def add(self, node: onnx.NodeProto, layer: nn.Module, *inputs: str) -> None:
        """Append a layer to the stream."""
        streams = tuple(self.settled(each) for each in inputs)
        self._call((node.name or node.output[0]), layer, streams, node.output[0])

    def _call(self, name: str, layer: nn.Module, inputs: tuple[str, ...], output: str) -> None:
        place = name.replace(".", "_")  # no name of a child has a dot
        self.layers[place] = layer
        self.calls.append((place, inputs, output))
        self.ranks[output] = 2 if isinstance(layer, nn.Flatten) else self.rank(inputs[0])

    def rank(self, tensor: str) -> int:
        """Dimensions of a tensor, the batch included; 2 where nothing is known."""
        return self.ranks.get(self.alias(tensor), 2)

    def norm(self, tensor: str, channels: int, *, eps: float) -> nn.BatchNorm1d | nn.BatchNorm2d:
        """Make a batch norm that fits the rank of a tensor."""
        return (nn.BatchNorm2d if self.rank(tensor) == 4 else nn.BatchNorm1d)(channels, eps=eps)

    def settled(self, tensor: str) -> str:
        """Follow a name to its tensor; an affine map that nothing has taken up becomes a batch norm."""
        if tensor in self.affine:
            affine = self.affine.pop(tensor)
            norm = self.norm(affine.source, rows_of(self.last(affine.source)), eps=0.0)
            nn.init.constant_(norm.weight, affine.gain)
            nn.init.constant_(norm.bias, affine.offset)
            self._call(f"{tensor}_affine", norm, (affine.source,), tensor)
        return self.alias(tensor)

    def passed(self, node: onnx.NodeProto) -> None:
        """Note that the output is still on the grid of the input."""
        made = self.quants.get(self.alias(node.input[0]))
        if made is not None:
            self.quants[node.output[0]] = made

    def number(self, tensor: str) -> Tensor:
        """Look up a constant.

        Raises:
            UnknownOperation: it is none.
        """
        if tensor not in self.constants:
            raise UnknownOperation(f"{tensor} is no constant; run qonnx-cleanup on the file")
        return self.constants[tensor]

    def weight(self, tensor: str) -> tuple[Tensor, Quantizer]:
        """Look up a quantized constant and its quantizer."""
        if tensor not in self.quants:
            raise UnknownOperation(f"its weight {tensor} has no Quant node, so no width")
        return self.number(tensor), self.quants[tensor]

    def last(self, tensor: str) -> Any:
        """Find the layer that made a tensor; None if none did."""
        return next((self.layers[layer] for layer, _, output in self.calls if output == self.alias(tensor)), None)

    def entering(self, tensor: str) -> str:
        """Find the first input of the layer that made a tensor; "" if none did."""
        return next((inputs[0] for _, inputs, output in self.calls if output == self.alias(tensor)), "")


def first_line(error: Exception) -> str:
    """Name an error of a library in one line."""
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"


def constants_of(graph: onnx.GraphProto, name: str) -> dict[str, Tensor]:
    """Read the constants of a graph: name -> value."""
    try:
        return {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in graph.initializer}
    except Exception as error:  # any number in a file may be anything
        raise BadData(f"{name}: an initializer cannot be read ({first_line(error)})") from error
