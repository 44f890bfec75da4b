"""The float network of a study: the accuracy to hold on to, trained once and tested once."""

from __future__ import annotations

from collections.abc import Callable

import torch

from hwcost.sweep.settings import Sweep
from hwcost.sweep.study_files import checkpoint, read_json, restore_net, save_net, write_json
from hwcost.train.data import Data
from hwcost.train.loop import Epoch, evaluate, fit

FLOAT = "float.json"


def float_baseline(sweep: Sweep, data: Data, on_epoch: Callable[[Epoch], None] | None = None) -> dict[str, float]:
    """Validation accuracy of the float network, trained once per study with the settings of every trial."""
    path = sweep.out / FLOAT
    if path.exists():
        return read_json(path)
    torch.manual_seed(sweep.seed)
    net = sweep.network(None)
    task = sweep.recipe.task
    fit(net, data, sweep.recipe.training, seed=sweep.seed, task=task, on_epoch=on_epoch)
    save_net(net, checkpoint(sweep.out, None))
    figures = {"validation": evaluate(net, data.validation, task=task)}
    write_json(path, figures)
    return figures


def test_baseline(sweep: Sweep, data: Data) -> dict[str, float]:
    """Its figures with the test accuracy: touched once, when the search is over."""
    path = sweep.out / FLOAT
    figures = read_json(path)
    if "test" not in figures:
        net = sweep.network(None)
        restore_net(net, checkpoint(sweep.out, None))
        figures["test"] = evaluate(net, data.test, task=sweep.recipe.task)
        write_json(path, figures)
    return figures
