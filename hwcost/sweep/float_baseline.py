"""The float network of a study: the score to hold on to, trained once and measured on test data once."""

from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from pathlib import Path

import torch
from torch import nn

from hwcost.errors import BadRecipe, BadStudy
from hwcost.report.schema import FloatRecord
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.own_training import removed_at_the_end, trained
from hwcost.sweep.study_files import checkpoint, read_json, restore_net, save_net, text, unfinished, write_json
from hwcost.train.data import Data, Split
from hwcost.train.run import Epoch, Run, evaluate

FLOAT = "float.json"


def float_baseline(experiment: Experiment, data: Data, on_epoch: Callable[[Epoch], None] | None = None) -> FloatRecord:
    """Train the float network, once per study and as every trial, unless it is given; its validation score."""
    path = experiment.settings.out / FLOAT
    if path.exists():
        return _recorded(path)
    torch.manual_seed(experiment.settings.seed)
    net = experiment.float_network()
    task = experiment.recipe.task
    figures: FloatRecord = {}
    if experiment.recipe.pretrained is None:
        seed = experiment.settings.seed
        kept = unfinished(experiment.settings.out, None)
        run = Run(net=net, data=data, training=experiment.training(), seed=seed, task=task, on_epoch=on_epoch)
        with removed_at_the_end(kept):
            trained(experiment, replace(run, checkpoint=kept))
    else:
        figures["given"] = True
    figures["validation"] = _sound(experiment, net, data.validation, "validation")
    _sound(experiment, net, data.test, "test")  # what fails there must not fail after the search; it is not looked at
    saved = save_net(net, checkpoint(experiment.settings.out, None))
    write_json(path, {**figures, "checkpoint": saved})
    return figures


def _sound(experiment: Experiment, net: nn.Module, split: Split, name: str) -> float:
    """The score of the float network on a split.

    Raises:
        BadRecipe: it is not finite, or shown in percent and no ratio.
    """
    task, where = experiment.recipe.task, f"recipe {experiment.recipe.name}"
    found = evaluate(net, split, task=task)
    if not isfinite(found):
        raise BadRecipe(
            f"{where}: the {task.name} of its float network on {name} data is {found}; mend score() or the training, "
            "and call again"
        )
    if task.unit == "%" and found > 1:
        raise BadRecipe(
            f"{where}: the {task.name} of its float network on {name} data is {found:g}, which unit='%' shows as "
            f"{100 * found:g} %; return a ratio, 1 for 100 %, or give another unit"
        )
    return found


def measure_baseline_on_test(experiment: Experiment, data: Data) -> FloatRecord:
    """Add the test score of the float network, which is measured once, when the search is over."""
    path = experiment.settings.out / FLOAT
    figures = _recorded(path)
    if "test" not in figures:
        net = experiment.float_network()
        known = float_checkpoint(experiment.settings.out)
        restore_net(net, checkpoint(experiment.settings.out, None), known)
        figures["test"] = evaluate(net, data.test, task=experiment.recipe.task)
        write_json(path, {**figures, **({} if known is None else {"checkpoint": known})})
    return figures


def float_checkpoint(folder: Path) -> str | None:
    """Hash of the weights of the float network; None where it was not recorded, or another machine trained it."""
    path = folder / FLOAT
    return text(read_json(path), "checkpoint") if path.exists() else None


def _recorded(path: Path) -> FloatRecord:
    known = read_json(path)
    found: FloatRecord = {}
    try:
        if known.get("given") is True:
            found["given"] = True
        if "validation" in known:
            found["validation"] = float(known["validation"])
        if "test" in known:
            found["test"] = float(known["test"])
    except (TypeError, ValueError) as error:
        raise BadStudy(f"{path}: garbled ({error}); restore it, or start a study in another folder") from error
    return found
