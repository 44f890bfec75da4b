"""Tensors of a QONNX file while its nodes are read, and the layers made so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from hwcost.errors import UnknownOperation
from hwcost.importers.qonnx_node import Node
from hwcost.importers.qonnx_quantizers import Quantizer, clamped, quantizer_of, single_step
from hwcost.importers.qonnx_values import Codes, Grid, Value, along_axis, is_zero

MOST_VALUES = 2**26
"""Values of one stream, at most: no memory holds more of a broken file."""


@dataclass(eq=False, kw_only=True)
class Call:
    """A layer in the order of the file.

    Attributes:
        name, module: of the layer.
        inputs, output: tensors.
    """

    name: str
    module: Any
    inputs: tuple[str, ...]
    output: str


@dataclass(eq=False)
class Streams:
    """State after the nodes that have been read: what tensors are, and the layers made so far.

    Attributes:
        constants: tensor -> value, weights that are quantized included.
        readers: tensor -> how often it is read; leaving the network counts.
        batch: samples for which the file was written.
        codes: constant -> the codes that it holds.
        values: stream -> what it is.
        calls: layers so far, in order.
        shapes, grids: tensor that a layer makes -> its shape with the batch, and the integers behind it.
        unknown: tensors of nodes that could not be read.
    """

    constants: dict[str, Tensor]
    readers: Mapping[str, int] = field(default_factory=Counter)
    batch: int = 1
    codes: dict[str, Codes] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    grids: dict[str, Grid] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)

    def number(self, tensor: str) -> Tensor:
        """Look up a constant.

        Raises:
            UnknownOperation: it is none.
        """
        if tensor not in self.constants:
            raise UnknownOperation(f"{tensor or 'an input'} is no constant; run qonnx-cleanup on the file")
        return self.constants[tensor]

    def single(self, tensor: str) -> float:
        """Look up a constant whose elements are one number.

        Raises:
            UnknownOperation: it is none, or has several numbers.
        """
        found = self.number(tensor).double().flatten()
        if not found.numel() or not bool((found == found[0]).all()):
            raise UnknownOperation(f"{tensor} has several numbers, {found[:4].tolist()}...; give one")
        return float(found[0])

    def weight(self, tensor: str, axis: int) -> tuple[Tensor, Quantizer]:
        """Look up a quantized constant and its quantizer.

        Args:
            tensor: the constant.
            axis: of the outputs, along which steps may differ.
        """
        values = self.number(tensor)
        if tensor not in self.codes:
            raise UnknownOperation(
                f"its weight {tensor} has no Quant node, so no width; quantize it before it is exported"
            )
        codes = self.codes[tensor]
        return values.float(), quantizer_of(replace(codes, factor=along_axis(codes.factor, axis)))

    def moved(self, tensor: str, move: Callable[[Tensor], Tensor]) -> str:
        """Make a constant that is another one moved, and return its name."""
        made = f"{tensor} moved"
        self.constants[made] = move(self.number(tensor))
        self.codes.pop(made, None)
        if tensor in self.codes:
            self.codes[made] = self.codes[tensor].moved(move)
        return made

    def add(self, node: Node, module: nn.Module, *inputs: Value) -> Value:
        """Append a layer; its inputs are plain. Returns what leaves it."""
        made = self.call(node.name, module, node.output, *inputs)
        self.values[node.output] = made
        return made

    def call(self, name: str, module: nn.Module, output: str, *inputs: Value) -> Value:
        """Append a layer that makes a tensor of this name, or of one like it."""
        while output in self.calls:
            output += "'"
        self.shapes[output] = shape = self._shape(module, *inputs)
        self.calls[output] = Call(name=name, module=module, inputs=tuple(each.tensor for each in inputs), output=output)
        return Value(tensor=output, shape=shape)

    def _shape(self, module: nn.Module, *inputs: Value) -> tuple[int, ...]:
        """Shape that leaves a layer, found with zeros."""
        with torch.no_grad():
            made = module.eval()(*(torch.zeros(1, *each.shape[1:]) for each in inputs))
        shape = (self.batch, *made.shape[1:])
        if prod(shape[1:]) > MOST_VALUES:
            raise UnknownOperation(f"makes samples of shape {shape[1:]}, more than {MOST_VALUES:,} values")
        return shape

    def made_by(self, value: Value) -> Any:
        """Find the layer that made the base of a stream; None where the network begins."""
        call = self.calls.get(value.tensor)
        return None if call is None else call.module

    def passed(self, value: Value, made: Value) -> Value:
        """Note that what a layer makes is still on the grid of what it reads."""
        if value.tensor in self.grids:
            self.grids[made.tensor] = self.grids[value.tensor]
        return made

    def note(self, value: Value, quantizer: Quantizer) -> None:
        """Note the integers that a quantizer makes."""
        step = single_step(quantizer)
        if step is not None:
            low, high = clamped(quantizer)
            self.grids[value.tensor] = Grid(step=step, low=low, high=high, quantizer=quantizer)

    def grid(self, value: Value) -> Grid | None:
        """Find the integers behind a stream; None where they are not known, or have no common step."""
        found = self.grids.get(value.tensor)
        if found is None or value.codes is not None or not is_zero(value.offset) or value.gain.ndim:
            return None
        gain = float(value.gain)
        if gain == 1:
            return found
        return Grid(step=found.step * gain, low=found.low, high=found.high) if gain > 0 else None


def first_line(error: Exception) -> str:
    """Name an error of a library in one line."""
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
