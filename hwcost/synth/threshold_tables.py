"""RTL of thresholds in tables of constants: a pipeline of comparators, channel by channel."""

from dataclasses import dataclass
from random import Random

import torch
from amaranth.hdl import Cat, Const, Mux, Shape, Signal, Value, ValueLike
from torch import Tensor

from hwcost.models.calibration.corpus import Unit, wire
from hwcost.models.formulas.memory import AUTO_LUTRAM_DEPTH
from hwcost.synth.circuit import Circuit, bits_of, shape_of, tree
from hwcost.synth.memory import Ram, packed


@dataclass(frozen=True, eq=False)
class Steps:
    """Thresholds as they are built: a code counted from the lowest one of its width.

    Attributes:
        steps: int64 (channels, 2^bits - 1), rising; what is always or never reached lies just outside of the input.
        falls: (channels,): whether the count is turned around.
        bits: of the code.
    """

    steps: Tensor
    falls: Tensor
    bits: int


STRUCTURES = ("search table", "parallel table")
"""`structure` of a unit of a corpus with such tables."""


def build(unit: Unit) -> Circuit:
    """Random constants for every channel of `geometry`: a word of a{p} with `in_valid`, `in_ready` to y{p}."""
    circuit = Circuit()
    inputs, bits = wire(unit.input), int(wire(unit.output).bits)
    trained = random_steps(unit)
    line = Line(circuit, circuit.input("in_valid", 1), circuit.input("out_ready", 1), len(trained.steps) // unit.pe)
    words: list[Value] = [circuit.input(f"a{p}", shape_of(inputs)) for p in range(unit.pe)]
    structure = unit.structure.removesuffix(" table")
    for p, code in enumerate(line.codes(trained, words, (int(inputs.low), int(inputs.high)), structure)):
        circuit.output(f"y{p}", code[:bits])
    circuit.output("in_ready", line.step)
    circuit.output("out_valid", line.valid)
    return circuit


def random_steps(unit: Unit) -> Steps:
    """Rising thresholds of each channel, some of which fall, the same for every unit of these parameters."""
    draw, inputs = Random(repr(unit)), wire(unit.input)
    ((channels,),), bits = unit.numbers, int(wire(unit.output).bits)
    reach = range(int(inputs.low) + 1, int(inputs.high) + 1)
    rows = [sorted(draw.choice(reach) for _ in range(2**bits - 1)) for _ in range(channels)]
    falls = [draw.random() < FALLING for _ in range(channels)]
    return Steps(torch.tensor(rows, dtype=torch.int64), torch.tensor(falls), bits)


FALLING = 0.25
"""Share of channels whose code falls where the input rises: a batch norm of negative factor."""


class Line:
    """Stages that advance together; a register of valid bits goes along.

    Args:
        circuit: where it is built.
        valid, ready: whether a word is there at the input, and taken at the output.
        folds: words of a vector.
        cut: whether a register stands between each table in LUTs and what compares with its word.

    Attributes:
        step: whether the stages advance; a word that is there is taken.
        valid: whether a word is there behind the stages so far.
    """

    def __init__(self, circuit: Circuit, valid: Value, ready: Value, folds: int, *, cut: bool = False) -> None:
        self.circuit, self.module, self.folds, self.cut = circuit, circuit.module, folds, cut
        self.valid, self.ready = valid, ready
        self.stages = 0
        self.step = Signal(name="step")
        self.fold = Signal(max(1, (folds - 1).bit_length()), name="fold")
        if folds > 1:
            with self.module.If(self.step & valid):
                self.module.d.sync += self.fold.eq(Mux(self.fold == folds - 1, 0, self.fold + 1))

    def stage(self) -> None:
        """Move the valid bit on by a register."""
        valid = Signal(name=f"valid{self.stages}")
        with self.module.If(self.step):
            self.module.d.sync += valid.eq(self.valid)
        self.valid, self.stages = valid, self.stages + 1

    def held(self, name: str, value: ValueLike) -> Signal:
        """A register of this stage."""
        register = Signal(Value.cast(value).shape(), name=name, reset_less=True)
        with self.module.If(self.step):
            self.module.d.sync += register.eq(value)
        return register

    def read(self, name: str, words: list[int], bits: int, address: ValueLike) -> tuple[Value, bool]:
        """A word of constants, and whether it is there a stage later."""
        if len(words) <= AUTO_LUTRAM_DEPTH["rtl"]:
            word = self.looked_up(name, words, bits, address)
            late = self.cut and len(words) > 1
            return (self.held(f"{name}_held", word), True) if late else (word, False)
        cells = Ram(self.module, name, len(words), bits, "block", words)
        return self.circuit.node(cells.read(address, self.step)), True

    def looked_up(self, name: str, words: list[int], bits: int, address: ValueLike) -> Value:
        """A word of constants in the same cycle, however many there are."""
        if len(words) == 1:
            return Const(words[0], bits)
        return self.circuit.node(Ram(self.module, name, len(words), bits, "logic", words).read(address))

    def codes(self, trained: Steps, inputs: list[Value], limits: tuple[int, int], structure: str) -> list[Signal]:
        """Codes of the elements of a word, in registers.

        Args:
            trained: thresholds, channel by channel in the order of the stream.
            inputs: elements of a word.
            limits: lowest and highest of them.
            structure: "search" or "parallel".
        """
        compared = bits_of(limits[0], max(limits[1], int(trained.steps.max())))
        found = (_search if structure == "search" else _parallel)(self, trained, inputs, compared)
        self.close()
        return found

    def close(self) -> None:
        """Let everything advance unless a result waits."""
        self.module.d.comb += self.step.eq(self.ready | ~self.valid)


def _parallel(line: Line, trained: Steps, inputs: list[Value], compared: Shape) -> list[Signal]:
    """A comparator for each threshold."""
    pe, (channels, levels), bits = len(inputs), trained.steps.shape, compared.width
    rows = (trained.steps & ((1 << bits) - 1)).reshape(channels // pe, pe * levels)
    word, late = line.read("steps", packed(rows, bits), pe * levels * bits, line.fold)
    flips = line.looked_up("falls", _falls(trained, pe), pe, line.fold)
    if late:
        line.stage()
        inputs = [line.held(f"a{p}", a) for p, a in enumerate(inputs)]
        flips = line.held("flips", flips)
    each = [[_element(word, p * levels + k, compared) for k in range(levels)] for p in range(pe)]
    found = [tree([a >= step for step in steps])[: trained.bits] for a, steps in zip(inputs, each, strict=True)]
    line.stage()
    return [line.held(f"y{p}", code ^ flips[p].replicate(trained.bits)) for p, code in enumerate(found)]


def _element(word: Value, index: int, shape: Shape) -> Value:
    part = word[index * shape.width : (index + 1) * shape.width]
    return part.as_signed() if shape.signed else part


def _falls(trained: Steps, pe: int) -> list[int]:
    """List the codes that are turned around, a word for each fold; one word where all are alike."""
    words = packed(trained.falls.to(torch.int64).reshape(-1, pe), 1)
    return words[:1] if len(set(words)) == 1 else words


def _search(line: Line, trained: Steps, inputs: list[Value], compared: Shape) -> list[Signal]:
    """Stage s compares with one of the 2^s thresholds that the bits found so far leave."""
    pe, bits, width = len(inputs), trained.bits, compared.width
    folds, low = line.folds, (line.folds - 1).bit_length()
    turned = (trained.steps & ((1 << width) - 1)).reshape(folds, pe, -1)
    channel: Value = line.fold[:low]
    prefixes: list[Value] = [Const(0, 0)] * pe
    for stage in range(bits):
        gap = 2 ** (bits - stage)
        steps: list[Value] = []
        late = False
        for p in range(pe):
            table = torch.zeros(2**stage, 2**low, dtype=torch.int64)
            table[:, :folds] = turned[:, p, gap // 2 - 1 :: gap].T
            word, late = line.read(f"steps{p}_{stage}", table.flatten().tolist(), width, Cat(channel, prefixes[p]))
            steps.append(_element(word, 0, compared))
        if late:
            inputs, prefixes, channel = _held(line, f"{stage}_late", inputs, prefixes, channel)
        passed = [a >= step for a, step in zip(inputs, steps, strict=True)]
        prefixes = [line.circuit.node(Cat(one, prefix)) for one, prefix in zip(passed, prefixes, strict=True)]
        if stage < bits - 1:
            inputs, prefixes, channel = _held(line, f"{stage}", inputs, prefixes, channel)
    flips = line.looked_up("falls", _falls(trained, pe), pe, channel)
    line.stage()
    return [line.held(f"y{p}", code ^ flips[p].replicate(bits)) for p, code in enumerate(prefixes)]


def _held(
    line: Line, name: str, inputs: list[Value], prefixes: list[Value], channel: Value
) -> tuple[list[Value], list[Value], Value]:
    """A stage of registers."""
    line.stage()
    return (
        [line.held(f"a{p}_{name}", a) for p, a in enumerate(inputs)],
        [line.held(f"prefix{p}_{name}", prefix) if len(prefix) else prefix for p, prefix in enumerate(prefixes)],
        line.held(f"channel_{name}", channel) if len(channel) else channel,
    )
