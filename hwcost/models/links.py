"""The blocks of a pipeline with the streams between them."""

from collections.abc import Sequence
from dataclasses import dataclass

from hwcost.graph.blocks import Repeat
from hwcost.graph.ranges import Range
from hwcost.graph.spec import Block, Layer, Link, MatVec, Signal, Thresholds, Window
from hwcost.models.resources import Placed


@dataclass(frozen=True, eq=False)
class _End:
    """An open end of a stream: who makes it (None: it enters the network), what is on it, which input of its layer."""

    source: Block | None
    wire: Range
    place: int = 0


def place(layers: Sequence[Layer]) -> list[Placed]:
    """Every block of every layer, in order, each behind the links that feed it.

    Args:
        layers: from `pipeline.layers()`, in one call: a stream is known by the identity of its signal, or of its range
            where layers written by hand do not share signals; one that no layer makes enters the network.
    """
    entering = {id(signal.range) for layer in layers[:1] for signal in layer.inputs}
    made: dict[int, tuple[_End, ...]] = {}
    placed: list[Placed] = []
    for layer in layers:
        inputs = [_ends(signal, made, entering) for signal in layer.inputs]
        ends = [
            _End(end.source, signal.range, place)
            for place, (signal, found) in enumerate(zip(layer.inputs, inputs, strict=True))
            for end in found
        ]
        for block in layer.blocks:
            read = _read(block, ends, len(layer.inputs))
            placed += [Placed(layer.name, Link(source=end.source, sink=block, wire=end.wire)) for end in read]
            placed.append(Placed(layer.name, block))
            ends = [end for end in ends if end not in read] + [_End(block, _leaving(block, layer.output.range))]
        made[id(layer.output)] = made[id(layer.output.range)] = tuple(ends)
    return placed


def _ends(signal: Signal, made: dict[int, tuple[_End, ...]], entering: set[int]) -> tuple[_End, ...]:
    if id(signal) in made:
        return made[id(signal)]
    source = (_End(None, signal.range),)
    return source if id(signal.range) in entering else made.get(id(signal.range), source)


def _read(block: Block, ends: Sequence[_End], streams: int) -> list[_End]:
    """Open ends that a block reads: all, except that what prepares a stream for a merge reads only that one."""
    if streams > 1 and isinstance(block, Thresholds | Repeat):
        fits = [end for end in ends if end.wire is block.input]
        return [end for end in fits if end.place == fits[0].place] or list(ends)  # one stream may enter twice
    return list(ends)


def _leaving(block: Block, otherwise: Range) -> Range:
    if isinstance(block, MatVec):
        return block.acc
    if isinstance(block, Window):
        return block.input
    output: object = getattr(block, "output", None)
    return output if isinstance(output, Range) else otherwise
