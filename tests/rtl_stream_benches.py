"""Simulations of units with a handshake, compared with integer arithmetic."""

from itertools import chain, product
from math import prod

import torch
from amaranth.sim import SimulatorContext
from rtl_bench import Bench, Figures, stream

from hwcost.models.calibration.corpus import wire
from hwcost.models.calibration.unit_prices import block_of
from hwcost.models.formulas.memory import AUTO_LUTRAM_DEPTH
from hwcost.synth.inverse import inverse_of
from hwcost.synth.threshold_tables import random_steps
from hwcost.synth.window import walk


def adder(bench: Bench) -> Figures:
    """Sums of both streams."""
    left, right, pe = wire(bench.unit.input), wire(bench.unit.output), bench.unit.pe
    rows = [[(bench.number(left), bench.number(right)) for _ in range(pe)] for _ in range(bench.vectors)]
    words = [
        {f"a{p}": a for p, (a, _) in enumerate(row)} | {f"b{p}": b for p, (_, b) in enumerate(row)} for row in rows
    ]
    return stream(bench, words, [f"y{p}" for p in range(pe)]), [a + b for row in rows for a, b in row]


def saturate(bench: Bench) -> Figures:
    """Clipped numbers."""
    inputs, output, pe = wire(bench.unit.input), wire(bench.unit.output), bench.unit.pe
    rows = [[bench.number(inputs) for _ in range(pe)] for _ in range(bench.vectors)]
    words = [{f"x{p}": x for p, x in enumerate(row)} for row in rows]
    wanted = [min(max(x, int(output.low)), int(output.high)) for row in rows for x in row]
    return stream(bench, words, [f"y{p}" for p in range(pe)]), wanted


def scale_bias(bench: Bench) -> Figures:
    """Products with a factor, and a sum where there is a bias, cut to the output."""
    unit = bench.unit
    inputs, weight, output = wire(unit.input), wire(unit.weight), wire(unit.output)
    words, wanted = [], []
    for _ in range(bench.vectors):
        word: dict[str, int] = {}
        for p in range(unit.pe):
            x, w = bench.number(inputs), bench.number(weight)
            b = 0 if unit.structure == "scale" else bench.number(output) // 2
            total = (x * w + b) % 2 ** int(output.bits)
            wanted.append(total - 2 ** int(output.bits) * (output.signed and total > int(output.high)))
            word |= {f"x{p}": x, f"w{p}": w} | ({} if unit.structure == "scale" else {f"b{p}": b})
        words.append(word)
    return stream(bench, words, [f"y{p}" for p in range(unit.pe)]), wanted


def pool(bench: Bench) -> Figures:
    """The largest, or the sum, of windows."""
    unit, inputs = bench.unit, wire(bench.unit.input)
    rounds = prod(unit.numbers[0]) // unit.simd
    words, wanted = [], []
    for _ in range(bench.vectors):
        window: list[list[int]] = [[] for _ in range(unit.pe)]
        for turn in range(rounds):
            word = {f"x{p}_{s}": bench.number(inputs) for p in range(unit.pe) for s in range(unit.simd)}
            words.append(word)
            for p in range(unit.pe):
                window[p] += [word[f"x{p}_{s}"] for s in range(unit.simd)]
                if turn == rounds - 1:
                    wanted.append((sum if unit.structure == "sum" else max)(window[p]))
    return stream(bench, words, [f"y{p}" for p in range(unit.pe)]), wanted


def window(bench: Bench) -> Figures:
    """Two images, one behind the other; what enters has no padding yet."""
    unit, block, path = bench.unit, block_of(bench.unit), walk(bench.unit)
    bits = unit.simd * int(wire(unit.input).bits)
    images = [[bench.random.getrandbits(bits) for _ in range(path.words)] for _ in range(2)]
    fold = block.channels // unit.simd
    padded = [size + 2 * ends[0] for size, ends in zip(block.image, block.padding, strict=True)]
    inside = [
        all(ends[0] <= at < ends[0] + size for at, ends, size in zip(place, block.padding, block.image, strict=True))
        for place in product(*map(range, padded))
        for _ in range(fold)
    ]
    images = [[word * real for word, real in zip(image, inside, strict=True)] for image in images]

    def word(place: tuple[int, ...]) -> int:
        found = 0
        for at, size in zip(place, padded, strict=True):
            found = found * size + at
        return found * fold

    wanted = []
    for image in images:
        for corner in product(*(range(size) for size in block.output)):
            starts = [at * step for at, step in zip(corner, block.stride, strict=True)]
            taps = product(
                *(range(0, size * apart, apart) for size, apart in zip(block.kernel, block.dilation, strict=True))
            )
            firsts = [word(tuple(a + b for a, b in zip(starts, tap, strict=True))) for tap in taps]
            places = [[first + f for f in range(fold)] for first in firsts]
            if unit.structure == "parallel":
                for f in range(fold):
                    wanted.append(sum(image[place[f]] << (bits * i) for i, place in enumerate(places)))
            else:
                wanted += [image[one] for place in places for one in place]
    sent = [word for image in images for word, real in zip(image, inside, strict=True) if real]
    seen = stream(bench, [{"data": word} for word in sent], ["window"])
    ahead = seen[len(wanted) :]  # padding of a third image, which waits for no word
    return seen[: len(wanted)] if len(sent) < len(images) * len(inside) and not any(ahead) else seen, wanted


