"""A sampler that knows the cost of each candidate: only the loss of accuracy is left to be learned from trials."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from scipy.special import ndtr

from hwcost.errors import BadOption
from hwcost.search.samplers.candidates import Breeder, predicted_front
from hwcost.search.samplers.grid import MOST_POINTS, Candidates, Grid, Levels
from hwcost.search.samplers.history import History, least_at, read_history
from hwcost.search.samplers.hypervolume_gain import Gain, Scales
from hwcost.search.samplers.loss_model import LossModel
from hwcost.search.samplers.turns import in_turn

Floats = NDArray[np.float64]
Row = NDArray[np.int64]

ROUNDS, CHILDREN, KEPT = 16, 3_000, 300
"""About 100,000 candidates are priced for each trial; their predicted front is kept to 300."""

POLISH = 3
"""Times that the neighbours of the most promising are looked at."""

MOST_TRIALS = 300
"""Largest number of trials that the model learns from: the front, then the latest. Its work grows with their cube."""

SOFTEST = 0.002
"""Losses are compared on a logarithmic scale, down to the noise or this share of their span."""

FIRST = 3
"""Finished trials before there is a model; until then the levels of everything are as high as these shares say."""

_HEIGHTS = (1.0, 0.0, 0.5, 0.75, 0.25, 0.875, 0.625, 0.375, 0.125)


class GreyBoxSampler(BaseSampler):
    """Proposes the candidate of the largest expected hypervolume gain, where only one objective is unknown.

    Costs follow from the parameters exactly, before anything is trained: `price` tells them for many candidates at
    once, and so also which of them are not worth a single step. The objective left, an accuracy or a loss, is
    modelled from the finished trials (`hwcost.search.samplers.loss_model`). Running trials count with what they are
    expected to give. No combination is proposed twice before all that keep the limits were (as far as they can be
    found in a space of more than 100,000), whether trials run one after the other, in threads, in processes, or on
    machines that share a storage: they draw in turns (`hwcost.search.samplers.turns`).

    It keeps nothing between trials: what it proposes follows from the study and its random numbers.

    Args:
        space: name -> Optuna distribution: the parameters that `price` takes. Give each trial the same ones. Others
            that a trial asks for are drawn at random, and the model does not see them.
        price: parameter -> its values, (candidates,) -> figure -> its amounts, (candidates,).
        costs: index of an objective -> the figure that is its value, to be minimized; all objectives but one. None
            of them in a study of one objective, where only `limits` tie the search.
        limits: figure -> the largest amount allowed; beyond it nothing is proposed.
        worst: of the objective that is modelled, the worst value that counts: hypervolume is that within it.
        seed: of all random numbers; None for a different search each time.

    Raises:
        BadOption: an empty space; or, when a trial is asked for, a study whose objectives are not one more than
            `costs`, a figure that `price` does not give, or limits that no candidate keeps.

    >>> import optuna
    >>> space = {name: optuna.distributions.IntDistribution(2, 8) for name in ("weights", "activations")}
    >>> sampler = GreyBoxSampler(
    ...     space,
    ...     lambda bits: {"LUT": 9 * bits["weights"] * bits["activations"]},
    ...     {1: "LUT"},
    ...     limits={"LUT": 300},
    ...     seed=0,
    ... )
    >>> study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    >>> for _ in range(8):
    ...     trial = study.ask(space)
    ...     w, a = trial.params["weights"], trial.params["activations"]
    ...     _ = study.tell(trial, [1 - 4.0**-w - 4.0**-a, 9 * w * a])
    >>> max(trial.values[1] for trial in study.trials) <= 300
    True
    """

    def __init__(
        self,
        space: Mapping[str, BaseDistribution],
        price: Callable[[Candidates], Mapping[str, ArrayLike]],
        costs: Mapping[int, str],
        *,
        limits: Mapping[str, float] | None = None,
        worst: float | None = None,
        seed: int | None = None,
    ) -> None:
        self._grid = Grid(space)
        self._price, self._costs, self._limits = price, dict(costs), dict(limits or {})
        self._worst = worst
        if not self._costs and not self._limits:
            raise BadOption("grey-box sampler: no costs and no limits; give at least one figure of price")
        self._random = np.random.default_rng(seed)
        self._elsewhere = RandomSampler(seed=seed)

    def check_limits(self) -> None:
        """Whether any candidate keeps the limits, before anything is trained for one.

        Raises:
            BadOption: none was found.
        """
        self._fitting(Breeder(self._grid, np.random.default_rng(0)))

    def reseed_rng(self) -> None:
        """Called by Optuna in each of several workers."""
        self._random = np.random.default_rng()
        self._elsewhere.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The whole space, from the first trial on."""
        return dict(self._grid.space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw a parameter outside the space at random."""
        return self._elsewhere.sample_independent(study, trial, param_name, param_distribution)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next candidate."""
        if not search_space:
            return {}
        learned, sign = self._learned(study)
        worst = np.inf if self._worst is None else sign * self._worst

        def draw(others: Sequence[FrozenTrial]) -> dict[str, Any]:
            history = read_history(
                self._grid, others, learned=learned, sign=sign, costs=tuple(self._costs), worst=worst
            )
            choose = self._first if len(history.losses) < FIRST else self._most_promising
            return self._grid.params(choose(Breeder(self._grid, self._random), history))

        return in_turn(study, trial, self._grid.space, draw)

    def _learned(self, study: Study) -> tuple[int, float]:
        """The objective that is modelled, and the sign that makes it a loss."""
        unknown = sorted(set(range(len(study.directions))) - set(self._costs))
        if len(unknown) != 1 or len(study.directions) != len(self._costs) + 1:
            raise BadOption(
                f"grey-box sampler: costs of objectives {sorted(self._costs)}, but the study has "
                f"{len(study.directions)}; give the figure of every objective but one"
            )
        for at, figure in self._costs.items():
            if study.directions[at] != StudyDirection.MINIMIZE:
                raise BadOption(f"grey-box sampler: objective {at}, {figure}, is maximized; a cost is minimized")
        return unknown[0], -1.0 if study.directions[unknown[0]] == StudyDirection.MAXIMIZE else 1.0

    def _priced(self, levels: Levels) -> tuple[Floats, Floats]:
        """Costs of candidates, and the share by which each exceeds its worst limit.

        Costs are (candidates, costs), or the limited figures in a study without costs; the share is (candidates,), at
        most 0 where all limits are kept.
        """
        found = self._figures(levels)
        excess = np.full(len(levels), -np.inf)
        for name, limit in self._limits.items():
            excess = np.maximum(excess, (found[name] - limit) / max(abs(limit), 1.0))
        axes = list(self._costs.values() or self._limits)
        return np.column_stack([found[name] for name in axes]), excess

    def _figures(self, levels: Levels) -> dict[str, Floats]:
        """All figures that are costs or limited, of candidates, (candidates,) each."""
        candidates = self._grid.values(levels)
        figures = self._price(candidates)
        found: dict[str, Floats] = {}
        for name in dict.fromkeys([*self._costs.values(), *self._limits]):
            if name not in figures:
                raise BadOption(f"grey-box sampler: price gives no {name!r}; it gives {', '.join(figures)}")
            amounts: object = figures[name]
            if hasattr(amounts, "detach"):  # a tensor, maybe with a gradient that NumPy does not take
                amounts = amounts.detach().cpu()
            found[name] = np.asarray(amounts, dtype=np.float64)
            if found[name].shape != (len(levels),):
                raise BadOption(
                    f"grey-box sampler: price gives {name} of shape {found[name].shape} for {len(levels)} candidates"
                )
            if (undefined := np.isnan(found[name])).any():
                where = self._grid.params(levels[undefined.argmax()])
                raise BadOption(
                    f"grey-box sampler: price gives {name} = nan at {where}; give a number, inf for too much"
                )
        return found

    def _fitting(self, breeder: Breeder) -> Levels:
        """Candidates all over the space that keep the limits; bred towards them where none does at first."""
        rows = np.concatenate([breeder.diagonal(), breeder.anywhere(CHILDREN)])
        for _ in range(ROUNDS):
            _, excess = self._priced(rows)
            if (excess <= 0).any():
                return rows[excess <= 0]
            nearest = rows[np.argsort(excess, kind="stable")[:KEPT]]
            rows = np.concatenate([nearest, breeder.children(nearest, CHILDREN)])
        amounts = {name: float(found[0]) for name, found in self._figures(rows[:1]).items()}  # of the nearest
        needs = {name: amounts[name] for name, limit in self._limits.items() if amounts[name] > limit}
        raise BadOption(
            f"grey-box sampler: no candidate found that keeps {self._limits}; the nearest needs {needs}: allow it, or "
            "widen the space"
        )

    def _first(self, breeder: Breeder, history: History) -> Row:
        """Choose among the candidates that fit: the highest, the lowest, the middle, and so on; then any."""
        rows = self._fitting(breeder)
        height = self._grid.height(rows)
        goals = height.min() + np.ptp(height) * np.array(_HEIGHTS)
        telling = rows[np.abs(height - goals[:, None]).argmin(1)]
        rows = np.concatenate([telling, self._random.permutation(rows)])
        first: Row = self._untried(rows, history)[0]
        return first

    def _untried(self, fitting: Levels, history: History) -> Levels:
        """Candidates that no trial has; else others of a space that can be listed; else, once more, the same."""
        rows = fitting[history.untried(fitting)]
        if not len(rows) and self._grid.count <= MOST_POINTS:
            rows = self._grid.rows(np.arange(self._grid.count))
            rows = rows[history.untried(rows)]
            rows = rows[self._priced(rows)[1] <= 0] if len(rows) else rows
        return rows if len(rows) else fitting

    def _most_promising(self, breeder: Breeder, history: History) -> Row:
        chosen = history.latest(MOST_TRIALS)
        model = LossModel(self._grid, history.levels[chosen], history.losses[chosen])
        model.expect(history.running)
        fitting = self._fitting(breeder)
        start = np.concatenate([fitting, history.levels[chosen]])
        pools = [
            predicted_front(breeder, start, rank, self._priced, rounds=ROUNDS, children=CHILDREN, most=KEPT)
            for rank in (model.rank, model.another(self._random))
        ]
        pool = np.unique(np.concatenate(pools), axis=0)
        promise = self._promise(model, history, chosen, pool)
        for _ in range(POLISH):
            pool = breeder.neighbours(pool[promise(pool)[:12]])
            pool = pool[(self._priced(pool)[1] <= 0)]
        pool = pool[history.untried(pool)]
        if not len(pool):  # all around has been tried
            pool = self._untried(fitting, history)
        best: Row = pool[promise(pool)[0]]
        return best

    def _promise(
        self, model: LossModel, history: History, chosen: Row, pool: Levels
    ) -> Callable[[Levels], NDArray[np.int64]]:
        """Order of the candidates, the most promising first.

        The criterion is the expected gain over the chosen trials, each at its mean under the model and the running ones
        at their expected value, times the chance of being seen on the front: a user picks from what was observed, and
        noise can hide a candidate behind a lucky trial.
        """
        kinds = len(self._costs)
        shown = chosen[self._priced(history.levels[chosen])[1] <= 0]
        known = np.concatenate([history.levels[shown], history.running])
        at_work = self._priced(history.running)[0][:, :kinds]
        costs = np.concatenate([history.costs[shown], at_work])
        reach = np.concatenate([costs, self._priced(pool)[0][:, :kinds]])
        soft = max(model.noise, SOFTEST * float(np.ptp(history.losses)), 1e-300)
        scales = Scales(floor=model.floor, soft=soft, low=reach.min(0), high=reach.max(0))
        expected = model.predict(known)[0]
        gain = Gain(scales, expected, costs, min(float(history.losses.max()), history.worst))
        promised = expected[len(shown) :]

        def order(levels: Levels) -> NDArray[np.int64]:
            costs = self._priced(levels)[0][:, :kinds]
            mean, deviation = model.predict(levels)
            to_beat = np.minimum(history.to_beat(costs), least_at(costs, at_work, promised))
            seen = ndtr((to_beat - mean) / np.hypot(deviation, model.noise))
            return np.argsort(-gain(mean, deviation, costs) * seen, kind="stable")

        return order
