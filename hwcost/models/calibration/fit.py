"""Fits the constants of the laws to measured units, and says how wrong the laws are on them.

A law is linear in its constants, so the columns of the fit are the law itself, one constant at a time: there is no
second formula to keep in step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import spearmanr

from hwcost.errors import BadData, BadOption
from hwcost.models.calibration.corpus import Measured
from hwcost.models.calibration.unit_prices import group_of, price
from hwcost.models.formulas.coefficients import values, with_values
from hwcost.models.formulas.dual_numbers import Slope
from hwcost.models.formulas.fabric import FABRICS, multiplier_of
from hwcost.models.resources import COUNTED

Array = NDArray[np.float64]

LEAST_LUT = 4
"""Smaller units are exact or a LUT off, which as a share of them says nothing; their errors are not averaged."""

SOFT = 0.1
"""Relative residual above which a unit pulls no longer with its square, so that no odd unit bends a law."""


@dataclass(frozen=True)
class Stage:
    """Constants that are fitted together.

    Attributes:
        flow: whose constants they are.
        groups: the groups of units, see `group_of`, that they are fitted to.
        names: of the constants; all others are held.
    """

    flow: str
    groups: tuple[str, ...]
    names: tuple[str, ...]


STAGES: tuple[Stage, ...] = (
    Stage("rtl", ("matvec", "multiplier"), ("multiplier_bit", "multiplier_sign", "small_multiplier_bit",
                                            "small_multiplier", "keep_bit", "keep", "negate", "negate_single",
                                            "negate_weight", "select", "ternary_bit", "ternary", "xnor",
                                            "tree", "accumulator",
                                            "accumulator_carry")),
    Stage("rtl", ("unit rtl", "control"), ("mvu_control", "mvu_counter_bit", "mvu_odd_bit")),
    Stage("hls", ("unit hls",), ("negate", "accumulator", "mvu_control", "mvu_counter_bit", "replay_bit",
                                 "input_lane")),
    Stage("rtl", ("constant",), ("constant_adder_bit",)),
    Stage("rtl", ("thresholds parallel", "thresholds search"), ("comparator", "encoder", "search_bit",
                                                                "fold_counter_bit", "thresholds_control")),
    Stage("rtl", ("thresholds parallel table", "thresholds search table"), ("table_counter_bit", "table_bit")),
    Stage("rtl", ("thresholds parallel constant", "thresholds search constant"), ("short_comparator",
                                                                                  "constant_comparator",
                                                                                  "constant_encoder",
                                                                                  "constant_stage")),
    Stage("rtl", ("window serial",), ("window_control", "window_address_bit", "window_loop_bit")),
    Stage("rtl", ("window parallel",), ("window_whole_control", "window_image_bit", "window_phase_bit",
                                        "window_odd_side")),
    Stage("rtl", ("adder", "pool max", "pool sum", "saturate"), ("stream_control", "round_control", "adder_bit",
                                                                 "sum_bit", "maximum_bit", "running_maximum_bit",
                                                                 "saturate_bit")),
    Stage("rtl", ("converter up", "converter down"), ("converter_control", "converter_counter_bit")),
    Stage("rtl", ("copy",), ("copy_control",)),
    Stage("rtl", ("concat",), ("concat_bit",)),
    Stage("rtl", ("table",), ("deep_table_bit",)),
    Stage("rtl", ("inverse reciprocal", "inverse rsqrt"), ("shift_bit", "shift_back_bit", "deep_entry_bit")),
    Stage("rtl", ("held rows", "held cols"), ("held_control", "held_counter_bit", "held_bank", "held_odd_bit")),
    Stage("rtl", ("fifo srl", "fifo bram18"), ("fifo_control", "fifo_pointer_bit")),
    Stage("rtl", ("channel_sum",), ("sum_control", "sum_counter_bit")),
    Stage("rtl", ("reorder",), ("reorder_control", "reorder_counter_bit")),
    Stage("rtl", ("pad",), ("pad_control", "pad_counter_bit", "pad_end")),
    Stage("rtl", ("label",), ("label_control", "label_bit", "label_lane_bit", "label_index_bit")),
)  # fmt: skip
"""Stages in order: a later one holds the constants found earlier. A flow "hls" takes the arithmetic of "rtl"."""


def columns(rows: Sequence[Measured], stage: Stage, held: Mapping[str, float]) -> tuple[Array, Array]:
    """LUTs that one of every fitted constant adds to every unit, (units, constants); and the rest, (units,)."""
    count = len(stage.names)
    constants = {name: Slope(value, (0.0,) * count) for name, value in held.items()}
    constants |= {name: Slope(0.0, tuple(np.eye(count)[i].tolist())) for i, name in enumerate(stage.names)}
    found = [price(row.unit, row.family, constants)["LUT"] for row in rows]
    return np.array([lut.parts for lut in found]), np.array([lut.value for lut in found])


def solve(terms: Array, rest: Array, measured: Array) -> Array:
    """Non-negative constants with the least robust sum of squared relative residuals.

    Args:
        terms: (units, constants). rest, measured: (units,); measured above 0.

    Raises:
        BadOption: fewer units than constants.
    """
    if len(measured) < terms.shape[1]:
        raise BadOption(f"calibrate: {len(measured)} units for {terms.shape[1]} constants; give a larger corpus")
    weight = 1 / measured
    scaled, target = terms * weight[:, None], (measured - rest) * weight
    start = np.full(terms.shape[1], 0.5)
    found = least_squares(
        lambda c: scaled @ c - target,
        start,
        jac=lambda c: scaled,
        bounds=(0, np.inf),
        loss="soft_l1",
        f_scale=SOFT,
        xtol=1e-12,
        ftol=1e-12,
        gtol=1e-12,
    )
    return np.asarray(found.x, dtype=np.float64)


def fit(rows: Sequence[Measured], stages: Sequence[Stage] = STAGES) -> dict[str, dict[str, float]]:
    """Flow -> constant -> value, rounded to four decimals.

    Args:
        rows: measured units; a stage without any is left out, its constants stay.
        stages: what is fitted to what, in order.

    Raises:
        BadOption: units of families that share no constants.
    """
    found: dict[str, dict[str, float]] = {}
    family = constants_of(rows)
    for stage in stages:
        chosen = _of(rows, stage)
        if not chosen:
            continue
        held = with_values(found, stage.flow, family)
        if stage.flow != "rtl":
            held = dict(held) | {name: found.get("rtl", {}).get(name, held[name]) for name in ARITHMETIC}
        terms, rest = columns(chosen, stage, held)
        solved = solve(terms, rest, _luts(chosen))
        fitted = {name: round(float(value), 4) for name, value in zip(stage.names, solved, strict=True)}
        found.setdefault(stage.flow, {}).update(fitted)
    for name in ARITHMETIC if not family else ():
        if name in found.get("rtl", {}):
            found.setdefault("hls", {}).setdefault(name, found["rtl"][name])
    return found


def constants_of(rows: Sequence[Measured]) -> str:
    """Name of the constants that price units, as `coefficients.values` takes it.

    Raises:
        BadOption: units of families that share none.
    """
    found = sorted({FABRICS[multiplier_of(row.family)].constants for row in rows})
    if len(found) > 1:
        families = ", ".join(sorted({row.family for row in rows}))
        raise BadOption(f"units of {families} share no constants; put each family into a file of its own")
    return found[0] if found else ""


ARITHMETIC = (
    "multiplier_bit", "multiplier_sign", "small_multiplier_bit", "small_multiplier", "keep_bit", "keep",
    "negate_single", "negate_weight", "ternary_bit", "ternary", "xnor", "tree", "accumulator_carry",
)  # fmt: skip
"""Constants that no flow changes."""


def _of(rows: Sequence[Measured], stage: Stage) -> list[Measured]:
    return [row for row in rows if group_of(row.unit) in stage.groups and row.amounts.get("LUT", 0) >= LEAST_LUT]


def _luts(rows: Sequence[Measured]) -> Array:
    return np.array([row.amounts["LUT"] for row in rows], dtype=np.float64)


def priced(rows: Sequence[Measured], constants: Mapping[str, Mapping[str, float]] | None = None) -> pd.DataFrame:
    """Table of all units with their prices.

    Columns are group, weight, input, simd, and the estimate and the measure of every resource; NaN where not counted.

    Args:
        rows: measured units.
        constants: flow -> constants; None takes the shipped ones.
    """
    table = []
    for row in rows:
        group = group_of(row.unit)
        flow = "hls" if group == "unit hls" else "rtl"
        try:
            own = constants[flow] if constants is not None else values(flow, constants_of([row]))
            amounts = price(row.unit, row.family, own)
        except (ArithmeticError, IndexError, KeyError, TypeError, ValueError) as error:
            raise BadData(f"corpus: {row.unit} has no price ({error}); mend its row") from error
        table.append(
            {"group": group, "weight": row.unit.weight, "input": row.unit.input, "simd": row.unit.simd}
            | {name: amounts.get(name) for name in COUNTED}
            | {f"{name}_measured": row.amounts.get(name) for name in COUNTED}
        )
    return pd.DataFrame(table)


def errors(table: pd.DataFrame) -> pd.DataFrame:
    """Errors by group and resource of a table of `priced`.

    Returns:
        group, resource, units, median (estimate / measured), MAPE, worst, Spearman and exact (share of units that are
        met exactly). Relative errors are over units of LEAST_LUT at least (of LUT), or above 0.
    """
    found = []
    for group, rows in table.groupby("group", sort=True):
        for name in COUNTED:
            ours, measured = (rows[column].to_numpy(dtype=np.float64) for column in (name, f"{name}_measured"))
            known = np.isfinite(ours) & np.isfinite(measured)
            if known.any() and (ours[known].any() or measured[known].any()):
                found.append({"group": group, "resource": name} | spread(ours[known], measured[known], name))
    return pd.DataFrame(found)


def spread(ours: Array, measured: Array, resource: str = "LUT") -> dict[str, float]:
    """Error statistics of estimates against measures; see `errors`."""
    large = measured >= (LEAST_LUT if resource == "LUT" else 1)
    ratio = ours[large] / measured[large]
    error = np.abs(ratio - 1)
    varied = large.sum() > 2 and np.ptp(ours[large]) > 0 and np.ptp(measured[large]) > 0
    return {
        "units": len(ours),
        "median": float(np.median(ratio)) if len(ratio) else np.nan,
        "MAPE": float(error.mean()) if len(error) else np.nan,
        "worst": float(error.max()) if len(error) else np.nan,
        "Spearman": float(spearmanr(ours[large], measured[large])[0]) if varied else np.nan,
        "exact": float((np.round(ours) == measured).mean()),
    }
