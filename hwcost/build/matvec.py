"""Matrix-vector units: counters, replay of the input, weights in their memory, lanes, the bias that a sum starts at."""

from dataclasses import dataclass, replace

import torch
from amaranth.hdl import Cat, Const, Mux, Signal, Value, ValueLike
from torch import Tensor

from hwcost.build.frame import Frame, split, still
from hwcost.errors import UnknownOperation
from hwcost.graph.ranges import Range, between
from hwcost.graph.spec import MatVec
from hwcost.models.calibration.corpus import Unit, name_of
from hwcost.models.formulas.formula import Job, Setting
from hwcost.models.formulas.memory import AUTO_LUTRAM_DEPTH, STYLES, style_index
from hwcost.synth import control, matvec
from hwcost.synth.circuit import Circuit, shape_of
from hwcost.synth.memory import Ram, packed


@dataclass(frozen=True, eq=False, kw_only=True)
class Sum:
    """The integers of a matrix-vector unit, in the order of its streams.

    Attributes:
        weight: int64 (outputs, cols).
        bias: int64 (outputs,), or None.
        counted: whether two bipolar operands are XNORed and their ones counted: the sum is 2 * count - cols.
    """

    weight: Tensor
    bias: Tensor | None
    counted: bool = False


def build(job: Job, trained: Sum, acc: Range, setting: Setting, family: str) -> Frame:
    """One unit.

    Args:
        job: the block with its choices.
        trained: its integers.
        acc: range of what leaves.
        setting: what all units share.
        family: whose DSP blocks products are packed for.

    Raises:
        UnknownOperation: weights that are streamed in or written at run time.
    """
    block, fold = job.block, job.parallel
    assert isinstance(block, MatVec)
    unit = _Unit(block, fold.pe, fold.simd)
    frame, inputs = Frame(), still(block.input)
    source, sink = frame.enter(fold.simd * unit.share, inputs), frame.leave(fold.pe, acc)
    steps = frame.hold(
        control.build(
            Unit(kind="control", geometry=f"{unit.words}x{unit.folds}x{unit.depth}"), family, stages=len(job.cuts)
        ),
        "control",
        in_valid=source.valid,
        out_ready=sink.ready,
    )
    word = _replayed(frame, unit, source.data, steps)
    weights = _weights(frame, job, unit, trained, setting, steps)
    lanes = split(word, source.lanes, inputs)
    frame.drive((source.ready, steps.outputs["in_ready"]), (sink.valid, steps.outputs["out_valid"]))
    starts = _starts(frame, unit, trained.bias, acc, steps)
    results: list[Value] = []
    each = min(fold.pe, block.rows)
    wire = _wire(block, trained)
    for group in range(unit.share):
        one = Unit(
            kind="matvec",
            weight=name_of(wire),
            input=name_of(inputs),
            output=name_of(acc),
            pe=each,
            simd=fold.simd,
            structure=job.multipliers,
        )
        inner = matvec.build(one, family, biased=starts is not None, cuts=job.cuts)
        values: dict[str, ValueLike] = {"first": steps.outputs["first"], "enable": _adding(steps)}
        if job.cuts:
            values["move"] = steps.outputs["move"]
        values |= {f"x{s}": lanes[s * unit.share + group] for s in range(fold.simd)}
        for p in range(each):
            row = weights[group * each + p]
            values |= {f"w{p}_{s}": weight for s, weight in enumerate(split(row, fold.simd, wire))}
            if starts is not None:
                values[f"b{p}"] = starts[group * each + p]
        frame.hold(inner, f"lanes{group}", **values)
        results += [inner.outputs[f"acc{p}"] for p in range(each)]
    frame.drive((sink.data, Cat(results)))
    return frame


