"""One trial of a sweep: build, trace and fold its network, train it inside its budget, price what came out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hwcost.cost.channel_pipeline import ChannelPipeline
from hwcost.cost.estimate import Estimate, estimate
from hwcost.errors import BadFolding, DivergedTraining, HopelessTrial, OutOfMemory
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import RESOURCES
from hwcost.models.resources import OnPart
from hwcost.quant.granularity import fold_norms, refine_widths
from hwcost.search import Outcome, Prices, Suggestion
from hwcost.sweep.channel_learning import Learning, learning, left, live_of
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
from hwcost.sweep.trial_record import activations_of, epoch_record, layer_record
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
        learning: what prices it instead while its channels learn.
    """

    net: nn.Module
    pipeline: Pipeline
    model: OnPart
    limits: Mapping[str, float]
    learning: Learning | None = None

    @property
    def hardware(self) -> tuple[Pipeline | ChannelPipeline, OnPart]:
        """The pipeline and the model that price it now."""
        return self.learning or (self.pipeline, self.model)

    def estimate(self) -> Estimate:
        """Price it with its live widths."""
        return estimate(*self.hardware)


def design(experiment: Experiment, params: Params, data: Data, seed: int, live: str | None = None) -> Design:
    """Build, trace and fold the network of one trial; its hardware is chosen at its starting widths.

    Args:
        experiment, params, data, seed: of the trial.
        live: the channels that its training left, where they learned: the others are removed.
    """
    torch.manual_seed(seed)
    net = experiment.network(params)
    if (per := experiment.settings.granularity) is not None:
        fold_norms(net, data.train.example)
        refine_widths(net, data.train.example, per=per)
    pipeline = trace(net, data.train.example, input_range=experiment.recipe.input)
    model = experiment.model(pipeline, params)
    where = f"recipe {experiment.recipe.name}: its budget()"
    learned = None
    if (multiple := experiment.settings.channels) is not None:
        learned = learning(net, data.train.example, experiment.recipe.input, model, multiple)
    limits = in_units(where, experiment.budget(params), net, *(learned or (pipeline, model)))
    if learned is not None and live is not None:
        net, learned = left(learned.pipeline.channels, live), None
        pipeline = trace(net, data.train.example, input_range=experiment.recipe.input)
        model = experiment.model(pipeline, params)
    return Design(net=net, pipeline=pipeline, model=model, limits=limits, learning=learned)


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
    floor = cost_at_floors(trial.net, *trial.hardware) if limits else {}
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
            hardware=Hardware(*trial.hardware, budget),
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
    if trial.learning is not None:
        channels = trial.learning.pipeline.channels
        extra["live_channels"] = live = live_of(channels)
        trial = design(experiment, suggestion.params, data, suggestion.seed, live)
        trial.net.load_state_dict(channels.compacted().state_dict())
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
    quantizing, task = activations_of(trial.pipeline), experiment.recipe.task
    figures: dict[str, Any] = {
        "accuracy": extra["accuracy"] if "accuracy" in extra else evaluate(trial.net, data.validation, task=task),
        **{name: priced.total[name] for name in RESOURCES},
        **extra,
        **{name: speeds[name] for name in ("latency_cycles", "latency_us", "fps")},
        "energy_uj": priced.energy_uj,
        "fits": priced.fits,
        "budget": dict(limits),
        "within_budget": all((priced.total | speeds)[name] <= limit for name, limit in limits.items()),
        "layers": [layer_record(row, quantizing) for row in priced.record()["layers"]],
        "epochs": [epoch_record(epoch, quantizing) for epoch in epochs],
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
