"""RTL of thresholds: a comparator for each, or a search with one comparator per output bit; variable or constant."""

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Const, Shape, ShapeLike, Signal, ValueLike, unsigned

from hwcost.models.calibration.corpus import Unit, wire
from hwcost.models.formulas.memory import AUTO_LUTRAM_DEPTH
from hwcost.synth import threshold_tables
from hwcost.synth.circuit import Circuit, shape_of, tree
from hwcost.synth.memory import Ram


def build(unit: Unit, family: str) -> Circuit:
    """Thresholds of PE channels per cycle, from a{p} to y{p}.

    With a matrix, its rows are the thresholds of the channels; a "search table" or a "parallel table" reads random
    constants; otherwise they are written through `at`, `value{p}...` and `write...`.
    """
    if unit.structure in threshold_tables.STRUCTURES:
        return threshold_tables.build(unit)
    if unit.matrix:
        return _constant(unit)
    return _search(unit) if unit.structure == "search" else _parallel(unit)


def _constant(unit: Unit) -> Circuit:
    circuit = Circuit()
    compared, bits = shape_of(wire(unit.input)), int(wire(unit.output).bits)
    for p, steps in enumerate(unit.constants):
        a = circuit.input(f"a{p}", compared)
        circuit.output(f"y{p}", reached(circuit, a, steps, compared, unit.structure)[:bits])
    return circuit


def reached(circuit: Circuit, a: ValueLike, steps: Sequence[int], shape: Shape, structure: str) -> ValueLike:
    """Number of constants that an input reaches.

    Args:
        circuit: where it is built.
        a: the number.
        steps: rising; for "search" one less than a power of two.
        shape: a code that holds them.
        structure: "parallel" or "search".
    """
    if structure == "parallel":
        return tree([a >= Const(step) for step in steps])
    found: list[ValueLike] = []
    bits = len(steps).bit_length()
    for stage in range(bits):
        gap = 2 ** (bits - stage)
        chosen = [Const(step, shape) for step in steps[gap // 2 - 1 :: gap]]
        found.insert(0, circuit.node(a >= (Array(chosen)[Cat(*found)] if stage else chosen[0])))
    return Cat(*found)


def _style(depth: int) -> str:
    return "distributed" if depth <= AUTO_LUTRAM_DEPTH["rtl"] else "block"


def _parallel(unit: Unit) -> Circuit:
    circuit = Circuit()
    compared, bits = shape_of(wire(unit.input)), int(wire(unit.output).bits)
    ((channels,),) = unit.numbers
    folds, steps, enable = channels // unit.pe, 2**bits - 1, circuit.input("enable", 1)
    fold = _counter(circuit, folds, enable)
    at = circuit.input("at", unsigned(max(1, (folds - 1).bit_length())))
    write = circuit.input("write", 1)
    value = circuit.input("value", unsigned(unit.pe * steps * compared.width))
    cells = Ram(circuit.module, "steps", folds, unit.pe * steps * compared.width, _style(folds))
    cells.write(at, value, write)
    words = cells.read(fold, enable)
    for p in range(unit.pe):
        a = circuit.input(f"a{p}", compared)
        held = _held(circuit, f"held{p}", a, enable) if _style(folds) == "block" else a
        each = [_word(words, p * steps + k, compared) for k in range(steps)]
        circuit.output(f"y{p}", tree([held >= one for one in each])[:bits], enable=enable)
    return circuit


def _held(circuit: Circuit, name: str, value: ValueLike, enable: ValueLike) -> Signal:
    """One register, while a block RAM reads."""
    register = Signal(value.shape(), name=name, reset_less=True)
    with circuit.module.If(enable):
        circuit.module.d.sync += register.eq(value)
    return register


def _word(words: ValueLike, index: int, shape: ShapeLike) -> ValueLike:
    part = words[index * shape.width : (index + 1) * shape.width]
    return part.as_signed() if shape.signed else part


def _counter(circuit: Circuit, folds: int, enable: ValueLike) -> Signal:
    """Count the channels at the input."""
    fold = Signal(max(1, (folds - 1).bit_length()), name="fold")
    if folds > 1:
        with circuit.module.If(enable):
            circuit.module.d.sync += fold.eq(fold + 1)
            if folds & (folds - 1):
                with circuit.module.If(fold == folds - 1):
                    circuit.module.d.sync += fold.eq(0)
    return fold


def _search(unit: Unit) -> Circuit:
    """A pipeline: stage s reads one of the 2^s thresholds of its channel that the bits found so far leave."""
    circuit = Circuit()
    compared, bits = shape_of(wire(unit.input)), int(wire(unit.output).bits)
    ((channels,),) = unit.numbers
    folds, enable = channels // unit.pe, circuit.input("enable", 1)
    fold: ValueLike = _counter(circuit, folds, enable)
    low = (folds - 1).bit_length()
    at = circuit.input("at", unsigned(max(1, low + bits - 1)))
    value = circuit.input("value", compared)
    for p in range(unit.pe):
        a: ValueLike = circuit.input(f"a{p}", compared)
        prefix: ValueLike = Const(0, 0)
        channel: ValueLike = fold[:low]
        for stage in range(bits):
            depth = 2 ** (low + stage)
            name = f"{p}_{stage}"
            cells = Ram(circuit.module, f"steps{name}", depth, compared.width, _style(depth))
            cells.write(at[: low + stage], value, circuit.input(f"write{name}", 1))
            step = cells.read(Cat(channel, prefix), enable)
            if _style(depth) == "block":
                a, prefix, channel = (
                    _held(circuit, f"{what}{name}", signal, enable)
                    for what, signal in (("a", a), ("prefix", prefix), ("channel", channel))
                )
            passed = a >= (step.as_signed() if compared.signed else step)
            prefix = circuit.node(Cat(passed, prefix))
            if stage < bits - 1:
                a, prefix, channel = (
                    _held(circuit, f"{what}{name}_next", signal, enable)
                    for what, signal in (("a", a), ("prefix", prefix), ("channel", channel))
                )
        circuit.output(f"y{p}", prefix, enable=enable)
    return circuit
