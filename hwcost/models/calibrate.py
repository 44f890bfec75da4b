"""Fit of the constants of a matrix-vector unit to measured LUTs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwcost.errors import BadOption
from hwcost.models import lut
from hwcost.models.coefficients import values
from hwcost.models.relax import PLAIN

SHAPE = ("multiplier_row", "multiplier_first_row", "negate", "tree")
"""Constants of the arithmetic; held while the others are fitted, because three precisions cannot tell them apart."""

FITTED = ("mvu_control", "accumulator", "replay_bit", "input_lane")


@dataclass(frozen=True)
class UnitTerms:
    """LUTs of the arithmetic, and what each fitted constant is multiplied with, in the order of FITTED."""

    arithmetic: float
    factors: tuple[float, ...]


@dataclass(frozen=True)
class UnitFit:
    """Fitted constants, in the order of FITTED."""

    constants: tuple[float, ...]

    def predict(self, terms: UnitTerms) -> float:
        """LUTs of a unit."""
        return terms.arithmetic + sum(c * f for c, f in zip(self.constants, terms.factors, strict=True))


def unit_terms(weight_bits: int, input_bits: int, pe: int, simd: int, cols: int, rows: int, acc_bits: int) -> UnitTerms:
    """What the LUT law of a unit adds up; a width of 1 is bipolar.

    Args:
        weight_bits, input_bits, acc_bits: widths.
        pe, simd: parallelism.
        cols, rows: of the matrix.
    """
    c = values("rtl")
    if weight_bits == input_bits == 1:
        lane, product = 0.0, 1
    elif weight_bits == 1:
        lane, product = c["negate"] * input_bits, input_bits + 1
    else:
        lane, product = lut.multiplier(PLAIN, weight_bits, input_bits, c), weight_bits + input_bits
    arithmetic = pe * (simd * lane + c["tree"] * lut.adder_tree_bits(PLAIN, simd, product))
    replay = cols * input_bits if rows > pe else 0
    return UnitTerms(arithmetic, (1.0, pe * acc_bits, replay, simd * input_bits))


def fit_units(terms: Sequence[UnitTerms], measured: Sequence[float]) -> UnitFit:
    """Non-negative least squares of the relative error.

    Args:
        terms: of the units.
        measured: LUTs of each, above 0.

    Raises:
        BadOption: fewer units than constants.
    """
    if len(terms) < len(FITTED) or len(terms) != len(measured):
        raise BadOption(
            f"fit_units: {len(terms)} units and {len(measured)} figures; give at least {len(FITTED)} of both"
        )
    weight = 1 / np.asarray(measured, dtype=np.float64)
    factors = np.array([term.factors for term in terms]) * weight[:, None]
    rest = 1 - np.array([term.arithmetic for term in terms]) * weight
    return UnitFit(tuple(float(c) for c in _non_negative(factors, rest)))


def _non_negative(factors: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exact for a handful of columns: the best least squares over all subsets whose solution is not negative."""
    count = factors.shape[1]
    best, least = np.zeros(count), float(target @ target)
    for subset in range(1, 2**count):
        columns = [i for i in range(count) if subset >> i & 1]
        found, *_ = np.linalg.lstsq(factors[:, columns], target, rcond=None)
        error = float(np.square(factors[:, columns] @ found - target).sum())
        if (found >= 0).all() and error < least:
            best = np.zeros(count)
            best[columns], least = found, error
    return best
