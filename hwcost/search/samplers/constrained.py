"""A sampler whose proposals keep the constraints between parameters, whatever sampler makes them."""

from collections.abc import Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from hwcost.errors import BadOption
from hwcost.search.samplers.space import Draft, Excess, Space, draft

TRIES = 16
"""Proposals of the sampler before random ones are taken."""

MOST_DRAWS = 10_000
"""Random proposals before the constraints count as out of reach."""


class ConstrainedSampler(BaseSampler):
    """Lets a sampler propose until all constraints are kept; after a number of tries, a random one that keeps them.

    Args:
        inner: the sampler.
        space: of the trials.
        excess: of the constraints.
        seed: of the random proposals.
    """

    def __init__(self, inner: BaseSampler, space: Space, excess: Excess, seed: int) -> None:
        self._inner, self._space, self._excess = inner, space, excess
        self._anywhere = RandomSampler(seed=seed)
        self._found: dict[int, Draft] = {}

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All that the proposal holds."""
        self._found = {trial.number: self._proposed(study, trial)}
        return self._found[trial.number].distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The proposal."""
        return {name: self._found[trial.number].params[name] for name in search_space}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A parameter that the space does not ask for."""
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Tell the sampler."""
        self._inner.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Tell the sampler."""
        self._inner.after_trial(study, trial, state, values)

    def _proposed(self, study: Study, trial: FrozenTrial) -> Draft:
        given = trial.system_attrs.get("fixed_params", {})  # Optuna's name for what was enqueued
        for number in range(TRIES + MOST_DRAWS):
            sampler = self._inner if number < TRIES else self._anywhere
            asked = sampler.infer_relative_search_space(study, trial)
            together = sampler.sample_relative(study, trial, asked)

            def choose(
                name: str,
                choices: BaseDistribution,
                sampler: BaseSampler = sampler,
                drawn: Any = together,
                of: Any = asked,
            ) -> Any:
                known = given if name in given else drawn if of.get(name) == choices else {}
                return known[name] if name in known else sampler.sample_independent(study, trial, name, choices)

            if self._excess((found := draft(self._space, choose)).params) <= 0:
                return found
        raise BadOption(f"constraints: none of {MOST_DRAWS:,} random draws keeps them; widen the space, or mend them")
