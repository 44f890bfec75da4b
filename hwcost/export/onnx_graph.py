"""An ONNX graph under construction: nodes, constants, and the nodes that QONNX adds."""

from dataclasses import dataclass, field
from itertools import product
from math import log2
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from hwcost.errors import UnknownOperation

QONNX = "qonnx.custom_op.general"
"""Domain of Quant, BipolarQuant and Trunc."""
OPSET = 13
"""Version of the standard nodes: the one to which QONNX' own tools convert."""


@dataclass(eq=False)
class Graph:
    """Nodes in order; each tensor has the name of the node that writes it.

    Attributes:
        nodes, constants: so far.
        names: how often a name was asked for.
        shapes: tensor -> shape of one sample, as far as layers tell.
    """

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def name(self, wanted: str) -> str:
        """Make a name that no other tensor has."""
        self.names[wanted] = count = self.names.get(wanted, 0) + 1
        return wanted if count == 1 else f"{wanted}_{count}"

    def constant(self, value: Tensor | float | list[int], name: str) -> str:
        """Add an initializer: float32, or int64 from a list of whole numbers."""
        array = np.asarray(value if not isinstance(value, Tensor) else value.detach().cpu().double().numpy())
        array = array.astype(np.int64 if isinstance(value, list) else np.float32)
        name = self.name(name)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, op: str, *inputs: str, layer: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output; return the name of that output."""
        output = self.name(f"{layer}.{op}")
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def quant(
        self,
        x: str,
        *,
        layer: str,
        step: Tensor,
        low: float,
        high: float,
        bits: int,
        rounding: str = "ROUND",
        zero: int = 0,
    ) -> str:
        """Add a Quant node, which rounds to multiples of the step and clips them to low..high.

        Args:
            x: what is quantized.
            layer: it stands for.
            step: broadcasts to x.
            low, high, bits: of the codes; signed if low is below 0, narrow if it is -high.
            rounding: by its name in QONNX.
            zero: zero point, as whose distance from it a code is written.
        """
        low, high = low + zero, high + zero
        signed = low < 0
        zero_point = self.constant(float(zero), f"{layer}.zero_point")
        width = self.constant(float(bits), f"{layer}.bit_width")
        return self.add(
            "Quant",
            x,
            self.constant(step, f"{layer}.scale"),
            zero_point,
            width,
            layer=layer,
            domain=QONNX,
            signed=int(signed),
            narrow=int(low == -high if signed else 0 < high == 2.0**bits - 2),
            rounding_mode=rounding,
        )

    def activation(self, x: str, *, layer: str, step: Tensor, low: int, high: int, rounding: str, zero: int) -> str:
        """Add a Quant node of any codes of 2^bits - 1 or 2^bits values, by a zero point.

        Args:
            x, layer, step, low, high: as `quant`.
            rounding, zero: as `GridQuantizer`.

        Raises:
            UnknownOperation: no width and zero point give these codes.
        """
        ties = rounding == "HALF_EVEN"  # where only the parity of the zero point counts
        free = rounding in ("CEIL", "FLOOR")
        for signed, narrow in product((False, True), repeat=2):
            bits = log2(high - low + 1 + narrow)
            first = int(-(2 ** (bits - 1)) + narrow) if signed else 0
            moved = first - low
            even = (moved - zero) % 2 == 0
            if bits == int(bits) and (not signed or bits > 1) and (free or moved == zero or (ties and even)):
                name = "ROUND" if ties else rounding
                return self.quant(
                    x, layer=layer, step=step, low=low, high=high, bits=int(bits), rounding=name, zero=moved
                )
        raise UnknownOperation(
            f"codes from {low} to {high}, {rounding}: no Quant node has them; quantize to a whole width, or "
            "write standard nodes (--to onnx)"
        )

    def thresholds(self, x: str, *, layer: str, edges: Tensor, step: float, low: int, bipolar: bool, rank: int) -> str:
        """Add a MultiThreshold node: (count of thresholds reached + low) * step; `rank` is that of x."""
        scale, bias = (2 * step, -step) if bipolar else (step, low * step)
        layouts = {2: "NC", 3: "NCW", 4: "NCHW"}
        return self.add(
            "MultiThreshold",
            x,
            self.constant(edges, f"{layer}.thresholds"),
            layer=layer,
            domain=QONNX,
            out_dtype="BIPOLAR" if bipolar else f"{'INT' if low < 0 else 'UINT'}32",
            out_scale=scale,
            out_bias=bias,
            data_layout=layouts.get(rank, "NC"),
        )

    def domains(self) -> list[onnx.OperatorSetIdProto]:
        """List the domains that the model uses besides the standard nodes."""
        return [helper.make_opsetid(QONNX, 1)]

    def bipolar(self, x: str, *, layer: str, step: Tensor) -> str:
        """Add a BipolarQuant node: -step below 0, +step from 0 on."""
        return self.add("BipolarQuant", x, self.constant(step, f"{layer}.scale"), layer=layer, domain=QONNX)

    def trunc(self, x: str, *, layer: str, step: Tensor, bits: int, shift: int) -> str:
        """Add a Trunc node, which shifts multiples of the step right and rounds down.

        Args:
            x: what is shifted.
            layer: it stands for.
            step: ().
            bits: of the codes before.
            shift: bits that are dropped.
        """
        numbers: dict[str, Tensor | float] = {
            "scale": step,
            "zero_point": 0.0,
            "in_bit_width": float(bits),
            "out_bit_width": float(bits - shift),
        }
        constants = [self.constant(value, f"{layer}.{name}") for name, value in numbers.items()]
        return self.add("Trunc", x, *constants, layer=layer, domain=QONNX, rounding_mode="FLOOR")

    def model(self, inputs: dict[str, tuple[int, ...]], outputs: dict[str, tuple[int, ...]]) -> onnx.ModelProto:
        """Finish the model and check it; shapes are without the batch, which is 1."""
        made = helper.make_graph(
            self.nodes,
            "hwcost",
            [_port(name, shape) for name, shape in inputs.items()],
            [_port(name, shape) for name, shape in outputs.items()],
            self.constants,
            value_info=[
                _port(name, shape) for name, shape in self.shapes.items() if name not in inputs and name not in outputs
            ],
        )
        opsets = [helper.make_opsetid("", OPSET), *self.domains()]
        model = helper.make_model(made, producer_name="hwcost", opset_imports=opsets, ir_version=8)
        onnx.checker.check_model(model)
        return model


BYTE = 8
"""Widest code of QuantizeLinear in opset 13."""


class Plain(Graph):
    """Graph of standard nodes: QuantizeLinear, Clip and DequantizeLinear up to 8 bits, float arithmetic above."""

    def domains(self) -> list[onnx.OperatorSetIdProto]:
        return []

    def activation(self, x: str, *, layer: str, step: Tensor, low: int, high: int, rounding: str, zero: int) -> str:
        """Quantize to any codes."""
        if rounding != "HALF_EVEN" or zero % 2:
            raise UnknownOperation(f"rounds {rounding} with zero point {zero}; standard nodes round half to even")
        bits = int(log2(max(high, -low - 1, 1))) + 1 + (low < 0)
        return self.quant(x, layer=layer, step=step, low=low, high=high, bits=bits)

    def thresholds(self, x: str, *, layer: str, edges: Tensor, step: float, low: int, bipolar: bool, rank: int) -> str:
        raise UnknownOperation("standard nodes count no thresholds; write QONNX")

    def quant(
        self,
        x: str,
        *,
        layer: str,
        step: Tensor,
        low: float,
        high: float,
        bits: int,
        rounding: str = "ROUND",
        zero: int = 0,
    ) -> str:
        """Quantize, clip, and convert back to float."""
        if bits > BYTE:
            scale = self.constant(step, f"{layer}.scale")
            whole = self.add("Round", self.add("Div", x, scale, layer=layer), layer=layer)
            bounds = (self.constant(low, f"{layer}.low"), self.constant(high, f"{layer}.high"))
            return self.add("Mul", self.add("Clip", whole, *bounds, layer=layer), scale, layer=layer)
        kind = np.dtype(np.int8 if low < 0 else np.uint8)
        axis = next((place for place, size in enumerate(step.shape) if size > 1), None)
        flat = step.reshape(()) if axis is None else step.reshape(-1)
        scale = self.constant(flat, f"{layer}.scale")
        point = self._codes(np.zeros(tuple(flat.shape)), kind, f"{layer}.zero_point")
        bounds = (self._codes(low, kind, f"{layer}.low"), self._codes(high, kind, f"{layer}.high"))
        along_axis: dict[str, Any] = {} if axis is None else {"axis": axis}
        codes = self.add("QuantizeLinear", x, scale, point, layer=layer, **along_axis)
        clipped = self.add("Clip", codes, *bounds, layer=layer)
        return self.add("DequantizeLinear", clipped, scale, point, layer=layer, **along_axis)

    def bipolar(self, x: str, *, layer: str, step: Tensor) -> str:
        below = self.add("Less", x, self.constant(0.0, f"{layer}.zero"), layer=layer)
        two = (self.constant(-step, f"{layer}.minus"), self.constant(step, f"{layer}.plus"))
        return self.add("Where", below, *two, layer=layer)

    def trunc(self, x: str, *, layer: str, step: Tensor, bits: int, shift: int) -> str:
        scale, unit = self.constant(step, f"{layer}.scale"), self.constant(2.0**shift, f"{layer}.unit")
        whole = self.add("Round", self.add("Div", x, scale, layer=layer), layer=layer)
        kept = self.add("Floor", self.add("Div", whole, unit, layer=layer), layer=layer)
        return self.add("Mul", kept, scale, layer=layer)

    def _codes(self, value: object, kind: np.dtype[Any], name: str) -> str:
        name = self.name(name)
        self.constants.append(numpy_helper.from_array(np.asarray(value).astype(kind), name))
        return name


def _port(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *shape])


def along(value: Tensor, rank: int) -> Tensor:
    """Reshape one number per channel, (channels,) or (), so that it broadcasts to (batch, channels, ...)."""
    return value if value.ndim == 0 else value.reshape(1, -1, *[1] * (rank - 2))


def zeros(*shape: int) -> Tensor:
    """Make a tensor for functions that depend on the shape of their data alone."""
    return torch.zeros(1, *shape)
