"""Constants of a QONNX file: what they are, and nodes that compute on nothing else."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor

from hwcost.errors import BadData, UnknownOperation
from hwcost.importers.qonnx_node import STANDARD, Node
from hwcost.importers.qonnx_reader import Reader
from hwcost.importers.qonnx_streams import first_line
from hwcost.importers.qonnx_values import Codes, is_one

SAME = {"Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten"}
"""Nodes that move the elements of their first input and leave them as they are."""
NARROW = {onnx.TensorProto.INT4: (-8, 7), onnx.TensorProto.UINT4: (0, 15)}
"""Types narrower than what torch holds: smallest and largest number."""


def constants_of(graph: onnx.GraphProto, name: str) -> tuple[dict[str, Tensor], dict[str, Codes]]:
    """Read the constants of a graph.

    Returns:
        name -> value, and the codes of those of a type narrower than a byte.
    """
    found: dict[str, Tensor] = {}
    codes: dict[str, Codes] = {}
    for one in graph.initializer:
        try:
            found[one.name] = _tensor(one)
        except Exception as error:  # any number in a file may be anything
            raise BadData(f"{name}: an initializer cannot be read ({first_line(error)})") from error
        if one.data_type in NARROW:
            low, high = NARROW[one.data_type]
            unit = torch.ones(found[one.name].shape, dtype=torch.float64)
            codes[one.name] = Codes(step=unit, factor=unit, low=low, high=high)
    return found, codes


def _tensor(one: onnx.TensorProto) -> Tensor:
    array = numpy_helper.to_array(one)
    return torch.from_numpy(array.astype(np.int8) if one.data_type in NARROW else array.copy())


def foldable(reader: Reader, node: Node) -> bool:
    """Whether a standard node reads constants alone."""
    names = [name for name in node.proto.input if name]
    return node.proto.domain in STANDARD and all(name in reader.constants for name in names)


def fold(reader: Reader, node: Node) -> None:
    """Compute a node on constants, and keep the codes that it leaves."""
    names = node.inputs()
    arrays = {name: reader.constants[name] for name in names if name}
    made = _computed(node, arrays)
    for output, value in zip(node.proto.output, made, strict=True):
        if output:
            reader.constants[output] = value
    codes = _codes(reader, node, names, arrays)
    if codes is not None:
        reader.codes[node.output] = codes
    for attribute in node.proto.attribute:
        node.attribute(attribute.name)


def _computed(node: Node, arrays: dict[str, Tensor]) -> list[Tensor]:
    values = [_port(name) for name in arrays], [_port(name) for name in node.proto.output if name]
    graph = helper.make_graph([node.proto], "constants", *values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", node.opset)])
    with np.errstate(all="ignore"):
        made: Any = ReferenceEvaluator(model).run(None, {name: value.numpy() for name, value in arrays.items()})
    return [torch.from_numpy(np.array(one)) for one in made]


def _port(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None)


def _codes(reader: Reader, node: Node, names: list[str], arrays: dict[str, Tensor]) -> Codes | None:
    """Find the codes that a node on constants leaves; None where its result is on no known grid."""
    held = [reader.codes.get(name) for name in names]
    made = reader.constants[node.output]
    if node.op in SAME and held[0] is not None:
        (factor,) = _computed(node, arrays | {names[0]: held[0].factor.contiguous()})
        return replace(held[0], step=factor, factor=factor)
    if node.op in ("Round", "Floor", "Ceil"):
        one = torch.ones(made.shape, dtype=torch.float64)
        return Codes(step=one, factor=one)
    if node.op == "Clip" and held[0] is not None and (held[0].raw or is_one(held[0].factor)):
        return _clipped(reader, node, names, held[0])
    if node.op in ("Mul", "Div"):
        return _scaled(node, names, arrays, held)
    if node.op == "Less" and names[1] in arrays and bool((arrays[names[1]] == 0).all()):
        one = torch.ones(made.shape, dtype=torch.float64)
        return Codes(step=one, factor=one, bipolar=True, raw=True)
    if node.op == "Where" and held[0] is not None and held[0].raw and held[0].bipolar:
        step = arrays[names[2]].double()
        if torch.equal(arrays[names[1]].double(), -step) and bool((step > 0).all()):
            return Codes(step=step.expand(made.shape), factor=step.expand(made.shape), bipolar=True)
    return None


def _clipped(reader: Reader, node: Node, names: list[str], held: Codes) -> Codes:
    numbers = dict.fromkeys(("min", "max"), 0.0)
    low, high = held.low, held.high
    for place, name in enumerate(numbers, start=1):
        old = {one.name: helper.get_attribute_value(one) for one in node.proto.attribute}
        given = reader.single(names[place]) if len(names) > place and names[place] else old.get(name)
        if given is not None:
            bound = float(given) - held.zero_point
            low, high = (max(low, bound), high) if name == "min" else (low, min(high, bound))
    if any(abs(bound) != float("inf") and bound != round(bound) for bound in (low, high)):
        raise UnknownOperation(f"clips codes to {low:g}..{high:g}; give whole numbers")
    return replace(held, low=low, high=high)


def _scaled(node: Node, names: list[str], arrays: dict[str, Tensor], held: list[Codes | None]) -> Codes | None:
    place = next((place for place, codes in enumerate(held) if codes is not None), None)
    if place is None or (node.op == "Div" and place == 1) or held[1 - place] is not None:
        return None
    codes, other = held[place], arrays[names[1 - place]].double()
    assert codes is not None
    if codes.raw or not bool((other > 0).all()):
        return None
    factor = codes.factor * other if node.op == "Mul" else codes.factor / other
    if factor.shape != (arrays[names[place]] * other).shape:
        return None
    return replace(codes, step=factor, factor=factor)
