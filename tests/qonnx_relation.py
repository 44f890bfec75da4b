"""What a QONNX file computes here and under the executor of the qonnx package: equal, or refused."""

from __future__ import annotations

import re
import traceback
import warnings
from dataclasses import dataclass
from textwrap import shorten

import numpy as np
import onnx
import torch
from qonnx_graphs import Graph

from hwcost import Generic, estimate, trace
from hwcost.errors import HwcostError
from hwcost.export.qonnx import qonnx
from hwcost.graph.spec import MatVec
from hwcost.graph.trace import Pipeline
from hwcost.importers.qonnx import QonnxNetwork, from_qonnx
from hwcost.integer import IntegerNetwork

REFUSABLE = ("attribute", "another_input", "fewer_inputs", "rounding", "domain", "open_scale")
"""Ways of breaking a graph after which it must be refused; after others it may still be sound."""


@dataclass(frozen=True)
class Outcome:
    """What became of one graph.

    Attributes:
        verdict: "equal", "refused", "differs" (a silent difference), "traceback", or "taken" (accepted, and either
            broken on purpose or not executable).
        reason: first line of the refusal, without numbers.
        detail: all of it.
        hardware: what `trace`, the integer network and our own QONNX made of an equal one: "equal", or why not.
    """

    verdict: str
    reason: str = ""
    detail: str = ""
    hardware: str = ""


def executed(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """Run a model node by node, as the qonnx package does."""
    import onnxruntime
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    onnxruntime.set_default_logger_severity(4)  # of shapes that the executor only guesses
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = ModelWrapper(model).transform(InferShapes())
        (out,) = execute_onnx(wrapped, {model.graph.input[0].name: x}).values()
    return np.asarray(out)


def failed(outcome: Outcome) -> bool:
    """Whether an outcome breaks the relation."""
    return outcome.verdict in ("differs", "traceback", "taken") or outcome.hardware.startswith(("differs", "traceback"))


def check(graph: Graph, seed: int) -> Outcome:
    """Read a graph and compare it with the executor on samples of dyadic numbers."""
    shape = tuple(side.dim_value for side in graph.model.graph.input[0].type.tensor_type.shape.dim)
    x = (np.random.default_rng(seed).integers(-32, 33, shape) / 8).astype(np.float32)
    try:
        net = from_qonnx(graph.model)
    except HwcostError as error:
        return Outcome("refused", _reason(error), str(error))
    except Exception:
        return Outcome("traceback", detail=traceback.format_exc())
    if graph.broken in REFUSABLE:
        return Outcome("taken", f"broken: {graph.broken}")
    try:
        wanted = executed(graph.reference, x)
    except Exception as error:
        return Outcome("taken", f"not executable: {type(error).__name__} {str(error)[:60]}")
    try:
        with torch.no_grad():
            found = net(torch.from_numpy(x)).numpy()
    except Exception:
        return Outcome("traceback", detail=traceback.format_exc())
    if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=1e-4, atol=1e-4):
        return Outcome(
            "differs", detail=f"{found.flatten()[:8]} {found.shape} for {wanted.flatten()[:8]} {wanted.shape}"
        )
    return Outcome("equal", hardware="" if graph.broken else _hardware(net, x, wanted))


def _hardware(net: QonnxNetwork, x: np.ndarray, wanted: np.ndarray) -> str:
    """Price the network, and run it on integers."""
    try:
        pipeline = trace(net, torch.zeros(1, *x.shape[1:]))
        values = IntegerNetwork.of(pipeline).values(torch.from_numpy(x)).detach().numpy()
        if any(isinstance(block, MatVec) for layer in pipeline.layers() for block in layer.blocks):
            estimate(pipeline, Generic())
    except HwcostError as error:
        return _reason(error)
    except Exception:
        return f"traceback: {traceback.format_exc()}"
    if not np.allclose(values, wanted, rtol=1e-4, atol=1e-4):
        return f"differs: {values} for {wanted}"
    return _out_again(pipeline, x, wanted)


def _out_again(pipeline: Pipeline, x: np.ndarray, wanted: np.ndarray) -> str:
    """Write the network as QONNX, and read it again."""
    try:
        again = from_qonnx(qonnx(pipeline))
    except HwcostError as error:
        return f"equal; out and in: {_reason(error)}"
    except Exception:
        return f"traceback: {traceback.format_exc()}"
    with torch.no_grad():
        found = again(torch.from_numpy(x)).numpy()
    same = found.shape == wanted.shape and np.allclose(found, wanted, rtol=1e-4, atol=1e-4)
    return "equal" if same else f"differs: out and in again, {found.flatten()[:8]} for {wanted.flatten()[:8]}"


def _reason(error: Exception) -> str:
    line = next((line for line in str(error).splitlines() if not line.endswith("no layers for")), "")
    line = re.sub(r"^[^ ]+ \((\w+)\): ", r"\1: ", line)
    line = re.sub(r"-?\d+(\.\d+)?(e[-+]\d+)?", "N", re.sub(r"\([\d, ()]*\)|\[[^]]*\]", "S", line))
    return shorten(line, 110, placeholder="...")


LEAST = {
    **dict.fromkeys(("quant", "bipolar", "qcdq", "rounded", "multi_threshold", "trunc", "norm", "affine"), 0.7),
    **dict.fromkeys(
        ("matmul", "conv", "conv_transpose", "factors", "function", "move", "shared", "tail", "multiply"), 0.7
    ),
    **dict.fromkeys(("channels_last", "depth_to_space", "whole_map"), 0.65),
    **dict.fromkeys(("max_pool", "average"), 0.55),
    **dict.fromkeys(("add_streams", "add_products"), 0.5),
    "concat": 0.3,
    "resize": 0.2,
}
"""Group -> share of its sound graphs that must be read, so that refusing everything fails."""


def shares(outcomes: list[tuple[Graph, Outcome]]) -> dict[str, tuple[int, float]]:
    """Count the graphs of each group that were not broken on purpose, and the share that was read."""
    found: dict[str, list[bool]] = {}
    for graph, outcome in outcomes:
        if not graph.broken and "unknown" not in graph.groups:
            for group in set(graph.groups):
                found.setdefault(group, []).append(outcome.verdict == "equal")
    return {group: (len(read), sum(read) / len(read)) for group, read in found.items()}
