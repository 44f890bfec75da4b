"""Model of the loss of a candidate: a law of decaying terms, and a Gaussian process on what the law misses.

The law is linearized at its most probable parts, so that one Gaussian conditional gives mean and variance of law and
rest together. The process is relative: its standard deviation is a share of the loss, since a network near its best
has little left to err. A trial that the others rule out, such as a failed training, is recognized and hardly counts.

Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), sections 2.2 (conditional), 2.7
(explicit basis functions), 5.4.1 (evidence) and 5.4.2 (what the others say of a trial).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular

from hwcost.search.samplers.decay_law import DecayLaw
from hwcost.search.samplers.grid import Grid, Levels

Floats = NDArray[np.float64]

_NOISES = (0.0003, 0.001, 0.003, 0.006, 0.012, 0.025)
_SHARES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
_LENGTHS = (0.5, 1.0, 2.0)
"""Choices of the noise, in spans of the losses; of the share of the loss that the law misses; and of the length over
which that is alike, in spans of a parameter."""

_RULED_OUT = 4.0
"""Standard deviations between a trial and what all others say of it."""


class LossModel:
    """Losses of all candidates from those of some trials.

    Args:
        grid: the space.
        levels: of the trials, (trials, parameters).
        losses: of the trials, smaller is better, (trials,); any unit, noise allowed.

    Attributes:
        floor: the smallest loss there can be, in the unit of the losses.
        noise: standard deviation of a repeated trial, in the unit of the losses.
    """

    _slopes: Floats
    _reach: Floats
    _rest: Floats

    def __init__(self, grid: Grid, levels: Levels, losses: Floats) -> None:
        self._law, self._x = DecayLaw(grid), levels
        self._least, self._unit = float(losses.min()), float(np.ptp(losses)) or 1.0
        self._y = (losses - self._least) / self._unit
        self._noise, self._share, self._length = 0.003, 0.1, 1.0
        self._doubt = np.zeros(len(losses))
        self._parts = self._law.prior_mean
        for _ in range(2):
            self._parts = self._most_probable()
            self._linearize()
            self._choose()
            self._condition()
            self._tell_apart()
        self._parts = self._most_probable()
        self._linearize()
        self._condition()
        self.floor = self._least + self._unit * float(self._parts[-1])
        self.noise = self._unit * self._noise

    def rank(self, levels: Levels) -> Floats:
        """The law alone, (candidates,): quick; larger where the loss is larger, in no unit."""
        return self._law.total(self._parts, levels)

    def another(self, random: np.random.Generator) -> Callable[[Levels], Floats]:
        """The same of a law that is about as probable, drawn at random."""
        parts = self._parts + self._spread @ random.standard_normal(len(self._parts))
        return lambda levels: self._law.total(parts, levels)

    def expect(self, levels: Levels) -> None:
        """Count running trials as if each reached its expected loss.

        No mean changes, but less is left to be learned around these trials. Source: Ginsbourger, Le Riche, Carraro
        (2010), "kriging believer".

        Args:
            levels: of these trials, (trials, parameters).
        """
        if not len(levels):
            return
        mean, _ = self.predict(levels)
        slopes, prior, reach = self._around(levels)
        self._x = np.concatenate([self._x, levels])
        self._slopes, self._reach = np.concatenate([self._slopes, slopes]), np.concatenate([self._reach, reach])
        self._rest = np.concatenate([self._rest, (mean - self._least) / self._unit - prior])
        self._doubt = np.concatenate([self._doubt, np.zeros(len(levels))])
        self._condition()

    def predict(self, levels: Levels) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the loss of each candidate, without the noise; (candidates,) both."""
        slopes, prior, reach = self._around(levels)
        cross = slopes @ self._slopes.T + reach[:, None] * self._reach * self._alike(levels, self._length)
        half = solve_triangular(self._factor, cross.T, lower=True, check_finite=False)
        variance = (slopes**2).sum(1) + reach**2 - (half**2).sum(0)
        mean = prior + cross @ self._weights
        return self._least + self._unit * mean, self._unit * np.sqrt(np.maximum(variance, 1e-12))

    def _around(self, levels: Levels) -> tuple[Floats, Floats, Floats]:
        """Parts of the law: slopes per prior deviation, the mean at its prior parts, and the reach of the rest."""
        mean, slopes, by_sum = self._law(self._parts, levels)
        prior = mean + slopes @ (self._law.prior_mean - self._parts)
        return slopes * self._law.prior_sd, prior, self._share * by_sum

    def _linearize(self) -> None:
        self._slopes, prior, self._reach = self._around(self._x)
        self._rest = self._y - prior

    def _alike(self, levels: Levels, length: float) -> Floats:
        """Matern-5/2 of the distances to the trials, (candidates, trials)."""
        distance = np.sqrt(5 * self._law.square_distance(levels, self._x)) / length
        return (1 + distance + distance**2 / 3) * np.exp(-distance)

    def _most_probable(self) -> Floats:
        """Parts of the law of least misfit and surprise: damped Gauss-Newton, where far misfits weigh less."""
        law, parts, damping = self._law, self._parts, 1e-3
        precision = 1 / law.prior_sd**2
        mean, slopes, by_sum = law(parts, self._x)
        deviation = np.sqrt(self._noise**2 + (self._share * by_sum) ** 2 + self._doubt**2)

        def error(mean: Floats, parts: Floats) -> float:
            misfit = (self._y - mean) / deviation
            return float(2 * (np.sqrt(1 + misfit**2 / 9) - 1).sum() * 9 + precision @ (parts - law.prior_mean) ** 2)

        before = error(mean, parts)
        for _ in range(60):
            misfit = (self._y - mean) / deviation
            trust = 1 / np.sqrt(1 + misfit**2 / 9)
            scaled = slopes * (trust / deviation**2)[:, None]
            curvature = slopes.T @ scaled + np.diag(precision)
            slope = scaled.T @ (self._y - mean) - precision * (parts - law.prior_mean)
            step = np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), slope)
            new_mean, new_slopes, _ = law(parts + step, self._x)
            after = error(new_mean, parts + step)
            if after < before:
                gained, before = before - after, after
                parts, mean, slopes = parts + step, new_mean, new_slopes
                damping = max(damping / 5, 1e-9)
                if gained < 1e-4 * (1 + before):
                    break
            else:
                damping *= 5
                if damping > 1e9:
                    break
        self._spread = np.linalg.cholesky(np.linalg.inv(curvature))
        return parts

    def _choose(self) -> None:
        """Noise, share and length of most evidence: the first two at a middle length, then the length."""
        reach = self._reach / self._share
        law = self._slopes @ self._slopes.T
        rests = {length: np.outer(reach, reach) * self._alike(self._x, length) for length in _LENGTHS}

        def surprise(noise: float, share: float, length: float) -> float:
            covariance = law + share**2 * rests[length]
            covariance[np.diag_indices_from(covariance)] += noise**2 + self._doubt**2
            factor = cholesky(covariance, lower=True, check_finite=False)
            half = solve_triangular(factor, self._rest, lower=True, check_finite=False)
            unlikely = np.log(share / 0.1) ** 2 + np.log(noise / 0.003) ** 2 / 4
            return float(0.5 * half @ half + np.log(np.diag(factor)).sum() + 0.5 * unlikely)

        choices = [(noise, share, 1.0) for noise in _NOISES for share in _SHARES]
        noise, share, _ = min(choices, key=lambda choice: surprise(*choice))
        self._length = min(_LENGTHS, key=lambda length: surprise(noise, share, length))
        self._reach, self._noise, self._share = reach * share, noise, share

    def _condition(self) -> None:
        covariance = self._slopes @ self._slopes.T
        covariance += np.outer(self._reach, self._reach) * self._alike(self._x, self._length)
        covariance[np.diag_indices_from(covariance)] += self._noise**2 + self._doubt**2
        self._factor = cholesky(covariance, lower=True, check_finite=False)
        self._weights = cho_solve((self._factor, True), self._rest, check_finite=False)

    def _tell_apart(self) -> None:
        """Doubt each trial that all others rule out, by how far it is from what they say."""
        precision = np.diag(cho_solve((self._factor, True), np.eye(len(self._y)), check_finite=False))
        away = np.abs(self._weights) / precision
        undoubted = np.sqrt(np.maximum(1 / precision - self._doubt**2, 0))
        self._doubt = np.where(away > _RULED_OUT * undoubted, away, 0.0)
