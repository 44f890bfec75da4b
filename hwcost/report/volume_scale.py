"""The one scale of hypervolumes: each objective from the worst to the best finished trial of what a page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from hwcost.report.pareto import Floats, hypervolume
from hwcost.report.study import Study


@dataclass(frozen=True, eq=False, kw_only=True)
class VolumeScale:
    """Scale of objectives, from 0, the worst value of any finished trial, to 1, the best.

    Minimized objectives that are never negative are scaled as log(1 + value), because doubling a design matters as
    much at 500 LUTs as at 50,000; an objective that never varies is 1 throughout.

    Attributes:
        objectives: (name, direction) of each.
        logarithmic: whether each is scaled by its logarithm.
        low, span: worst value, and distance to the best, of each as it is measured, (objectives,).
    """

    objectives: tuple[tuple[str, str], ...]
    logarithmic: tuple[bool, ...]
    low: Floats
    span: Floats

    @classmethod
    def of(cls, studies: Sequence[Study]) -> Self:
        """The scale of some studies: of their objectives where they share them, else of their score and main cost."""
        first = studies[0]
        objectives = first.objectives
        if any(set(study.objectives) != set(objectives) for study in studies):
            objectives = (("accuracy", first.score.direction), (str(first.cost), "minimize"))
        every = pd.concat([study.complete for study in studies])
        values = [every[name].to_numpy(dtype=float) for name, _ in objectives]
        logarithmic = tuple(
            way == "minimize" and name != "accuracy" and bool(np.nanmin(column, initial=np.inf) >= 0)
            for column, (name, way) in zip(values, objectives, strict=True)
        )
        plain = cls(objectives=objectives, logarithmic=logarithmic, low=np.zeros(()), span=np.ones(()))
        points = plain.scaled(every)
        if not len(points):
            return plain
        low = np.nanmin(points, axis=0)
        return cls(objectives=objectives, logarithmic=logarithmic, low=low, span=np.nanmax(points, axis=0) - low)

    def scaled(self, trials: pd.DataFrame) -> Floats:
        """Objectives of trials on the scale, all to be maximized, (trials, objectives)."""
        columns = []
        for (name, way), logarithmic in zip(self.objectives, self.logarithmic, strict=True):
            values = trials[name].to_numpy(dtype=float)
            columns.append((-1 if way == "minimize" else 1) * (np.log1p(values) if logarithmic else values))
        measured = np.column_stack(columns) - self.low
        return np.where(self.span > 0, measured / np.where(self.span > 0, self.span, 1.0), 1.0)

    def volume(self, scaled: Floats) -> float:
        """Hypervolume of points on the scale above the worst value in everything; points with a NaN add nothing."""
        ways = ["maximize"] * len(self.objectives)
        return hypervolume(scaled, np.zeros(len(ways)), ways)
