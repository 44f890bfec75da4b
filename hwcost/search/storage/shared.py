"""Processes meet at a study in a database: one founds and leads it, any may join; all must mean the same."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import RDBStorage

from hwcost.errors import BadStudy
from hwcost.files import parse_json, replace
from hwcost.search.protocol import Objective
from hwcost.search.samplers.choose import Prices
from hwcost.search.storage.artifacts import Weights
from hwcost.search.storage.database import connect, told_in_one_line
from hwcost.search.storage.identity import compare, identity_of
from hwcost.search.storage.local import JOURNAL, sole_writer
from hwcost.search.storage.masking import masked
from hwcost.search.storage.shared_study import Share, SharedStudy

MARK = "shared.json"
"""In every folder of a shared study: which one it is."""

REMEDY = "bring code, packages, data and settings to one state everywhere, or sweep with another --out"


@contextmanager
def lead_study(
    share: Share,
    folder: Path,
    *,
    files: Callable[[int | None], Path],
    settings: Mapping[str, Any],
    fingerprint: Mapping[str, str | int | float],
    objectives: Sequence[Objective],
    seed: int,
    sampler: str,
    space: Mapping[str, BaseDistribution],
    anchors: Sequence[Mapping[str, Any]] = (),
    prices: Prices | None = None,
    warm: bool = False,
) -> Iterator[SharedStudy]:
    """Open a study in a database, or found it; it is named like its folder.

    Args:
        share: where.
        folder: of the report and of the weights on this machine; one process has it at a time.
        files: number of a trial, None for the float network -> file of its weights in the folder.
        settings: what a worker must know to train for the study; JSON.
        fingerprint, objectives, seed, sampler, space, anchors, prices, warm: as for `hwcost.search.open_study`.

    Raises:
        BadOption: as `open_study`. BadStudy: as `open_study`, or the database cannot be used.
    """
    identity = identity_of(fingerprint, objectives, seed, sampler, space, anchors, prices)
    if (folder / JOURNAL).exists():
        raise BadStudy(f"{folder}: holds a study of its own; give another --out for one with --storage")
    with sole_writer(folder), _quiet(), told_in_one_line(share.url):
        storage = connect(share.url, share.heartbeat_s)
        try:
            study = _found(storage, folder.resolve().name, objectives, identity)
            compare(f"study {study.study_name} in {masked(share.url)}", REMEDY, study, identity)
            _mark(folder, study)
            opened = SharedStudy(
                study,
                storage,
                Weights(share.artifacts),
                files,
                share.heartbeat_s,
                objectives=objectives,
                seed=seed,
                sampler=sampler,
                space=space,
                anchors=anchors,
                prices=prices,
                warm=warm,
            )
            opened.check_not_led()
            told = {**settings, "artifacts": share.artifacts, "heartbeat_s": share.heartbeat_s}
            study.set_user_attr("settings", json.dumps(told))  # text, as the records: copied for nothing
            yield opened
        finally:
            storage.remove_session()
            storage.engine.dispose()


class Joined:
    """A study that somebody else leads, before it is known whether this process means the same; by `join_study`.

    Attributes:
        settings: those of the leader.
    """

    def __init__(self, url: str, folder: Path, study: optuna.Study, storage: RDBStorage) -> None:
        self._url, self._folder, self._study, self._storage = url, folder, study, storage
        self.settings: dict[str, Any] = json.loads(study.user_attrs["settings"])

    def agree(
        self,
        artifacts: str,
        *,
        files: Callable[[int | None], Path],
        fingerprint: Mapping[str, str | int | float],
        **meant: Any,
    ) -> SharedStudy:
        """The study, to train for.

        Args:
            artifacts: the weights' folder or bucket as this machine reaches it.
            files, fingerprint, meant: as for `lead_study`.

        Raises:
            BadStudy: the study is another one, or its weights are not there.
        """
        named = ("objectives", "seed", "sampler", "space", "anchors", "prices")
        identity = identity_of(fingerprint, **{name: meant[name] for name in named})
        compare(f"study {self._study.study_name} in {masked(self._url)}", REMEDY, self._study, identity)
        _mark(self._folder, self._study)
        weights, heartbeat_s = Weights(artifacts), int(self.settings["heartbeat_s"])
        study = SharedStudy(self._study, self._storage, weights, files, heartbeat_s, **meant)
        study.fetch(None)  # a wrong folder shows before anything is trained
        return study


@contextmanager
def join_study(url: str, name: str, folder: Path) -> Iterator[Joined]:
    """Find a study that `hwcost sweep` began.

    Args:
        url: of its database. name: of the study. folder: for the weights on this machine; processes may share it.

    Raises:
        BadStudy: no such study, or the database cannot be used.
    """
    with _quiet(), told_in_one_line(url):
        storage = connect(url, heartbeat_s=1)
        try:
            yield Joined(url, folder, _find(storage, name, url), storage)
        finally:
            storage.remove_session()
            storage.engine.dispose()


def _find(storage: RDBStorage, name: str, url: str) -> optuna.Study:
    names = [study.study_name for study in optuna.get_all_study_summaries(storage)]
    if name not in names:
        raise BadStudy(
            f"study {name}: not in {masked(url)}, which has {', '.join(names) or 'none'}; "
            "begin it with `hwcost sweep --storage`"
        )
    study = optuna.load_study(study_name=name, storage=storage)
    if "settings" not in study.user_attrs or "weights" not in study.user_attrs:
        raise BadStudy(f"study {name}: its sweep still trains the float network; join when it trains trials")
    return study


def _found(
    storage: RDBStorage, name: str, objectives: Sequence[Objective], identity: Mapping[str, Any]
) -> optuna.Study:
    """The study of that name; a process that died while it founded one left it empty and without a fingerprint."""
    directions = [objective.direction for objective in objectives]
    try:
        study = optuna.create_study(storage=storage, study_name=name, directions=directions)
    except DuplicatedStudyError:
        study = optuna.load_study(study_name=name, storage=storage)
    if "identity" not in study.user_attrs and not study.get_trials(deepcopy=False):
        study.set_user_attr("token", uuid.uuid4().hex)
        study.set_user_attr("identity", dict(identity))
    return study


def _mark(folder: Path, study: optuna.Study) -> None:
    """Weights are named by the numbers of trials, so a folder must not serve two studies."""
    path, mark = folder / MARK, {"study": study.study_name, "token": study.user_attrs.get("token")}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists() and (folder / "checkpoints").exists():
            raise BadStudy(f"{folder}: holds weights of another study; give another --out")
        if not path.exists():
            replace(path, json.dumps(mark).encode())  # all workers that start together write the same
        elif parse_json(path.read_text(encoding="utf-8")) != mark:
            raise BadStudy(f"{folder}: belongs to another shared study; give another --out")
    except (OSError, ValueError) as error:
        raise BadStudy(f"{path}: cannot be used ({error}); give another --out") from error


@contextmanager
def _quiet() -> Iterator[None]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
