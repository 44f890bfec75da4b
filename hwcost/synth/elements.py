"""RTL of what treats each element on its own: products of two streams, tables of codes, a sum per channel."""

from amaranth.hdl import Const, Mux, Signal, ValueLike, unsigned
from amaranth.lib.memory import Memory

from hwcost.models.calibration.corpus import Unit, wire
from hwcost.synth.circuit import Circuit, shape_of
from hwcost.synth.memory import Ram, contents
from hwcost.synth.streams import handshake


def multiplier(unit: Unit, family: str) -> Circuit:
    """y{p} = a{p} * b{p}."""
    circuit = Circuit()
    take = handshake(circuit)
    left, right = shape_of(wire(unit.input)), shape_of(wire(unit.weight))
    for p in range(unit.pe):
        circuit.output(f"y{p}", circuit.input(f"a{p}", left) * circuit.input(f"b{p}", right), enable=take)
    return circuit


def words(unit: Unit) -> list[int]:
    """Words of a table, by the bits of the code that is looked up: its matrix, or random words."""
    inputs, output = wire(unit.input), wire(unit.output)
    bits, size = int(output.bits), 2 ** int(inputs.bits)
    if not unit.matrix:
        return contents(size, bits)
    (row,) = unit.constants
    codes = [int(inputs.low) + place for place in range(len(row))]
    held = {code % size: word % 2**bits for code, word in zip(codes, row, strict=True)}
    return [held.get(place, 0) for place in range(size)]


def table(unit: Unit, family: str) -> Circuit:
    """y{p} is the word at a{p}: a memory for each PE, in LUTs or ("bram18") in block RAM."""
    circuit = Circuit()
    take, held = handshake(circuit), words(unit)
    inputs, output = shape_of(wire(unit.input)), shape_of(wire(unit.output))
    style = "block" if unit.structure == "bram18" else "logic"
    for p in range(unit.pe):
        rom = Memory(shape=unsigned(output.width), depth=len(held), init=held, attrs={"ram_style": style})
        setattr(circuit.module.submodules, f"words{p}", rom)
        port = rom.read_port(domain="sync" if style == "block" else "comb")
        circuit.module.d.comb += port.addr.eq(circuit.input(f"a{p}", inputs).as_unsigned())
        if style == "block":
            circuit.module.d.comb += port.en.eq(take)
            circuit.output(f"y{p}", _coded(port.data, output.signed))
        else:
            circuit.output(f"y{p}", _coded(port.data, output.signed), enable=take)
    return circuit


def _coded(value: ValueLike, is_signed: bool) -> ValueLike:
    return value.as_signed() if is_signed else value


def channel_sum(unit: Unit, family: str) -> Circuit:
    """y{p} is the sum of x{p} over all pixels, for each channel in turn; geometry "words of a pixel x pixels"."""
    circuit = Circuit()
    module = circuit.module
    ((folds, pixels),) = unit.numbers
    inputs, output = shape_of(wire(unit.input)), shape_of(wire(unit.output))
    valid, ready = circuit.input("in_valid", 1), circuit.input("out_ready", 1)
    full, take = Signal(name="full"), Signal(name="take")
    fold, pixel = Signal(range(max(2, folds)), name="fold"), Signal(range(max(2, pixels)), name="pixel")
    last = pixel == pixels - 1
    module.d.comb += take.eq(valid & (ready | ~full | ~last))
    round_over = (fold == folds - 1) if folds > 1 else Const(1)
    with module.If(take):
        if folds > 1:
            module.d.sync += fold.eq(Mux(round_over, 0, fold + 1))
        with module.If(round_over):
            module.d.sync += pixel.eq(Mux(last, 0, pixel + 1))
    with module.If(ready | ~full):
        module.d.sync += full.eq(take & last)
    cells = Ram(module, "sums", folds, unit.pe * output.width, "distributed")
    held = cells.read(fold)
    sums = []
    for p in range(unit.pe):
        before = held[p * output.width : (p + 1) * output.width]
        since = Mux(pixel == 0, 0, _coded(before, output.signed))
        total = circuit.node((circuit.input(f"x{p}", inputs) + since)[: output.width])
        sums.append(total)
        circuit.output(f"y{p}", _coded(total, output.signed), enable=take & last)
    word = Signal(unit.pe * output.width, name="word")
    for p, total in enumerate(sums):
        module.d.comb += word[p * output.width : (p + 1) * output.width].eq(total)
    cells.write(fold, word, take)
    circuit.output("out_valid", full)
    circuit.output("in_ready", ready | ~full | ~last)
    return circuit
