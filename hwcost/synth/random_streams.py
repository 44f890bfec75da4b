"""Draw windows, memories and the blocks of streams for the designed corpus."""

from collections.abc import Callable
from math import ceil, log2
from random import Random

from hwcost.models.calibration.corpus import Unit
from hwcost.models.calibration.unit_prices import block_of
from hwcost.synth.random_products import width


def window(structure: str) -> Callable[[Random], Unit]:
    """A sliding window, read pixel by pixel ("serial") or shown at once ("parallel")."""

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


def block_ram(random: Random) -> Unit:
    """A memory in block RAM or, now and then, in URAM."""
    if random.random() < 0.15:
        return Unit(kind="memory", structure="uram", geometry=f"{width(random, 1024, 8192)}x{width(random, 8, 288)}")
    return Unit(kind="memory", structure="bram18", geometry=f"{width(random, 65, 8192)}x{width(random, 1, 256)}")


def deep_ram(random: Random) -> Unit:
    """A memory of several banks of block RAM."""
    return Unit(kind="memory", structure="bram18", geometry=f"{width(random, 4096, 40000)}x{width(random, 1, 36)}")


def ultra_ram(random: Random) -> Unit:
    """A memory in URAM."""
    return Unit(kind="memory", structure="uram", geometry=f"{width(random, 1024, 16384)}x{width(random, 8, 288)}")


def lut_ram(random: Random) -> Unit:
    """A memory in LUTs: writable with one or two addresses, or constant."""
    structure, bits = random.choice(("ram", "spram", "rom")), width(random, 1, 128)
    depth = random.choice((2, 4, 8, 12, 16, 24, 32, 36, 48, 64, *((96, 128, 200, 256) if structure == "ram" else ())))
    return Unit(kind="memory", structure=structure, geometry=f"{depth}x{bits}")


def _loop(random: Random, most: int) -> int:
    """A count as folds of layers have it: a power of two, or a small odd multiple of one."""
    odd = random.choice((1, 1, 1, 3, 5, 7, 9, 25))
    return int(odd * 2 ** random.randint(0, max(0, (most // odd).bit_length() - 1)))


def control(random: Random) -> Unit:
    """The counters of a matrix-vector unit."""
    words, folds = (_loop(random, most) for most in (512, 128))
    return Unit(kind="control", geometry=f"{words}x{folds}x{words * folds}")


def pool(random: Random) -> Unit:
    """A reduction of a window, element by element or at once."""
    side, bits, kind = random.choice((2, 2, 3)), random.randint(1, 10), random.choice(("max", "sum"))
    output = bits if kind == "max" else bits + ceil(log2(side * side))
    simd = random.choice((1, 1, side * side))
    return Unit(
        kind="pool", input=f"UINT{bits}", output=f"UINT{output}", pe=random.choice((1, 2, 4, 8)), simd=simd,
        structure=kind, geometry=f"{side}x{side}",
    )  # fmt: skip


def adder(random: Random) -> Unit:
    """A sum of two streams."""
    sign, bits = random.choice(("UINT", "INT")), random.randint(2, 14)
    left, right = (f"{sign}{bits + random.randint(0, 2)}" for _ in range(2))
    return Unit(kind="adder", input=left, output=right, pe=random.choice((1, 2, 4, 8)))


def saturate(random: Random) -> Unit:
    """A clip of a stream."""
    bits, inputs = random.randint(2, 12), random.randint(1, 12)
    return Unit(
        kind="saturate", input=f"INT{bits + inputs}", output=f"{random.choice(('INT', 'UINT'))}{bits}",
        pe=random.choice((1, 2, 4, 8)),
    )  # fmt: skip


def scale_bias(random: Random) -> Unit:
    """A factor per channel, alone or with an addend."""
    inputs, weight = random.randint(2, 12), random.randint(2, 10)
    return Unit(
        kind="scale_bias", input=f"INT{inputs}", weight=f"INT{weight}", output=f"INT{inputs + weight + 1}",
        pe=random.choice((1, 2, 4)), structure=random.choice(("scale", "bias")),
    )  # fmt: skip


def inverse(random: Random) -> Unit:
    """A reciprocal, or a reciprocal square root."""
    low, index, bits = width(random, 1, 4096), random.randint(2, 7), random.randint(4, 12)
    high = low * width(random, 4, 4096)
    structure = random.choice(("reciprocal", "rsqrt"))
    return Unit(kind="inverse", structure=structure, geometry=f"{low}x{high} {index}x{bits}")


def held(random: Random) -> Unit:
    """Weights that arrive as a stream, as keys and values of attention do."""
    while True:
        rows, cols = (random.choice((4, 8, 12, 16, 17, 32, 50, 64)) for _ in range(2))
        pe, simd, held = random.choice((1, 2, 4, 8)), random.choice((1, 2, 4, 8)), random.choice((1, 1, 2, 4))
        if rows % pe == cols % simd == 0 and pe * simd <= 32:
            break
    return Unit(
        kind="held", weight=f"INT{random.randint(2, 8)}", pe=pe, simd=simd, structure=random.choice(("rows", "cols")),
        geometry=f"{rows}x{cols}x{held}x{held * random.choice((1, 8, 16, 64))}",
    )  # fmt: skip


def converter(random: Random) -> Unit:
    """A converter of word widths, up or down."""
    words, bits = random.choice((2, 3, 4, 5, 8, 9, 16, 32, 64)), width(random, 1, 64)
    return Unit(kind="converter", structure=random.choice(("up", "down")), geometry=f"{words}x{bits}")


def fifo(random: Random) -> Unit:
    """A FIFO of shift registers or of block RAM."""
    deep = random.random() < 0.3
    depth = 2 ** random.randint(9, 12) if deep else width(random, 2, 256)
    structure, bits = "bram18" if deep else "srl", width(random, 1, 64)
    return Unit(kind="fifo", structure=structure, geometry=f"{depth}x{bits}")


def copy(random: Random) -> Unit:
    """A stream for several readers."""
    return Unit(kind="copy", geometry=str(random.randint(2, 6)))


def concat(random: Random) -> Unit:
    """Streams joined one after the other."""
    return Unit(
        kind="concat", input=f"UINT{random.randint(1, 12)}", pe=random.choice((1, 2, 4, 8)),
        geometry=str(random.randint(2, 6)),
    )  # fmt: skip


def label(random: Random) -> Unit:
    """The index of the largest element."""
    pe = random.choice((1, 1, 1, 2, 5))
    channels = pe * random.choice((2, 5, 10, 20, 100))
    return Unit(kind="label", input=f"INT{random.randint(4, 24)}", pe=pe, geometry=str(channels))
