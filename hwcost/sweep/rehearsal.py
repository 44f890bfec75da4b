"""Rehearsal of a recipe: every fault that shows without training is met before anything is trained or written."""

from collections.abc import Mapping
from itertools import chain, islice

import torch
from torch import Tensor

from hwcost.cost.hardware_cost import hardware_cost
from hwcost.errors import BadFolding, BadRecipe
from hwcost.graph.trace import Pipeline
from hwcost.models import RESOURCES
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.noted import Noted
from hwcost.sweep.trial import budget_of, design
from hwcost.sweep.tries import kept_tries
from hwcost.sweep.user_call import ask
from hwcost.sweep.warm_start import check_alike
from hwcost.train.data import Data
from hwcost.train.loop import train
from hwcost.train.tree import called

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
    if experiment.settings.warm is not None:
        check_alike(experiment.network({}), float_net)
    for params in tries:
        try:
            trial = design(experiment, params, data, experiment.settings.seed)
        except BadFolding as error:
            too_slow.append(error)
            continue
        _check_outputs(experiment, trial.pipeline, data)
        budget = budget_of(experiment, params, data)
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
    _check_read(experiment)


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
