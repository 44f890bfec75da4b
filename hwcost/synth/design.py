"""The designed corpus: which units are synthesized so that every law can be fitted, and tested on what it has not seen.

Widths of 1 to 16 bits and parallelism spread over their logarithms, all kinds of wires, drawn with a fixed seed: a
longer corpus begins with the shorter one of each kind.
"""

from collections.abc import Callable, Mapping
from itertools import zip_longest
from random import Random

from immutabledict import immutabledict

from hwcost.models.calibration.corpus import Unit, distinct
from hwcost.synth import random_elements, random_products, random_streams

COUNTS: Mapping[str, int] = immutabledict(
    {
        "matvec": 150, "dsp": 24, "constant": 60, "search": 40, "parallel": 36, "fixed": 60, "serial": 40, "whole": 24,
        "block_ram": 48, "deep_ram": 16, "ultra_ram": 8, "lut_ram": 36, "control": 48, "pool": 40, "adder": 24,
        "saturate": 36, "scale_bias": 20, "binary": 36, "converter": 24, "fifo": 24, "copy": 4, "concat": 16,
        "label": 20, "inverse": 30, "held": 36, "multiplier": 24,
        "table": 36, "channel_sum": 20, "reorder": 24, "pad": 24, "threshold_table": 30, "choices": 36,
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


GROUPS: Mapping[str, Callable[[Random], Unit]] = immutabledict(
    {
        "matvec": random_products.matvec,
        "dsp": random_products.dsp,
        "constant": random_products.constant,
        "search": random_products.variable("search", 5),
        "parallel": random_products.variable("parallel", 4),
        "fixed": random_products.fixed,
        "serial": random_streams.window("serial"),
        "whole": random_streams.window("parallel"),
        "block_ram": random_streams.block_ram,
        "deep_ram": random_streams.deep_ram,
        "ultra_ram": random_streams.ultra_ram,
        "lut_ram": random_streams.lut_ram,
        "control": random_streams.control,
        "pool": random_streams.pool,
        "adder": random_streams.adder,
        "saturate": random_streams.saturate,
        "scale_bias": random_streams.scale_bias,
        "binary": random_products.binary,
        "converter": random_streams.converter,
        "fifo": random_streams.fifo,
        "copy": random_streams.copy,
        "concat": random_streams.concat,
        "label": random_streams.label,
        "inverse": random_streams.inverse,
        "held": random_streams.held,
        "multiplier": random_elements.multiplier,
        "table": random_elements.table,
        "channel_sum": random_elements.channel_sum,
        "reorder": random_elements.reorder,
        "pad": random_elements.pad,
        "threshold_table": random_products.threshold_table,
        "choices": random_products.choices,
    }
)
"""Group -> how one of its units is drawn."""
