"""Traced networks as QONNX: float nodes, and Quant, BipolarQuant and Trunc where hwcost quantizes.

Source of the nodes' meaning: arXiv:2206.07527 and the documentation of the `qonnx` package.
"""

import onnx
import torch

from hwcost.errors import BadOption, HwcostError, UnknownOperation
from hwcost.export.onnx_graph import Graph, Plain
from hwcost.export.onnx_layers import WRITERS
from hwcost.export.onnx_streams import Place, Stream, Writer, on_grid
from hwcost.graph.rules import Call, entry
from hwcost.graph.soundness import check_weights
from hwcost.graph.trace import Pipeline
from hwcost.integer import IntegerNetwork
from hwcost.integer.meaning import Meaning


def qonnx(pipeline: Pipeline, *, input_step: float | None = None) -> onnx.ModelProto:
    """Write a traced network in evaluation as a QONNX model.

    Args:
        pipeline: from `trace`; its current widths and weights are written.
        input_step: value of one integer that enters, e.g. 1 / 256; needed where the pipeline has an input range.

    Returns:
        A checked model of opset 13 for a batch of 1. Weights are what their quantizers make of them, so their Quant
        node changes nothing; a width that differs within a weight becomes the widest, on the finest step.

    Raises:
        UnknownOperation: every layer that QONNX has no nodes for, at once.
        BadOption: no input_step where one is needed.
    """
    return _written(Graph(), pipeline, input_step)


def plain_onnx(pipeline: Pipeline, *, input_step: float | None = None) -> onnx.ModelProto:
    """Write the network in standard ONNX nodes: QuantizeLinear, Clip and DequantizeLinear (QCDQ) where it quantizes.

    Args, returns and errors are those of `qonnx`. Codes of more than 8 bits are rounded and clipped as floats.
    """
    return _written(Plain(), pipeline, input_step)


def _written(graph: Graph, pipeline: Pipeline, input_step: float | None) -> onnx.ModelProto:
    check_weights(pipeline)
    entering, meanings = _meanings(pipeline, input_step)
    streams: list[Stream] = []
    ports: dict[str, tuple[int, ...]] = {}
    for place, (signal, meaning) in enumerate(zip(pipeline.inputs, entering, strict=True)):
        name = tensor = graph.name(f"input{place or ''}")
        ports[name] = signal.shape
        if meaning is not None:
            tensor = on_grid(graph, name, name, meaning.step, signal.range)
            graph.shapes[tensor] = signal.shape
        streams.append(Stream(tensor=tensor, signal=signal, meaning=meaning))
    faults: list[str] = []
    for step, layer, made in zip(pipeline.steps, pipeline.layers(), meanings, strict=True):
        place_of = Place(graph=graph, layer=step.name, output=layer.output)
        tensor = f"{step.name}.missing"
        try:
            if step.call is None:
                raise UnknownOperation("a step built by hand has no call; trace() the network instead")
            tensor = _writer(step.call, step.kind)(step.call, place_of, tuple(streams[each] for each in step.inputs))
        except HwcostError as fault:
            faults.append(f"{step.name}: {fault}")
        graph.shapes[tensor] = layer.output.shape
        streams.append(Stream(tensor=tensor, signal=layer.output, meaning=made))
    if faults:
        raise UnknownOperation("no QONNX:\n" + "\n".join(faults))
    left = {streams[place].tensor: streams[place].signal.shape for place in pipeline.outputs}
    return graph.model(ports, left)


def _meanings(
    pipeline: Pipeline, input_step: float | None
) -> tuple[tuple[Meaning | None, ...], tuple[Meaning | None, ...]]:
    """Find the meaning of the integers of inputs and steps; None where it is unknown, which few layers mind."""
    known = [signal.range.known for signal in pipeline.inputs]
    if any(known) and not (input_step is not None and 1e-30 <= input_step <= 1e30):  # the file holds float32
        raise BadOption(f"input_step={input_step!r}: give the value of one integer that enters, 1e-30 to 1e30")
    zero = torch.zeros((), dtype=torch.float64)
    pixel = Meaning(step=torch.tensor(input_step or 0.0, dtype=torch.float64), offset=zero)
    entering = tuple(pixel if each else None for each in known)
    try:
        whole = IntegerNetwork.of(pipeline, input_step=input_step)
    except HwcostError:  # for one, a scale for each channel in front of a depthwise convolution
        return entering, (None,) * len(pipeline.steps)
    return entering, tuple(step.meaning for step in whole.steps)


def _writer(call: Call, kind: str) -> Writer:
    writer = entry(WRITERS, call)
    if writer is None:
        raise UnknownOperation(
            f"{kind} has no nodes in QONNX; choose one of those that `hwcost.export.onnx_layers.WRITERS` has"
        )
    return writer
