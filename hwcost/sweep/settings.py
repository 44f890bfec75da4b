"""What to explore, and where: the settings of a sweep, with what they make of its recipe."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from torch import nn

from hwcost.errors import BadOption, BadRecipe
from hwcost.models import RESOURCES, Device
from hwcost.models.device import device
from hwcost.search import Objective, Share, masked_command
from hwcost.sweep.recipe import Params, Recipe, ask
from hwcost.sweep.torch_device import accelerator
from hwcost.sweep.width_space import fix_widths
from hwcost.train.data import Data

CHOICES = ("multipliers", "weight_memory", "weight_banks", "thresholds", "flow")
"""Of a trial's hardware, beside its folding: options that `Dataflow` and `target_fps` share."""


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
            float network; more where it is coarser than these (`hwcost.sweep.trial.STRETCH`). None trains every trial
            from the start.
        ramp: with `bits`, epochs of one training before the trials, in which all widths learn while their cost weighs
            more and more (`hwcost.sweep.ramp`); what it passes joins the study as finished trials.
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
    command: str = field(default_factory=lambda: masked_command(["hwcost", *sys.argv[1:]]))
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
            params, widths = self._plain, params
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
        chosen = params if self.bits is None else self._plain
        options = dict(ask(f"recipe {self.recipe.name}: its hardware()", self.recipe.hardware, chosen))
        if strange := sorted(options.keys() - {"fps", *CHOICES}):
            raise BadRecipe(
                f"recipe {self.recipe.name}: its hardware() chooses {strange[0]!r}; give fps and any of "
                f"{', '.join(CHOICES)}"
            )
        return options | {"fps": self.target if self.fps is not None else options.get("fps", self.target)}

    @property
    def _plain(self) -> Params:
        """Parameters of the network in which `bits` searches every width."""
        return self.recipe.plain or self.recipe.first_tries[0]

    @property
    def rehearsals(self) -> tuple[Params, ...]:
        """Parameters to try a recipe with before anything is trained; with `bits`, the widths as they are built."""
        return self.recipe.first_tries if self.bits is None else ({},)
