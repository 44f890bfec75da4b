"""Study behind the figures: its checked trials, its front, and the points with a name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hwcost.errors import BadStudy
from hwcost.report.checks import COSTS, RESOURCES, check_details, nested
from hwcost.report.pareto import Floats, cheapest_within, knee, non_dominated
from hwcost.report.schema import RunRecord
from hwcost.report.score import Score

FRAME = ("latency_cycles", "latency_us", "fps", "energy_uj")
"""Latency, rate and energy of a frame."""
STATES = ("COMPLETE", "FAIL", "PRUNED", "RUNNING")
CHEAPEST = "cheapest within "
"""Beginning of the name of a point that loses at most so much."""

_NUMBERS = ("number", "seed", "seconds", "accuracy", "test_accuracy", "refit_accuracy", *COSTS, *FRAME, "LUT_measured")
_YES_OR_NO = ("fits", "within_budget", "budget_reachable")
_NEEDED = ("number", "state")
_KINDS: dict[str, Any] = {
    "seed": int, "versions": Mapping, "device": Mapping, "float": Mapping, "objectives": (list, tuple), "data": Mapping,
}  # fmt: skip
"""Required keys of run.json that are no text."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Front point with a name.

    Attributes:
        names: why, e.g. ("knee", "within 1 point of float").
        short: the same for a label in a figure, e.g. "knee, within 1 point".
        row: its row in `Study.complete`.
    """

    names: tuple[str, ...]
    short: str
    row: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Study:
    """A checked study.

    Attributes:
        run: what the caller said about the run.
        trials: every trial, ordered by number; all columns of the schema exist.
        complete: the finished trials whose objectives are numbers, ordered by number; its columns `of_use`, within
            the worst values that count, and `on_front` are computed here.
        objectives: (name, direction) of every objective.
        cost: the column on the cost axis of the main figure: LUT, or the first cost that has numbers; None without.
        marks: knee and cheapest points, cheapest first; only points that fit the part are candidates.
    """

    run: RunRecord
    trials: pd.DataFrame
    complete: pd.DataFrame
    objectives: tuple[tuple[str, str], ...]
    cost: str | None
    marks: tuple[Mark, ...]

    @property
    def score(self) -> Score:
        """The reading of the score, which the columns call accuracy."""
        return Score.of(self.run.get("score"))

    @property
    def front(self) -> pd.DataFrame:
        """Front points, cheapest first; the index is the row in `complete`."""
        front = self.complete[self.complete["on_front"]]
        keys = [key for key in (self.cost, "accuracy", "number") if key is not None]
        return front.sort_values(keys)

    @property
    def float_accuracy(self) -> float:
        """Validation score of the float network, NaN if unknown."""
        return _number(self.run["float"].get("validation"))

    @property
    def binomial(self) -> bool:
        """Whether the score is a share of samples; see `Score`."""
        return self.score.binomial

    def budget(self, resource: str) -> float:
        """Amount of a resource on the part; NaN if unknown or not a resource of a part."""
        return _number(dict(self.run["device"]).get(resource)) if resource in RESOURCES else math.nan

    def column(self, name: str, frame: pd.DataFrame | None = None) -> Floats:
        """A column of numbers of `complete` (or of `frame`)."""
        return np.asarray((self.complete if frame is None else frame)[name], dtype=np.float64)

    @staticmethod
    def over_seeds(trial: pd.Series[Any]) -> tuple[float, float, int] | None:
        """Mean and standard deviation of a trial's test score with those of its repetitions, and how many they are.

        None without repetitions.
        """
        again = [_number(entry.get("test_accuracy")) for entry in trial["repeats"] if isinstance(entry, Mapping)]
        tests = [test for test in (_number(trial["test_accuracy"]), *again) if math.isfinite(test)]
        return (float(np.mean(tests)), float(np.std(tests, ddof=1)), len(tests)) if again and len(tests) > 1 else None

    def command(self, number: int) -> str:
        """The command that reproduces a trial."""
        return self.commands["train"].replace("{number}", str(number))

    @property
    def commands(self) -> Mapping[str, str]:
        """Commands that continue from a trial, by name, with {number} for the trial; "train" makes it again."""
        return {"train": self.run.get("trial_command", self.run["command"]), **self.run.get("commands", {})}

    def known(self, name: str) -> bool:
        """Whether some trial has a number in this column."""
        return bool(np.isfinite(self.column(name, self.trials)).any())

    @property
    def costs(self) -> list[str]:
        """Costs and speeds with numbers, the main one first; no resource that neither trials nor the part have."""
        found = [
            name
            for name in (*COSTS, *FRAME, "LUT_measured")
            if self.known(name) and (self.column(name, self.trials) > 0).any() | (self.budget(name) > 0)
        ]
        if "latency_us" in found and "latency_cycles" in found:
            found.remove("latency_cycles")  # the same at the clock of the part; the table of a spreadsheet has both
        return sorted(found, key=lambda name: name != self.cost)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float | np.number) else math.nan


def _check_run(run: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    needed = [key for key in RunRecord.__annotations__ if key in RunRecord.__required_keys__]
    for key in needed:
        if key not in run:
            raise BadStudy(f"report: run has no {key!r}; it needs {', '.join(needed)}")
        if not isinstance(run[key], _KINDS.get(key, str)) or isinstance(run[key], bool):
            raise BadStudy(f"report: run[{key!r}] is {run[key]!r}, of the wrong type")
    check_details(run)
    objectives: list[tuple[str, str]] = []
    for objective in run["objectives"]:
        if not isinstance(objective, Mapping) or {"name", "direction"} - set(objective):
            raise BadStudy(f"report: objective {objective!r}; each needs a name and a direction")
        if objective["direction"] not in ("maximize", "minimize"):
            raise BadStudy(f"report: objective {objective['name']!r} has direction {objective['direction']!r}")
        if not isinstance(objective["name"], str) or objective["name"] in dict(objectives):
            raise BadStudy(f"report: objective {objective['name']!r}; each needs a name of its own")
        if not math.isfinite(_number(worst := objective.get("worst", 0))):
            raise BadStudy(
                f"report: objective {objective['name']!r} has the worst value {worst!r}; it must be a number"
            )
        objectives.append((str(objective["name"]), str(objective["direction"])))
    if not objectives:
        raise BadStudy("report: run['objectives'] is empty; a front needs at least one")
    if "{number}" not in str(run.get("trial_command", "{number}")):
        raise BadStudy(f"report: run['trial_command'] {run['trial_command']!r} has no {{number}} in it")
    return tuple(objectives)


def _check_trials(trials: pd.DataFrame, objectives: tuple[tuple[str, str], ...]) -> pd.DataFrame:
    if missing := [name for name in _NEEDED if name not in trials.columns]:
        raise BadStudy(f"report: trials have no column {', '.join(missing)}")
    table = trials.reset_index(drop=True).copy()
    if strange := sorted({str(state) for state in table["state"]} - set(STATES)):
        raise BadStudy(f"report: trial state {strange[0]!r}; known are {', '.join(STATES)}")
    for name in dict.fromkeys((*_NUMBERS, *(name for name, _ in objectives))):
        if name not in table.columns:
            if name not in _NUMBERS and (table["state"] == "COMPLETE").any():
                raise BadStudy(f"report: trials have no column for objective {name!r}")
            table[name] = np.nan
        try:
            table[name] = pd.to_numeric(table[name]).astype(float)
        except (TypeError, ValueError) as error:
            raise BadStudy(f"report: column {name!r} holds something that is no number ({error})") from error
    numbers = table["number"]
    if not np.isfinite(numbers).all() or numbers.duplicated().any() or (numbers != numbers.round()).any():
        raise BadStudy("report: trial numbers are missing or used twice; each trial needs its own")
    table["number"] = numbers.astype(int)
    for name in ("params", "budget", "figures", "layers", "epochs", "repeats"):
        given = table[name] if name in table.columns else [None] * len(table)
        entries = [nested(name, number, value) for number, value in zip(table["number"], given, strict=True)]
        table[name] = pd.Series(entries, dtype=object)
    for name in _YES_OR_NO:
        _check_yes_or_no(name, table.get(name, ()))
    for name, kind in (*((name, bool) for name in _YES_OR_NO), ("error", str)):
        given = table[name] if name in table.columns else [None] * len(table)
        table[name] = pd.Series([None if v is None or v != v else kind(v) for v in given], dtype=object)
    return table.sort_values("number", ignore_index=True)


def _check_yes_or_no(name: str, values: Iterable[object]) -> None:
    for said in values:
        if isinstance(said, str | list | Mapping):
            raise BadStudy(f"report: column {name!r} holds {said!r}; it must be true, false or null")


def _main_cost(complete: pd.DataFrame, objectives: tuple[tuple[str, str], ...]) -> str | None:
    asked = [name for name, direction in objectives if direction == "minimize"]
    for name in dict.fromkeys((*({"LUT"} & {*asked}), *asked, *COSTS)):
        values = np.asarray(complete[name], dtype=float)
        if np.isfinite(values).any() and (values[np.isfinite(values)] > 0).all():
            return name
    return None


def _marks(complete: pd.DataFrame, cost: str | None, score: Score, float_score: float) -> tuple[Mark, ...]:
    known = np.isfinite(np.asarray(complete["accuracy"], dtype=float))
    candidates = complete[known & complete["on_front"] & (complete["fits"] != False)]  # noqa: E712 # None: not said
    if cost is None or len(candidates) == 0:
        return ()
    gain, costs = (np.asarray(candidates[name], dtype=float) for name in ("accuracy", cost))
    gain = score.sign * gain
    usable = np.isfinite(costs)
    candidates, gain, costs = candidates[usable], gain[usable], costs[usable]
    if len(candidates) == 0:
        return ()
    known_float = math.isfinite(float_score)
    best, what = (score.sign * float_score, "float") if known_float else (float(gain.max()), "the best")
    found: dict[int, list[tuple[str, str]]] = {}
    for loss, words in score.losses(best):
        row = cheapest_within(gain, costs, best, loss)
        if row is not None:
            found.setdefault(row, []).append((f"{CHEAPEST}{words} of {what}", f"within {words}"))
    row = knee(gain, costs)
    if row is not None:
        found.setdefault(row, []).append(("knee", "knee"))
    found.setdefault(int(np.lexsort((costs, -gain))[0]), []).append((f"best {score.name}", f"best {score.name}"))
    marks = [
        Mark(
            names=tuple(long for long, _ in why),
            short=", ".join(s for at, (_, s) in enumerate(why) if at == 0 or not s.startswith("within")),
            row=int(candidates.index[position]),
        )
        for position, why in found.items()
    ]
    return tuple(sorted(marks, key=lambda mark: float(complete[cost][mark.row])))


def _within(points: Floats, objectives: Iterable[Mapping[str, Any]]) -> NDArray[np.bool_]:
    """Whether trials are within the worst values that count, (trials,)."""
    kept = np.ones(len(points), dtype=bool)
    for column, one in zip(points.T, objectives, strict=True):
        if (worst := one.get("worst")) is not None:
            kept &= column <= worst if one["direction"] == "minimize" else column >= worst
    return kept


def _check_ratios(name: str, table: pd.DataFrame, baseline: Mapping[str, object]) -> None:
    """Refuse scores in percent that are no ratios."""
    again = [entry.get(key) for row in table["repeats"] for entry in row for key in ("accuracy", "test_accuracy")]
    columns = (table[key] for key in ("accuracy", "test_accuracy", "refit_accuracy"))
    values = np.concatenate([*columns, [_number(one) for one in (*again, *baseline.values())]])
    if len(outside := values[(values < 0) | (values > 1)]):
        raise BadStudy(f"report: {name} of {outside[0]:g}; scores in percent are ratios in 0..1")


def read_study(trials: pd.DataFrame, run: Mapping[str, Any]) -> Study:
    """Check trials and run, and compute the front and its marks.

    Args:
        trials: one row per trial; the index is ignored. Columns: number, state (COMPLETE, FAIL, PRUNED or RUNNING);
            and, missing or NaN where unknown: accuracy (the validation score), seed, seconds, params,
            test_accuracy, refit_accuracy, LUT, FF, DSP, BRAM18, URAM, LUTRAM, cycles, fps, fits, layers, epochs, error,
            LUT_measured (by synthesis). A column `on_front` is ignored.
        run: hwcost, study, recipe, command, seed, versions, device, float, objectives, data, sampler, started,
            machine; optional target_fps, trial_command (with {number} in it), and error_band (resource -> smallest and
            largest measured / estimated that was seen).

    Returns:
        The study; everything selected in it is selected on the validation score.

    Raises:
        BadStudy: a column or a key is missing, of the wrong type, or makes no sense.
    """
    objectives = _check_run(run)
    table = _check_trials(trials, objectives)
    score = Score.of(run.get("score"))
    if score.binomial:  # an error of 130 % is one
        _check_ratios(score.name, table, run["float"])
    names = [name for name, _ in objectives]
    finite = np.isfinite(table[names].to_numpy(dtype=float)).all(axis=1)
    complete = table[(table["state"] == "COMPLETE").to_numpy() & finite].reset_index(drop=True)
    points = complete[names].to_numpy(dtype=float)
    counts = _within(points, run["objectives"])
    complete["of_use"], complete["on_front"] = counts, False
    complete.loc[counts, "on_front"] = non_dominated(points[counts], [how for _, how in objectives])
    cost = _main_cost(complete, objectives)
    marks = _marks(complete, cost, score, _number(run["float"].get("validation")))
    return Study(
        run=cast(RunRecord, run), trials=table, complete=complete, objectives=objectives, cost=cost, marks=marks
    )
