"""Expected hypervolume gain of a candidate whose cost is known and whose loss is uncertain."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

_MOST_CELLS = 4096


@dataclass(frozen=True)
class Scales:
    """Logarithmic scales, on which a front is even: half the loss at twice the cost is worth the same everywhere.

    Attributes:
        floor: a loss below all others.
        soft: what is added to a loss above the floor, so that differences far below it count little; above 0.
        low, high: least and largest costs, (costs,).
    """

    floor: float
    soft: float
    low: Floats
    high: Floats

    def loss(self, mean: Floats, deviation: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation on the scale."""
        above = np.maximum(mean - self.floor, 0) + self.soft
        return np.log(above), deviation / above

    def cost(self, costs: Floats) -> Floats:
        """(candidates, costs) on the scale; a hundredth of the range is added, for costs may be 0."""
        span = np.where(self.high > self.low, self.high - self.low, 1.0)
        scaled: Floats = np.log((costs - np.minimum(self.low, 0)) / span + 0.01)
        return scaled


class Gain:
    """Expected hypervolume gain of a candidate, everything to be minimized.

    The space of the known costs is cut into cells along the costs of the front; within a cell the loss to beat, that
    of the best front point that is as cheap in every cost, is one number. A candidate gains, in every cell above its
    costs, the cell's volume times the expected improvement over that number (Jones et al. 1998).
    Exact for up to 4,096 cells; beyond, they are cut along evenly chosen front points.

    Args:
        scales: on which volumes are measured.
        losses, costs: of the front, (points,) and (points, costs); no costs: plain expected improvement.
        worst: a loss that nobody wants. Costs that nobody wants are those from the largest of the scales on.
    """

    def __init__(self, scales: Scales, losses: Floats, costs: Floats, worst: float) -> None:
        self._scales = scales
        ends = scales.cost(scales.high[None] + 1e-9 * np.abs(scales.high))[0]
        self._low, self._high = _cells(scales.cost(costs), ends)
        cheap = (scales.cost(costs)[None] <= self._low[:, None]).all(2)
        beaten, _ = scales.loss(losses, np.zeros(len(losses)))
        limit = float(scales.loss(np.array([worst]), np.zeros(1))[0][0])
        self._beat = np.where(cheap, beaten, limit).min(1, initial=limit)

    def __call__(self, mean: Floats, deviation: Floats, costs: Floats) -> Floats:
        """Gains of candidates with normally distributed losses, (candidates,), and known costs, (candidates, costs)."""
        mean, deviation = self._scales.loss(mean, deviation)
        volume = np.ones((len(mean), len(self._beat)))
        for low, high, cost in zip(self._low.T, self._high.T, self._scales.cost(costs).T, strict=True):
            volume *= np.clip(high - np.maximum(low, cost[:, None]), 0, None)
        above, cells = volume.nonzero()  # most cells are cheaper than a candidate
        spread = np.maximum(deviation, 1e-9)[above]
        better = (self._beat[cells] - mean[above]) / spread
        density = np.exp(-0.5 * better**2) / np.sqrt(2 * np.pi)
        volume[above, cells] *= spread * (better * ndtr(better) + density)
        gained: Floats = volume.sum(1)
        return gained


def _cells(costs: Floats, ends: Floats) -> tuple[Floats, Floats]:
    """Lower and upper corners, (cells, costs) each; the lowest reach down without end."""
    if not len(ends):
        return np.empty((1, 0)), np.empty((1, 0))
    most = int(_MOST_CELLS ** (1 / len(ends))) - 1
    edges = []
    for column, end in zip(costs.T, ends, strict=True):
        cuts = np.unique(column[column < end])
        if len(cuts) > most:
            cuts = cuts[np.linspace(0, len(cuts) - 1, most).round().astype(int)]
        edges.append(np.concatenate([[-np.inf], cuts, [end]]))
    corners = [np.meshgrid(*[edge[part] for edge in edges], indexing="ij") for part in (slice(-1), slice(1, None))]
    low, high = (np.stack([corner.ravel() for corner in side], axis=1) for side in corners)
    return low, high
