"""Simulations of products, tables, sums per channel, and of what changes the order of a stream."""

from __future__ import annotations

from itertools import product
from math import prod

from rtl_bench import Bench, Figures, stream

from hwcost.models.calibration.corpus import wire
from hwcost.synth.elements import words as held


def multiplier(bench: Bench) -> Figures:
    """Products of both streams."""
    left, right, pe = wire(bench.unit.input), wire(bench.unit.weight), bench.unit.pe
    rows = [[(bench.number(left), bench.number(right)) for _ in range(pe)] for _ in range(bench.vectors)]
    sent = [{f"a{p}": a for p, (a, _) in enumerate(row)} | {f"b{p}": b for p, (_, b) in enumerate(row)} for row in rows]
    return stream(bench, sent, [f"y{p}" for p in range(pe)]), [a * b for row in rows for a, b in row]


def table(bench: Bench) -> Figures:
    """Words at the codes that are sent."""
    unit, inputs, output = bench.unit, wire(bench.unit.input), wire(bench.unit.output)
    words, span = held(unit), 2 ** int(output.bits)
    rows = [[bench.number(inputs) for _ in range(unit.pe)] for _ in range(bench.vectors)]
    found = [words[code % len(words)] for row in rows for code in row]
    wanted = [word - span * (output.signed and word > int(output.high)) for word in found]
    sent = [{f"a{p}": code for p, code in enumerate(row)} for row in rows]
    return stream(bench, sent, [f"y{p}" for p in range(unit.pe)]), wanted


def channel_sum(bench: Bench) -> Figures:
    """Sums of two images, channel by channel."""
    unit, inputs = bench.unit, wire(bench.unit.input)
    ((folds, pixels),) = unit.numbers
    sent, wanted = [], []
    for _ in range(2):
        sums = [0] * (folds * unit.pe)
        for _, fold in product(range(pixels), range(folds)):
            word = {f"x{p}": bench.number(inputs) for p in range(unit.pe)}
            sent.append(word)
            for p in range(unit.pe):
                sums[fold * unit.pe + p] += word[f"x{p}"]
        wanted += sums
    return stream(bench, sent, [f"y{p}" for p in range(unit.pe)]), wanted


def reorder(bench: Bench) -> Figures:
    """Words of three buffers, read along the loops."""
    unit = bench.unit
    sizes, ways = unit.numbers
    bits = unit.pe * int(wire(unit.input).bits)
    depth = 1 + sum((size - 1) * way for size, way in zip(sizes, ways, strict=True))
    sent, wanted = [], []
    for _ in range(3):
        words = [bench.random.getrandbits(bits) for _ in range(depth)]
        sent += words
        for counts in product(*(range(size) for size in reversed(sizes))):
            wanted.append(words[sum(count * way for count, way in zip(reversed(counts), ways, strict=True))])
    return stream(bench, [{"data": word} for word in sent], ["y"]), wanted


def pad(bench: Bench) -> Figures:
    """Two images with zeros around them, or a part of each."""
    unit = bench.unit
    bits = unit.pe * int(wire(unit.input).bits)
    sides = list(zip(*unit.numbers, strict=True))
    sent, wanted = [], []
    for _ in range(2):
        words = {
            place: bench.random.getrandbits(bits) for place in product(*(range(size) for size, _, _ in reversed(sides)))
        }
        sent += list(words.values())
        kept = [range(-before, size + after) for size, before, after in reversed(sides)]
        wanted += [words.get(place, 0) for place in product(*kept)]
    assert len(sent) == 2 * prod(size for size, _, _ in sides)
    seen = stream(bench, [{"data": word} for word in sent], ["y"])
    ahead = seen[len(wanted) :]  # zeros in front of the next image need no input
    return [*seen[: len(wanted)], any(ahead)], [*wanted, 0]
