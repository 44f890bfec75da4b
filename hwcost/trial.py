"""One trial of a sweep: build, trace and fold its network, train it inside its budget, price what came out."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hwcost.accelerator import accelerator
from hwcost.control import Keeper, Ramp, TargetControl, WeightedCost
from hwcost.data import Data
from hwcost.errors import BadFolding, BadOption, BadRecipe, OutOfMemory
from hwcost.estimate import Estimate, estimate
from hwcost.loss import Budget, hardware_cost
from hwcost.models import RESOURCES, Dataflow, Device, target_fps
from hwcost.models.device import device
from hwcost.recipe import Params, Recipe, ask
from hwcost.records import checkpoint
from hwcost.search import Objective, Outcome, Prices, Share, Suggestion, masked
from hwcost.spec import Thresholds
from hwcost.trace import Pipeline, trace
from hwcost.train import Epoch, evaluate, fit
from hwcost.warm import check_alike, start_from
from hwcost.width_space import WidthSpace, fix_widths

CHOICES = ("multipliers", "weight_memory", "weight_banks", "thresholds", "flow")
"""Of a trial's hardware, beside its folding: options that `Dataflow` and `target_fps` share."""

POLISHING = 0.3
"""Of the recipe's learning rate, in a trial that trains on at the same widths: all of it undoes more than it mends."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What to explore, and where.

    Attributes:
        recipe: network, data, training, search space.
        reference: how the user named the recipe.
        out: study folder, made when missing.
        data: path of the data set; None where it ships with a dependency.
        seed: of the search and of every training.
        sampler: by name; None for "greybox" with `bits`, else "tpe".
        bits: smallest and largest width. With it every learned width of the recipe's `plain` network is a parameter
            of the trial that stands still in training; without it the recipe's own space is searched.
        warm: with `bits`, epochs of a trial that starts from the weights of the finished trial nearest to it, or of the
            float network; None trains every trial from the start.
        ramp: with `bits`, epochs of one training before the trials, in which all widths learn while their cost weighs
            more and more (`hwcost.ramped`); what it passes joins the study as finished trials.
        limits: resource -> the most that a trial may use, with `bits` and the grey-box sampler: what exceeds it, or
            does not fit the part, is never trained.
        device, fps, clock_mhz: instead of the recipe's; None keeps the recipe's.
        accelerator: where trainings run, by PyTorch's name: cpu, cuda, cuda:1, mps.
        share: the database that machines meet at; None keeps the study in `out`.
        command: the exact command line, for the report; without passwords.
        configuration: all its settings resolved, as a settings file; kept beside the report.
    """

    recipe: Recipe
    reference: str
    out: Path
    data: Path | None = None
    seed: int = 0
    sampler: str | None = None
    bits: tuple[int, int] | None = None
    warm: int | None = None
    ramp: int | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    device: str | None = None
    fps: float | None = None
    clock_mhz: float | None = None
    accelerator: str = "cpu"
    share: Share | None = None
    command: str = field(default_factory=lambda: masked(shlex.join(["hwcost", *sys.argv[1:]])))
    configuration: str = ""

    def __post_init__(self) -> None:
        if self.limits and self.method != "greybox":
            raise BadOption(
                f"limits {dict(self.limits)}: the sampler {self.method} cannot keep them; give --bits and leave "
                "--sampler out, or set the recipe's budget"
            )
        if self.warm is not None and (self.bits is None or self.warm < 1):
            raise BadOption(f"warm={self.warm}: warm starts are for --bits, with at least one epoch")
        if self.ramp is not None and (self.bits is None or self.ramp < 1):
            raise BadOption(f"ramp={self.ramp}: a ramp is for --bits, with at least one epoch")
        for name, limit in self.limits.items():
            if name not in RESOURCES or not (isfinite(limit) and limit >= 0):
                raise BadOption(f"limit {name}={limit:g}: give a finite amount of any of {', '.join(RESOURCES)}")

    @property
    def method(self) -> str:
        """The sampler, by name."""
        return self.sampler or ("tpe" if self.bits is None else "greybox")

    @property
    def part(self) -> Device:
        """The part that everything is priced on."""
        return device(self.recipe.device if self.device is None else self.device)

    @property
    def clock(self) -> float:
        """MHz."""
        return self.recipe.clock_mhz if self.clock_mhz is None else self.clock_mhz

    @property
    def target(self) -> float:
        """Frames per second that the folding is chosen for."""
        return self.recipe.fps if self.fps is None else self.fps

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """Accuracy up, resources down.

        Raises:
            BadRecipe: an objective that no trial has a figure for.
        """
        for name in self.recipe.objectives:
            if name not in ("accuracy", *RESOURCES):
                raise BadRecipe(
                    f"recipe {self.recipe.name}: objective {name!r}; give accuracy and any of {', '.join(RESOURCES)}"
                )
        return tuple(
            Objective(name, "maximize" if name == "accuracy" else "minimize") for name in self.recipe.objectives
        )

    def load(self) -> Data:
        """The data set of the recipe."""
        data = ask(f"recipe {self.recipe.name}: its data()", self.recipe.data, self.data)
        if not isinstance(data, Data):
            raise BadRecipe(f"recipe {self.recipe.name}: its data() returned {type(data).__name__}, not hwcost.Data")
        where = accelerator(self.accelerator)
        return data if where.type == "cpu" else data.to(where)

    def network(self, params: Params | None) -> nn.Module:
        """The network of a trial, or the float network without parameters; seeded by the caller, drawn on the CPU."""
        widths: Params = {}
        if params is not None and self.bits is not None:
            params, widths = self.recipe.plain or self.recipe.first_tries[0], params
        name = f"recipe {self.recipe.name}: its " + ("float_network()" if params is None else "network()")
        net = ask(name, self.recipe.float_network) if params is None else ask(name, self.recipe.network, params)
        if not isinstance(net, nn.Module):
            raise BadRecipe(f"{name} returned {type(net).__name__}, not a torch.nn.Module")
        if self.bits is not None and name.endswith(" network()"):
            fix_widths(net, widths)
        return net.to(accelerator(self.accelerator))

    def budget(self, params: Params) -> Mapping[str, float]:
        """Resource -> the limit that a trial is driven to."""
        if self.bits is not None:
            return self.limits
        return ask(f"recipe {self.recipe.name}: its budget()", self.recipe.budget, params)

    def hardware(self, params: Params) -> dict[str, Any]:
        """What a trial chooses of its hardware: options of `Dataflow`, and the frame rate of its folding.

        Raises:
            BadRecipe: an option of another name.
        """
        chosen = params if self.bits is None else self.recipe.plain or self.recipe.first_tries[0]
        options = dict(ask(f"recipe {self.recipe.name}: its hardware()", self.recipe.hardware, chosen))
        if strange := sorted(options.keys() - {"fps", *CHOICES}):
            raise BadRecipe(
                f"recipe {self.recipe.name}: its hardware() chooses {strange[0]!r}; give fps and any of "
                f"{', '.join(CHOICES)}"
            )
        return options | {"fps": self.target if self.fps is not None else options.get("fps", self.target)}

    @property
    def rehearsals(self) -> tuple[Params, ...]:
        """Parameters to try a recipe with before anything is trained; with `bits`, the widths as they are built."""
        return self.recipe.first_tries if self.bits is None else ({},)


