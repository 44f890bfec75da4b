"""A node of a QONNX file, whose attributes and inputs are counted as they are read: what is left over is refused."""

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import helper

from hwcost.errors import UnknownOperation

STANDARD = ("", "ai.onnx")
QUANTIZED = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general", "qonnx.custom_op")
"""Domains under which Quant, BipolarQuant, Trunc and MultiThreshold have been written, the oldest tools last."""
CHANNELS_LAST = ("qonnx.custom_op.channels_last",)
"""Domain of convolutions, pools and batch norms on (N, ..., C)."""


class Node:
    """One node.

    Args:
        proto: as in the file.
        opset: version of the standard nodes.
    """

    def __init__(self, proto: onnx.NodeProto, opset: int) -> None:
        self.proto, self.opset = proto, opset
        self.op, self.name = proto.op_type, proto.name or proto.output[0]
        self.channels_last = proto.domain in CHANNELS_LAST
        self._attributes = {one.name: one for one in proto.attribute}
        self._left = {place for place, name in enumerate(proto.input) if name}

    @property
    def key(self) -> str:
        """Name under which the kind of node is looked up: that of its domain in front, unless it is a known one."""
        domain = self.proto.domain
        if domain in STANDARD:
            return self.op
        known = {**dict.fromkeys(QUANTIZED, "quantized"), **dict.fromkeys(CHANNELS_LAST, "channels last")}
        return f"{known.get(domain, domain)}:{self.op}"

    @property
    def output(self) -> str:
        """Name of the (first) tensor that it makes."""
        return str(self.proto.output[0])

    def count(self) -> int:
        """Number of inputs, absent ones at the end not counted."""
        return max((place + 1 for place, name in enumerate(self.proto.input) if name), default=0)

    def input(self, place: int) -> str:
        """Name of an input; "" if it is absent."""
        self._left.discard(place)
        return str(self.proto.input[place]) if place < len(self.proto.input) else ""

    def inputs(self) -> list[str]:
        """Names of all inputs."""
        return [self.input(place) for place in range(len(self.proto.input))]

    def attribute(self, name: str, default: Any = None) -> Any:
        """Value of an attribute, text as str; the default where it is absent."""
        found = self._attributes.pop(name, None)
        if found is None:
            return default
        value = helper.get_attribute_value(found)
        return value.decode() if isinstance(value, bytes) else value

    def only(self, **allowed: Any) -> None:
        """Consume attributes that may have one value.

        Raises:
            UnknownOperation: another value.
        """
        for name, value in allowed.items():
            found = self.attribute(name, value)
            if found != value:
                raise UnknownOperation(f"{name}={found}; only {name}={value} has a layer here")

    def integers(self, name: str, default: Sequence[int]) -> tuple[int, ...]:
        """Value of an attribute of whole numbers."""
        return tuple(int(one) for one in self.attribute(name, list(default)))

    def finish(self) -> None:
        """Check that everything was read.

        Raises:
            UnknownOperation: names attributes and inputs that were not.
        """
        left = [f"the attribute {name}" for name in sorted(self._attributes)]
        left += [f"input {place} ({self.proto.input[place]})" for place in sorted(self._left)]
        if left:
            raise UnknownOperation(f"{', '.join(left)} would be left out; nothing here reads it")
