"""What makes two studies the same: checked, put into one flat record, compared with the one on disk."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.trial import TrialState, create_trial

from hwcost.errors import BadOption, BadStudy
from hwcost.search.protocol import Objective
from hwcost.search.samplers.choose import Prices, make_sampler


def identity_of(
    fingerprint: Mapping[str, str | int | float],
    objectives: Sequence[Objective],
    seed: int,
    sampler: str,
    space: Mapping[str, BaseDistribution],
    anchors: Sequence[Mapping[str, Any]],
    prices: Prices | None = None,
) -> dict[str, str | int | float]:
    """Check all that makes a study, and put it into one flat record."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise BadOption(f"seed={seed!r}: give a whole number, at least 0")
    names = [objective.name for objective in objectives]
    if not names or len(set(names)) != len(names):
        raise BadOption(f"objectives {names}: give at least one, each once")
    if not space:
        raise BadOption("space: empty; give name -> Optuna distribution, at least one")
    make_sampler(sampler, 0, space, prices)
    ours: dict[str, str | int | float] = {
        "objectives": ", ".join(f"{objective.direction} {objective.name}" for objective in objectives),
        "seed": seed,
        "sampler": sampler,
        "space": json.dumps({name: _stored(name, space[name]) for name in sorted(space)}),
        "anchors": json.dumps([_anchor(anchor, space) for anchor in anchors], sort_keys=True),
    }
    for name, value in fingerprint.items():
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            raise BadOption(f"fingerprint {name}={value!r}: give text or a finite number")
    return {**{f"{name} (given)" if name in ours else name: value for name, value in fingerprint.items()}, **ours}


def _stored(name: str, distribution: BaseDistribution) -> Any:
    try:
        text = distribution_to_json(distribution)
        same = json_to_distribution(text) == distribution
    except (TypeError, ValueError, AttributeError):
        same = False
    if not same:
        raise BadOption(f"space {name}: {distribution!r} does not survive JSON; use plain numbers, text, or booleans")
    return json.loads(text)


def _anchor(anchor: Mapping[str, Any], space: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    unknown = sorted(set(anchor) - set(space))
    if unknown:
        raise BadOption(f"anchor {dict(anchor)}: {unknown} not in the space; it has {sorted(space)}")
    try:
        create_trial(
            state=TrialState.RUNNING, params=dict(anchor), distributions={name: space[name] for name in anchor}
        )
    except (TypeError, ValueError) as error:
        raise BadOption(f"anchor {dict(anchor)}: outside the space: {error}") from error
    return dict(anchor)


def compare(where: str, remedy: str, study: optuna.Study, identity: Mapping[str, Any]) -> None:
    """Refuse another study than the one that is meant.

    Args:
        where: the study is. remedy: what to do, in one line.
        study: as stored. identity: of what is meant, from `identity_of`.

    Raises:
        BadStudy: they differ; what in, with both values.
    """
    stored = study.user_attrs.get("identity")
    if not isinstance(stored, dict):
        raise BadStudy(f"{where}: has no fingerprint; restore it, or {remedy}")
    names = [name for name in {**stored, **identity} if stored.get(name) != identity.get(name)]
    if names:
        differ = "; ".join(f"{name} was {_around(stored, identity, name)}" for name in names)
        raise BadStudy(f"{where}: holds another study: {differ}; {remedy}")


def _around(stored: Mapping[str, Any], given: Mapping[str, Any], name: str) -> str:
    """Both values on one line; long ones from shortly before where they part."""
    old, new = (repr(values[name]) if name in values else "absent" for values in (stored, given))
    parting = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    start = 0 if max(len(old), len(new)) <= 80 else max(0, parting - 20)
    shown = ["..." * (start > 0) + text[start : start + 60] + "..." * (len(text) > start + 60) for text in (old, new)]
    return f"{shown[0]}, now {shown[1]}"