@dataclass(frozen=True, kw_only=True)
class Design:
    """One trial's network with its hardware."""

    net: nn.Module
    pipeline: Pipeline
    model: Dataflow

    def estimate(self) -> Estimate:
        """Price it with its live widths."""
        return estimate(self.pipeline, self.model)


def design(sweep: Sweep, params: Params, data: Data, seed: int) -> Design:
    """Build, trace and fold the network of one trial; the folding is chosen at its starting widths."""
    torch.manual_seed(seed)
    net = sweep.network(params)
    pipeline = trace(net, data.train.x[:1], input_range=sweep.recipe.input)
    options = sweep.hardware(params)
    folding = target_fps(pipeline, options.pop("fps"), clock_mhz=sweep.clock, **options)
    model = Dataflow(device=sweep.part, folding=folding, clock_mhz=sweep.clock, **options)
    return Design(net=net, pipeline=pipeline, model=model)


def rehearse(sweep: Sweep, data: Data) -> None:
    """Meet every fault of a recipe before anything is trained or written: build, fold and price its first tries.

    Raises:
        HwcostError: as the parts do; BadFolding only if no first try reaches the frame rate.
    """
    too_slow: list[BadFolding] = []
    tries = sweep.rehearsals
    float_net = sweep.network(None)
    if sweep.warm is not None:
        check_alike(sweep.network({}), float_net)
    for params in tries:
        try:
            trial = design(sweep, params, data, sweep.seed)
        except BadFolding as error:
            too_slow.append(error)
            continue
        scores = trial.pipeline.layers()[-1].output.shape
        if scores != sweep.recipe.task.outputs(data):
            raise BadRecipe(
                f"recipe {sweep.recipe.name}: its network gives {scores} for a sample; {sweep.recipe.task.name} on "
                f"{data.name}, of {data.classes} classes, needs {sweep.recipe.task.outputs(data)}"
            )
        budget = _budget(sweep, params, data)
        if budget is not None:
            budget.penalty(hardware_cost(trial.pipeline, trial.model))
    if len(too_slow) == len(tries):
        raise too_slow[0]


def priced_space(sweep: Sweep, data: Data) -> Prices | None:
    """The widths to search, with what each choice of them costs; None where trainings decide on the widths."""
    if sweep.bits is None:
        return None
    trial = design(sweep, {}, data, sweep.seed)
    widths = WidthSpace(trial.net, trial.pipeline, trial.model, sweep.bits)
    costs = {at: objective.name for at, objective in enumerate(sweep.objectives) if objective.name != "accuracy"}
    limits = {name: min(amount, sweep.limits.get(name, amount)) for name, amount in sweep.part.capacity.items()}
    return Prices(widths.space, widths.price, costs, dict(sweep.limits) | limits)


