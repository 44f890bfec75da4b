"""Comparison of a stored study with the one that is meant: another study is refused, with both values."""

import warnings
from collections.abc import Mapping, Sequence

import optuna

from hwcost.errors import BadStudy
from hwcost.search.protocol import Objective
from hwcost.search.study_spec import StudySpec


def label(study: optuna.Study, objectives: Sequence[Objective]) -> None:
    """Name the objectives of a study for the plots and the dashboard of Optuna."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([objective.label or objective.name for objective in objectives])


def compare(where: str, remedy: str, study: optuna.Study, spec: StudySpec) -> None:
    """Refuse another study than the one that is meant.

    Args:
        where: place of the study, for the message.
        remedy: what the user can do, in one line.
        study: as stored.
        spec: of the study that is meant.

    Raises:
        BadStudy: they differ; the message names each entry with both values.
    """
    stored = study.user_attrs.get("identity")
    if not isinstance(stored, dict):
        raise BadStudy(f"{where}: has no fingerprint; restore it, or {remedy}")
    stored, identity = spec.upgrade(stored), spec.identity()
    names = [name for name in {**stored, **identity} if stored.get(name) != identity.get(name)]
    if names:
        differ = "; ".join(f"{name} was {_around(stored, identity, name)}" for name in names)
        raise BadStudy(f"{where}: holds another study: {differ}; {remedy}")


def _around(stored: Mapping[str, object], given: Mapping[str, object], name: str) -> str:
    """Both values on one line; long ones from shortly before the place where they differ."""
    old, new = (repr(values[name]) if name in values else "absent" for values in (stored, given))
    parting = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    start = 0 if max(len(old), len(new)) <= 80 else max(0, parting - 20)
    shown = ["..." * (start > 0) + text[start : start + 60] + "..." * (len(text) > start + 60) for text in (old, new)]
    return f"{shown[0]}, now {shown[1]}"
