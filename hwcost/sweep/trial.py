"""One trial of a sweep: build, trace and fold its network, train it inside its budget, price what came out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hwcost.cost.estimate import Estimate, estimate
from hwcost.errors import BadFolding, DivergedTraining, HopelessTrial, OutOfMemory
from hwcost.graph.spec import Thresholds
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import RESOURCES
from hwcost.models.resources import OnPart
from hwcost.quant.granularity import fold_norms, refine_widths
from hwcost.search import Outcome, Prices, Suggestion
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.float_baseline import float_checkpoint
from hwcost.sweep.headroom import in_units
from hwcost.sweep.limits import SPEEDS
from hwcost.sweep.listener import Listener
from hwcost.sweep.noted import Noted
from hwcost.sweep.own_training import removed_at_the_end, trained, within_memory
from hwcost.sweep.pruning import Pruning
from hwcost.sweep.recipe import Params
from hwcost.sweep.study_files import checkpoint, save_net, unfinished
from hwcost.sweep.warm_start import start_from
from hwcost.sweep.width_space import WidthSpace
from hwcost.train.budget import Budget
from hwcost.train.data import Data
from hwcost.train.loop import train
from hwcost.train.penalties import Keeper, Ramp, TargetControl, WeightedCost
from hwcost.train.run import Epoch, Hardware, Run, evaluate
from hwcost.train.width_repair import cost_at_floors

STRETCH = 10
"""Growth of the epochs of a warm trial with its coarseness: with steps larger by a tenth of the range it trains twice
as long, from float to two bits three and a half times (benchmarks/warm_starts.py)."""

POLISHING = 0.3
"""Factor on the recipe's learning rate in a trial that trains on at the same widths: the full rate undoes more than it
improves."""


FAILURES = (DivergedTraining, BadFolding, OutOfMemory, HopelessTrial)
"""Errors that a study records for a trial and survives."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """One trial's network with its hardware.

    Attributes:
        net: the network.
        pipeline, model: that price it.
        limits: figure -> the limit that it is to keep.
    """

    net: nn.Module
    pipeline: Pipeline
    model: OnPart
    limits: Mapping[str, float]

    def estimate(self) -> Estimate:
        """Price it with its live widths."""
        return estimate(self.pipeline, self.model)


def design(experiment: Experiment, params: Params, data: Data, seed: int) -> Design:
    """Build, trace and fold the network of one trial; its hardware is chosen at its starting widths."""
    torch.manual_seed(seed)
    net = experiment.network(params)
    if (per := experiment.settings.granularity) is not None:
        fold_norms(net, data.train.example)
        refine_widths(net, data.train.example, per=per)
    pipeline = trace(net, data.train.example, input_range=experiment.recipe.input)
    model = experiment.model(pipeline, params)
    where = f"recipe {experiment.recipe.name}: its budget()"
    limits = in_units(where, experiment.budget(params), net, pipeline, model)
    return Design(net=net, pipeline=pipeline, model=model, limits=limits)


def priced_space(experiment: Experiment, data: Data) -> Prices | None:
    """The widths to search, with what each choice of them costs; None where trainings decide on the widths."""
    if experiment.settings.bits is None:
        return None
    trial = design(experiment, {}, data, experiment.settings.seed)
    fixed = experiment.recipe.fixed
    widths = WidthSpace(trial.net, trial.pipeline, trial.model, experiment.settings.bits, fixed)
    costs = {at: objective.name for at, objective in enumerate(experiment.objectives) if objective.name != "accuracy"}
    given = experiment.settings.bounds.resources
    limits = {name: min(amount, given.get(name, amount)) for name, amount in experiment.part.capacity.items()}
    return Prices(widths.space, widths.price, costs, {**given, **limits})


def budget_of(
    experiment: Experiment, params: Params, data: Data, limits: Mapping[str, float], floor: Mapping[str, float]
) -> Keeper | None:
    """The budget that drives the widths of a trial while it trains; None where they stand still.

    Args:
        experiment, params, data: of the trial.
        limits: figure -> its limit, as in its `Design`.
        floor: resource -> the least amount that its widths can reach; a lower limit is raised to it.
    """
    if experiment.settings.bits is not None:
        return None  # nothing to drive: the widths stand still
    settings = experiment.training(params)
    limits = {name: max(limit, floor.get(name, limit)) for name, limit in limits.items() if name not in SPEEDS}
    if not limits:
        return None
    steps = data.train.steps(settings.batch)
    if settings.keep == "target":
        return TargetControl(limits, start=settings.budget_strength)
    if settings.keep == "weighted":
        learning = max(1, (settings.epochs - settings.settling_epochs) * steps)
        return WeightedCost(limits, Ramp(settings.budget_strength / settings.ramp, settings.budget_strength, learning))
    return Budget(
        limits,
        strength=settings.budget_strength,
        rate=settings.budget_rate,
        warmup=round(settings.warmup * settings.epochs * steps),
    )


def epochs_of(experiment: Experiment, suggestion: Suggestion) -> int:
    """Epochs that a trial trains."""
    if suggestion.epochs is not None:
        return suggestion.epochs
    if experiment.settings.warm is None:
        return experiment.training(suggestion.params).epochs
    return round(experiment.settings.warm * (suggestion.polish or 1 + STRETCH * suggestion.coarser))


def run_trial(
    experiment: Experiment,
    data: Data,
    suggestion: Suggestion,
    on_epoch: Callable[[Epoch], None] | None = None,
    kept: Path | None = None,
) -> tuple[Outcome, Design]:
    """Train one suggestion inside its budget.

    Its figures follow from (recipe, data, parameters, seed) alone; after a warm start, from its parent's weights too.
    A limit below the cost with every learned width at its floor is out of reach before training. Such a trial is
    trained to that cost instead, since its network may still lie on the front, and its `budget_reachable` is False.

    Args:
        experiment, data, suggestion: of the trial.
        on_epoch: called with each finished epoch.
        kept: as `Run.checkpoint`.

    Raises:
        HopelessTrial: in a study that prunes. HwcostError: as the parts do.
    """
    noted = Noted(suggestion.params)
    suggestion = replace(suggestion, params=noted)
    trial = design(experiment, suggestion.params, data, suggestion.seed)
    settings, parent_state = experiment.training(suggestion.params), experiment.pretrained
    if experiment.settings.warm is not None:
        settings = replace(settings, epochs=epochs_of(experiment, suggestion))
        if suggestion.polish:
            settings = replace(settings, lr=POLISHING * settings.lr)
        out, parent = experiment.settings.out, suggestion.parent
        known = float_checkpoint(out) if parent is None else suggestion.parent_checkpoint
        parent_state = start_from(trial.net, checkpoint(out, parent), known)
    limits = {} if experiment.settings.bits is not None else trial.limits
    floor = cost_at_floors(trial.net, trial.pipeline, trial.model) if limits else {}
    floor |= {name: speeds_of(trial.estimate())[name] for name in limits.keys() & SPEEDS}
    budget = budget_of(experiment, suggestion.params, data, limits, floor)
    pruning = Pruning(experiment.objectives, suggestion.rivals, lambda epoch: epoch.cost | speeds_of(trial.estimate()))

    def heard(epoch: Epoch) -> None:
        if on_epoch is not None:
            on_epoch(epoch)
        pruning(epoch)

    with within_memory(f"trial {suggestion.number}"):
        run = Run(
            net=trial.net,
            data=data,
            training=settings,
            seed=suggestion.seed,
            hardware=Hardware(trial.pipeline, trial.model, budget),
            task=experiment.recipe.task,
            params=suggestion.params,
            parent=parent_state,
            checkpoint=kept,
            on_epoch=heard,
        )
        extra: dict[str, object] = dict(trained(experiment, run))
        own = {name: extra.pop(name) for name in extra.keys() - {"accuracy"}}
    extra |= {"figures": own} if own else {}
    extra |= {"unread": noted.unread} if noted.unread and experiment.recipe.train is not train else {}
    extra |= {} if experiment.settings.warm is None else {"parent": suggestion.parent}
    extra |= {"polish": suggestion.polish} if suggestion.polish else {}
    if limits:
        extra["budget_reachable"] = all(floor[name] <= limit for name, limit in limits.items())
    return judged(experiment, data, suggestion, trial, run.epochs, extra), trial


def evaluated(experiment: Experiment, data: Data, suggestion: Suggestion, listener: Listener) -> Outcome:
    """Train a suggestion and keep its network in the study's folder.

    Raises:
        OutOfMemory: its training asked for more memory than there is. HwcostError: as `run_trial`.
    """
    listener.trial_started(suggestion.number)
    kept = unfinished(experiment.settings.out, suggestion.seed)
    with removed_at_the_end(kept):
        outcome, trial = run_trial(experiment, data, suggestion, listener.epoch_done, kept)
    saved = save_net(trial.net, checkpoint(experiment.settings.out, suggestion.number))
    return replace(outcome, attributes={**outcome.attributes, "checkpoint": saved})


def judged(
    experiment: Experiment,
    data: Data,
    suggestion: Suggestion,
    trial: Design,
    epochs: Sequence[Epoch],
    extra: Mapping[str, object],
) -> Outcome:
    """Judge a trained network: score on the validation split, price, layers, and its epochs.

    Args:
        experiment, data, suggestion: where it comes from.
        trial: its network, with the hardware.
        epochs: of its training.
        extra: attributes of this trial alone.
    """
    priced, limits = trial.estimate(), trial.limits
    speeds = speeds_of(priced)
    quantizing, task = _activations(trial.pipeline), experiment.recipe.task
    figures: dict[str, Any] = {
        "accuracy": extra["accuracy"] if "accuracy" in extra else evaluate(trial.net, data.validation, task=task),
        **{name: priced.total[name] for name in RESOURCES},
        **extra,
        **{name: speeds[name] for name in ("latency_cycles", "latency_us", "fps")},
        "energy_uj": priced.energy_uj,
        "fits": priced.fits,
        "budget": dict(limits),
        "within_budget": all((priced.total | speeds)[name] <= limit for name, limit in limits.items()),
        "layers": [_layer_record(row, quantizing) for row in priced.record()["layers"]],
        "epochs": [_epoch_record(epoch, quantizing) for epoch in epochs],
    }
    if not isfinite(figures["accuracy"]):
        raise DivergedTraining(f"the {task.name} is {figures['accuracy']}")
    values = {**figures, **speeds}
    return Outcome(values=tuple(values[name] for name in experiment.recipe.objectives), attributes=figures)


def speeds_of(priced: Estimate) -> dict[str, float]:
    """Interval and latency in cycles, latency in microseconds, and frame rate of a design."""
    return {
        "interval_cycles": priced.total["cycles"],
        "latency_cycles": priced.latency_cycles,
        "latency_us": priced.latency_us,
        "fps": priced.fps,
    }


def _activations(pipeline: Pipeline) -> frozenset[str]:
    """Names of the layers that choose an activation's width; pooling only passes it on."""
    return frozenset(
        layer.name for layer in pipeline.layers() if any(isinstance(block, Thresholds) for block in layer.blocks)
    )


def _layer_record(row: Mapping[str, object], activations: frozenset[str]) -> dict[str, object]:
    keep = ("layer", "kind", "weight_bits", "input_bits", *RESOURCES)
    return {name: _whole(row.get(name)) for name in keep} | {
        "activation_bits": _whole(row["output_bits"]) if row["layer"] in activations else None,
        "pe": row.get("PE"),
        "simd": row.get("SIMD"),
    }


def _whole(value: object) -> object:
    """Undo a table, which turns whole numbers into floats where a neighbour is missing."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _epoch_record(epoch: Epoch, activations: frozenset[str]) -> dict[str, object]:
    widths = {
        f"{layer} {'weights' if 'weight_bits' in bits else 'activations'}": bits.get("weight_bits", bits["output_bits"])
        for layer, bits in epoch.widths.items()
        if "weight_bits" in bits or layer in activations
    }
    cost = {name: epoch.cost[name] for name in ("LUT", "DSP", "BRAM18")}
    return {"epoch": epoch.epoch, "loss": epoch.loss, "accuracy": epoch.accuracy, **cost, "widths": widths}
