"""RTL of padding: what stands around an image and between its pixels enters its stream."""

from amaranth.hdl import Const, Mux, Signal, Value

from hwcost.errors import UnknownOperation
from hwcost.graph.spec import Window
from hwcost.models.formulas.registers import pads
from hwcost.synth.circuit import Circuit
from hwcost.synth.memory import Ram


def padded_stream(
    circuit: Circuit, block: Window, filling: list[int], stream: tuple[Value, Value, Value]
) -> tuple[Value, Value, Value]:
    """Put padding into a stream.

    Args:
        circuit: where it is built.
        block: the window that reads the stream.
        filling: the words that stand in the place of a pixel.
        stream: data and valid of the image, ready of the window.

    Returns:
        Data and valid for the window, ready for the image.

    Raises:
        UnknownOperation: padding that cuts pixels off.
    """
    data, valid, ready = stream
    if any(pad < 0 for pair in block.padding for pad in pair):
        raise UnknownOperation("padding below 0 cuts pixels off, which is not built; crop the input instead")
    if not pads(block):
        return data, valid, ready
    module, words = circuit.module, len(filling)
    offered = Signal(name="padded_valid")
    step = circuit.node(offered & ready)
    word = Signal(range(max(2, words)), name="pad_word")
    carry = step
    if words > 1:
        with module.If(step):
            module.d.sync += word.eq(Mux(word == words - 1, 0, word + 1))
        carry = circuit.node(step & (word == words - 1))
    inside = _inside(circuit, block, carry)
    module.d.comb += offered.eq(valid | ~inside)
    fill: Value = Const(filling[0], len(data))
    if len(set(filling)) > 1:
        fill = circuit.node(Ram(module, "filling", words, len(data), "logic", filling).read(word))
    return circuit.node(Mux(inside, data, fill)), offered, circuit.node(ready & inside)


def _inside(circuit: Circuit, block: Window, carry: Value) -> Signal:
    """Whether a pixel of the image is due: a walk around it, a step wherever `carry` holds."""
    module = circuit.module
    inside: Value = Const(1, 1)
    spread = block.spread or (1,) * len(block.image)
    axes = list(enumerate(zip(block.image, block.padding, spread, strict=True)))
    for axis, (size, (before, after), gap) in reversed(axes):
        whole = size + before + after
        place = Signal(range(max(2, whole)), name=f"pad_at{axis}")
        last = circuit.node(place == whole - 1)
        with module.If(carry):
            module.d.sync += place.eq(Mux(last, 0, place + 1))
        within = [Const(1, 1)]
        within += [place >= before] if before else []
        within += [place < before + size] if after else []
        if gap > 1:
            phase = Signal(range(gap), name=f"pad_phase{axis}")
            with module.If(carry):
                module.d.sync += phase.eq(Mux(last | (place < before) | (phase == gap - 1), 0, phase + 1))
            within.append(phase == 0)
        for one in within:
            inside = inside & one
        carry = circuit.node(carry & last)
    return circuit.node(inside)
