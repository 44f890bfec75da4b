"""Runs the RTL of a unit on random numbers and compares it with integer arithmetic: what is counted is also correct."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from random import Random
from types import MappingProxyType
from typing import Any

from amaranth.sim import Simulator

from hwcost.errors import HwcostError
from hwcost.models.corpus import Unit, wire
from hwcost.models.priced_units import block_of
from hwcost.ranges import Range
from hwcost.synth.circuit import Circuit
from hwcost.synth.memory import contents
from hwcost.synth.units import build
from hwcost.synth.window import walk


class WrongCircuit(HwcostError):
    """A circuit whose simulation differs from the integer reference."""


def prove(unit: Unit, *, family: str = "xcup", vectors: int = 8, seed: int = 0) -> int:
    """Simulate a unit.

    Args:
        unit: what to build.
        family: as in `units.build`.
        vectors: random inputs (vectors, words or images).
        seed: of the random numbers.

    Returns:
        Outputs compared, above 0.

    Raises:
        WrongCircuit: names the unit, the output and both values.
    """
    bench = _Bench(unit, build(unit, family), Random(seed), vectors)
    seen, wanted = BENCHES[unit.kind](bench)
    if len(seen) != len(wanted) or not wanted:
        raise WrongCircuit(f"{unit}: {len(seen)} outputs instead of {len(wanted)}")
    for index, (got, right) in enumerate(zip(seen, wanted, strict=True)):
        if got != right:
            raise WrongCircuit(f"{unit}: output {index} is {got} instead of {right}")
    return len(wanted)


@dataclass(eq=False)
class _Bench:
    unit: Unit
    circuit: Circuit
    random: Random
    vectors: int

    def number(self, range: Range) -> int:
        """A random integer of a wire; a bipolar one is -1 or +1; often at the ends."""
        if range.bipolar:
            return self.random.choice((-1, 1))
        low, high = int(range.low), int(range.high)
        return self.random.choice((low, high, self.random.randint(low, high), self.random.randint(low, high)))

    def run(self, bench: Any, *, clocked: bool = True) -> None:
        """Simulate with one testbench."""
        simulator = Simulator(self.circuit.module)
        if clocked:
            simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()

    def coded(self, range: Range, value: int) -> int:
        """The bits of a number: 1 for a bipolar +1."""
        return int(value > 0) if range.bipolar else value


Figures = tuple[list[int], list[int]]


def _matvec(bench: _Bench) -> Figures:
    unit, circuit = bench.unit, bench.circuit
    weight, inputs, acc = wire(unit.weight), wire(unit.input), wire(unit.output)
    limit = int(acc.high) if acc.high > 1 else 1
    largest = unit.simd * max(abs(int(weight.low)), int(weight.high)) * max(abs(int(inputs.low)), int(inputs.high))
    folds = max(1, min(3, limit // max(1, largest)))
    seen: list[int] = []
    wanted: list[int] = []
    both = weight.bipolar and inputs.bipolar

    async def run(context: Any) -> None:
        context.set(circuit.inputs["enable"], 1)
        for _ in range(bench.vectors):
            sums = [0] * unit.pe
            for fold in range(folds):
                context.set(circuit.inputs["first"], fold == 0)
                x = [bench.number(inputs) for _ in range(unit.simd)]
                for s, value in enumerate(x):
                    context.set(circuit.inputs[f"x{s}"], bench.coded(inputs, value))
                for p, s in product(range(unit.pe), range(unit.simd)):
                    w = bench.number(weight)
                    context.set(circuit.inputs[f"w{p}_{s}"], bench.coded(weight, w))
                    sums[p] += w * x[s]
                await context.tick()
            for p, total in enumerate(sums):
                wanted.append((total + folds * unit.simd) // 2 if both else total)
                seen.append(context.get(circuit.outputs[f"acc{p}"]))

    bench.run(run)
    return seen, wanted


def _constant(bench: _Bench) -> Figures:
    circuit, inputs, matrix = bench.circuit, wire(bench.unit.input), bench.unit.constants
    seen: list[int] = []
    wanted: list[int] = []

    async def run(context: Any) -> None:
        for _ in range(bench.vectors):
            x = [bench.number(inputs) for _ in matrix[0]]
            for j, value in enumerate(x):
                context.set(circuit.inputs[f"x{j}"], value)
            await context.delay(1e-6)
            for i, row in enumerate(matrix):
                wanted.append(sum(w * value for w, value in zip(row, x, strict=True)))
                seen.append(context.get(circuit.outputs[f"y{i}"]))

    bench.run(run, clocked=False)
    return seen, wanted


def _thresholds(bench: _Bench) -> Figures:
    return _fixed_thresholds(bench) if bench.unit.matrix else _written_thresholds(bench)


def _fixed_thresholds(bench: _Bench) -> Figures:
    circuit, compared = bench.circuit, wire(bench.unit.input)
    seen: list[int] = []
    wanted: list[int] = []

    async def run(context: Any) -> None:
        for _, (p, steps) in product(range(bench.vectors), enumerate(bench.unit.constants)):
            a = bench.random.choice((bench.number(compared), bench.random.choice(steps)))
            context.set(circuit.inputs[f"a{p}"], a)
            await context.delay(1e-6)
            wanted.append(sum(a >= step for step in steps))
            seen.append(context.get(circuit.outputs[f"y{p}"]))

    bench.run(run, clocked=False)
    return seen, wanted


def _written_thresholds(bench: _Bench) -> Figures:
    """Writes random thresholds into the memories, then streams words through."""
    unit, circuit = bench.unit, bench.circuit
    compared, bits = wire(unit.input), int(wire(unit.output).bits)
    ((channels,),) = unit.numbers
    folds, width = channels // unit.pe, int(compared.bits)
    steps = [[sorted(bench.number(compared) for _ in range(2**bits - 1)) for _ in range(folds)] for _ in range(unit.pe)]
    low, mask = (folds - 1).bit_length(), 2**width - 1
    seen: list[int] = []
    sent: list[int] = []

    async def write(context: Any, enable: str, address: int, value: int) -> None:
        context.set(circuit.inputs["at"], address)
        context.set(circuit.inputs["value"], value)
        context.set(circuit.inputs[enable], 1)
        await context.tick()
        context.set(circuit.inputs[enable], 0)

    async def run(context: Any) -> None:
        if unit.structure == "parallel":
            for fold in range(folds):
                word = [step & mask for p in range(unit.pe) for step in steps[p][fold]]
                await write(context, "write", fold, sum(value << (width * i) for i, value in enumerate(word)))
        else:
            for p, fold, stage in product(range(unit.pe), range(folds), range(bits)):
                gap = 2 ** (bits - stage)
                for prefix, step in enumerate(steps[p][fold][gap // 2 - 1 :: gap]):
                    await write(context, f"write{p}_{stage}", prefix << low | fold, step)
        context.set(circuit.inputs["enable"], 1)
        for turn in range(bench.vectors * folds):
            for p in range(unit.pe):
                a = bench.number(compared)
                context.set(circuit.inputs[f"a{p}"], a)
                sent.append(sum(a >= step for step in steps[p][turn % folds]))
            await context.tick()
            seen.extend(context.get(circuit.outputs[f"y{p}"]) for p in range(unit.pe))

    bench.run(run)
    late = _latency(unit, folds, bits) * unit.pe
    return seen[late:], sent[: len(sent) - late]


def _latency(unit: Unit, folds: int, bits: int) -> int:
    """Words between an input and its output, less one."""
    if unit.structure == "parallel":
        return int(folds > 64)
    depths = [2 ** ((folds - 1).bit_length() + stage) for stage in range(bits)]
    return sum(int(depth > 64) for depth in depths) + bits - 1


def _stream(bench: _Bench, words: list[dict[str, int]], outputs: list[str], each: int = 1) -> list[int]:
    """Sends words with random pauses on both sides; the outputs that were handed over, in order."""
    circuit = bench.circuit
    seen: list[int] = []
    patience = 40 * (len(words) + 200)

    async def run(context: Any) -> None:
        sent = 0
        for _ in range(patience):
            offer = sent < len(words) and bench.random.random() < 0.8
            context.set(circuit.inputs["in_valid"], offer)
            context.set(circuit.inputs["out_ready"], bench.random.random() < 0.8)
            if sent < len(words):
                for name, value in words[sent].items():
                    context.set(circuit.inputs[name], value)
            handed = context.get(circuit.outputs["out_valid"]) and context.get(circuit.inputs["out_ready"])
            if handed:
                seen.extend(context.get(circuit.outputs[name]) for name in outputs)
            sent += bool(offer and context.get(circuit.outputs["in_ready"]))
            await context.tick()

    bench.run(run)
    return seen


def _adder(bench: _Bench) -> Figures:
    left, right, pe = wire(bench.unit.input), wire(bench.unit.output), bench.unit.pe
    rows = [[(bench.number(left), bench.number(right)) for _ in range(pe)] for _ in range(bench.vectors)]
    words = [
        {f"a{p}": a for p, (a, _) in enumerate(row)} | {f"b{p}": b for p, (_, b) in enumerate(row)} for row in rows
    ]
    return _stream(bench, words, [f"y{p}" for p in range(pe)]), [a + b for row in rows for a, b in row]


def _saturate(bench: _Bench) -> Figures:
    inputs, output, pe = wire(bench.unit.input), wire(bench.unit.output), bench.unit.pe
    rows = [[bench.number(inputs) for _ in range(pe)] for _ in range(bench.vectors)]
    words = [{f"x{p}": x for p, x in enumerate(row)} for row in rows]
    wanted = [min(max(x, int(output.low)), int(output.high)) for row in rows for x in row]
    return _stream(bench, words, [f"y{p}" for p in range(pe)]), wanted


def _scale_bias(bench: _Bench) -> Figures:
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
    return _stream(bench, words, [f"y{p}" for p in range(unit.pe)]), wanted


def _pool(bench: _Bench) -> Figures:
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
                wanted.append((sum if unit.structure == "sum" else max)(window[p]) if turn == rounds - 1 else 0)
    seen = _stream(bench, words, [f"y{p}" for p in range(unit.pe)])
    whole = [index // unit.pe % rounds == rounds - 1 for index in range(len(seen))]
    return [y for y, last in zip(seen, whole, strict=True) if last], [
        y for index, y in enumerate(wanted) if index // unit.pe % rounds == rounds - 1
    ]


def _window(bench: _Bench) -> Figures:
    """Two images, one behind the other."""
    unit, block, path = bench.unit, block_of(bench.unit), walk(bench.unit)
    bits = unit.simd * int(wire(unit.input).bits)
    images = [[bench.random.getrandbits(bits) for _ in range(path.words)] for _ in range(2)]
    fold = block.channels // unit.simd
    (k_h, k_w), (s_h, s_w), (d_h, d_w) = block.kernel, block.stride, block.dilation
    width = block.image[1] + 2 * block.padding[1][0]
    wanted = []
    for image in images:
        for oy, ox in product(*(range(size) for size in block.output)):
            places = [
                [((oy * s_h + ky * d_h) * width + ox * s_w + kx * d_w) * fold + f for f in range(fold)]
                for ky in range(k_h)
                for kx in range(k_w)
            ]
            if unit.structure == "parallel":
                for f in range(fold):
                    wanted.append(sum(image[place[f]] << (bits * i) for i, place in enumerate(places)))
            else:
                wanted += [image[one] for place in places for one in place]
    return _stream(bench, [{"data": word} for image in images for word in image], ["window"]), wanted


def _memory(bench: _Bench) -> Figures:
    circuit = bench.circuit
    ((depth, bits),) = bench.unit.numbers
    rom = bench.unit.structure == "rom"
    words = contents(depth, bits) if rom else [bench.random.getrandbits(bits) for _ in range(depth)]
    place = "address" if bench.unit.structure == "spram" else "at"
    seen: list[int] = []

    async def write(context: Any) -> None:
        context.set(circuit.inputs["write"], 1)
        for at, word in enumerate(words):
            context.set(circuit.inputs[place], at)
            context.set(circuit.inputs["value"], word)
            await context.tick()
        context.set(circuit.inputs["write"], 0)

    async def run(context: Any) -> None:
        if not rom:
            await write(context)
        for address in range(depth):
            context.set(circuit.inputs["address"], address)
            await (context.delay(1e-6) if rom else context.tick())
            seen.append(context.get(circuit.outputs["data"]))

    bench.run(run, clocked=not rom)
    return seen, words


def _control(bench: _Bench) -> Figures:
    """One vector in, all folds out, and again: how often a word is taken, stored, and which weight is used."""
    circuit = bench.circuit
    ((words, folds, depth),) = bench.unit.numbers
    seen: list[int] = []

    async def run(context: Any) -> None:
        context.set(circuit.inputs["in_valid"], 1)
        context.set(circuit.inputs["out_ready"], 1)
        for _ in range(2 * words * folds):
            seen.extend(context.get(circuit.outputs[name]) for name in ("store", "first", "at", "weight"))
            await context.tick()

    bench.run(run)
    wanted = []
    for step in range(2 * words * folds):
        wanted += [int(step // words % folds == 0), int(step % words == 0), step % words, step % depth]
    return seen, wanted


BENCHES: Mapping[str, Callable[[_Bench], Figures]] = MappingProxyType(
    {
        "matvec": _matvec,
        "constant": _constant,
        "thresholds": _thresholds,
        "window": _window,
        "memory": _memory,
        "control": _control,
        "pool": _pool,
        "adder": _adder,
        "saturate": _saturate,
        "scale_bias": _scale_bias,
    }
)
"""How each kind is simulated: (outputs, what they should be)."""
