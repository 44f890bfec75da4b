"""RTL of what steers a matrix-vector unit: its counters, the replay of its input, the address of its weights."""

from amaranth.hdl import Cat, Const, Mux, Signal, ValueLike

from hwcost.models.calibration.corpus import Unit
from hwcost.models.formulas.memory import BUS_BITS
from hwcost.synth.circuit import Circuit


def build(unit: Unit, family: str, *, stages: int = 0) -> Circuit:
    """Counters over the `words` of an input vector and the `folds` of its outputs; `depth` weights in turn.

    In the first fold a word comes from the stream and is stored, later ones are replayed. A "loader" writes weights;
    "passing" is what stands around the memories.

    Args:
        unit: what to build.
        family: "xcup" or "xc7".
        stages: registers between the counters and the accumulators. They advance while `move` holds; `add`, `first` and
            `last` tell the accumulators whether a step arrives, and which one of its sum.
    """
    if unit.structure == "loader":
        return _loader(unit)
    if unit.structure == "passing":
        return _passing(unit)
    circuit = Circuit()
    module = circuit.module
    ((words, folds, depth),) = unit.numbers
    valid, ready = circuit.input("in_valid", 1), circuit.input("out_ready", 1)
    word, fold, address = (
        Signal(range(max(2, size)), name=name) for name, size in (("word", words), ("fold", folds), ("address", depth))
    )
    full, step = Signal(name="full"), Signal(name="step")
    last_word, last_fold, fresh = word == words - 1, fold == folds - 1, fold == 0
    module.d.comb += step.eq((valid | ~fresh) & (ready | ~full))
    with module.If(step):
        if words > 1:
            module.d.sync += word.eq(Mux(last_word, 0, word + 1))
        if folds > 1:
            with module.If(last_word):
                module.d.sync += fold.eq(Mux(last_fold, 0, fold + 1))
        if depth > 1:
            module.d.sync += address.eq(Mux(address == depth - 1, 0, address + 1))
    move = ready | ~full
    told: tuple[ValueLike, ...] = (step, word == 0, last_word) if words > 1 else (step,)
    for stage in range(stages):
        held = [Signal(name=f"{name}{stage}") for name in ("add", "first", "last")[: len(told)]]
        with module.If(move):
            module.d.sync += [register.eq(now) for register, now in zip(held, told, strict=True)]
        told = tuple(held)
    add, first, last = told if words > 1 else (*told, Const(1), Const(1))
    with module.If(move):
        module.d.sync += full.eq(add & last)
    circuit.output("in_ready", fresh & (ready | ~full))
    circuit.output("store", fresh & step)
    circuit.output("fresh", fresh)
    circuit.output("first", first)
    circuit.output("enable", step)
    if stages:
        circuit.output("last", last)
        circuit.output("add", circuit.node(add & move))
        circuit.output("move", move)
    circuit.output("at", word)
    circuit.output("weight", address)
    circuit.output("out_valid", full)
    return circuit


def _passing(unit: Unit) -> Circuit:
    """Words of `bits` that are passed on while they are stored, in a register where `held`; the next of `addresses`."""
    circuit = Circuit()
    module = circuit.module
    ((bits, addresses, held),) = unit.numbers
    if bits:
        data, store = circuit.input("data", bits), circuit.input("store", 1)
        stored = Signal(bits, name="stored", reset_less=True) if held else circuit.input("stored", bits)
        if held:
            with module.If(store):
                module.d.sync += stored.eq(data)
        circuit.output("word", Mux(store, data, stored))
    if addresses:
        step, ahead = circuit.input("step", 1), circuit.input("ahead", addresses)
        circuit.output("address", Mux(step, ahead, circuit.input("at", addresses)))
    return circuit


def _loader(unit: Unit) -> Circuit:
    """Words of `bits` from a bus, the lowest part first, written to `banks` memories of `depth` words in turn."""
    circuit = Circuit()
    module, data, valid = circuit.module, circuit.input("data", BUS_BITS), circuit.input("in_valid", 1)
    ((depth, bits, banks),) = unit.numbers
    beats = -(-bits // BUS_BITS)
    held = Signal(beats * BUS_BITS, name="held", reset_less=True)
    beat, bank, address = (
        Signal(range(max(2, size)), name=name) for name, size in (("beat", beats), ("bank", banks), ("address", depth))
    )
    full, last = Signal(name="full"), circuit.node(beat == beats - 1)
    module.d.sync += full.eq(valid & last)
    with module.If(valid):
        module.d.sync += [held.eq(Cat(held[BUS_BITS:], data)), beat.eq(Mux(last, 0, beat + 1))]
    with module.If(full):
        module.d.sync += bank.eq(Mux(bank == banks - 1, 0, bank + 1))
        with module.If(bank == banks - 1):
            module.d.sync += address.eq(Mux(address == depth - 1, 0, address + 1))
    circuit.output("write", Cat(full & (bank == at) for at in range(banks)))
    circuit.output("value", held[:bits])
    circuit.output("at", address)
    return circuit