def _budget(sweep: Sweep, params: Params, data: Data) -> Keeper | None:
    if sweep.bits is not None:
        return None  # nothing to drive: the widths stand still
    settings, limits = sweep.recipe.training, sweep.budget(params)
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


@contextmanager
def within_memory(what: str) -> Iterator[None]:
    """A training that asks for more memory than there is, told in one line.

    Raises:
        OutOfMemory: names what was trained.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):  # PyTorch has no class of its own on a CPU
            raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)[:120]
        raise OutOfMemory(
            f"{what}: its training ran out of memory ({reason}); give a smaller batch, or fewer --jobs"
        ) from error


def epochs_of(sweep: Sweep, suggestion: Suggestion) -> int:
    """Epochs that a trial trains."""
    return sweep.recipe.training.epochs if sweep.warm is None else sweep.warm * max(1, suggestion.polish)


def run_trial(
    sweep: Sweep, data: Data, suggestion: Suggestion, on_epoch: Callable[[Epoch], None] | None = None
) -> tuple[Outcome, Design]:
    """Train one suggestion inside its budget.

    Its figures follow from (recipe, data, parameters, seed) alone; after a warm start, from its parent's weights too.
    """
    trial = design(sweep, suggestion.params, data, suggestion.seed)
    settings = sweep.recipe.training
    if sweep.bits is not None:
        settings = replace(settings, settle=1.0)  # no width learns, so that the best of all epochs may be kept
    if sweep.warm is not None:
        settings = replace(settings, epochs=epochs_of(sweep, suggestion))
        if suggestion.polish:
            settings = replace(settings, lr=POLISHING * settings.lr)
        start_from(trial.net, checkpoint(sweep.out, suggestion.parent))
    budget = _budget(sweep, suggestion.params, data)
    with within_memory(f"trial {suggestion.number}"):
        epochs = fit(
            trial.net,
            data,
            settings,
            seed=suggestion.seed,
            pipeline=trial.pipeline,
            model=trial.model,
            budget=budget,
            task=sweep.recipe.task,
            on_epoch=on_epoch,
        )
    extra = {} if sweep.warm is None else {"parent": suggestion.parent}
    extra |= {"polish": suggestion.polish} if suggestion.polish else {}
    return judged(sweep, data, suggestion, trial, epochs, extra), trial


def judged(
    sweep: Sweep,
    data: Data,
    suggestion: Suggestion,
    trial: Design,
    epochs: Sequence[Epoch],
    extra: Mapping[str, Any],
) -> Outcome:
    """What a trained network comes to: accuracy on the validation split, price, layers, and its epochs.

    Args:
        sweep, data, suggestion: where it comes from.
        trial: its network, with the hardware.
        epochs: of its training.
        extra: attributes of this trial alone.
    """
    priced, limits = trial.estimate(), sweep.budget(suggestion.params)
    quantizing = _activations(trial.pipeline)
    figures: dict[str, Any] = {
        "accuracy": evaluate(trial.net, data.validation, task=sweep.recipe.task),
        **{name: priced.total[name] for name in RESOURCES},
        **extra,
        "fps": priced.fps,
        "fits": priced.fits,
        "within_budget": all(priced.total[name] <= limit for name, limit in limits.items()),
        "layers": [_layer_record(row, quantizing) for row in priced.record()["layers"]],
        "epochs": [_epoch_record(epoch, quantizing) for epoch in epochs],
    }
    return Outcome(values=tuple(figures[name] for name in sweep.recipe.objectives), attributes=figures)


def _activations(pipeline: Pipeline) -> frozenset[str]:
    """Names of the layers that choose an activation's width; pooling only passes it on."""
    return frozenset(
        layer.name for layer in pipeline.layers() if any(isinstance(block, Thresholds) for block in layer.blocks)
    )


def _layer_record(row: Mapping[str, Any], activations: frozenset[str]) -> dict[str, Any]:
    keep = ("layer", "kind", "weight_bits", "input_bits", *RESOURCES)
    return {name: _whole(row.get(name)) for name in keep} | {
        "activation_bits": _whole(row["output_bits"]) if row["layer"] in activations else None,
        "pe": row["PE"],
        "simd": row["SIMD"],
    }


def _whole(value: Any) -> Any:
    """Tables turn whole numbers beside a gap into floats."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _epoch_record(epoch: Epoch, activations: frozenset[str]) -> dict[str, Any]:
    widths = {
        f"{layer} {'weights' if 'weight_bits' in bits else 'activations'}": bits.get("weight_bits", bits["output_bits"])
        for layer, bits in epoch.widths.items()
        if "weight_bits" in bits or layer in activations
    }
    cost = {name: epoch.cost[name] for name in ("LUT", "DSP", "BRAM18")}
    return {"epoch": epoch.epoch, "loss": epoch.loss, "accuracy": epoch.accuracy, **cost, "widths": widths}
