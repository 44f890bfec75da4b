"""A search in the table of real trainings that `recorded_trainings.py` made: a perceptron on digits, five widths.

A sampler sees one of the trainings of the widths that it proposes; the truth is the mean over all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, IntDistribution

from hwcost.report.pareto import non_dominated

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Recorded:
    """A search in a table of real trainings, (loss in points, LUTs) both to be minimized.

    Attributes:
        name: of the problem.
        space: widths.
        table: bits of the widths -> row.
        losses: points that each training lost against the float network trained as long, (rows, trainings).
        luts: (rows,).
        more: no other parameters.
    """

    name: str
    space: Mapping[str, BaseDistribution]
    table: Mapping[tuple[int, ...], int]
    losses: Floats
    luts: Floats
    more: Mapping[str, BaseDistribution] = field(default_factory=dict)

    def _rows(self, candidates: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
        columns = np.stack([candidates[name] for name in self.space], axis=1)
        return np.array([self.table[tuple(map(int, row))] for row in columns], dtype=np.int64)

    def price(self, candidates: Mapping[str, NDArray[Any]]) -> dict[str, Floats]:
        """LUTs of each candidate, as `GreyBoxSampler` asks for them."""
        return {"LUT": self.luts[self._rows(candidates)]}

    def loss(self, params: Mapping[str, Any]) -> float:
        """Points, mean over the trainings."""
        return float(self.losses[self.table[tuple(params[name] for name in self.space)]].mean())

    def seen(self, params: Mapping[str, Any], random: np.random.Generator) -> float:
        """Points of one of the trainings."""
        return float(random.choice(self.losses[self.table[tuple(params[name] for name in self.space)]]))

    def dearest(self) -> float:
        """LUTs of the dearest row."""
        return float(self.luts.max())

    def front(self) -> Floats:
        """All (mean points, LUTs) that no other row beats."""
        points = np.column_stack([self.losses.mean(1), self.luts])
        front: Floats = points[non_dominated(points, ["minimize"] * 2)]
        return front


def recorded() -> Recorded:
    """Trainings of a perceptron on digits, as `recorded_trainings.py` has left them beside this file."""
    with np.load(Path(__file__).with_name("recorded_trainings.npz")) as table:
        names, bits, right, images = (table[name] for name in ("names", "bits", "right", "images"))
        losses = 100 * (table["float"].mean() - right.astype(np.float64)) / int(images)
        luts = table["LUT"].astype(np.float64)
    ends = zip(names, bits.min(0), bits.max(0), strict=True)
    space = {str(name): IntDistribution(int(low), int(high)) for name, low, high in ends}
    return Recorded("recorded", space, {tuple(map(int, row)): at for at, row in enumerate(bits)}, losses, luts)
