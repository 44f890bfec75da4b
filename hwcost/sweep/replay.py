"""Replay of the trials of a study: trained again from their records, or restored from their checkpoints."""

from collections.abc import Callable, Hashable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from hwcost.errors import BadStudy
from hwcost.models import RESOURCES
from hwcost.report import read_study
from hwcost.search import Outcome, Suggestion
from hwcost.sweep import ramp
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.finalists import REFIT, entry_of, recorded
from hwcost.sweep.fingerprint import CODE, fingerprint_of
from hwcost.sweep.listener import Listener
from hwcost.sweep.recipe import Recipe
from hwcost.sweep.study_files import checkpoint, read_run, read_settings, read_trials, restore_net, text, whole
from hwcost.sweep.torch_device import one_thread
from hwcost.sweep.trial import Design, design, epochs_of, priced_space, run_trial
from hwcost.train.data import Data


def reproduce(
    folder: Path,
    number: int,
    find: Callable[[str], Recipe],
    data: Path | None,
    watched: Callable[[int], AbstractContextManager[Listener]] = lambda epochs: nullcontext(Listener()),
) -> tuple[dict[str, float], dict[str, float]]:
    """Train one trial of a study again, from its record.

    Args:
        folder: of the study.
        number: of the trial.
        find: reference -> recipe, as the command line does.
        data: path of the data set; None where it ships with a dependency.
        watched: number of epochs -> listener that hears of each.

    Returns:
        The recorded figures, and those of the new training.

    Raises:
        BadStudy: no such finished trial, or recipe and data are not those of the study.
    """
    experiment, loaded, suggestion, kept = _recorded(folder, number, find, data)
    ramped_to = whole(kept, "ramp_epoch")
    with one_thread(), watched(ramped_to or epochs_of(experiment, suggestion)) as listener:
        listener.trial_started(number)
        outcome = _again(experiment, loaded, suggestion, ramped_to, listener)
    figures = {name: kept.get(name) for name in ("accuracy", *RESOURCES)}
    names = [name for name, value in figures.items() if value is not None and value == value]  # older studies lack some
    return {name: float(kept[name]) for name in names}, {name: float(outcome.attributes[name]) for name in names}


def _again(
    experiment: Experiment, data: Data, suggestion: Suggestion, epoch: int | None, listener: Listener
) -> Outcome:
    """Outcome of a trial, or of the epoch of a ramp that joined as one."""
    if epoch is None:
        return run_trial(experiment, data, suggestion, listener.epoch_done)[0]
    return ramp.again(experiment, data, priced_space(experiment, data), epoch, listener.epoch_done).outcome


def recall(
    folder: Path, number: int, find: Callable[[str], Recipe], data: Path | None, *, refit: bool = False
) -> Design:
    """The network of a finished trial as its training left it, with its hardware; nothing is trained.

    Args:
        folder, number, find, data: as in `reproduce`.
        refit: after `hwcost finish --refit`, which trains it on the validation samples too.

    Raises:
        BadStudy: as `reproduce`, or its checkpoint is missing or broken.
    """
    experiment, loaded, suggestion, kept = _recorded(folder, number, find, data)
    trial = design(experiment, suggestion.params, loaded, suggestion.seed, text(kept, "live_channels"))
    record: Mapping[Any, Any] = (entry_of(recorded(folder / REFIT), kept) or {}) if refit else kept
    if refit and record.get("test_accuracy") is None:
        raise BadStudy(
            f"{folder}: trial {number} was not refit; `hwcost finish {folder} --refit EPOCHS` refits the front"
        )
    restore_net(trial.net, checkpoint(folder, number, refit=refit), text(record, "checkpoint"))
    return trial


def best(folder: Path, count: int) -> list[int]:
    """Trials of the front of a study: its knee first, then the others, the best score first.

    Args:
        folder: of the study.
        count: how many at most.

    Raises:
        BadStudy: no study there, or none of its trials finished.
    """
    study = read_study(read_trials(folder), read_run(folder))
    front = study.complete[study.complete["on_front"]]
    knees = {mark.row for mark in study.marks if "knee" in mark.names}
    losses = -study.score.sign * front["accuracy"]
    order = sorted(front.index, key=lambda row: (row not in knees, losses[row], front["number"][row]))
    if not order:
        raise BadStudy(f"{folder}: no trial finished; call `hwcost sweep` again to add some")
    return [int(front["number"][row]) for row in order[:count]]


def _recorded(
    folder: Path, number: int, find: Callable[[str], Recipe], data: Path | None
) -> tuple[Experiment, Data, Suggestion, Mapping[Hashable, Any]]:
    """A finished trial with the experiment it belongs to; refuses if recipe or data are not what they were."""
    record = read_run(folder)
    trials = read_study(read_trials(folder), record).trials  # checked
    settings = read_settings(folder, data=None if data is None else str(data))
    try:
        done = [row.to_dict() for _, row in trials.iterrows() if row["state"] == "COMPLETE"]
        kept = next(row for row in done if row["number"] == number)
        parent = whole(kept, "parent")
        suggestion = Suggestion(
            number=number,
            params=kept["params"],
            seed=int(kept["seed"]),
            parent=parent,
            parent_checkpoint=next((text(row, "checkpoint") for row in done if row["number"] == parent), None),
            polish=whole(kept, "polish") or 0,
            epochs=len(kept["epochs"]) or None,
        )
        studied = dict(record["fingerprint"])
    except StopIteration as error:
        raise BadStudy(f"{folder}: no trial {number} that finished; trials.csv lists what there is") from error
    except (KeyError, TypeError, ValueError) as error:
        raise BadStudy(
            f"{folder}: its record lacks or garbles {error}; call `hwcost sweep` again to write it"
        ) from error
    experiment = Experiment.find(settings, find)
    loaded = experiment.load()
    studied.pop(CODE, None)  # keeps machines alike while they train; a later version may look at what came of it
    now = fingerprint_of(experiment, loaded, shared=False)
    differing = [name for name, value in now.upgrade(studied).items() if now.entries.get(name) != value]
    if differing:
        raise BadStudy(f"{folder}: {', '.join(differing)} changed since the study; its trials cannot be repeated")
    return experiment, loaded, suggestion, kept
