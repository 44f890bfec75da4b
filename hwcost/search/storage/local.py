"""The folder of a study: opened by one process at a time, founded whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import filelock
import optuna
from optuna.distributions import BaseDistribution

from hwcost.errors import BadStudy
from hwcost.files import clear_drafts
from hwcost.search.protocol import Objective
from hwcost.search.samplers.choose import Prices
from hwcost.search.storage.identity import compare, identity_of
from hwcost.search.storage.journal import create_journal, load_journal
from hwcost.search.study import Study

JOURNAL = "study.journal"
LOCK = "study.lock"


@contextmanager
def open_study(
    folder: Path | str,
    *,
    fingerprint: Mapping[str, str | int | float],
    objectives: Sequence[Objective],
    seed: int,
    sampler: str,
    space: Mapping[str, BaseDistribution],
    anchors: Sequence[Mapping[str, Any]] = (),
    prices: Prices | None = None,
    warm: bool = False,
) -> Iterator[Study]:
    """Open the study in a folder, or start one; nobody else can open it meanwhile.

    The same arguments give the same study, trial by trial, however often it was interrupted: each proposal is drawn by
    a sampler made for it alone, seeded by (seed, place of the trial), from the finished trials.

    Args:
        folder: made when missing.
        fingerprint: what the outcomes follow from (recipe, data, device...); a study goes on only with the same.
            Objectives, seed, sampler, space and anchors join it by themselves.
        objectives: at least 1.
        seed: of the study, at least 0.
        sampler: "tpe", "nsga2", "random", "grid", "gp" where torch is installed, or "greybox" with `prices`.
        space: name -> Optuna distribution; at least 1.
        anchors: parameters of the first trials; names left out are sampled.
        prices: costs that are known before training. What they follow from belongs into the fingerprint.
        warm: whether suggestions name the finished trial that is nearest; a space of whole numbers only. It belongs
            into the fingerprint too.

    Yields:
        The study.

    Raises:
        BadOption: an unknown sampler, an anchor outside the space, and the like.
        BadStudy: the folder is in use, cannot be written, or holds another, a foreign or a corrupt study.
    """
    identity = identity_of(fingerprint, objectives, seed, sampler, space, anchors, prices)
    path = Path(folder) / JOURNAL
    verbosity = optuna.logging.get_verbosity()
    with sole_writer(path.parent):
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            if not os.path.lexists(path):
                create_journal(path, identity, objectives)
            remedy = "give another --out, or delete this folder to start over"
            compare(str(path.parent), remedy, load_journal(path), identity)
            yield Study(
                partial(load_journal, path),
                objectives=objectives,
                seed=seed,
                sampler=sampler,
                space=space,
                anchors=anchors,
                prices=prices,
                warm=warm,
            )
        finally:
            optuna.logging.set_verbosity(verbosity)


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """A lock of the kernel: kill -9 releases it.

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
