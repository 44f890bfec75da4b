"""The specification of a study: everything that decides which trials it has, checked once."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from hwcost.errors import BadOption
from hwcost.search.nearest_trial import check_ordered
from hwcost.search.protocol import Objective, Params, Rival
from hwcost.search.samplers.choose import Prices, Wishes, make_sampler
from hwcost.search.samplers.space import Excess, Space, draft, lowest
from hwcost.search.trial_plan import broken, record_of

Identity = dict[str, str | int | float]
"""Flat record of a specification, stored with the study: name of an entry -> text or number."""


def _unchanged(stored: Identity) -> Identity:
    return stored


@dataclass(frozen=True, kw_only=True)
class StudySpec:
    """The specification of a study; the same one gives the same trials, however often the study is interrupted.

    Attributes:
        objectives: at least 1.
        seed: of the study, at least 0.
        sampler: "tpe", "nsga2", "random", "grid", "gp" where torch is installed, or "greybox" with `prices`.
        space: name -> Optuna distribution, at least 1; or a function that asks a trial (`hwcost.search.Space`), whose
            code belongs in the fingerprint.
        constraints: parameters -> by how much they break the constraints between them, at most 0 where all are kept;
            no trial breaks one. Its code belongs in the fingerprint.
        anchors: parameters of the first trials; names left out are sampled.
        prices: costs that are known before training. What they follow from belongs in the fingerprint.
        warm: whether suggestions name the nearest finished trial; for a space of whole numbers only. It belongs in the
            fingerprint too.
        curve: attributes of a finished trial -> its score by epoch, for `Suggestion.rivals`; None where nothing is
            pruned. It belongs in the fingerprint.
        fingerprint: what the outcomes follow from (recipe, data, device...); a study is resumed only with the same.
        upgrade: turns the stored identity of a study into the spelling of this version, so that an older study opens.

    Raises:
        BadOption: an unknown sampler, an anchor outside the space, and the like.
    """

    objectives: Sequence[Objective]
    seed: int
    sampler: str
    space: Space
    constraints: Excess | None = None
    anchors: Sequence[Params] = ()
    prices: Prices | None = None
    warm: bool = False
    curve: Callable[[Mapping[str, Any]], Sequence[float]] | None = None
    fingerprint: Mapping[str, str | int | float] = field(default_factory=dict)
    upgrade: Callable[[Identity], Identity] = _unchanged

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise BadOption(f"seed={self.seed!r}: give a whole number, at least 0")
        names = [objective.name for objective in self.objectives]
        if not names or len(set(names)) != len(names):
            raise BadOption(f"objectives {names}: give at least one, each once")
        if not self.space:
            raise BadOption("space: empty; give name -> Optuna distribution, at least one")
        if self.warm:
            check_ordered(self.space)
        make_sampler(self.sampler, 0, self.space, self.prices, self.wishes)
        for name, value in self.fingerprint.items():
            if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
                raise BadOption(f"fingerprint {name}={value!r}: give text or a finite number")
        for name, choices in draft(self.space, lowest).distributions.items():
            _stored(name, choices)
        for anchor in self.anchors:
            _check_anchor(anchor, self.space, self.constraints)

    @property
    def wishes(self) -> Wishes:
        """Wishes that a sampler knows besides the objectives."""
        worst = [objective.worst for objective in self.objectives]
        known = set() if self.prices is None else set(self.prices.costs)
        learned = [worst[at] for at in range(len(worst)) if at not in known]
        return Wishes(self.constraints, learned[0] if len(learned) == 1 else None, broken if self.limited else None)

    def rivals(self, trials: Sequence[FrozenTrial], known: dict[int, Rival]) -> tuple[Rival, ...]:
        """Values and curves of the finished trials; none where nothing is pruned.

        Args:
            trials: of the study, in any state.
            known: number -> rival, of an earlier call; those of `trials` are added.
        """
        if self.curve is None:
            return ()
        for one in trials:
            if one.state == TrialState.COMPLETE and one.number not in known:
                known[one.number] = tuple(one.values), tuple(self.curve(record_of(one)["attributes"]))
        return tuple(known[one.number] for one in trials if one.number in known)

    @property
    def limited(self) -> bool:
        """Whether an objective has a worst value that counts."""
        return any(objective.worst is not None for objective in self.objectives)

    def beyond(self, values: Sequence[float]) -> list[float]:
        """Excess of the values of a trial over the worst that count."""
        return [objective.beyond(value) for objective, value in zip(self.objectives, values, strict=True)]

    def identity(self) -> Identity:
        """The flat record that is stored with the study and compared when it is opened again."""
        ours: Identity = {
            "objectives": ", ".join(map(str, self.objectives)),
            "seed": self.seed,
            "sampler": self.sampler,
            "space": json.dumps({name: _stored(name, self.space[name]) for name in sorted(self.space)})
            if isinstance(self.space, Mapping)
            else "a function",
            "anchors": json.dumps([dict(anchor) for anchor in self.anchors], sort_keys=True),
        }
        given = {f"{name} (given)" if name in ours else name: value for name, value in self.fingerprint.items()}
        return given | ours


def _stored(name: str, distribution: BaseDistribution) -> object:
    try:
        text = distribution_to_json(distribution)
        same = json_to_distribution(text) == distribution
    except (TypeError, ValueError, AttributeError):
        same = False
    if not same:
        raise BadOption(f"space {name}: {distribution!r} does not survive JSON; use plain numbers, text, or booleans")
    return json.loads(text)


def _check_anchor(anchor: Params, space: Space, constraints: Excess | None) -> None:
    asked = draft(space, lambda name, choices: anchor[name] if name in anchor else lowest(name, choices)).distributions
    unknown = sorted(set(anchor) - set(asked))
    if unknown:
        raise BadOption(f"anchor {dict(anchor)}: {unknown} not in the space; it has {sorted(asked)}")
    try:
        create_trial(
            state=TrialState.RUNNING, params=dict(anchor), distributions={name: asked[name] for name in anchor}
        )
    except (TypeError, ValueError) as error:
        raise BadOption(f"anchor {dict(anchor)}: outside the space: {error}") from error
    if constraints is not None and set(anchor) == set(asked) and (excess := constraints(anchor)) > 0:
        raise BadOption(f"anchor {dict(anchor)}: breaks a constraint by {excess:g}; mend the one or the other")