def threshold_table(bench: Bench) -> Figures:
    """Codes of channels in turn, some of which fall."""
    unit, trained, inputs = bench.unit, random_steps(bench.unit), wire(bench.unit.input)
    steps, falls = trained.steps.tolist(), trained.falls.tolist()
    words, wanted = [], []
    for turn in range(3 * (len(steps) // unit.pe) + 1):
        first = turn * unit.pe % len(steps)
        word = [bench.random.choice((bench.number(inputs), bench.random.choice(steps[first]))) for _ in range(unit.pe)]
        words.append({f"a{p}": number for p, number in enumerate(word)})
        for p, number in enumerate(word):
            reached = sum(number >= step for step in steps[first + p])
            wanted.append(2**trained.bits - 1 - reached if falls[first + p] else reached)
    return stream(bench, words, [f"y{p}" for p in range(unit.pe)]), wanted


def converter(bench: Bench) -> Figures:
    """Words collected to wide ones, or wide ones shifted out; the first word is the lowest."""
    unit = bench.unit
    ((words, bits),) = unit.numbers
    wide = [[bench.random.getrandbits(bits) for _ in range(words)] for _ in range(bench.vectors)]
    joined = [sum(value << (bits * at) for at, value in enumerate(word)) for word in wide]
    narrow = [value for word in wide for value in word]
    sent, wanted = (narrow, joined) if unit.structure == "up" else (joined, narrow)
    return stream(bench, [{"data": value} for value in sent], ["word"]), wanted


def fifo(bench: Bench) -> Figures:
    """Check that words leave in order, and that the FIFO holds as many as it must while nobody reads, turn by turn."""
    ((depth, bits),) = bench.unit.numbers
    words = [bench.random.getrandbits(bits) for _ in range(bench.vectors * 8)]
    seen = stream(bench, [{"data": value} for value in words], ["word"])
    turns = [[bench.random.getrandbits(bits) for _ in range(depth + 8)] for _ in range(3)]
    given, read = _filled(bench, turns)
    return [*seen, int(min(map(len, given)) >= depth), *chain(*read)], [*words, 1, *chain(*given)]


def _filled(bench: Bench, turns: list[list[int]]) -> tuple[list[list[int]], list[list[int]]]:
    """Words that are taken while nobody reads, then those that are read while nobody writes, of each turn."""
    circuit, given, read = bench.circuit, [], []

    async def run(context: SimulatorContext) -> None:
        for words in turns:
            given.append(await _moved(context, [("in_valid", 1), ("out_ready", 0)], words, "in_ready", "data"))
            read.append(await _moved(context, [("in_valid", 0), ("out_ready", 1)], words, "out_valid", "word"))

    async def _moved(
        context: SimulatorContext, pins: list[tuple[str, int]], words: list[int], sign: str, data: str
    ) -> list[int]:
        for pin, value in pins:
            context.set(circuit.inputs[pin], value)
        moved = []
        for word in words:
            context.set(circuit.inputs["data"], word)
            if context.get(circuit.outputs[sign]):
                moved.append(word if data == "data" else context.get(circuit.outputs[data]))
            await context.tick()
        return moved

    bench.run(run)
    return given, read


def copy(bench: Bench) -> Figures:
    """Every word reaches every reader once, whatever their pace."""
    circuit, readers = bench.circuit, range(bench.unit.numbers[0][0])
    words = 8 * bench.vectors
    served = [[0] * words for _ in readers]

    async def run(context: SimulatorContext) -> None:
        at = 0
        while at < words:
            valid = bench.random.random() < 0.8
            context.set(circuit.inputs["in_valid"], valid)
            for reader in readers:
                ready = bench.random.random() < 0.6
                context.set(circuit.inputs[f"out_ready{reader}"], ready)
                served[reader][at] += ready and context.get(circuit.outputs[f"out_valid{reader}"])
            at += valid and context.get(circuit.outputs["in_ready"])
            await context.tick()

    bench.run(run)
    return [count for row in served for count in row], [1] * (words * len(readers))


def concat(bench: Bench) -> Figures:
    """A word of each stream in turn."""
    unit = bench.unit
    streams, bits = unit.numbers[0][0], unit.pe * int(wire(unit.input).bits)
    words, wanted = [], []
    for turn in range(bench.vectors * streams):
        word = {f"x{one}": bench.random.getrandbits(bits) for one in range(streams)}
        words.append(word)
        wanted.append(word[f"x{turn % streams}"])
    return stream(bench, words, ["word"]), wanted


def label(bench: Bench) -> Figures:
    """The first of the largest elements."""
    unit, inputs = bench.unit, wire(bench.unit.input)
    channels, words, wanted = unit.numbers[0][0], [], []
    for _ in range(bench.vectors):
        elements = [bench.number(inputs) for _ in range(channels)]
        wanted.append(elements.index(max(elements)))
        for start in range(0, channels, unit.pe):
            words.append({f"x{lane}": elements[start + lane] for lane in range(unit.pe)})
    return stream(bench, words, ["label"]), wanted


def inverse(bench: Bench) -> Figures:
    """The ends, powers of two and their neighbours, and random numbers."""
    found = inverse_of(bench.unit)
    powers = [2**k + d for k in range(found.high.bit_length()) for d in (-1, 0, 1)]
    numbers = [z for z in (found.low, found.high, *powers) if found.low <= z <= found.high]
    numbers += [bench.random.randint(found.low, found.high) for _ in range(32)]
    return stream(bench, [{"z": z} for z in numbers], ["y"]), found(torch.tensor(numbers)).tolist()


def held(bench: Bench) -> Figures:
    """Matrices arrive while those before are read: every word of every matrix, `vectors` times."""
    unit, circuit = bench.unit, bench.circuit
    ((rows, cols, matrices, vectors),) = unit.numbers
    bits, by_column = int(wire(unit.weight).bits), unit.structure == "cols"
    banks, lanes = (unit.simd, unit.pe) if by_column else (unit.pe, unit.simd)
    frames = [
        [[[bench.random.getrandbits(bits) for _ in range(cols)] for _ in range(rows)] for _ in range(matrices)]
        for _ in range(3)
    ]
    sent, wanted = [], []
    for frame in frames:
        for one, matrix in product(range(cols if by_column else rows), frame):
            codes = [row[one] for row in matrix] if by_column else matrix[one]
            sent += [
                sum(code << bits * at for at, code in enumerate(codes[start : start + lanes]))
                for start in range(0, len(codes), lanes)
            ]
        for vector in range(vectors):
            matrix = frame[vector % matrices]
            for fold, word in product(range(rows // unit.pe), range(cols // unit.simd)):
                tile = [row[word * unit.simd :][: unit.simd] for row in matrix[fold * unit.pe :][: unit.pe]]
                order = zip(*tile, strict=True) if by_column else tile
                wanted.append(sum(code << bits * at for at, code in enumerate(code for part in order for code in part)))
    assert banks * lanes == unit.pe * unit.simd
    seen: list[int] = []
    late = 2 * matrices * rows * cols // (unit.pe * unit.simd) > AUTO_LUTRAM_DEPTH["rtl"]  # a block RAM has a register

    async def run(context: SimulatorContext) -> None:
        at, read = 0, False
        for _ in range(20 * (len(sent) + len(wanted))):
            offer = at < len(sent) and bench.random.random() < 0.8
            context.set(circuit.inputs["in_valid"], offer)
            context.set(circuit.inputs["data"], sent[min(at, len(sent) - 1)])
            step = bench.random.random() < 0.8
            context.set(circuit.inputs["step"], step)
            if late and read:
                seen.append(context.get(circuit.outputs["weights"]))
            read = bool(step and context.get(circuit.outputs["out_valid"]))
            if read and not late:
                seen.append(context.get(circuit.outputs["weights"]))
            at += bool(offer and context.get(circuit.outputs["in_ready"]))
            await context.tick()
            if len(seen) == len(wanted):
                return

    bench.run(run)
    return seen, wanted
