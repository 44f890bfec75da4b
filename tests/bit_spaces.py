"""Search spaces of bit-widths with a loss that is known everywhere, for the tests of the samplers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

Floats = NDArray[np.float64]


MIXED = {
    "bits": IntDistribution(2, 8),
    "even": IntDistribution(2, 8, step=2),
    "wide": IntDistribution(1, 4096, log=True),
    "rate": FloatDistribution(1e-4, 1e-1, log=True),
    "kind": CategoricalDistribution(["int", "ternary", None]),
    "only": IntDistribution(3, 3),
}


BITS = {name: IntDistribution(2, 8) for name in ("a", "b", "c", "d")}


SENSITIVITY = {"a": 9.0, "b": 1.0, "c": 2.0, "d": 20.0}


def loss(params: dict[str, Any]) -> float:
    return sum(SENSITIVITY[name] * 4.0 ** -params[name] for name in BITS)
