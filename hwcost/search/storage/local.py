"""The folder of a study: opened by one process at a time, founded whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import filelock
import optuna

from hwcost.errors import BadStudy
from hwcost.files import clear_drafts
from hwcost.search.storage.identity import compare
from hwcost.search.storage.journal import create_journal, load_journal
from hwcost.search.study import Study
from hwcost.search.study_spec import StudySpec

JOURNAL = "study.journal"
LOCK = "study.lock"


@contextmanager
def open_study(folder: Path | str, spec: StudySpec) -> Iterator[Study]:
    """Open the study in a folder, or start one; nobody else can open it meanwhile.

    The same specification gives the same study, trial by trial, however often it was interrupted: each proposal is
    drawn by a sampler made for it alone, seeded by (seed, place of the trial), from the finished trials.

    Args:
        folder: made when missing.
        spec: of the study.

    Yields:
        The study.

    Raises:
        BadStudy: the folder is in use, cannot be written, or holds another, a foreign or a corrupt study.
    """
    path = Path(folder) / JOURNAL
    verbosity = optuna.logging.get_verbosity()
    with sole_writer(path.parent):
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            if not os.path.lexists(path):
                create_journal(path, spec)
            remedy = "give another --out, or delete this folder to start over"
            found = load_journal(path)
            try:
                compare(str(path.parent), remedy, found, spec)
            except BadStudy:
                if found.trials or "identity" not in found.user_attrs:
                    raise
                path.unlink()  # nothing was tried yet: what the user has mended since may start over
                create_journal(path, spec)
            study = Study(partial(load_journal, path), spec)
            study.recover()
            yield study
        finally:
            optuna.logging.set_verbosity(verbosity)


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; it is a lock of the kernel, which kill -9 releases.

    Raises:
        BadStudy: another process has it, or the folder cannot be written.
    """
    lock = filelock.FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
        for part in (folder, folder / "checkpoints"):
            clear_drafts(part)
    except filelock.Timeout as error:
        raise BadStudy(f"{folder}: in use by another process; wait for it, or give another --out") from error
    except OSError as error:
        raise BadStudy(f"{folder}: cannot be written ({error.strerror}); give another --out") from error
    try:
        yield
    finally:
        lock.release()
