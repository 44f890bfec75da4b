"""`hwcost worker`: trains for a sweep that another machine leads."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from hwcost.search import RunEnd, join_study
from hwcost.sweep.provenance import fingerprint_of
from hwcost.sweep.recipe import Recipe
from hwcost.sweep.run import FAILURES, Listener, evaluated, meant_by, weights_of
from hwcost.sweep.settings import Sweep
from hwcost.sweep.trial import priced_space, rehearse


def join(
    url: str,
    name: str,
    folder: Path,
    find: Callable[[str], Recipe],
    *,
    recipe: str | None = None,
    data: Path | None = None,
    artifacts: str | None = None,
    on_trial: Callable[[int], None] | None = None,
    listener: Listener | None = None,
) -> RunEnd:
    """Train planned trials of a shared study until its sweep has all it wanted, or is gone.

    Args:
        url: of the database. name: of the study.
        folder: for the weights on this machine; several processes may share it.
        find: reference -> recipe, as the command line does.
        recipe, data, artifacts: as this machine reaches them; None where as the sweep does.
        on_trial: called with the number of trials that this process has trained.
        listener: told of the epochs.

    Raises:
        BadStudy: the study cannot be reached, or code, data or settings here are not those of the sweep.
    """
    torch.set_num_threads(1)
    with join_study(url, name, folder) as joined:
        told = dict(joined.settings)
        where, _ = artifacts or told.pop("artifacts"), told.pop("heartbeat_s")
        told.pop("artifacts", None)
        sweep = _sweep(told, find, recipe, folder, data)
        loaded = sweep.load()
        rehearse(sweep, loaded)
        prices = priced_space(sweep, loaded)
        fingerprint = fingerprint_of(sweep, loaded, shared=True)
        study = joined.agree(where, files=weights_of(sweep), fingerprint=fingerprint, **meant_by(sweep, prices))
        return study.work(
            lambda suggestion: evaluated(sweep, loaded, suggestion, listener or Listener()),
            on_trial=on_trial,
            failures=FAILURES,
        )


def _sweep(
    told: dict[str, Any], find: Callable[[str], Recipe], recipe: str | None, folder: Path, data: Path | None
) -> Sweep:
    reference = recipe or told["reference"]
    bits = tuple(told["bits"]) if told["bits"] else None
    given = {"bits": bits, "reference": reference, "recipe": find(reference), "out": folder, "data": data}
    return Sweep(**{**told, **given, "command": shlex.join(["hwcost", *sys.argv[1:]])})
