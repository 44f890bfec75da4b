"""Comparison of several studies on one page: the median front of each method over seeds, and published results."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hwcost.errors import BadStudy
from hwcost.report.axes import cost_axis, score_axis
from hwcost.report.files import harmless, replace_files
from hwcost.report.front_figures import WIDE
from hwcost.report.page import rendered
from hwcost.report.pareto import Floats
from hwcost.report.published import Published, read_published
from hwcost.report.schema import RunRecord
from hwcost.report.score import PUBLISHED, Score
from hwcost.report.significance import difference
from hwcost.report.study import Study
from hwcost.report.style import INK, MUTED, SERIES, Drawing, house_style, inline_svg, picture, sheet
from hwcost.report.volume_scale import VolumeScale

GRID = 241
"""Costs at which fronts of several seeds are compared."""

MARKERS = "osD^vP*X"


@dataclass(frozen=True, eq=False)
class Method:
    """Studies that differ in nothing but their seeds.

    Attributes:
        name: what distinguishes them from the others.
        studies: at least one.
    """

    name: str
    studies: tuple[Study, ...]


def write_comparison(
    folder: Path, studies: Mapping[str, Study], published: Path | None = None, *, force: bool = False
) -> Path:
    """Write the page of several studies: index.html, comparison.md, comparison.png and comparison.csv.

    Args:
        folder: created if missing.
        studies: how the user named each -> study.
        published: a CSV with columns name, score (or accuracy; a ratio may be in percent), and the resource.
        force: compare what was trained on other data or priced otherwise.

    Raises:
        BadStudy: studies that cannot be compared, without anything to compare, a published file that makes no sense, or
            a folder that cannot be written.
    """
    costs = {study.cost for study in studies.values()}
    cost = next(iter(costs))
    if len(costs) > 1 or cost is None:
        raise BadStudy(f"report: costs {', '.join(map(str, costs))}; every study needs finished trials of one cost")
    unlike = differences(studies)
    if unlike and not force:
        raise BadStudy(f"report: {unlike[0]}; give --force to compare them all the same")
    score = next(iter(studies.values())).score
    others = [] if published is None else read_published(published, cost, score)
    methods = grouped(studies)
    with house_style():
        figures = [_figure(methods, others, cost, width) for width in (WIDE, WIDE / 2)]
        image, *vectors = picture(figures[0], "png"), *map(inline_svg, figures)
    table = volumes(methods)
    facts = {
        "score": score, "methods": [_row(method, table, cost) for method in methods],
        "studies": [_study_row(name, method, study, table) for name, method, study in _named(studies, methods)],
        "published": others, "cost": cost, "unlike": unlike, "figures": vectors, "pairs": _pairs(methods, table),
        "alternative": figures[0].alternative, "objectives": _scaled_in(methods),
        "title": _each(study.run["study"] for study in studies.values()),
        "parts": _each(study.run["device"].get("name") for study in studies.values()),
    }  # fmt: skip
    front = pd.concat([_points(name, study, cost) for name, study in studies.items()])
    return replace_files(
        folder,
        {
            "comparison.png": image,
            "comparison.csv": front.map(harmless).to_csv(index=False, lineterminator="\n").encode(),
            "comparison.md": rendered("comparison.md", facts, escape=False).encode(),
            "index.html": rendered("comparison.html", facts, escape=True).encode(),
        },
    )


def differences(studies: Mapping[str, Study]) -> list[str]:
    """Describe how studies differ from the first in data or in the basis of their costs."""
    (first, reference), *rest = studies.items()
    found = []
    for name, study in rest:
        for what, key in _DEFINITION.items():
            mine, theirs = key(reference.run), key(study.run)
            if mine != theirs:
                found.append(f"{first} and {name} differ in {what}: {mine} and {theirs}")
    return found


def _each(names: Iterable[object]) -> str:
    """Every name once."""
    return ", ".join(dict.fromkeys(str(name) for name in names if name))


_DEFINITION: Mapping[str, Callable[[RunRecord], object]] = {
    "score": lambda run: _kind_of_score(run),
    "data": lambda run: f"{run['data'].get('name')} {run['data'].get('fingerprint')}",
    "part": lambda run: run["device"].get("name"),
    "clock": lambda run: run["device"].get("clock_mhz"),
    "frame rate": lambda run: run.get("target_fps"),
    "version of the cost models": lambda run: run["hwcost"],
}  # fmt: skip


def _kind_of_score(run: RunRecord) -> str:
    score = Score.of(run.get("score"))
    return f"{score.direction} {score.heading()}"


def grouped(studies: Mapping[str, Study]) -> list[Method]:
    """Studies of one recipe, search and part together, whatever their seeds; the name says in what they differ."""
    found: dict[tuple[str, ...], list[Study]] = {}
    for study in studies.values():
        found.setdefault(_key(study.run), []).append(study)
    told = [at for at in range(len(next(iter(found)))) if len({key[at] for key in found}) > 1]
    return [
        Method(", ".join(key[at] for at in told or [0] if key[at]) or key[0], tuple(members))
        for key, members in found.items()
    ]


def _key(run: RunRecord) -> tuple[str, ...]:
    bits, limits = run.get("bits"), run.get("limits") or {}
    return (
        str(run["recipe"]),
        str(run["sampler"]),
        "" if not bits else "widths {}:{}".format(*bits),
        *(
            "" if not epochs else f"{name} {epochs:g}"
            for name, epochs in (("warm", run.get("warm")), ("ramp", run.get("ramp")))
        ),
        " ".join(f"{name}<={limit:g}" for name, limit in limits.items()),
        str(run["device"].get("name", "")),
    )


def attained(study: Study, at: Floats, cost: str) -> Floats:
    """Best score for at most each cost; NaN below the cheapest point of the front.

    Scores are those on test data where the front was tested, else on validation.
    """
    front = study.front
    gain, costs = study.score.sign * _accuracy(front), front[cost].to_numpy(dtype=float)
    usable = np.isfinite(gain) & np.isfinite(costs)
    reached = np.where(costs[usable] <= at[:, None], gain[usable], -np.inf).max(1, initial=-np.inf)
    return study.score.sign * np.where(np.isfinite(reached), reached, np.nan)


def _accuracy(front: pd.DataFrame) -> Floats:
    test, validation = (front[name].to_numpy(dtype=float) for name in ("test_accuracy", "accuracy"))
    return np.where(np.isfinite(test), test, validation)


def _studies(methods: Sequence[Method]) -> list[Study]:
    return [study for method in methods for study in method.studies]


def _scaled_in(methods: Sequence[Method]) -> str:
    """The objectives of the hypervolume in words."""
    studies = _studies(methods)
    names = [studies[0].score.name if name == "accuracy" else name for name, _ in VolumeScale.of(studies).objectives]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def volumes(methods: Sequence[Method]) -> dict[int, float]:
    """Hypervolume of every study's front, by identity, on the scale of the finished trials of all studies.

    Scores are those on test data where the front was tested, else on validation.
    """
    every = _studies(methods)
    scale = VolumeScale.of(every)
    return {
        id(study): scale.volume(scale.scaled(study.front.assign(accuracy=_accuracy(study.front)))) for study in every
    }


def _figure(methods: Sequence[Method], others: Sequence[Published], cost: str, width: float) -> Drawing:
    """A step curve per method: the median of its seeds, their range as a band behind it, and every front point."""
    figure, axes = sheet(width, max(3.4, 0.55 * width))
    score = methods[0].studies[0].score
    every = _studies(methods)
    costs = np.concatenate([study.front[cost].to_numpy(dtype=float) for study in every] + [[o.cost for o in others]])
    costs = costs[np.isfinite(costs)]
    values = np.concatenate([_accuracy(study.front) for study in every] + [[o.accuracy for o in others]])
    tested = np.concatenate([np.isfinite(study.column("test_accuracy", study.front)) for study in every])
    split = "test" if tested.all() else "test or validation" if tested.any() else "validation"
    score_axis(axes, score.shown(values), score.shown(values), score, split)
    cost_axis(axes, costs, cost)
    left, right = axes.get_xlim()
    at = np.geomspace(left, right, GRID) if axes.get_xscale() == "log" else np.linspace(left, right, GRID)
    for number, (method, color) in enumerate(zip(methods, cycle(SERIES), strict=False)):
        curves = score.shown(np.array([attained(study, at, cost) for study in method.studies]))
        known = np.isfinite(curves).sum(0) * 2 > len(curves)  # the median of those that reach no such cost is none
        low, middle, high = (_over_seeds(curves, share, known) for share in (0.0, 0.5, 1.0))
        if len(curves) > 1:
            axes.fill_between(at, low, high, step="post", color=color, alpha=0.18, lw=0)
        for study in method.studies:
            points = study.front[cost].to_numpy(dtype=float), score.shown(_accuracy(study.front))
            axes.plot(*points, MARKERS[number % len(MARKERS)], ms=3, mew=0, color=color, alpha=0.55, ls="none")
        label = f"{method.name} ({len(curves)} seed{'s' * (len(curves) > 1)})"
        axes.step(at, middle, where="post", color=color, lw=1.4, ls=("-", "--", "-.", ":")[number % 4], label=label)
    for marker, other in zip(MARKERS * len(others), others, strict=False):
        at_score = score.factor * other.accuracy
        axes.plot(other.cost, at_score, marker, color=INK, ms=5, ls="none")
        axes.annotate(other.name, (other.cost, at_score), (5, 3), textcoords="offset points", color=MUTED)
    figure.legend(loc="outside upper left", ncols=max(1, int(width / 2.4)), frameon=False, labelcolor=MUTED)
    names = ", ".join(method.name for method in methods)
    return Drawing(
        name=f"comparison-{width:g}".replace(".", "-"),
        figure=figure,
        alternative=f"Median front of {names}: {score.name} against {cost}.",
    )


def _over_seeds(curves: Floats, share: float, known: np.ndarray[Any, np.dtype[np.bool_]]) -> Floats:
    found = np.full(curves.shape[1], np.nan)
    if known.any():
        found[known] = np.nanquantile(curves[:, known], share, axis=0)
    return found


def _row(method: Method, table: Mapping[int, float], cost: str) -> dict[str, object]:
    found = np.array([table[id(study)] for study in method.studies])
    fronts, sign = [study.front for study in method.studies], method.studies[0].score.sign
    return {
        "name": method.name,
        "seeds": len(found),
        "volume": float(found.mean()),
        "spread": float(found.std(ddof=1)) if len(found) > 1 else None,
        "accuracy": sign * max(map(_best, method.studies)),
        "least": min(float(np.nanmin(front[cost].to_numpy(dtype=float))) for front in fronts),
    }


def _pairs(methods: Sequence[Method], table: Mapping[int, float]) -> list[dict[str, object]]:
    """Differences between every two methods in hypervolume and best score."""
    score, found = methods[0].studies[0].score, list[dict[str, object]]()
    figures: dict[str, Callable[[Study], float]] = {
        "hypervolume": lambda study: table[id(study)],
        f"best {score.heading()}": lambda study: score.factor * score.sign * _best(study),
    }
    for one, other in combinations(methods, 2):
        for what, figure in figures.items():
            mine, theirs = ({_run(study): figure(study) for study in method.studies} for method in (one, other))
            found.append({"one": one.name, "other": other.name, "what": what, "found": difference(mine, theirs)})
    return found


def _run(study: Study) -> Hashable:
    return study.run["seed"], study.run["data"].get("fingerprint")


def _best(study: Study) -> float:
    return float(np.nanmax(study.score.sign * _accuracy(study.front)))


def _named(studies: Mapping[str, Study], methods: Sequence[Method]) -> list[tuple[str, str, Study]]:
    of = {id(study): method.name for method in methods for study in method.studies}
    return [(name, of[id(study)], study) for name, study in studies.items()]


def _study_row(name: str, method: str, study: Study, table: Mapping[int, float]) -> dict[str, object]:
    return {
        "name": name, "method": method, "part": study.run["device"].get("name") or "–",
        "seed": study.run["seed"], "finished": len(study.complete),
        "front": len(study.front), "volume": table[id(study)], "command": study.run["command"],
    }  # fmt: skip


def _points(name: str, study: Study, cost: str) -> pd.DataFrame:
    table = study.front[["number", "accuracy", "test_accuracy", cost]].rename(columns=PUBLISHED)
    table.insert(0, "study", name)
    return table
