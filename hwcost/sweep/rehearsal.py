"""Rehearsal of a recipe: every fault that shows without training is met before anything is trained or written."""

import copy
from collections.abc import Mapping
from itertools import chain, islice

import torch
from torch import Tensor, nn

from hwcost.cost.hardware_cost import hardware_cost
from hwcost.errors import BadFolding, BadRecipe
from hwcost.graph.trace import Pipeline
from hwcost.models import RESOURCES
from hwcost.quant.granularity import fold_norms
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.noted import Noted
from hwcost.sweep.trial import budget_of, design
from hwcost.sweep.tries import kept_tries
from hwcost.sweep.user_call import ask
from hwcost.sweep.warm_start import check_alike
from hwcost.train.data import Data
from hwcost.train.loop import train
from hwcost.train.tree import called, leaves

_OF_EPOCHS = {"accuracy", *RESOURCES}

_DRAWS = 16
"""Random assignments in which a parameter may be read that no first try reads."""


def rehearse(experiment: Experiment, data: Data) -> None:
    """Meet every fault of a recipe before anything is trained or written: build, fold and price its first tries.

    Raises:
        HwcostError: as the parts do; BadFolding only if no first try reaches the frame rate.
    """
    if experiment.settings.ramp is not None and experiment.recipe.train is not train:
        raise BadRecipe(f"recipe {experiment.recipe.name}: its train() knows no ramp; omit --ramp, or train=")
    priced = {objective.name for objective in experiment.objectives} - _OF_EPOCHS
    if experiment.settings.ramp is not None and priced:
        raise BadRecipe(
            f"recipe {experiment.recipe.name}: objective {min(priced)} is not followed in a ramp; omit --ramp, or it"
        )
    too_slow: list[BadFolding] = []
    tries = experiment.rehearsals
    float_net = experiment.float_network()
    _check_start(experiment, data, float_net)
    for params in tries:
        try:
            trial = design(experiment, params, data, experiment.settings.seed)
        except BadFolding as error:
            too_slow.append(error)
            continue
        _check_outputs(experiment, trial.pipeline, data)
        budget = budget_of(experiment, params, data, trial.limits, {})
        if budget is not None:
            budget.penalty(hardware_cost(trial.pipeline, trial.model))
    if len(too_slow) == len(tries):
        raise too_slow[0]
    where = f"recipe {experiment.recipe.name}: its float_network()"
    with torch.no_grad():
        scores = ask(where, called, float_net.eval(), data.train.example)
    needed = None if experiment.recipe.task.outputs is None else experiment.recipe.task.outputs(data)
    shape = tuple(scores.shape[1:]) if isinstance(scores, Tensor) and needed is not None else needed
    if shape != needed or not any(one.requires_grad for one in float_net.parameters()):
        raise BadRecipe(f"{where} gives {shape} for a sample, or has nothing to train; give one like network()")
    _check_task(experiment, float_net, data)
    _check_read(experiment)


def _check_start(experiment: Experiment, data: Data, float_net: nn.Module) -> None:
    """Refuse a warm start or a ramp whose networks cannot take over the weights of the float network.

    Raises:
        BadRecipe: their layers differ, or the float network refuses the data.
    """
    if experiment.settings.ramp is None and experiment.settings.warm is None:
        return
    flag = "--ramp" if experiment.settings.ramp is not None else "--warm"
    if experiment.settings.granularity is None:
        check_alike(experiment.network({}), float_net, flag)
        return
    folded = copy.deepcopy(float_net)  # a ramp of constants takes over what its norms are moved into
    where = f"recipe {experiment.recipe.name}: its float_network()"
    ask(where, fold_norms, folded, data.train.example)
    check_alike(design(experiment, {}, data, experiment.settings.seed).net, folded, flag)


def _check_task(experiment: Experiment, net: nn.Module, data: Data) -> None:
    """Call loss and judge of a task on a batch of the float network.

    Raises:
        BadRecipe: one fails, or gives something else than it should.
    """
    task, where = experiment.recipe.task, f"recipe {experiment.recipe.name}: the {{}}() of its task"
    x, y = data.train.take(slice(0, experiment.training().batch))
    out = called(net, x)
    if experiment.recipe.train is train:  # a training of its own may have a loss of its own
        loss: object = ask(where.format("loss"), task.loss, out, x, y)
        if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
            raise BadRecipe(f"{where.format('loss')} gives {_form(loss)} for a batch; give one number with a gradient")
    with torch.no_grad():
        judged = ask(where.format("judge"), task.judge, called(net, x), x, y)
    count = len(leaves(x)[0])
    try:
        alike = all(len(one) == count for one in leaves(judged))
    except (TypeError, AttributeError):  # no tensors
        alike = False
    if not alike:
        raise BadRecipe(
            f"{where.format('judge')} gives {_form(judged)} for a batch of {count}; give tensors with an entry for "
            "each sample, of which score() makes the score of the whole split"
        )


def _form(found: object) -> str:
    return f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__


def _check_outputs(experiment: Experiment, pipeline: Pipeline, data: Data) -> None:
    """Hold the shapes of all outputs of a network against what its task needs.

    Raises:
        BadRecipe: they differ.
    """
    task = experiment.recipe.task
    if task.outputs is None:
        return
    signals = [*pipeline.inputs, *(layer.output for layer in pipeline.layers())]
    shapes: tuple[object, ...] = tuple(signals[at].shape for at in pipeline.outputs)
    needed = task.outputs(data)
    if (shapes if len(shapes) != 1 or needed[:1] == shapes else shapes[0]) != needed:
        given = shapes[0] if len(shapes) == 1 else shapes
        classes = "" if data.classes is None else f", of {data.classes} classes,"
        raise BadRecipe(
            f"recipe {experiment.recipe.name}: its network gives {given} for a sample; {task.name} on "
            f"{data.name}{classes} needs {needed}"
        )


def _check_read(experiment: Experiment) -> None:
    """Refuse parameters of a space that no function of the recipe reads: their search would tell nothing.

    Raises:
        BadRecipe: names them.
    """
    recipe = experiment.recipe
    if (
        experiment.settings.bits is not None or experiment.settings.ramp_alone or recipe.train is not train
    ):  # a training of its own may read them: `check_trainings`
        return
    left: set[str] = set()
    read: set[str] = set()
    for params in chain(recipe.first_tries, islice(kept_tries(recipe.asked, recipe.excess), _DRAWS)):
        noted = Noted(params)
        for function in (experiment.network, experiment.budget, experiment.hardware, experiment.training):
            function(noted)
        read |= noted.read
        left = (left | params.keys()) - read
        if not left and isinstance(recipe.space, Mapping):
            return
    if not left:
        return
    raise BadRecipe(
        f"recipe {recipe.name}: space has {', '.join(sorted(left))}, which network(), budget(), hardware() and "
        "training() never read; read it there, or remove it from the space"
    )
