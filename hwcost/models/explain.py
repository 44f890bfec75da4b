"""Shadow prices: what one bit of each stream costs, as a list of what to cut."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import torch

from hwcost.graph.blocks import Reorder, Repeat
from hwcost.graph.ranges import Range, widest
from hwcost.graph.spec import Adder, Block, Concat, Link, MatVec, Pool, Saturate, Thresholds, Window
from hwcost.models.dataflow import Dataflow
from hwcost.models.formulas.formula import Job
from hwcost.models.resources import AREAS, Placed

Field = tuple[int, str]
"""A range of a block: its position among the placed blocks, and the name of the attribute."""


@dataclass(frozen=True)
class ShadowPrice:
    """The saving of one bit less.

    Attributes:
        layer: that makes the stream; "input" for what enters the network.
        stream: "weights", "accumulator", "activation" or "sum".
        bits: of its widest element now.
        saves: resource -> amount that one bit less saves, all other widths as they are; at least 0.
    """

    layer: str
    stream: str
    bits: int
    saves: dict[str, float]


def shadow_prices(model: Dataflow, placed: Sequence[Placed]) -> list[ShadowPrice]:
    """The price of the last bit of every weight memory and every stream that is wider than one bit.

    A stream is narrowed wherever it goes: in the unit that reads it, in buffers, poolings, converters and FIFOs on its
    way. Accumulators count on their own: a bit less of weights or inputs makes the accumulator behind a bit narrower
    too, which saves its price as well.

    Args:
        model: the folded pipeline.
        placed: from `place`, in the order of the pipeline.
    """
    jobs = model.plan(placed)
    streams = [[(index, "weight")] for index, item in enumerate(placed) if isinstance(item.block, MatVec)]
    streams += _streams([item.block for item in placed])
    found: list[ShadowPrice] = []
    with torch.no_grad():
        now = model.price_jobs(jobs)
        for fields in streams:
            bits = max(_bits(getattr(placed[index].block, name)) for index, name in fields)
            if bits > 1:
                layer, stream = _owner(placed, fields)
                found.append(ShadowPrice(layer, stream, bits, _saves(model, jobs, fields, now)))
    return found


def _saves(model: Dataflow, jobs: Sequence[Job], fields: Sequence[Field], now: dict[str, Any]) -> dict[str, float]:
    touched = sorted({index for index, _ in fields})
    narrower = []
    for index in touched:
        block = jobs[index].block
        ranges: dict[str, object] = {name: _narrower(getattr(block, name)) for at, name in fields if at == index}
        narrower.append(replace(jobs[index], block=replace(block, **ranges)))
    then = model.price_jobs(narrower)
    return {area: max(0.0, float(now[area][touched].sum() - then[area].sum())) for area in AREAS}


def _narrower(wire: Range) -> Range:
    """A bit less of the widest element, and never none; narrower ones stay as they are."""
    bits = wire.bits.detach()
    return replace(wire, bits=torch.minimum(bits, (bits.max().ceil() - 1).clamp(min=1)))


def _bits(wire: Range) -> int:
    return ceil(float(widest(wire).bits.detach()))


def _streams(blocks: Sequence[Block]) -> list[list[Field]]:
    """The ranges that are one stream: from the block that makes it to all that read it."""
    at = {id(block): index for index, block in enumerate(blocks)}
    made: dict[int, list[Field]] = {}
    fields: dict[int, list[Field]] = {}
    for index, block in enumerate(blocks):
        if isinstance(block, Link):
            stream = made.setdefault(at.get(id(block.source), -1), [])
            fields[id(stream)] = stream
            stream += [(index, "wire"), *_entering(at[id(block.sink)], block.sink)]
        else:
            made[index] = _leaving(index, block, blocks, made, at)
            fields.setdefault(id(made[index]), made[index])
    return [list(dict.fromkeys(stream)) for stream in fields.values() if stream]


def _entering(index: int, block: Block) -> list[Field]:
    if isinstance(block, Adder | Concat):  # only their result is priced
        return []
    return [(index, "input")] if isinstance(getattr(block, "input", None), Range) else []


def _leaving(
    index: int, block: Block, blocks: Sequence[Block], made: dict[int, list[Field]], at: dict[int, int]
) -> list[Field]:
    passes = isinstance(block, Window | Repeat | Reorder) or (isinstance(block, Pool) and block.kind == "max")
    if passes:  # what comes out is what went in
        sources = [at.get(id(link.source), -1) for link in blocks if isinstance(link, Link) and link.sink is block]
        if len(sources) == 1:
            stream = made.setdefault(sources[0], [])
            stream += [(index, "output")] if isinstance(block, Pool) else []
            return stream
    if isinstance(block, MatVec):
        return [(index, "acc")]
    return [(index, "output")] if isinstance(getattr(block, "output", None), Range) else []


def _owner(placed: Sequence[Placed], fields: Sequence[Field]) -> tuple[str, str]:
    for index, name in fields:
        item = placed[index]
        if name == "weight":
            return item.layer, "weights"
        if name == "acc":
            return item.layer, "accumulator"
        if name == "output" and isinstance(item.block, Thresholds | Saturate):
            return item.layer, "activation"
        if name == "output" and not (isinstance(item.block, Pool) and item.block.kind == "max"):
            return item.layer, "sum"
    return "input", "activation"
