"""The front of a study when its search is over: tested once, trained on, and trained again with other seeds."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from hwcost.errors import BadStudy, HwcostError
from hwcost.quant import freeze_widths
from hwcost.report.pareto import Floats, hypervolume
from hwcost.report.schema import RepeatRecord
from hwcost.search import Study, Suggestion
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.own_training import trained, within_memory
from hwcost.sweep.standing import Row, points, standing
from hwcost.sweep.study_files import checkpoint, read_json, restore_net, save_net, text, whole, write_json
from hwcost.sweep.trial import POLISHING, design, run_trial
from hwcost.train.data import Data
from hwcost.train.run import Epoch, Run, evaluate

TESTED, REPEATED, REFIT = "test.json", "repeats.json", "refit.json"


def survivors(front: list[Row], experiment: Experiment, rung: int) -> list[Row]:
    """Choose the trials that train on: at rung 1 the whole front, at each next one the half that covers the most.

    Source: successive halving (Jamieson and Talwalkar, AISTATS 2016), ranked by exclusive hypervolume, as in SMS-EMOA
    (Beume, Naujoks and Emmerich, EJOR 2007); its extremes come first.

    Args:
        front: rows of the non-dominated trials, distinct widths or not: of equal widths the latest is chosen.
        experiment: for its objectives.
        rung: from 1.
    """
    latest = {str(sorted(row["params"].items())): row for row in front}
    rows = list(latest.values())
    alone = _alone(points(rows, experiment), [objective.direction for objective in experiment.objectives])
    order = sorted(range(len(rows)), key=lambda at: (-alone[at], at))
    return [rows[at] for at in sorted(order[: ceil(len(rows) / 2 ** (rung - 1))])]


def _alone(points: Floats, directions: Sequence[str]) -> list[float]:
    """Exclusive hypervolume of each point of a front; infinite for the worst point in any objective."""
    differing = [at for at, column in enumerate(points.T) if np.ptp(column) > 0]
    points, ways = points[:, differing], [directions[at] for at in differing]
    worst = np.array(
        [column.min() if way == "maximize" else column.max() for column, way in zip(points.T, ways, strict=True)]
    )
    whole = hypervolume(points, worst, ways) if differing else 0.0
    return [
        np.inf
        if (point == worst).any() or not differing
        else whole - hypervolume(np.delete(points, at, 0), worst, ways)
        for at, point in enumerate(points)
    ]


def measure_on_test(experiment: Experiment, data: Data, study: Study) -> None:
    """Measure the test score of the trials on the front, which validation chose: of each once, of no other trial."""
    tested = recorded(experiment.settings.out / TESTED)
    for row in standing(study, experiment).front:
        number = int(row["number"])
        if entry_of(tested, row) is not None:
            continue
        study.fetch(number)
        net = design(experiment, row["params"], data, int(row["seed"]), text(row, "live_channels")).net
        restore_net(net, checkpoint(experiment.settings.out, number), text(row, "checkpoint"))
        tested[key_of(row)] = evaluate(net, data.test, task=experiment.recipe.task)
        write_json(experiment.settings.out / TESTED, tested)


def repeat_front(
    experiment: Experiment,
    data: Data,
    study: Study,
    times: int,
    failures: tuple[type[HwcostError], ...],
    on_epoch: Callable[[Epoch], None] | None = None,
) -> None:
    """Train every trial of the front again with other seeds, and test it, to measure the spread between seeds.

    A repetition is what the trial was, with another order of the samples and, from the start, other first weights; what
    joined from a ramp is fine-tuned from its own weights where trials start warm, and else trained from the start. Each
    is written at once and made only once.

    Args:
        experiment, data, study: as in `measure_on_test`.
        times: repetitions wanted of each trial, with those on record.
        failures: errors that are recorded and survived.
        on_epoch: called with each finished epoch.
    """
    done = recorded(experiment.settings.out / REPEATED)
    for row in standing(study, experiment).front:
        runs = list(entry_of(done, row) or [])
        while len(runs) < times:
            suggestion = _repetition(experiment, row, len(runs) + 1)
            if suggestion.parent is not None:
                study.fetch(suggestion.parent)
            figures: RepeatRecord = {"seed": suggestion.seed, "accuracy": None, "test_accuracy": None}
            try:
                outcome, trial = run_trial(experiment, data, suggestion, on_epoch)
                figures["accuracy"] = outcome.attributes["accuracy"]
                figures["test_accuracy"] = evaluate(trial.net, data.test, task=experiment.recipe.task)
            except failures as error:
                figures["error"] = f"{type(error).__name__}: {error}"
            runs.append(figures)
            done[key_of(row)] = runs
            write_json(experiment.settings.out / REPEATED, done)


def refit_front(
    experiment: Experiment,
    data: Data,
    study: Study,
    epochs: int,
    failures: tuple[type[HwcostError], ...],
    on_epoch: Callable[[Epoch], None] | None = None,
) -> None:
    """Train every trial of the front on with all that is not test data, keep both sets of weights, and test it.

    Each is written at once, and made again only for another number of epochs.

    Args:
        experiment, data, study, failures, on_epoch: as in `repeat_front`.
        epochs: of each.
    """
    done = recorded(experiment.settings.out / REFIT)
    for row in standing(study, experiment).front:
        number = int(row["number"])
        if (entry_of(done, row) or {}).get("epochs") == epochs:
            continue
        study.fetch(number)
        figures: dict[str, object] = {"epochs": epochs, "test_accuracy": None}
        try:
            net = refit(experiment, data, row, epochs, on_epoch)
            figures["checkpoint"] = save_net(net, checkpoint(experiment.settings.out, number, refit=True))
            figures["test_accuracy"] = evaluate(net, data.test, task=experiment.recipe.task)
        except failures as error:
            figures["error"] = f"{type(error).__name__}: {error}"
        done[key_of(row)] = figures
        write_json(experiment.settings.out / REFIT, done)


def refit(
    experiment: Experiment,
    data: Data,
    row: Row,
    epochs: int,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> nn.Module:
    """The network of a trial, trained on from its own weights with the training and the validation samples.

    Nothing is chosen by validation any more. Its widths stand still, so it costs what it did; the learning rate is that
    of trials that train on (`hwcost.sweep.trial.POLISHING`).

    Args:
        experiment, data: of the trial.
        row: of the trial in the table of its study.
        epochs: at least 1.
        on_epoch: called with each finished epoch, whose score is on samples that were trained on.
    """
    net = design(experiment, row["params"], data, int(row["seed"]), text(row, "live_channels")).net
    restore_net(net, checkpoint(experiment.settings.out, int(row["number"])), text(row, "checkpoint"))
    training = experiment.training(row["params"])
    settings = replace(training, epochs=epochs, lr=POLISHING * training.lr, settle=1.0)
    with within_memory(f"trial {row['number']}, refit"):
        freeze_widths(net)
        everything, seed, task = data.all_but_test(), int(row["seed"]), experiment.recipe.task
        run = Run(net=net, data=everything, training=settings, seed=seed, task=task, on_epoch=on_epoch)
        parent = {name: one.detach().cpu().clone() for name, one in net.state_dict().items()}
        trained(experiment, replace(run, params=row["params"], parent=parent))
    return net


def _repetition(experiment: Experiment, row: Row, at: int) -> Suggestion:
    from_itself = experiment.settings.warm is not None and whole(row, "ramp_epoch") is not None
    return Suggestion(
        number=int(row["number"]),
        params=row["params"],
        seed=(int(row["seed"]) + at) % 2**32,
        parent=whole(row, "number" if from_itself else "parent"),
        parent_checkpoint=text(row, "checkpoint") if from_itself else None,
        polish=whole(row, "polish") or 0,
        epochs=None if from_itself else len(row["epochs"]),
    )


def key_of(row: Mapping[Any, Any]) -> str:
    """Key of a trial in the records of finalists: its number, and a hash of its parameters, seed and weights.

    The number alone may mean another trial where an older journal was restored.
    """
    content = json.dumps([row["params"], int(row["seed"]), text(row, "checkpoint")], sort_keys=True)
    return f"{int(row['number'])}-{sha256(content.encode()).hexdigest()[:16]}"


def entry_of(records: Mapping[str, object], row: Mapping[Any, Any]) -> Any:
    """The entry of a trial; in a study from before there were hashes, by its number. None where there is none."""
    return records.get(key_of(row), None if text(row, "checkpoint") else records.get(str(int(row["number"]))))


def recorded(path: Path) -> dict[str, Any]:
    """The record in a file of a study; empty before it is written.

    Raises:
        BadStudy: it cannot be read, or an entry has another form.
    """
    found = read_json(path) if path.exists() else {}
    for key, entry in found.items():
        several = isinstance(entry, list) and all(isinstance(one, dict) for one in entry)
        if not {TESTED: isinstance(entry, int | float), REPEATED: several, REFIT: isinstance(entry, dict)}[path.name]:
            raise BadStudy(f"{path}: its entry {key} is garbled ({entry!r:.80}); restore the file, or remove it")
    return found