class _Unit:
    """Sizes of a folded unit: steps of a dot product, folds of a vector, words of weights, groups side by side."""

    def __init__(self, block: MatVec, pe: int, simd: int) -> None:
        self.pe, self.simd = pe, simd
        self.share = max(1, pe // block.rows)
        self.words, self.folds = block.cols // simd, max(1, block.rows // pe)
        self.depth = block.weights // (pe * simd)


def _wire(block: MatVec, trained: Sum) -> Range:
    """Range of the weights: as described, or as their common step makes them where widths differ within a sum."""
    wire = still(block.weight)
    if wire.bipolar and not trained.counted and still(block.input).bipolar:
        return between(-1, 1)
    low, high = int(trained.weight.min()), int(trained.weight.max())
    if wire.bipolar or (float(wire.low) <= low and high <= float(wire.high)):
        return wire
    return between(min(low, 0), max(high, 0))


def _adding(steps: Circuit) -> Signal:
    """Whether the accumulators take a step: at once, or when it has passed the registers in front of them."""
    return steps.outputs["add" if "add" in steps.outputs else "enable"]


def _codes(numbers: Tensor, wire: Range) -> Tensor:
    """Codes without sign: two's complement, or 1 for +1 on a bipolar wire."""
    if wire.bipolar:
        return (numbers > 0).to(torch.int64)
    return numbers.bitwise_and((1 << shape_of(wire).width) - 1)


def following(address: Signal, step: ValueLike, depth: int) -> Value:
    """The address of the next cycle, for a memory that answers a cycle late."""
    return Mux(step, Mux(address == depth - 1, 0, address + 1), address)[: len(address)]


def _replayed(frame: Frame, unit: _Unit, data: Value, steps: Circuit) -> Value:
    """A word of the input: from the stream in the first fold of the outputs, and from a buffer later.

    The fold chooses, and not whether a word moves, which is known late: sums of words that do not move are not kept.
    """
    if unit.folds == 1:
        return data
    style = "distributed" if unit.words <= AUTO_LUTRAM_DEPTH["rtl"] else "block"
    cells = Ram(frame.circuit.module, "replay", unit.words, len(data), style)
    at, store = steps.outputs["at"], steps.outputs["store"]
    cells.write(at, data, store)
    address = at if style == "distributed" else following(at, steps.outputs["enable"], unit.words)
    return frame.circuit.node(Mux(steps.outputs["fresh"], data, cells.read(address)))


def _weights(frame: Frame, job: Job, unit: _Unit, trained: Sum, setting: Setting, steps: Circuit) -> list[Value]:
    """The weights of this step, a row per PE."""
    block = job.block
    assert isinstance(block, MatVec)
    style = STYLES[style_index(job.weight_memory, unit.depth, setting.flow)]
    if unit.depth > 1 and (style not in ("lutram", "bram18") or setting.writable):
        raise UnknownOperation(
            f"weights in {style!r} memory{' that is written at run time' if setting.writable else ''} are not built; "
            "use weight_memory 'auto', 'lutram' or 'bram18', and no writable"
        )
    wire = _wire(block, trained)
    bits = shape_of(wire).width
    # (turns, pe, words, simd) -> a word for each step: PE by PE, its lanes side by side
    turned = _codes(trained.weight, wire).reshape(-1, unit.pe, unit.words, unit.simd).movedim(2, 1)
    rows = turned.reshape(unit.depth, unit.pe, unit.simd)
    if setting.weight_banks == "shared":
        word = _stored(frame, "weights", packed(rows.flatten(1), bits), unit.pe * unit.simd * bits, style, steps)
        size = unit.simd * bits
        return [word[p * size : (p + 1) * size] for p in range(unit.pe)]
    return [
        _stored(frame, f"weights{p}", packed(rows[:, p], bits), unit.simd * bits, style, steps) for p in range(unit.pe)
    ]


def _stored(frame: Frame, name: str, words: list[int], bits: int, style: str, steps: Circuit) -> Value:
    if len(words) == 1:
        return Const(words[0], bits)
    address, step = steps.outputs["weight"], steps.outputs["enable"]
    in_lut = style == "lutram"
    cells = Ram(frame.circuit.module, name, len(words), bits, "logic" if in_lut else "block", words)
    return frame.circuit.node(cells.read(address if in_lut else following(address, step, len(words))))


def _starts(frame: Frame, unit: _Unit, bias: Tensor | None, acc: Range, steps: Circuit) -> list[Value] | None:
    """Read the bias that each sum starts at from a table that turns with every fold."""
    if bias is None or not bool(bias.any()):
        return None
    module, bits = frame.circuit.module, shape_of(acc).width
    words = packed(_codes(bias.reshape(-1, unit.pe), replace(acc)), bits)
    if len(words) == 1:
        return split(Const(words[0], unit.pe * bits), unit.pe, acc)
    turn = Signal(range(len(words)), name="turn")
    last = steps.outputs["last"] if "last" in steps.outputs else steps.outputs["at"] == unit.words - 1
    done = frame.circuit.node(_adding(steps) & last)
    with module.If(done):
        module.d.sync += turn.eq(Mux(turn == len(words) - 1, 0, turn + 1))
    cells = Ram(module, "bias", len(words), unit.pe * bits, "logic", words)
    return split(frame.circuit.node(cells.read(turn)), unit.pe, acc)
