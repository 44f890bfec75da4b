"""The units of a network and the streams between them: every block of a folded pipeline with its trained integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from hwcost.build.frame import Frame, still
from hwcost.errors import UnknownOperation
from hwcost.graph import spec
from hwcost.graph.ranges import Range
from hwcost.integer import IntegerNetwork
from hwcost.models import Dataflow, place
from hwcost.models.formulas.formula import Adapter, Job, Setting


@dataclass(eq=False, kw_only=True)
class Node:
    """One unit.

    Attributes:
        name: of its module.
        job: the block with its choices.
        frame: the RTL.
    """

    name: str
    job: Job
    frame: Frame


@dataclass(eq=False, kw_only=True)
class Edge:
    """A stream from one unit to the next.

    Attributes:
        source: None where it enters the network; sink: None where it leaves.
        port: place among the streams that the sink reads.
        adapter: converter, FIFO and copy, as priced.
        wire: range of an element.
        shift: bits that are cut off in front.
    """

    source: Node | None
    sink: Node | None
    port: int = 0
    adapter: Adapter = field(default_factory=Adapter)
    wire: Range
    shift: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class Flow:
    """A stream under construction.

    Attributes:
        node, block: who makes it; None where it enters the network.
        wire: range of an element, behind the shift.
        shape: of a sample.
        shift: bits cut off behind the unit.
        order: place in the integer network of each element of a flattened stream; None where they agree.
        offset: where ones of an XNOR are counted, per channel: the integer is 2 * code + offset.
    """

    node: Node | None
    block: spec.Block | None
    wire: Range
    shape: tuple[int, ...]
    shift: int = 0
    order: Tensor | None = None
    offset: Tensor | None = None


@dataclass(eq=False, kw_only=True)
class Layout:
    """A network as units and streams.

    Attributes:
        network: the integers that it computes.
        nodes, edges: in the order of the stream.
        entering: position of the step whose integers enter; None where they are the pipeline's own input.
        read: range of what enters, and its shape.
        left: the stream that leaves.
        jobs: every block and link with its choices.
        setting: what all units share.
    """

    network: IntegerNetwork
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    entering: int | None = None
    read: tuple[Range, tuple[int, ...]] | None = None
    left: Flow | None = None
    jobs: list[Job] = field(default_factory=list)
    setting: Setting


class Site:
    """A layout under construction.

    Args:
        layers: of the pipeline, described in one call.
        model: the folding and every other choice.
        network: the integers.
    """

    def __init__(self, layers: Sequence[spec.Layer], model: Dataflow, network: IntegerNetwork) -> None:
        self.layers = layers
        self.family = model.setting.fabric.family
        jobs = model.plan(place(layers))
        self.made = Layout(network=network, jobs=jobs, setting=model.setting)
        self.jobs = {id(job.block): job for job in jobs}
        self.links: dict[tuple[int, int], list[Job]] = {}
        self.readers: dict[int, list[spec.Block]] = {}
        for job in jobs:
            if isinstance(job.block, spec.Link):
                self.links.setdefault((id(job.block.source), id(job.block.sink)), []).append(job)
                self.readers.setdefault(id(job.block.source), []).append(job.block.sink)

    def enter(self, at: int | None, wire: Range, shape: tuple[int, ...]) -> Flow:
        """The stream that enters the network: of its own input, or of the quantizer at step `at`."""
        if self.made.read is not None:
            raise UnknownOperation("a second stream enters; quantize the input once, and read it twice")
        self.made.entering, self.made.read = at, (still(wire), shape)
        return Flow(node=None, block=None, wire=still(wire), shape=shape)

    def add(self, layer: str, block: spec.Block, frame: Frame, flows: Sequence[Flow]) -> Node:
        """Add a unit that reads streams."""
        kind = type(block).__name__.lower()
        stem = "".join(letter if letter.isalnum() else "_" for letter in layer) or "layer"
        stem = stem if stem[0].isalpha() else f"layer_{stem}"
        name, count, taken = f"{stem}_{kind}", 1, {node.name for node in self.made.nodes}
        while name in taken:
            name, count = f"{stem}_{kind}{count}", count + 1
        node = Node(name=name, job=self.jobs[id(block)], frame=frame)
        self.made.nodes.append(node)
        for port, flow in enumerate(flows):
            link = self.links[id(flow.block), id(block)].pop(0)
            assert link.adapter is not None
            self.made.edges.append(
                Edge(
                    source=flow.node,
                    sink=node,
                    port=port,
                    adapter=link.adapter,
                    wire=flow.wire,
                    shift=flow.shift,
                )
            )
        return node
