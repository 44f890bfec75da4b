"""The designed corpus: which units are synthesized so that every law can be fitted, and tested on what it has not seen.

Widths of 1 to 16 bits and parallelism spread over their logarithms, all kinds of wires, drawn with a fixed seed: a
longer corpus begins with the shorter one of each kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import zip_longest
from math import ceil, log2
from random import Random
from types import MappingProxyType

from hwcost.graph.ranges import dot
from hwcost.models.calibration.corpus import Unit, distinct, name_of, wire
from hwcost.models.calibration.unit_prices import block_of

LARGEST_LANES = 4096
"""Bits of all partial products of a processing element: what takes a minute to synthesize is left out."""

COUNTS: Mapping[str, int] = MappingProxyType(
    {
        "matvec": 150, "dsp": 24, "constant": 60, "search": 40, "parallel": 36, "fixed": 60, "serial": 40, "whole": 24,
        "block_ram": 48, "deep_ram": 16, "ultra_ram": 8, "lut_ram": 36, "control": 48, "pool": 40, "adder": 24,
        "saturate": 36, "scale_bias": 20, "binary": 36, "converter": 24, "fifo": 24, "copy": 4, "concat": 16,
        "label": 20,
    }
)  # fmt: skip
"""Units of each group in the shipped corpus."""


def corpus(counts: Mapping[str, int] = COUNTS, seed: int = 2026) -> list[Unit]:
    """The units, groups mixed: a corpus that is cut short still has some of each.

    Args:
        counts: units per group.
        seed: of the random choices.
    """
    groups = []
    for name, count in counts.items():
        random = Random(f"{seed} {name}")
        units: list[Unit] = []
        while len(units) < count:
            units = distinct([*units, GROUPS[name](random)])
        groups.append(units)
    return [unit for row in zip_longest(*groups) for unit in row if unit is not None]


def _bits(random: Random, least: int, most: int) -> int:
    """A width, spread over its logarithm."""
    return round(2 ** random.uniform(log2(least - 0.45), log2(most + 0.45)))


def _weight(random: Random) -> str:
    draw = random.random()
    if draw < 0.1:
        return "BIPOLAR"
    if draw < 0.2:
        return "TERNARY"
    bits = _bits(random, 2, 16 if random.random() < 0.2 else 8)
    return f"{random.choice(('INT', 'NARROW', 'NARROW', 'UINT'))}{bits}".replace("NARROW2", "INT2")


def _input(random: Random, *, bipolar: bool = True) -> str:
    if bipolar and random.random() < 0.1:
        return "BIPOLAR"
    bits = _bits(random, 1, 16 if random.random() < 0.2 else 8)
    return f"INT{bits}" if bits > 1 and random.random() < 0.3 else f"UINT{bits}"


def _matvec(random: Random) -> Unit:
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


def _dsp(random: Random) -> Unit:
    weight = f"{random.choice(('INT', 'NARROW'))}{random.randint(3, 9)}"
    inputs = f"{random.choice(('UINT', 'INT'))}{random.randint(2, 9)}"
    pe, simd = random.choice((2, 3, 4, 5, 8)), random.choice((1, 2, 3, 4))
    output = accumulator(weight, inputs, 4 * simd)
    return Unit(kind="matvec", weight=weight, input=inputs, output=output, pe=pe, simd=simd, structure="dsp")


def matrix(rows: list[list[int]]) -> str:
    """Constants as a column of a corpus."""
    return ";".join(" ".join(map(str, row)) for row in rows)


def _constant(random: Random) -> Unit:
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


def _variable(structure: str, most: int) -> Callable[[Random], Unit]:
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


def _fixed(random: Random) -> Unit:
    bits, acc, channels = random.randint(1, 5), random.randint(7, 20), 4
    reach = 2 ** (acc - 2)
    steps = [sorted(random.sample(range(-reach, reach), 2**bits - 1)) for _ in range(channels)]
    return Unit(
        kind="thresholds", input=f"INT{acc}", output=f"UINT{bits}", pe=channels, geometry=str(channels),
        structure=random.choice(("parallel", "search")), matrix=matrix(steps),
    )  # fmt: skip


def _window(structure: str) -> Callable[[Random], Unit]:
    def draw(random: Random) -> Unit:
        while True:
            kernel, stride = random.choice((2, 3, 3, 5)), random.choice((1, 1, 2))
            if random.random() < 0.25:
                stride = kernel
            side = random.choice((6, 8, 10, 12, 14, 16, 24, 28, 32))
            channels = random.choice((1, 2, 3, 4, 8, 16, 32, 64))
            simd = (
                channels
                if structure == "parallel"
                else random.choice([d for d in (1, 2, 3, 4, 8, 16) if channels % d == 0])
            )
            word = simd * (bits := random.randint(1, 8))
            around = random.choice((0, 0, 1))
            geometry = f"{channels} {side}x{side} {kernel}x{kernel} {stride}x{stride} 1x1 {around}x{around}"
            unit = Unit(kind="window", input=f"UINT{bits}", simd=simd, structure=structure, geometry=geometry)
            if min(block_of(unit).output) >= 2 and word * (kernel**2 if structure == "parallel" else 1) <= 600:
                return unit

    return draw


def _block_ram(random: Random) -> Unit:
    if random.random() < 0.15:
        return Unit(kind="memory", structure="uram", geometry=f"{_bits(random, 1024, 8192)}x{_bits(random, 8, 288)}")
    return Unit(kind="memory", structure="bram18", geometry=f"{_bits(random, 65, 8192)}x{_bits(random, 1, 256)}")


def _deep_ram(random: Random) -> Unit:
    return Unit(kind="memory", structure="bram18", geometry=f"{_bits(random, 4096, 40000)}x{_bits(random, 1, 36)}")


def _ultra_ram(random: Random) -> Unit:
    return Unit(kind="memory", structure="uram", geometry=f"{_bits(random, 1024, 16384)}x{_bits(random, 8, 288)}")


def _lut_ram(random: Random) -> Unit:
    structure, bits = random.choice(("ram", "spram", "rom")), _bits(random, 1, 128)
    depth = random.choice((2, 4, 8, 12, 16, 24, 32, 36, 48, 64, *((96, 128, 200, 256) if structure == "ram" else ())))
    return Unit(kind="memory", structure=structure, geometry=f"{depth}x{bits}")


def _loop(random: Random, most: int) -> int:
    """A count as folds of layers have it: a power of two, or a small odd multiple of one."""
    odd = random.choice((1, 1, 1, 3, 5, 7, 9, 25))
    return int(odd * 2 ** random.randint(0, max(0, (most // odd).bit_length() - 1)))


def _control(random: Random) -> Unit:
    words, folds = (_loop(random, most) for most in (512, 128))
    return Unit(kind="control", geometry=f"{words}x{folds}x{words * folds}")


def _pool(random: Random) -> Unit:
    side, bits, kind = random.choice((2, 2, 3)), random.randint(1, 10), random.choice(("max", "sum"))
    output = bits if kind == "max" else bits + ceil(log2(side * side))
    simd = random.choice((1, 1, side * side))
    return Unit(
        kind="pool", input=f"UINT{bits}", output=f"UINT{output}", pe=random.choice((1, 2, 4, 8)), simd=simd,
        structure=kind, geometry=f"{side}x{side}",
    )  # fmt: skip


def _adder(random: Random) -> Unit:
    sign, bits = random.choice(("UINT", "INT")), random.randint(2, 14)
    left, right = (f"{sign}{bits + random.randint(0, 2)}" for _ in range(2))
    return Unit(kind="adder", input=left, output=right, pe=random.choice((1, 2, 4, 8)))


def _saturate(random: Random) -> Unit:
    bits, inputs = random.randint(2, 12), random.randint(1, 12)
    return Unit(
        kind="saturate", input=f"INT{bits + inputs}", output=f"{random.choice(('INT', 'UINT'))}{bits}",
        pe=random.choice((1, 2, 4, 8)),
    )  # fmt: skip


def _scale_bias(random: Random) -> Unit:
    inputs, weight = random.randint(2, 12), random.randint(2, 10)
    return Unit(
        kind="scale_bias", input=f"INT{inputs}", weight=f"INT{weight}", output=f"INT{inputs + weight + 1}",
        pe=random.choice((1, 2, 4)), structure=random.choice(("scale", "bias")),
    )  # fmt: skip


def _binary(random: Random) -> Unit:
    """Bipolar weights on inputs of few bits: what binarized networks are made of. One PE, as they are priced: a negated
    input would be built once for several."""
    inputs = random.choice(("BIPOLAR", "BIPOLAR", "UINT1", "UINT2", "UINT3", "UINT4", "INT3", "UINT6", "UINT8"))
    simd = random.choice((1, 3, 4, 8, 9, 16, 18, 25, 32, 64))
    output = accumulator("BIPOLAR", inputs, simd * random.choice((1, 4, 16, 64)))
    return Unit(kind="matvec", weight="BIPOLAR", input=inputs, output=output, simd=simd, structure="lut")


def _converter(random: Random) -> Unit:
    words, bits = random.choice((2, 3, 4, 5, 8, 9, 16, 32, 64)), _bits(random, 1, 64)
    return Unit(kind="converter", structure=random.choice(("up", "down")), geometry=f"{words}x{bits}")


def _fifo(random: Random) -> Unit:
    deep = random.random() < 0.3
    depth = 2 ** random.randint(9, 12) if deep else _bits(random, 2, 256)
    structure, bits = "bram18" if deep else "srl", _bits(random, 1, 64)
    return Unit(kind="fifo", structure=structure, geometry=f"{depth}x{bits}")


def _copy(random: Random) -> Unit:
    return Unit(kind="copy", geometry=str(random.randint(2, 6)))


def _concat(random: Random) -> Unit:
    return Unit(
        kind="concat", input=f"UINT{random.randint(1, 12)}", pe=random.choice((1, 2, 4, 8)),
        geometry=str(random.randint(2, 6)),
    )  # fmt: skip


def _label(random: Random) -> Unit:
    pe = random.choice((1, 1, 1, 2, 5))
    channels = pe * random.choice((2, 5, 10, 20, 100))
    return Unit(kind="label", input=f"INT{random.randint(4, 24)}", pe=pe, geometry=str(channels))


GROUPS: Mapping[str, Callable[[Random], Unit]] = MappingProxyType(
    {
        "matvec": _matvec,
        "dsp": _dsp,
        "constant": _constant,
        "search": _variable("search", 5),
        "parallel": _variable("parallel", 4),
        "fixed": _fixed,
        "serial": _window("serial"),
        "whole": _window("parallel"),
        "block_ram": _block_ram,
        "deep_ram": _deep_ram,
        "ultra_ram": _ultra_ram,
        "lut_ram": _lut_ram,
        "control": _control,
        "pool": _pool,
        "adder": _adder,
        "saturate": _saturate,
        "scale_bias": _scale_bias,
        "binary": _binary,
        "converter": _converter,
        "fifo": _fifo,
        "copy": _copy,
        "concat": _concat,
        "label": _label,
    }
)
"""How a unit of each group is drawn."""
