"""A law of losses: each parameter adds a term that decays along its levels.

Quantization noise falls by about 4 per bit, and to first order the noises of all tensors add up; hence

    loss = floor + saturate(sum over parameters of s * exp(-k * place))

with a sensitivity s and a decay k of each ordered parameter, a term of its own for each choice of a categorical one,
and saturation at a level that no loss exceeds (guessing).
"""

import numpy as np
from numpy.typing import NDArray

from hwcost.search.samplers.grid import Grid, Levels

Floats = NDArray[np.float64]

_PER_BIT = 2 * np.log(2)
"""Decay per step of a range of few steps, such as bit-widths; of a longer one, `_PER_RANGE` over all of it."""

_FEW_STEPS = 16
_PER_RANGE = 4.0


class DecayLaw:
    """Values and slopes of the law, and what is believed of its parts before any trial.

    The parts, in the order of every array of them: logarithms of the sensitivities (one per ordered parameter, one per
    choice of a categorical one), logarithms of the decays (one per ordered parameter), a logarithm common to all
    sensitivities and one common to all decays, the logarithm of the level of saturation, and the floor. Losses are
    scaled: from 0 to 1 among the trials.

    Args:
        grid: the space.

    Attributes:
        prior_mean, prior_sd: of the parts, independent normal, (parts,).
    """

    def __init__(self, grid: Grid) -> None:
        ordered = grid.ordered[:, None]
        own = np.where(grid.ordered, 1, grid.sizes)
        choice = np.minimum(np.arange(grid.places.shape[1]), grid.sizes[:, None] - 1)
        terms, decays = int(own.sum()), int(grid.ordered.sum())
        self._grid = grid
        self._parameter = np.arange(len(grid.names))
        self._sensitivity = (np.cumsum(own) - own)[:, None] + np.where(ordered, 0, choice)
        self._terms_end = terms
        self._decay = np.where(grid.ordered, terms - 1 + np.cumsum(grid.ordered), -1)
        self._places = np.where(ordered, np.nan_to_num(grid.places), 0.0)
        steps = np.maximum(grid.sizes[grid.ordered] - 1, 1)
        decay = np.where(steps <= _FEW_STEPS, _PER_BIT * steps, _PER_RANGE)
        share = np.full(terms, 1.0 / len(grid.names))
        self.prior_mean = np.concatenate([np.log(share), np.log(decay), [0.0, 0.0, np.log(2.0), 0.0]])
        self.prior_sd = np.concatenate([np.full(terms, 1.5), np.full(decays, 0.3), [1.5, 0.7, 0.7, 0.005]])

    def total(self, parts: Floats, levels: Levels) -> Floats:
        """The sum before saturation, (candidates,)."""
        total: Floats = self._terms(parts, levels).sum(1)
        return total

    def __call__(self, parts: Floats, levels: Levels) -> tuple[Floats, Floats, Floats]:
        """Losses (candidates,), their slopes to the parts (candidates, parts), and that to the logarithm of the sum."""
        terms = self._terms(parts, levels)
        total, most = terms.sum(1), np.exp(parts[-2])
        left = np.exp(-total / most)
        slopes = np.zeros((len(levels), len(parts)))
        rows = np.arange(len(levels))
        for at, term in enumerate((terms * left[:, None]).T):
            slopes[rows, self._sensitivity[at, levels[:, at]]] = term
            decay = self._decay[at]
            if decay >= 0:
                slopes[:, decay] = -term * np.exp(parts[decay] + parts[-3]) * self._places[at, levels[:, at]]
        slopes[:, -4] = slopes[:, : self._terms_end].sum(1)
        slopes[:, -3] = slopes[:, self._terms_end : -4].sum(1)
        slopes[:, -2] = most * (1 - left) - total * left
        slopes[:, -1] = 1.0
        return parts[-1] + most * (1 - left), slopes, total * left

    def square_distance(self, these: Levels, those: Levels) -> Floats:
        """(these, those): an ordered parameter spans 1, and any two choices are 1 apart."""
        a, b = self._spread(these), self._spread(those)
        distance: Floats = np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0)
        return distance

    def _terms(self, parts: Floats, levels: Levels) -> Floats:
        """(candidates, parameters)."""
        table = np.exp(parts[self._sensitivity] + parts[-4])
        ordered = self._decay >= 0
        table[ordered] *= np.exp(-np.exp(parts[self._decay[ordered]] + parts[-3])[:, None] * self._places[ordered])
        terms: Floats = table[self._parameter, levels]
        return terms

    def _spread(self, levels: Levels) -> Floats:
        ordered = self._grid.ordered
        columns = [self._places[self._parameter, levels][:, ordered]]
        for at in np.flatnonzero(~ordered):
            columns.append((levels[:, at, None] == np.arange(self._grid.sizes[at])) / np.sqrt(2))
        return np.concatenate(columns, axis=1)
