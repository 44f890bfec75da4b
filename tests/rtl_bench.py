"""Test benches for simulations of units: random numbers on wires, a clock, words with pauses on both sides."""

from dataclasses import dataclass
from random import Random

from amaranth.hdl import ValueLike
from amaranth.sim import Simulator, SimulatorContext

from hwcost.graph.ranges import Range
from hwcost.models.calibration.corpus import Unit
from hwcost.synth.circuit import Circuit

Figures = tuple[list[int], list[int]]
"""(outputs, what they should be)"""


@dataclass(eq=False)
class Bench:
    """The signals and random numbers of one simulation.

    Attributes:
        unit, circuit: what runs.
        random: where its numbers come from.
        vectors: random inputs.
    """

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

    def run(self, bench: ValueLike, *, clocked: bool = True) -> None:
        """Simulate with one testbench."""
        simulator = Simulator(self.circuit.module)
        if clocked:
            simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()

    def coded(self, range: Range, value: int) -> int:
        """The bits of a number: 1 for a bipolar +1."""
        return int(value > 0) if range.bipolar else value


IDLE = 500
"""Cycles without a word after which nothing more is expected: any unit of the tests answers much sooner."""


def stream(bench: Bench, words: list[dict[str, int]], outputs: list[str]) -> list[int]:
    """Sends words with random pauses on both sides; the outputs that were handed over, in order."""
    circuit = bench.circuit
    seen: list[int] = []
    patience = 40 * (len(words) + 200)

    async def run(context: SimulatorContext) -> None:
        sent = quiet = 0
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
            quiet = 0 if handed or sent < len(words) else quiet + 1
            if quiet > IDLE:
                return
            await context.tick()

    bench.run(run)
    return seen
