"""The layout of a network: every layer in turn."""

from hwcost.build.layers import Layer
from hwcost.build.layout import Edge, Flow, Layout, Site
from hwcost.errors import HwcostError, UnknownOperation, UnknownPrecision
from hwcost.graph.trace import Pipeline
from hwcost.integer import IntegerNetwork
from hwcost.models import Dataflow


def layout(pipeline: Pipeline, model: Dataflow, *, input_step: float | None = None) -> Layout:
    """Lay out a traced, folded network.

    Args:
        pipeline: from `trace`; its current weights, thresholds and widths are built.
        model: the folding and every other choice; in flow "rtl".
        input_step: value of one integer that enters; needed where the pipeline has an input range.

    Raises:
        UnknownOperation: all layers that cannot be built, at once. UnknownPrecision: floats leave the network.
    """
    if model.setting.flow != "rtl":
        raise UnknownOperation(f"flow {model.setting.flow!r} is written by high-level synthesis; build in flow 'rtl'")
    network = IntegerNetwork.of(pipeline, input_step=input_step)
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise UnknownOperation(
            f"{len(network.inputs)} inputs, {len(network.outputs)} outputs: give a network with one of each"
        )
    site = Site(pipeline.layers(), model, network)
    (source,) = network.inputs
    entered = None if source.meaning is None else site.enter(None, source.signal.range, source.signal.shape)
    flows: list[Flow | None] = [entered]
    faults: list[str] = []
    lost: set[int] = set()
    for at, (step, layer) in enumerate(zip(network.steps, site.layers, strict=True)):
        if lost & {*step.inputs}:  # the cause stands upstream and is already among the faults
            lost.add(len(flows))
            flows.append(None)
            continue
        try:
            flows.append(Layer(site, at, layer).run(step.operation, [flows[place] for place in step.inputs]))
        except HwcostError as fault:
            faults.append(f"{step.name}: {fault}")
            lost.add(len(flows))
            flows.append(None)
    if faults:
        raise UnknownOperation("\n".join(faults))
    left, made = flows[network.outputs[0]], site.made
    if left is None or left.node is None:
        raise UnknownPrecision("no integers leave the network: put quantized layers in it")
    made.left = left
    made.edges.append(Edge(source=left.node, sink=None, wire=left.wire, shift=left.shift))
    return made
