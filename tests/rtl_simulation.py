"""Runs the RTL of a unit on random numbers and compares it with integer arithmetic: what is counted is also correct."""

from collections.abc import Callable, Mapping
from itertools import product
from random import Random
from types import MappingProxyType

import rtl_element_benches as element_benches
import rtl_stream_benches as stream_benches
from amaranth.sim import SimulatorContext
from rtl_bench import Bench, Figures

from hwcost.errors import HwcostError
from hwcost.models.calibration.corpus import Unit, wire
from hwcost.synth.memory import contents
from hwcost.synth.threshold_tables import STRUCTURES
from hwcost.synth.units import build


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
    bench = Bench(unit, build(unit, family), Random(seed), vectors)
    seen, wanted = BENCHES[unit.kind](bench)
    if len(seen) != len(wanted) or not wanted:
        raise WrongCircuit(f"{unit}: {len(seen)} outputs instead of {len(wanted)}")
    for index, (got, right) in enumerate(zip(seen, wanted, strict=True)):
        if got != right:
            raise WrongCircuit(f"{unit}: output {index} is {got} instead of {right}")
    return len(wanted)


def _matvec(bench: Bench) -> Figures:
    unit, circuit = bench.unit, bench.circuit
    weight, inputs, acc = wire(unit.weight), wire(unit.input), wire(unit.output)
    limit = int(acc.high) if acc.high > 1 else 1
    largest = unit.simd * max(abs(int(weight.low)), int(weight.high)) * max(abs(int(inputs.low)), int(inputs.high))
    folds = max(1, min(3, limit // max(1, largest)))
    seen: list[int] = []
    wanted: list[int] = []
    both = weight.bipolar and inputs.bipolar

    async def run(context: SimulatorContext) -> None:
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


def _constant(bench: Bench) -> Figures:
    circuit, matrix = bench.circuit, bench.unit.constants
    wires = [wire(name) for name in bench.unit.input.split()]
    columns = wires * len(matrix[0]) if len(wires) == 1 else wires
    seen: list[int] = []
    wanted: list[int] = []

    async def run(context: SimulatorContext) -> None:
        for _ in range(bench.vectors):
            x = [bench.number(one) for one in columns]
            for j, value in enumerate(x):
                context.set(circuit.inputs[f"x{j}"], value)
            await context.delay(1e-6)
            for i, row in enumerate(matrix):
                wanted.append(sum(w * value for w, value in zip(row, x, strict=True)))
                seen.append(context.get(circuit.outputs[f"y{i}"]))

    bench.run(run, clocked=False)
    return seen, wanted


def _thresholds(bench: Bench) -> Figures:
    if bench.unit.structure in STRUCTURES:
        return stream_benches.threshold_table(bench)
    return _fixed_thresholds(bench) if bench.unit.matrix else _written_thresholds(bench)


def _fixed_thresholds(bench: Bench) -> Figures:
    circuit, compared = bench.circuit, wire(bench.unit.input)
    seen: list[int] = []
    wanted: list[int] = []

    async def run(context: SimulatorContext) -> None:
        for _, (p, steps) in product(range(bench.vectors), enumerate(bench.unit.constants)):
            a = bench.random.choice((bench.number(compared), bench.random.choice(steps)))
            context.set(circuit.inputs[f"a{p}"], a)
            await context.delay(1e-6)
            wanted.append(sum(a >= step for step in steps))
            seen.append(context.get(circuit.outputs[f"y{p}"]))

    bench.run(run, clocked=False)
    return seen, wanted


def _written_thresholds(bench: Bench) -> Figures:
    """Writes random thresholds into the memories, then streams words through."""
    unit, circuit = bench.unit, bench.circuit
    compared, bits = wire(unit.input), int(wire(unit.output).bits)
    ((channels,),) = unit.numbers
    folds, width = channels // unit.pe, int(compared.bits)
    steps = [[sorted(bench.number(compared) for _ in range(2**bits - 1)) for _ in range(folds)] for _ in range(unit.pe)]
    low, mask = (folds - 1).bit_length(), 2**width - 1
    seen: list[int] = []
    sent: list[int] = []

    async def write(context: SimulatorContext, enable: str, address: int, value: int) -> None:
        context.set(circuit.inputs["at"], address)
        context.set(circuit.inputs["value"], value)
        context.set(circuit.inputs[enable], 1)
        await context.tick()
        context.set(circuit.inputs[enable], 0)

    async def run(context: SimulatorContext) -> None:
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


def _memory(bench: Bench) -> Figures:
    circuit = bench.circuit
    ((depth, bits),) = bench.unit.numbers
    rom = bench.unit.structure == "rom"
    words = contents(depth, bits) if rom else [bench.random.getrandbits(bits) for _ in range(depth)]
    place = "address" if bench.unit.structure == "spram" else "at"
    seen: list[int] = []

    async def write(context: SimulatorContext) -> None:
        context.set(circuit.inputs["write"], 1)
        for at, word in enumerate(words):
            context.set(circuit.inputs[place], at)
            context.set(circuit.inputs["value"], word)
            await context.tick()
        context.set(circuit.inputs["write"], 0)

    async def run(context: SimulatorContext) -> None:
        if not rom:
            await write(context)
        for address in range(depth):
            context.set(circuit.inputs["address"], address)
            await (context.delay(1e-6) if rom else context.tick())
            seen.append(context.get(circuit.outputs["data"]))

    bench.run(run, clocked=not rom)
    return seen, words


def _control(bench: Bench) -> Figures:
    """One vector in, all folds out, and again: how often a word is taken, stored, and which weight is used."""
    circuit = bench.circuit
    if bench.unit.structure == "loader":
        return _loader(bench)
    ((words, folds, depth),) = bench.unit.numbers
    seen: list[int] = []

    async def run(context: SimulatorContext) -> None:
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


def _loader(bench: Bench) -> Figures:
    """Each word of each memory, with pauses: where it is written, and what."""
    circuit, ((depth, bits, banks),) = bench.circuit, bench.unit.numbers
    beats, seen, wanted = -(-bits // 32), list[int](), list[int]()

    async def run(context: SimulatorContext) -> None:
        for write in range(2 * depth * banks):
            data = [bench.random.getrandbits(32) for _ in range(beats)]
            for part in data:
                for valid in [0] * bench.random.randrange(2) + [1]:
                    context.set(circuit.inputs["in_valid"], valid)
                    context.set(circuit.inputs["data"], part)
                    await context.tick()
                    if context.get(circuit.outputs["write"]):
                        seen.extend(context.get(circuit.outputs[name]) for name in ("write", "at", "value"))
            value = sum(part << 32 * at for at, part in enumerate(data)) % 2**bits
            wanted.extend((1 << write % banks, write // banks % depth, value))

    bench.run(run)
    return seen, wanted


BENCHES: Mapping[str, Callable[[Bench], Figures]] = MappingProxyType(
    {
        "matvec": _matvec,
        "constant": _constant,
        "thresholds": _thresholds,
        "window": stream_benches.window,
        "memory": _memory,
        "control": _control,
        "pool": stream_benches.pool,
        "adder": stream_benches.adder,
        "saturate": stream_benches.saturate,
        "scale_bias": stream_benches.scale_bias,
        "converter": stream_benches.converter,
        "fifo": stream_benches.fifo,
        "copy": stream_benches.copy,
        "concat": stream_benches.concat,
        "label": stream_benches.label,
        "inverse": stream_benches.inverse,
        "held": stream_benches.held,
        "multiplier": element_benches.multiplier,
        "table": element_benches.table,
        "channel_sum": element_benches.channel_sum,
        "reorder": element_benches.reorder,
        "pad": element_benches.pad,
    }
)
"""Simulation of each kind: (outputs, expected outputs)."""
