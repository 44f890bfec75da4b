"""Quantized activations: a pipeline of comparators with constant thresholds, channel by channel."""

from dataclasses import dataclass

import torch
from amaranth.hdl import Cat, Const, Mux, Shape, Signal, Value, ValueLike
from torch import Tensor

from hwcost.build.frame import Frame, still
from hwcost.build.matvec import packed
from hwcost.graph.ranges import Range
from hwcost.graph.spec import Thresholds
from hwcost.integer.operations import Comparators
from hwcost.models.formulas.formula import Job, Setting
from hwcost.models.formulas.memory import AUTO_LUTRAM_DEPTH
from hwcost.models.formulas.stages import OPERANDS
from hwcost.synth.circuit import bits_of, shape_of, tree
from hwcost.synth.memory import Ram


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


def steps_of(found: Comparators, low: int, high: int, output: Range, gain: int = 1, offset: Tensor | int = 0) -> Steps:
    """Thresholds on a code whose integer is gain * code + offset, gain above 0.

    Args:
        found: thresholds on the integer.
        low, high: of the code.
        output: range of the result, of all channels.
        gain, offset: as above; an offset per channel.
    """
    shape = shape_of(output)
    levels = 2**shape.width - 1
    least = 2 ** (shape.width - 1) if shape.signed else 0  # two's complement counts from its lowest code
    start = (found.lowest + 1) // 2 if output.bipolar else found.lowest + least
    channels, given = found.thresholds.shape
    below = torch.full((channels, levels), low)
    place = torch.arange(levels) - start[:, None]
    rising = found.sign[:, None] > 0
    steps = found.thresholds.gather(1, place.clamp(0, given - 1)) if given else below
    steps = torch.where(rising, steps, 1 - steps)
    steps = -torch.div(torch.as_tensor(offset).reshape(-1, 1) - steps, gain, rounding_mode="floor")
    always, never = (torch.where(rising, low, high + 1), torch.where(rising, high + 1, low))
    steps = torch.where(place < 0, always, torch.where(place >= given, never, steps)).clamp(low, high + 1)
    return Steps(torch.where(rising, steps, steps.flip(1)), found.sign < 0, shape.width)


def build(job: Job, trained: Steps, inputs: Range, setting: Setting) -> Frame:
    """One unit.

    Args:
        job: the block with its fold.
        trained: its thresholds, channel by channel in the order of the stream.
        inputs: range of the codes that are compared.
        setting: what all units share.
    """
    block, pe = job.block, job.parallel.pe
    assert isinstance(block, Thresholds)
    frame = Frame()
    output = still(block.output)
    source, sink = frame.enter(pe, inputs), frame.leave(pe, output)
    line = _Pipeline(frame, block.channels // pe, OPERANDS in job.cuts)
    compared = bits_of(int(inputs.low), int(max(inputs.high, trained.steps.max())))
    found = (_search if setting.thresholds == "search" else _parallel)(line, trained, source.elements(), compared)
    line.close()
    top = trained.bits - 1
    signed = shape_of(output).signed
    frame.drive((sink.data, Cat(Cat(code[:top], ~code[top]) if signed else code for code in found)))
    return frame


class _Pipeline:
    """Stages that advance together; a register of valid bits goes along.

    Args:
        frame: the unit.
        folds: words of a vector.
        cut: whether a register stands between each table in LUTs and what compares with its word.
    """

    def __init__(self, frame: Frame, folds: int, cut: bool) -> None:
        self.frame, self.folds, self.cut = frame, folds, cut
        self.module = frame.circuit.module
        (source,), (sink,) = frame.entering, frame.leaving
        self.valid: Value = source.valid
        self.stages = 0
        self.step = Signal(name="step")
        self.ready = sink.ready
        self.fold = Signal(max(1, (folds - 1).bit_length()), name="fold")
        if folds > 1:
            with self.module.If(self.step & source.valid):
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
        if len(words) == 1:
            return Const(words[0], bits), False
        late = len(words) > AUTO_LUTRAM_DEPTH["rtl"]
        cells = Ram(self.module, name, len(words), bits, "block" if late else "logic", words)
        word = self.frame.circuit.node(cells.read(address, self.step))
        if not late and self.cut:
            return self.held(f"{name}_held", word), True
        return word, late

    def looked_up(self, name: str, words: list[int], bits: int, address: ValueLike) -> Value:
        """A word of constants of a few bits, there at once however many there are."""
        if len(words) == 1:
            return Const(words[0], bits)
        return self.frame.circuit.node(Ram(self.module, name, len(words), bits, "logic", words).read(address))

    def close(self) -> None:
        """The handshake: everything advances unless a result waits."""
        (source,), (sink,) = self.frame.entering, self.frame.leaving
        self.frame.drive((self.step, sink.ready | ~self.valid), (source.ready, self.step), (sink.valid, self.valid))


def _parallel(line: _Pipeline, trained: Steps, inputs: list[Value], compared: Shape) -> list[Value]:
    """A comparator for each threshold."""
    pe, (channels, levels), bits = len(inputs), trained.steps.shape, compared.width
    rows = (trained.steps & ((1 << bits) - 1)).reshape(channels // pe, pe * levels)
    word, late = line.read("steps", packed(rows, bits), pe * levels * bits, line.fold)
    flips: Value = line.looked_up("falls", _falls(trained, pe), pe, line.fold)
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


def _search(line: _Pipeline, trained: Steps, inputs: list[Value], compared: Shape) -> list[Value]:
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
        prefixes = [line.frame.circuit.node(Cat(one, prefix)) for one, prefix in zip(passed, prefixes, strict=True)]
        if stage < bits - 1:
            inputs, prefixes, channel = _held(line, f"{stage}", inputs, prefixes, channel)
    flips = line.looked_up("falls", _falls(trained, pe), pe, channel)
    line.stage()
    return [line.held(f"y{p}", code ^ flips[p].replicate(bits)) for p, code in enumerate(prefixes)]


def _held(
    line: _Pipeline, name: str, inputs: list[Value], prefixes: list[Value], channel: Value
) -> tuple[list[Value], list[Value], Value]:
    """A stage of registers."""
    line.stage()
    return (
        [line.held(f"a{p}_{name}", a) for p, a in enumerate(inputs)],
        [line.held(f"prefix{p}_{name}", prefix) if len(prefix) else prefix for p, prefix in enumerate(prefixes)],
        line.held(f"channel_{name}", channel) if len(channel) else channel,
    )
