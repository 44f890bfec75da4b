"""Laws by cross-validation: what a fit predicts for units that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hwcost.models.calibration.corpus import Measured, Unit
from hwcost.models.calibration.fit import Array, Stage, columns, solve


def left_out(rows: Sequence[Measured], stage: Stage, key: Callable[[Unit], str], held: Mapping[str, float]) -> Array:
    """Predicted LUTs of every unit of a stage, each by a fit that has not seen any unit with its key.

    NaN where a unit needs a constant that no other has.

    Args:
        rows: of the stage.
        stage: what is fitted.
        key: e.g. its precision, or its shape.
        held: every other constant.
    """
    terms, rest = columns(rows, stage, held)
    measured, keys = np.array([row.amounts["LUT"] for row in rows]), np.array([key(row.unit) for row in rows])
    predicted = np.zeros(len(rows))
    for one in np.unique(keys):
        out = keys == one
        alone = (terms[~out] == 0).all(0) & (terms[out] != 0).any(0)
        if alone.any():
            predicted[out] = np.nan
            continue
        predicted[out] = terms[out] @ solve(terms[~out], rest[~out], measured[~out]) + rest[out]
    return predicted


def precision(unit: Unit) -> str:
    """The wires of a unit: what is left out as a whole precision."""
    return f"{unit.weight} {unit.input}"
