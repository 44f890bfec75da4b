"""ONNX models as tools write them: loaded, completed where a tool leaves out what is clear, and checked."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import helper

from hwcost.errors import BadData
from hwcost.importers.qonnx_node import STANDARD


def load(model: Path | str | onnx.ModelProto, name: str) -> tuple[onnx.ModelProto, int]:
    """Load a model, declare the domains that its nodes have, and check it.

    Args:
        model: a file, or a model in memory, which stays as it is.
        name: of the file, for errors.

    Returns:
        The model, and the version of its standard nodes.

    Raises:
        BadData: no ONNX model.
    """
    try:
        loaded = onnx.load(str(model)) if isinstance(model, Path | str) else _copy(model)
        declared = {one.domain for one in loaded.opset_import}
        for domain in sorted({node.domain for node in loaded.graph.node} - declared - {*STANDARD}):
            loaded.opset_import.append(helper.make_opsetid(domain, 1))  # as qonnx and its cleanup leave them out
        for one in loaded.graph.output:
            one.type.tensor_type.shape.SetInParent()  # a shape that nobody reads
        onnx.checker.check_model(loaded)
    except Exception as error:  # the parser and the checker fail in many ways on a broken file
        raise BadData(f"{name}: no ONNX model ({next(iter(str(error).splitlines()), '')})") from error
    versions = [one.version for one in loaded.opset_import if one.domain in STANDARD]
    return loaded, max(versions, default=1)


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    made = onnx.ModelProto()
    made.CopyFrom(model)
    return made
