"""Pruning of hopeless trials: a training ends where most finished ones that cost no more were ahead of it.

Source: the median stopping rule (Golovin et al., Google Vizier, KDD 2017), among the trials that dominate in cost.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from statistics import median
from typing import Any

from hwcost.errors import HopelessTrial
from hwcost.search import Objective, Rival
from hwcost.train.run import Epoch

LEAST_RIVALS = 4
"""Finished trials that cost no more, below which nothing is pruned: a median of fewer says little."""

FIRST_EPOCHS = 2
"""Epochs of which none is pruned: the start of a training says little."""


def curve_of(attributes: Mapping[str, Any]) -> list[float]:
    """Validation score of a finished trial by epoch."""
    return [float(epoch["accuracy"]) for epoch in attributes["epochs"]]


class Pruning:
    """Judges a training by its epochs.

    It waits until the widths stand still, for until then the cost may still fall. A trial that costs less than most
    others, or that is ahead of the median of those that cost no more, continues.

    Args:
        objectives: of the study.
        rivals: finished trials.
        figures: epoch -> objective -> value, its cost from then on.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        rivals: Sequence[Rival],
        figures: Callable[[Epoch], Mapping[str, float]],
    ) -> None:
        self._objectives, self._rivals, self._figures = objectives, rivals, figures
        self._best = -inf

    def __call__(self, epoch: Epoch) -> None:
        """Take note of an epoch, and continue or not.

        Raises:
            HopelessTrial: names the epoch and both scores.
        """
        at = next(at for at, one in enumerate(self._objectives) if one.name == "accuracy")
        sign = 1.0 if self._objectives[at].direction == "maximize" else -1.0
        self._best = max(self._best, sign * epoch.accuracy)
        if epoch.epoch <= FIRST_EPOCHS or not epoch.settled or len(self._rivals) < LEAST_RIVALS:
            return
        mine = self._figures(epoch)
        curves = [curve for values, curve in self._rivals if curve and self._no_dearer(values, mine)]
        ahead = [max(sign * score for score in curve[: epoch.epoch]) for curve in curves]
        if len(ahead) >= LEAST_RIVALS and self._best < median(ahead):
            raise HopelessTrial(
                f"ended after epoch {epoch.epoch}: its best score {sign * self._best:.4g} is behind "
                f"{sign * median(ahead):.4g}, the median of {len(ahead)} finished trials that cost no more"
            )

    def _no_dearer(self, values: Sequence[float], mine: Mapping[str, float]) -> bool:
        costs = [(one, value) for one, value in zip(self._objectives, values, strict=True) if one.name != "accuracy"]
        return all(
            value <= mine[one.name] if one.direction == "minimize" else value >= mine[one.name] for one, value in costs
        )
