"""RTL of a matrix-vector unit: processing elements of SIMD lanes, their weights from ports."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Mux, Signal, Value, ValueLike, signed

from hwcost.graph.ranges import Range
from hwcost.models.calibration.corpus import Unit, wire
from hwcost.models.formulas.fabric import Fabric, fabric, multiplier_of
from hwcost.models.formulas.stages import OPERANDS, PRODUCTS
from hwcost.synth.circuit import Circuit, paired, shape_of

LEAST_PRODUCT_BITS = 9
"""A synthesizer leaves a product of fewer bits to LUTs. Source: Yosys 0.70, DSP_Y_MINWIDTH; UG901."""


def build(unit: Unit, family: str, *, biased: bool = False, cuts: Sequence[int] = ()) -> Circuit:
    """PE dot products of SIMD lanes, one accumulator each.

    Ports: w{p}_{s} and x{s}, `first` (start a new sum) and `enable`; acc{p}. Of two bipolar operands the lane is an
    XNOR and the accumulator counts its ones: the sum is 2 * acc - lanes. With registers on the way there is a port
    `move`, which lets them advance; `first` and `enable` then come as many cycles later.

    Args:
        unit: what to build.
        family: whose DSP blocks products are packed for.
        biased: whether a sum starts at a port b{p}, instead of at 0.
        cuts: places of registers, see `formulas.stages`.
    """
    circuit = Circuit()
    weight, inputs, acc = wire(unit.weight), wire(unit.input), wire(unit.output)
    first, enable = circuit.input("first", 1), circuit.input("enable", 1)
    x = [circuit.input(f"x{s}", shape_of(inputs)) for s in range(unit.simd)]
    w = [[circuit.input(f"w{p}_{s}", shape_of(weight)) for s in range(unit.simd)] for p in range(unit.pe)]
    line = Pipeline(circuit, cuts)
    if OPERANDS in cuts:
        x = line.registers("x_held", x)
        w = [line.registers(f"w{p}_held", row) for p, row in enumerate(w)]
    if unit.structure == "dsp":
        products = _packed(circuit, weight, inputs, w, x, fabric(multiplier_of(family)))
    else:
        products = [[_lane(weight, inputs, a, b) for a, b in zip(row, x, strict=True)] for row in w]
    for p, lanes in enumerate(products):
        total = Signal(shape_of(acc), name=f"total{p}", reset_less=True)
        summed = line.tree(f"{p}", lanes, len(total))
        with circuit.module.If(enable):
            start = circuit.input(f"b{p}", shape_of(acc)) if biased else 0
            circuit.module.d.sync += total.eq(summed + Mux(first, start, total))
        circuit.output(f"acc{p}", total)
    return circuit


class Pipeline:
    """Registers between the operands and the accumulators of a unit, all of which advance together.

    Args:
        circuit: where they stand.
        cuts: their places.
    """

    def __init__(self, circuit: Circuit, cuts: Sequence[int]) -> None:
        self.circuit, self.cuts = circuit, cuts
        self.made: set[int] = set()
        self.move: ValueLike = circuit.input("move", 1) if cuts else 0

    def registers(self, name: str, values: Sequence[ValueLike], most: int | None = None) -> list[Signal]:
        """A register for each value, no wider than `most` bits: a sum needs no more than its accumulator keeps.

        One behind another has a reset: without, a synthesizer makes slower shift registers in LUTs of three in a row.
        """
        held = []
        for index, value in enumerate(values):
            whole = Value.cast(value)
            kept = whole if most is None or len(whole) <= most else whole[:most]
            held.append(Signal(kept.shape(), name=f"{name}{index}", reset_less=id(value) not in self.made))
            with self.circuit.module.If(self.move):
                self.circuit.module.d.sync += held[-1].eq(kept)
        self.made |= {id(register) for register in held}
        return held

    def tree(self, name: str, lanes: Sequence[ValueLike], most: int) -> ValueLike:
        """The balanced sum of `circuit.tree`, with registers behind the levels where they stand."""
        nodes, level = list(lanes), PRODUCTS
        while True:
            if level in self.cuts:
                nodes = list(self.registers(f"sum{name}_{level}_", nodes, most))
            if len(nodes) == 1:
                return nodes[0]
            nodes, level = paired(nodes), level + 1


def _lane(weight: Range, inputs: Range, w: Signal, x: Signal) -> ValueLike:
    if weight.bipolar and inputs.bipolar:
        return ~(w ^ x)
    if weight.bipolar:
        return Mux(w, x, -x)
    if inputs.bipolar:
        return Mux(x, w, -w)
    if weight.ternary and len(x) > 1:
        return Mux(w[0], Mux(w[1], -x, x), 0)
    return w * x


def _packed(
    circuit: Circuit, weight: Range, inputs: Range, w: list[list[Signal]], x: list[Signal], part: Fabric
) -> list[list[ValueLike]]:
    """Products of neighbouring PE in one multiplication of the DSP slice: weights side by side, W + A - 1 bits apart.

    A product reaches one bit into its neighbour; the lowest bit of that one is known, so the bit can be separated.
    """
    bits, width = max(2, int(weight.bits)), max(2, int(inputs.bits))
    gap, port = bits + width - 1, part.wide_port
    narrow = not weight.bipolar and float(weight.low) == -float(weight.high)
    lanes = max(1, 1 + (port - (not narrow) - bits) // gap)
    if bits + (not weight.signed) > port or width > part.narrow_port:
        return [[_lane(weight, inputs, a, b) for a, b in zip(row, x, strict=True)] for row in w]
    unsigned = not weight.signed and not inputs.signed
    products: list[list[ValueLike]] = [[] for _ in w]
    for start in range(0, len(w), lanes):
        group = list(range(start, min(start + lanes, len(w))))
        for s, value in enumerate(x):
            coded = [circuit.node(_coded(weight, w[p][s])) for p in group]
            twice = len(group) == 1 and bits + width < LEAST_PRODUCT_BITS  # packed with itself, it gets its slice
            coded *= 1 + twice
            factor = circuit.node(_coded(inputs, value))
            side_by_side = Signal(signed(port), name=f"packed{start}_{s}")
            circuit.module.d.comb += side_by_side.eq(sum((c << (gap * i) for i, c in enumerate(coded)), Const(0)))
            rest: ValueLike = circuit.node(side_by_side * factor)
            for i, p in enumerate(group):
                if i + 1 == len(coded):
                    products[p].append(rest)
                    continue
                top = circuit.node(rest[gap] ^ (coded[i + 1][0] & factor[0]))
                own = Cat(rest[:gap], top)
                rest = circuit.node((rest >> gap) - top if unsigned else (rest >> gap) + top)
                products[p].append(rest if twice else own if unsigned else own.as_signed())
    return products


def _coded(range: Range, value: Signal) -> ValueLike:
    """A bipolar wire as -1 and +1."""
    return Mux(value, Const(1, signed(2)), Const(-1, signed(2))) if range.bipolar else value
