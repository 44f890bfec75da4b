"""RTL of what steers a matrix-vector unit: its counters, the replay of its input, the address of its weights."""

from amaranth.hdl import Mux, Signal

from hwcost.models.calibration.corpus import Unit
from hwcost.synth.circuit import Circuit


def build(unit: Unit, family: str) -> Circuit:
    """Counters over the `words` of an input vector and the `folds` of its outputs; `depth` weights in turn.

    In the first fold a word comes from the stream and is stored, later ones are replayed.
    """
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
    with module.If(ready | ~full):
        module.d.sync += full.eq(step & last_word)
    circuit.output("in_ready", fresh & (ready | ~full))
    circuit.output("store", fresh & step)
    circuit.output("first", word == 0)
    circuit.output("enable", step)
    circuit.output("at", word)
    circuit.output("weight", address)
    circuit.output("out_valid", full)
    return circuit
