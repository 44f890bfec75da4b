"""Draw products and thresholds for the designed corpus."""

from collections.abc import Callable
from math import log2
from random import Random

from hwcost.graph.ranges import dot
from hwcost.models.calibration.corpus import Unit, name_of, wire

LARGEST_LANES = 4096
"""Bits of all partial products of a processing element: what takes a minute to synthesize is left out."""


def width(random: Random, least: int, most: int) -> int:
    """A width, spread over its logarithm."""
    return round(2 ** random.uniform(log2(least - 0.45), log2(most + 0.45)))


def _weight(random: Random) -> str:
    draw = random.random()
    if draw < 0.1:
        return "BIPOLAR"
    if draw < 0.2:
        return "TERNARY"
    bits = width(random, 2, 16 if random.random() < 0.2 else 8)
    return f"{random.choice(('INT', 'NARROW', 'NARROW', 'UINT'))}{bits}".replace("NARROW2", "INT2")


def _input(random: Random, *, bipolar: bool = True) -> str:
    if bipolar and random.random() < 0.1:
        return "BIPOLAR"
    bits = width(random, 1, 16 if random.random() < 0.2 else 8)
    return f"INT{bits}" if bits > 1 and random.random() < 0.3 else f"UINT{bits}"


def matvec(random: Random) -> Unit:
    """Lanes of a matrix-vector unit, with the accumulator of up to 64 folds."""
    while True:
        weight, inputs = _weight(random), _input(random)
        simd = random.choice((1, 2, 3, 4, 6, 8, 9, 12, 16, 18, 25, 32, 36, 64))
        if int(wire(weight).bits) * int(wire(inputs).bits) * simd <= LARGEST_LANES // 2:
            break
    pe = random.choice((1, 1, 1, 1, 1, 1, 1, 2, 3))
    pe = 1 if simd * int(wire(weight).bits) * int(wire(inputs).bits) > 512 or weight == "BIPOLAR" else pe
    folds = random.choice((1, 4, 16, 64))
    return Unit(
        kind="matvec", weight=weight, input=inputs, output=accumulator(weight, inputs, simd * folds), pe=pe, simd=simd,
        structure="lut",
    )  # fmt: skip


def accumulator(weight: str, inputs: str, terms: int) -> str:
    """The exact accumulator; of two bipolar operands it counts their ones."""
    if weight == inputs == "BIPOLAR":
        return f"UINT{terms.bit_length()}"
    return name_of(dot(wire(inputs), wire(weight), terms)).replace("NARROW", "INT")


def dsp(random: Random) -> Unit:
    """Lanes in DSP slices, with operands narrow enough to share one."""
    weight = f"{random.choice(('INT', 'NARROW'))}{random.randint(3, 9)}"
    inputs = f"{random.choice(('UINT', 'INT'))}{random.randint(2, 9)}"
    pe, simd = random.choice((2, 3, 4, 5, 8)), random.choice((1, 2, 3, 4))
    output = accumulator(weight, inputs, 4 * simd)
    return Unit(kind="matvec", weight=weight, input=inputs, output=output, pe=pe, simd=simd, structure="dsp")


def matrix(rows: list[list[int]]) -> str:
    """Constants as a column of a corpus."""
    return ";".join(" ".join(map(str, row)) for row in rows)


def constant(random: Random) -> Unit:
    """A product with a constant matrix, dense or with zeros, its weights even or bell-shaped."""
    while True:
        rows, cols = random.choice((2, 4, 8)), random.choice((4, 8, 16, 32, 64))
        bits = random.randint(2, 8)
        if rows * cols * bits <= 1536:
            break
    kept, bell = random.choice((1.0, 1.0, 0.7, 0.4, 0.15)), random.random() < 0.5
    reach = 2 ** (bits - 1) - 1

    def weight() -> int:
        if random.random() >= kept:
            return 0
        drawn = round(random.gauss(0, reach / 2.5)) if bell else random.randint(-reach, reach)
        return int(max(-reach, min(reach, drawn)))

    return Unit(
        kind="constant",
        input=_input(random, bipolar=False),
        matrix=matrix([[weight() for _ in range(cols)] for _ in range(rows)]),
    )


def variable(structure: str, most: int) -> Callable[[Random], Unit]:
    """Thresholds that can be exchanged, of output widths up to `most`."""

    def draw(random: Random) -> Unit:
        bits, folds, pe = (
            random.randint(1, most),
            random.choice((1, 2, 4, 8, 16, 32, 64, 128)),
            random.choice((1, 1, 2)),
        )
        if structure == "parallel":
            folds = min(folds, 64)
        compared = f"INT{random.randint(max(4, bits), 24)}"
        return Unit(
            kind="thresholds", input=compared, output=f"UINT{bits}", pe=pe, structure=structure,
            geometry=str(folds * pe),
        )  # fmt: skip

    return draw


def threshold_table(random: Random) -> Unit:
    """Constant thresholds in tables, as a network has them."""
    structure = random.choice(("search", "search", "parallel"))
    bits, pe = random.randint(1, 5 if structure == "search" else 3), random.choice((1, 1, 2, 4))
    folds = random.choice((1, 2, 4, 5, 8, 10, 16, 24, 32, 64, 128))
    compared = f"INT{random.randint(max(4, bits + 2), 20)}"
    return Unit(
        kind="thresholds", input=compared, output=f"UINT{bits}", pe=pe, structure=f"{structure} table",
        geometry=str(folds * pe),
    )  # fmt: skip


def fixed(random: Random) -> Unit:
    """Constant thresholds of four channels."""
    bits, acc, channels = random.randint(1, 5), random.randint(7, 20), 4
    reach = 2 ** (acc - 2)
    steps = [sorted(random.sample(range(-reach, reach), 2**bits - 1)) for _ in range(channels)]
    return Unit(
        kind="thresholds", input=f"INT{acc}", output=f"UINT{bits}", pe=channels, geometry=str(channels),
        structure=random.choice(("parallel", "search")), matrix=matrix(steps),
    )  # fmt: skip


def binary(random: Random) -> Unit:
    """Bipolar weights on inputs of few bits: what binarized networks are made of."""
    inputs = random.choice(("BIPOLAR", "BIPOLAR", "UINT1", "UINT2", "UINT3", "UINT4", "INT3", "UINT6", "UINT8"))
    simd = random.choice((1, 3, 4, 8, 9, 16, 18, 25, 32, 64))
    output = accumulator("BIPOLAR", inputs, simd * random.choice((1, 4, 16, 64)))
    return Unit(kind="matvec", weight="BIPOLAR", input=inputs, output=output, simd=simd, structure="lut")


def choices(random: Random) -> Unit:
    """Bipolar or ternary weights of several PE, which choose from the same inputs and their negatives."""
    weight = random.choice(("BIPOLAR", "TERNARY"))
    inputs = random.choice(("UINT2", "UINT3", "UINT4", "UINT5", "UINT6", "UINT8", "INT3", "INT4", "INT6"))
    pe, simd = random.choice((2, 3, 4, 8)), random.choice((1, 2, 3, 4, 8, 9, 16))
    output = accumulator(weight, inputs, simd * random.choice((1, 4, 16, 64)))
    return Unit(kind="matvec", weight=weight, input=inputs, output=output, pe=pe, simd=simd, structure="lut")
