"""One option per unit within a budget of several resources: a multiple-choice knapsack."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOST_NODES = 20_000
"""Nodes of the search before it gives up without a proof."""


@dataclass(frozen=True)
class Choices:
    """The outcome of a selection.

    Attributes:
        picked: index of the option of each unit; None if none fits or none was found.
        proven: whether None means that none exists.
    """

    picked: tuple[int, ...] | None
    proven: bool = True


def select(options: Sequence[Array], budget: Array, scale: Array) -> Choices:
    """Pick one option per unit so that no resource exceeds its budget.

    Where the smallest option of every unit fits, these are the answer; else HiGHS searches, by branch and cut.

    Args:
        options: per unit, (options, resources), at least 0.
        budget: (resources,); below 0 nothing fits.
        scale: (resources,), at least 0: what makes resources comparable; 0 counts as 1.

    Returns:
        Choices with the least sum of shares of `scale`, but for a hundredth of a percent.
    """
    if (budget < 0).any() or any(not len(rows) for rows in options):
        return Choices(None)
    shares = [(rows / np.where(scale > 0, scale, 1.0)).sum(1) for rows in options]
    smallest = tuple(int(share.argmin()) for share in shares)
    if (sum((rows[i] for rows, i in zip(options, smallest, strict=True)), np.zeros(len(budget))) <= budget).all():
        return Choices(smallest)
    from scipy.optimize import Bounds, LinearConstraint, milp  # most searches do not come here
    from scipy.sparse import csr_array

    ends = np.cumsum([len(rows) for rows in options])
    places = np.arange(ends[-1])
    of_unit = csr_array((np.ones(ends[-1]), (np.searchsorted(ends, places, side="right"), places)))
    found = milp(
        np.concatenate(shares),
        integrality=np.ones(ends[-1]),
        bounds=Bounds(0, 1),
        constraints=[LinearConstraint(of_unit, 1, 1), LinearConstraint(np.concatenate(options).T, ub=budget)],
        options={"node_limit": MOST_NODES},
    )
    if found.x is None:
        return Choices(None, proven=found.status == 2)
    return Choices(tuple(int(part.argmax()) for part in np.split(found.x, ends[:-1])))
