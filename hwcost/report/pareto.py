"""Pareto fronts: the non-dominated set, its hypervolume, its knee, and the cheapest point of a given accuracy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwcost.errors import BadOption

Floats = NDArray[np.float64]

# Accuracies are ratios of counts; a sum of two of them may miss the third by a rounding error, never by this much.
_ROUNDING = 1e-9


def _losses(points: ArrayLike, directions: Sequence[str]) -> Floats:
    """Table of objectives, all of them to be minimized."""
    table = np.asarray(points, dtype=np.float64)
    if table.size == 0:
        table = table.reshape(0, len(directions))
    if table.ndim != 2 or table.shape[1] != len(directions):
        raise BadOption(f"points of shape {table.shape} for {len(directions)} directions; give (points, directions)")
    signs = []
    for direction in directions:
        if direction not in ("maximize", "minimize"):
            raise BadOption(f"direction {direction!r}; write 'maximize' or 'minimize'")
        signs.append(-1.0 if direction == "maximize" else 1.0)
    if not signs:
        raise BadOption("no objective; give at least one direction")
    losses: Floats = table * np.array(signs)
    return losses


def non_dominated(points: ArrayLike, directions: Sequence[str]) -> NDArray[np.bool_]:
    """Mask of the points that no other point dominates: as good in every objective, and better in at least one.

    Equal points do not dominate each other: all copies of a front point stay. A row with a NaN is never on the
    front and dominates nothing.

    Args:
        points: (points, objectives), any unit; infinities are allowed.
        directions: "maximize" or "minimize", one per objective.

    Returns:
        Mask of shape (points,).

    Raises:
        BadOption: shapes that do not fit, or an unknown direction.

    >>> non_dominated([[0.9, 10], [0.8, 20], [0.7, 5]], ["maximize", "minimize"]).tolist()
    [True, False, True]
    """
    losses = _losses(points, directions)
    mask: NDArray[np.bool_] = np.logical_not(np.isnan(losses).any(axis=1, keepdims=True))[:, 0]
    rivals = np.unique(losses[mask], axis=0)
    for index in np.flatnonzero(mask):
        own = losses[index]
        as_good = (rivals <= own).all(axis=1)
        mask[index] = not (rivals[as_good] < own).any()
        if not mask[index]:  # whatever it dominates, the point that dominates it dominates too
            rivals = rivals[(rivals != own).any(axis=1)]
    return mask


def hypervolume(points: ArrayLike, reference: ArrayLike, directions: Sequence[str]) -> float:
    """Volume between the front and a reference point, a measure of the quality of a front.

    Exact: slices along the last objective, down to a sum of rectangles; about n^(objectives - 1) steps for n points.

    Args:
        points: (points, objectives); rows with a NaN, and rows not better than the reference in every objective,
            add nothing.
        reference: (objectives,), a finite point that is worse than every point that should count.
        directions: "maximize" or "minimize", one per objective.

    Returns:
        The volume, in the product of the objectives' units; 0 without points.

    Raises:
        BadOption: shapes that do not fit, an unknown direction, or a reference that is not finite.

    >>> hypervolume([[0.9, 10], [0.7, 5]], [0.5, 20], ["maximize", "minimize"])  # 0.4 * 10 + 0.2 * 5
    5.0
    """
    losses = _losses(points, directions)
    corner = _losses(np.atleast_2d(np.asarray(reference, dtype=np.float64)), directions)
    if corner.shape[0] != 1 or not np.isfinite(corner).all():
        raise BadOption(f"reference {reference!r}; give one finite number per objective")
    inside = losses[(losses < corner[0]).all(axis=1)]
    if np.isneginf(inside).any():
        raise BadOption("an infinitely good point has no hypervolume; give finite objectives")
    return _volume(inside, corner[0])


def _volume(losses: Floats, corner: Floats) -> float:
    if len(losses) == 0:
        return 0.0
    if len(corner) == 1:
        return float(corner[0] - losses.min())
    front = losses[non_dominated(losses, ["minimize"] * len(corner))]
    front = front[np.argsort(front[:, -1], kind="stable")]
    if len(corner) == 2:  # along the front the first objective falls while the second rises
        widths = corner[0] - np.minimum.accumulate(front[:, 0])
        return float((widths * np.diff(np.append(front[:, 1], corner[1]))).sum())
    tops = np.append(front[1:, -1], corner[-1])
    return sum(
        float(top - bottom) * _volume(front[: index + 1, :-1], corner[:-1])
        for index, (bottom, top) in enumerate(zip(front[:, -1], tops, strict=True))
        if top > bottom
    )


def _pairs(accuracy: ArrayLike, cost: ArrayLike) -> tuple[Floats, Floats]:
    a, c = np.asarray(accuracy, dtype=np.float64), np.asarray(cost, dtype=np.float64)
    if a.ndim != 1 or a.shape != c.shape:
        raise BadOption(f"accuracy of shape {a.shape} and cost of shape {c.shape}; give two lists of one length")
    return a, c


def knee(accuracy: ArrayLike, cost: ArrayLike) -> int | None:
    """Front point beyond which accuracy becomes expensive.

    Definition: take the front in (accuracy, log cost) and scale both axes so that it runs from (0, 0), its cheapest
    point, to (1, 1), its most accurate one; the knee is the point farthest above that chord.

    Args:
        accuracy: (points,), larger is better; any unit.
        cost: (points,), above 0, smaller is better; any unit.

    Returns:
        Index into the points, the first of equal ones; None if no front point lies above the chord, as with fewer
        than three points. Points with a NaN are ignored.

    Raises:
        BadOption: shapes that differ, or a cost that is not above 0.

    >>> knee([0.5, 0.9, 0.95, 0.2], [10, 20, 1000, 500])
    1
    """
    a, c = _pairs(accuracy, cost)
    if (c <= 0).any():
        raise BadOption(f"knee: a cost of {c[c <= 0][0]:g} has no logarithm; give costs above 0")
    front = np.flatnonzero(non_dominated(np.column_stack([a, c]), ["maximize", "minimize"]) & np.isfinite(c))
    if len(front) < 3:
        return None
    height, width = a[front], np.log(c[front])
    if np.ptp(height) == 0 or np.ptp(width) == 0:
        return None
    above = (height - height.min()) / np.ptp(height) - (width - width.min()) / np.ptp(width)
    best = int(np.argmax(above))
    return int(front[best]) if above[best] > _ROUNDING else None


def cheapest_within(accuracy: ArrayLike, cost: ArrayLike, best_accuracy: float, drop: float) -> int | None:
    """Cheapest point that loses at most `drop` of the best accuracy.

    Args:
        accuracy: (points,), larger is better; any unit.
        cost: (points,), smaller is better; any unit.
        best_accuracy: accuracy to compare with, e.g. that of the float network; in the unit of accuracy.
        drop: allowed loss, at least 0, in the unit of accuracy (0.01 is one point of an accuracy in 0..1).

    Returns:
        Index into the points; of equally cheap ones the most accurate, then the first; None if none is accurate
        enough. Points with a NaN are ignored.

    Raises:
        BadOption: shapes that differ, a drop below 0, or a best accuracy that is not finite.

    >>> cheapest_within([0.97, 0.985, 0.99], [10, 20, 30], best_accuracy=0.99, drop=0.01)
    1
    """
    a, c = _pairs(accuracy, cost)
    if not drop >= 0 or not np.isfinite(best_accuracy):
        raise BadOption(
            f"cheapest_within: drop {drop:g} of {best_accuracy:g}; give a finite best and a drop of 0 or more"
        )
    good = np.flatnonzero((a >= best_accuracy - drop - _ROUNDING) & ~np.isnan(c))
    if len(good) == 0:
        return None
    return int(good[np.lexsort((-a[good], c[good]))[0]])
