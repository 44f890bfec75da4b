"""Studies in a database: one process founds and leads a study, any other may join; all must mean the same study."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.exceptions import DuplicatedStudyError, StorageInternalError

from hwcost.errors import BadStudy, HwcostError, NotBegun
from hwcost.files import parse_json, replace
from hwcost.search.storage.artifacts import Weights
from hwcost.search.storage.database import LONGEST_BEAT_S, Share, Storage, close, connect, told_in_one_line
from hwcost.search.storage.identity import compare, label
from hwcost.search.storage.local import JOURNAL, sole_writer
from hwcost.search.storage.masking import masked
from hwcost.search.storage.shared_study import SharedStudy
from hwcost.search.study_spec import StudySpec
from hwcost.search.trial_plan import check_trial

MARK = "shared.json"
"""A file in every folder of a shared study that says which study it is."""

GARBLED = "the database was changed by another program; restore it, or sweep with another --out"

REMEDY = "bring code, packages, data and settings to one state everywhere, or sweep with another --out"


@contextmanager
def lead_study(
    share: Share,
    folder: Path,
    spec: StudySpec,
    *,
    files: Callable[[int | None], Path],
    settings: Mapping[str, object],
) -> Iterator[SharedStudy]:
    """Open a study in a database, or found it; it has the name of its folder.

    Args:
        share: the database and the store of the weights.
        folder: of the report and of the weights on this machine; one process has it at a time.
        spec: of the study.
        files: number of a trial, None for the float network -> file of its weights in the folder.
        settings: what a worker must know to train for the study; JSON.

    Raises:
        BadStudy: as `open_study`, or the database cannot be used.
    """
    if (folder / JOURNAL).exists():
        raise BadStudy(f"{folder}: holds a study of its own; give another --out for a study in a database")
    with sole_writer(folder), _quiet(), told_in_one_line(share.url):
        storage = connect(share.url, share.heartbeat_s)
        try:
            with _rows_checked(share.url):
                study = _found(storage, folder.resolve().name, spec)
                compare(f"study {study.study_name} in {masked(share.url)}", REMEDY, study, spec)
                _check_trials(study)
                _mark(folder, study)
                opened = SharedStudy(study, storage, Weights(share.artifacts), files, share.heartbeat_s, spec)
                opened.check_not_led()
                known = {**settings, "artifacts": share.artifacts, "heartbeat_s": share.heartbeat_s}
                study.set_user_attr("settings", json.dumps(known))  # text, like the records: copied at no cost
            yield opened
        finally:
            close(storage)


class Joined:
    """A study that another process leads, before it is known whether this one means the same; made by `join_study`.

    Attributes:
        settings: those that the leader gave to `lead_study`.
    """

    def __init__(self, url: str, folder: Path, study: optuna.Study, storage: Storage) -> None:
        self._url, self._folder, self._study, self._storage = url, folder, study, storage
        sent = _sent(study)
        sent.pop("artifacts", None)  # where the leader keeps weights; a worker takes only a place that it was given
        beat = sent.pop("heartbeat_s", None)
        if not isinstance(beat, int) or isinstance(beat, bool) or not 1 <= beat <= LONGEST_BEAT_S:
            raise BadStudy(f"study {study.study_name}: a heartbeat of {beat!r} seconds; {GARBLED}")
        self.settings, self._heartbeat_s = sent, beat

    def agree(self, spec: StudySpec, *, artifacts: str, files: Callable[[int | None], Path]) -> SharedStudy:
        """Open the study, to train for it.

        Args:
            spec: of the study, as this machine makes it.
            artifacts: store of the weights, as this machine reaches it.
            files: as for `lead_study`.

        Raises:
            BadStudy: the study is another one, or its weights are not there.
        """
        with _rows_checked(self._url):
            compare(f"study {self._study.study_name} in {masked(self._url)}", REMEDY, self._study, spec)
            _check_trials(self._study)
            _mark(self._folder, self._study)
        study = SharedStudy(self._study, self._storage, Weights(artifacts), files, self._heartbeat_s, spec)
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
            with _rows_checked(url):
                joined = Joined(url, folder, _find(storage, name, url), storage)
            yield joined
        finally:
            close(storage)


@contextmanager
def _rows_checked(url: str) -> Iterator[None]:
    """Optuna and the database library read rows unchecked, so that they may fail in any way on a garbled one."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (HwcostError, SQLAlchemyError, StorageInternalError):
        raise
    except Exception as error:
        cause = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise BadStudy(f"storage {masked(url)}: garbled ({cause}); {GARBLED}") from error


def _find(storage: Storage, name: str, url: str) -> optuna.Study:
    names = [study.study_name for study in optuna.get_all_study_summaries(storage)]
    if name not in names:
        raise NotBegun(
            f"study {name}: not in {masked(url)}, which has {', '.join(names) or 'none'}; "
            "begin it with `hwcost sweep`, with HWCOST_STORAGE set"
        )
    study = optuna.load_study(study_name=name, storage=storage)
    if "settings" not in study.user_attrs or "weights" not in study.user_attrs:
        raise NotBegun(f"study {name}: its sweep still trains the float network; join when it trains trials")
    return study


def _found(storage: Storage, name: str, spec: StudySpec) -> optuna.Study:
    """The study of that name; a process that died while it founded one left it empty and without a fingerprint."""
    directions = [objective.direction for objective in spec.objectives]
    try:
        study = optuna.create_study(storage=storage, study_name=name, directions=directions)
    except DuplicatedStudyError:
        study = optuna.load_study(study_name=name, storage=storage)
    if "identity" not in study.user_attrs and not study.get_trials(deepcopy=False):
        study.set_user_attr("token", uuid.uuid4().hex)
        study.set_user_attr("identity", spec.identity())
        label(study, spec.objectives)
    return study


def _sent(study: optuna.Study) -> dict[str, object]:
    """Settings that the leader stored, whoever wrote them since."""
    try:
        sent = parse_json(study.user_attrs["settings"])
    except (TypeError, ValueError) as error:
        raise BadStudy(f"study {study.study_name}: its settings cannot be read ({error}); {GARBLED}") from error
    if not isinstance(sent, dict):
        raise BadStudy(f"study {study.study_name}: its settings are no table; {GARBLED}")
    return sent


def _check_trials(study: optuna.Study) -> None:
    """Refuse a study with a garbled trial."""
    try:
        for trial in study.get_trials(deepcopy=False):
            check_trial(trial)
    except (TypeError, ValueError) as error:
        raise BadStudy(f"study {study.study_name}: {error}; {GARBLED}") from error


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
