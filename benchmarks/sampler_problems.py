"""Search problems whose fronts are known exactly: eight layers, a bit-width of weights and of activations each.

`additive`: the loss of every tensor falls as 4^-bits, and the losses add up. `chain`: every tensor falls at a rate of
its own, activations act together with the weights of the next layer, the sum saturates at 60 points, and what a
sampler sees is noisy (0.2 points). `cliff`: a layer works above a threshold of its own and fails below (logistic, in
the weaker of its two widths), the layers' chances to work multiply, a categorical quantizer and the number of channels
shift everything, the accumulators cost too, noise of 0.2 points, and one training in 25 fails and ends at guessing.
`recorded`: a perceptron on digits in all 2,000 combinations of five widths, each trained twice
(`recorded_problem.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from recorded_problem import Recorded, recorded

from hwcost.report.pareto import hypervolume, non_dominated

Floats = NDArray[np.float64]
LAYERS = 8
BITS = np.arange(2, 9)
CLIP = 10.0
"""Points of loss beyond which a network is of no use: the corner of the hypervolume."""

GUESSING = 60.0
"""Points that a network loses which only guesses."""

WEIGHTS = [f"w{layer}" for layer in range(LAYERS)]
ACTIVATIONS = [f"a{layer}" for layer in range(LAYERS)]
_UNITS = np.array([4, 16, 24, 32, 32, 40, 24, 3])
"""LUTs per product of widths: little at both ends."""


@dataclass(frozen=True)
class Variant:
    """One choice of everything but the widths.

    Attributes:
        own: what a layer adds to the sum at (weight bits, activation bits), (layers, 7, 7).
        pair: what (activation bits of a layer, weight bits of the next) add, (layers - 1, 7, 7).
        cost: LUTs of a layer at (weight bits, activation bits), whole, (layers, 7, 7).
    """

    own: Floats
    pair: Floats
    cost: NDArray[np.int64]


@dataclass(frozen=True)
class Problem:
    """A search of widths and variants, (loss in points, LUTs) both to be minimized.

    Attributes:
        name: of the problem.
        variants: values of the parameters that are no widths -> what they make of the layers.
        points: sum over the layers -> points of loss; increasing.
        more: the space of the parameters that are no widths.
        noise: standard deviation of what a sampler sees, in points.
        failures: share of trainings that end at guessing.
    """

    name: str
    variants: Mapping[tuple[Any, ...], Variant]
    points: Callable[[Floats], Floats]
    more: Mapping[str, BaseDistribution] = field(default_factory=dict)
    noise: float = 0.0
    failures: float = 0.0

    @property
    def space(self) -> dict[str, BaseDistribution]:
        """All parameters."""
        return {name: IntDistribution(2, 8) for name in [*WEIGHTS, *ACTIVATIONS]} | dict(self.more)

    def price(self, candidates: Mapping[str, NDArray[Any]]) -> dict[str, Floats]:
        """LUTs of each candidate, as `GreyBoxSampler` asks for them."""
        return {"LUT": self._each(candidates)[1]}

    def loss(self, params: Mapping[str, Any]) -> float:
        """Points, without noise."""
        return float(self._each({name: np.array([value], dtype=object) for name, value in params.items()})[0][0])

    def seen(self, params: Mapping[str, Any], random: np.random.Generator) -> float:
        """Points, as one training shows them."""
        noise, failed = random.normal(0, self.noise) if self.noise else 0.0, random.random() < self.failures
        if failed:
            return GUESSING + abs(noise)
        return max(self.loss(params) + noise, 0.01) if self.noise else self.loss(params)

    def _each(self, candidates: Mapping[str, NDArray[Any]]) -> tuple[Floats, Floats]:
        weights = np.stack([candidates[name] for name in WEIGHTS], axis=1).astype(np.int64) - 2
        inputs = np.stack([candidates[name] for name in ACTIVATIONS], axis=1).astype(np.int64) - 2
        total, cost, at = np.zeros(len(weights)), np.zeros(len(weights)), np.arange(LAYERS)
        for values, variant in self.variants.items():
            rows = np.ones(len(weights), dtype=bool)
            for name, value in zip(self.more, values, strict=True):
                rows &= candidates[name] == value
            w, a = weights[rows], inputs[rows]
            total[rows] = variant.own[at, w, a].sum(1) + variant.pair[at[:-1], a[:, :-1], w[:, 1:]].sum(1)
            cost[rows] = variant.cost[at, w, a].sum(1)
        return self.points(total), cost

    def dearest(self) -> float:
        """LUTs with all widths at their most."""
        return max(float(variant.cost[:, -1, -1].sum()) for variant in self.variants.values())

    def front(self) -> Floats:
        """All (points, LUTs) that nothing beats: per number of LUTs the least sum, by dynamic programming."""
        found = []
        for variant in self.variants.values():
            sums = _least_sums(variant)
            luts = np.flatnonzero(np.isfinite(sums))
            best = np.minimum.accumulate(sums[luts])
            luts = luts[np.append(True, best[1:] < best[:-1])]
            found.append(np.column_stack([self.points(sums[luts]), luts]))
        points = np.concatenate(found)
        front: Floats = points[non_dominated(points, ["minimize"] * 2)]
        return front


def _least_sums(variant: Variant) -> Floats:
    """Least sum at each number of LUTs; on the way, one row per activation width of the last layer so far."""
    most = int(variant.cost.max((1, 2)).sum()) + 1
    least = np.full((len(BITS), most), np.inf)
    least[:, 0] = 0.0
    for layer in range(LAYERS):
        grown = np.full_like(least, np.inf)
        for w in range(len(BITS)):
            joined = (least + (variant.pair[layer - 1, :, w, None] if layer else 0.0)).min(0)
            for a in range(len(BITS)):
                luts = variant.cost[layer, w, a]
                sums = joined[: most - luts] + variant.own[layer, w, a]
                grown[a, luts:] = np.minimum(grown[a, luts:], sums)
        least = grown
    return least.min(0)


class Score:
    """Share of the true front's hypervolume that a set of trials reaches.

    Args:
        problem: with its front.
    """

    def __init__(self, problem: Problem | Recorded) -> None:
        self.problem, self.front = problem, problem.front()
        dearest = problem.dearest() + 1
        self._corners = (np.array([CLIP, dearest]), np.array([np.log10(30.0), np.log(dearest)]))
        self._whole = self._volumes(self.front)

    def __call__(self, params: list[dict[str, Any]], seen: list[float]) -> tuple[float, float]:
        """Ratio in (points, LUTs), and in (log points, log LUTs).

        The points are those without noise, of the trials that a user would pick: those on the front that was seen.
        """
        luts = [
            float(
                self.problem.price({name: np.array([value], dtype=object) for name, value in trial.items()})["LUT"][0]
            )
            for trial in params
        ]
        picked = non_dominated(np.column_stack([seen, luts]), ["minimize"] * 2)
        true = np.array([[self.problem.loss(params[at]), luts[at]] for at in np.flatnonzero(picked)])
        plain, logarithmic = self._volumes(true)
        return plain / self._whole[0], logarithmic / self._whole[1]

    def _volumes(self, points: Floats) -> tuple[float, float]:
        logs = np.column_stack([np.log10(np.maximum(points[:, 0], 0.01)), np.log(points[:, 1])])
        both = ["minimize"] * 2
        return hypervolume(points, self._corners[0], both), hypervolume(logs, self._corners[1], both)


def additive() -> Problem:
    """The law that the grey-box model assumes."""
    weights, inputs, _ = _sensitivities()
    own = weights[:, None, None] * 4.0 ** -BITS[:, None] + inputs[:, None, None] * 4.0**-BITS
    own *= 45.0 / own[:, 0, 0].sum()
    return Problem("additive", {(): Variant(own, np.zeros((LAYERS - 1, 7, 7)), _products())}, lambda total: total)


def chain() -> Problem:
    """Rates of decay of their own, interaction, saturation, noise."""
    weights, inputs, random = _sensitivities()
    fast, faster = random.uniform(1.3, 2.4, LAYERS), random.uniform(1.3, 2.4, LAYERS)
    own = weights[:, None, None] * 2.0 ** np.multiply.outer(-fast, BITS)[:, :, None]
    own = own + inputs[:, None, None] * 2.0 ** np.multiply.outer(-faster, BITS)[:, None, :]
    pair = np.exp(random.normal(0, 0.7, LAYERS - 1))[:, None, None] * 2.0 ** (-0.75 * np.add.outer(BITS, BITS))
    own, pair = own * 34.0 / own[:, 0, 0].sum(), pair * 11.0 / pair[:, 0, 0].sum()
    return Problem("chain", {(): Variant(own, pair, _products())}, _saturated, noise=0.2)


def cliff() -> Problem:
    """Thresholds and products, categorical choices, failed trainings: nothing that the grey-box model assumes."""
    random = np.random.default_rng(20261125)
    threshold, steepness = random.uniform(1.5, 4.5, LAYERS), random.uniform(1.5, 3.5, LAYERS)
    lean = random.uniform(-0.7, 0.7, LAYERS)  # which of a layer's two widths is the weaker at equal bits
    variants = {}
    for kind, channels in product(("scaled", "power-of-two"), (1, 2, 3)):
        weaker = np.minimum(BITS[None, :, None] + lean[:, None, None], BITS[None, None, :] - lean[:, None, None])
        need = threshold - 0.3 * (channels - 2) + (0.5 if kind == "power-of-two" else 0.0)
        own = np.log1p(np.exp(-steepness[:, None, None] * (weaker - need[:, None, None])))
        own = own + (0.003 if kind == "power-of-two" else 0.0) / LAYERS + 0.01 * (3 - channels) ** 2 / LAYERS
        wires = np.ceil(np.log2(64 * channels)).astype(np.int64) + np.add.outer(BITS, BITS)
        cost = channels * _products() * (2 if kind == "scaled" else 1) + 2 * channels * wires + 40
        variants[kind, channels] = Variant(own, np.zeros((LAYERS - 1, 7, 7)), cost)
    more = {"kind": CategoricalDistribution(["scaled", "power-of-two"]), "channels": IntDistribution(1, 3)}
    return Problem("cliff", variants, _saturated_chance, more, noise=0.2, failures=0.04)


def _saturated(total: Floats) -> Floats:
    return GUESSING * (1 - np.exp(-total / GUESSING))


def _saturated_chance(total: Floats) -> Floats:
    """Loss that follows from a sum of -log(chance that a layer works)."""
    return GUESSING * (1 - np.exp(-total))


def _products() -> NDArray[np.int64]:
    return _UNITS[:, None, None] * np.multiply.outer(BITS, BITS)


def _sensitivities() -> tuple[Floats, Floats, np.random.Generator]:
    """Sensitivities of weights and activations, lognormal; the ends of a network are more sensitive."""
    random = np.random.default_rng(20261123)
    weights, inputs = np.exp(random.normal(0, 1.0, LAYERS)), np.exp(random.normal(0, 1.0, LAYERS))
    weights[[0, -1]] *= 3
    inputs[0] *= 3
    return weights, inputs, random


PROBLEMS: dict[str, Callable[[], Problem | Recorded]] = {
    "additive": additive,
    "chain": chain,
    "cliff": cliff,
    "recorded": recorded,
}
