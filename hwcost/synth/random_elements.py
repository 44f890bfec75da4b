"""Draw products of streams, tables, sums per channel, and what changes the order of a stream, for the corpus."""

from math import ceil, exp, log2
from random import Random

from hwcost.models.calibration.corpus import Unit
from hwcost.synth.random_products import width


def multiplier(random: Random) -> Unit:
    """A product of two streams."""
    left, right = (f"{random.choice(('INT', 'UINT'))}{random.randint(2, 10)}" for _ in range(2))
    return Unit(kind="multiplier", input=left, weight=right, pe=random.choice((1, 2, 4)))


def table(random: Random) -> Unit:
    """A table: of a smooth curve as activations are, or of words that no synthesizer can compress."""
    bits, out = random.randint(3, 9), random.randint(2, 9)
    inputs, output, pe = f"INT{bits}", f"INT{out}", random.choice((1, 1, 2, 4))
    if random.random() < 0.3:
        return Unit(kind="table", input=inputs, output=output, pe=pe)
    return Unit(kind="table", input=inputs, output=output, pe=pe, matrix=curve(bits, out, random.uniform(2.0, 8.0)))


def curve(bits: int, out: int, reach: float) -> str:
    """Words of x sigmoid(x) from -reach to reach, at full scale."""
    half = 2 ** (bits - 1)
    values = [reach * code / half for code in range(-half, half)]
    top = 2 ** (out - 1) - 1
    return " ".join(str(round(top * x / (1 + exp(-x)) / reach)) for x in values)


def channel_sum(random: Random) -> Unit:
    """A sum of all pixels for each channel."""
    folds, pixels = width(random, 1, 64), width(random, 4, 512)
    bits, kind = random.randint(2, 9), random.choice(("INT", "UINT"))
    return Unit(
        kind="channel_sum", input=f"{kind}{bits}", output=f"{kind}{bits + ceil(log2(pixels))}",
        pe=random.choice((1, 2, 4, 8)), geometry=f"{folds}x{pixels}",
    )  # fmt: skip


def reorder(random: Random) -> Unit:
    """A buffer that is read again, as upsampling does, or in another order, as a pixel shuffle or a transposition."""
    channels, line = random.choice((1, 2, 3, 4, 8, 16)), random.choice((4, 6, 8, 14, 16, 28))
    factor = random.choice((2, 2, 3, 4))
    forms = {
        "repeat": ((channels, factor, line, factor), (1, 0, channels, 0)),
        "shuffle": ((channels, factor, line, factor), (1, channels, channels * factor**2, channels * factor)),
        "transpose": ((line, channels), (channels, 1)),
    }
    sizes, ways = forms[random.choice(tuple(forms))]
    kept = [place for place, size in enumerate(sizes) if size > 1]
    texts = ("x".join(str(row[place]) for place in kept) for row in (sizes, ways))
    return Unit(
        kind="reorder", input=f"UINT{random.randint(1, 8)}", pe=random.choice((1, 2, 4)), geometry=" ".join(texts)
    )


def pad(random: Random) -> Unit:
    """Zeros around an image, or a part of it."""
    sizes = (random.choice((1, 2, 4, 8, 16)), random.choice((6, 8, 14, 16, 28)), random.choice((1, 6, 8, 16, 28)))
    most = random.choice((1, 2, 4))
    if random.random() < 0.4:  # half of the channels, or a few lines less
        ends = [(-(sizes[0] // 2), 0)] + [(-random.randint(0, 2) * (size > 4), 0) for size in sizes[1:]]
    else:
        ends = [(0, 0)] + [(random.randint(0, most), random.randint(0, most)) for _ in sizes[1:]]
    if not any(side for pair in ends for side in pair):
        return pad(random)
    rows = (sizes, [before for before, _ in ends], [after for _, after in ends])
    geometry = " ".join("x".join(map(str, row)) for row in rows)
    return Unit(kind="pad", input=f"UINT{random.randint(1, 8)}", pe=random.choice((1, 2, 4)), geometry=geometry)
