"""An experiment: a recipe under the settings of a sweep, and what the two together decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import floor, inf
from typing import Any, Literal, TypeVar

import torch
from optuna.distributions import IntDistribution
from torch import Tensor, nn

from hwcost.errors import BadFolding, BadRecipe
from hwcost.graph.trace import Pipeline
from hwcost.models import RESOURCES, Device
from hwcost.models.device import device
from hwcost.models.energy import has_energy
from hwcost.models.rates import frames_per_second
from hwcost.models.resources import OnPart
from hwcost.report.score import PUBLISHED, Score
from hwcost.search import Objective, Params, Space
from hwcost.sweep.architecture import ARCHITECTURES, OPTIONS, fast_enough, latency_cycles
from hwcost.sweep.headroom import Headroom, Limit
from hwcost.sweep.limits import SPEEDS
from hwcost.sweep.recipe import Recipe
from hwcost.sweep.settings import Settings
from hwcost.sweep.torch_device import accelerator
from hwcost.sweep.user_call import ask, finite, positive
from hwcost.sweep.warm_start import take_over
from hwcost.sweep.width_space import fix_widths, hold_widths
from hwcost.train.data import Data
from hwcost.train.run import Training

FIGURES = ("latency_cycles", "latency_us", "fps", "energy_uj")
"""Objectives besides resources, where their prices need not be known before training."""

RAMP_EPOCH = "ramp_epoch"
"""Parameter of the trials of a study that is one ramp."""

Made = TypeVar("Made", Data, nn.Module, Training)


def _table(where: str, found: object) -> Mapping[str, Any]:
    """Refuse what a function of a recipe returned unless it maps names to values."""
    if not isinstance(found, Mapping):
        raise BadRecipe(f"{where} returned {found!r}; return a dict of names and values")
    return found


@dataclass(frozen=True)
class Experiment:
    """A recipe and the settings that it is explored with.

    Attributes:
        recipe: network, data, training, search space.
        settings: of the sweep; they override the recipe's part, frame rate and clock.
    """

    recipe: Recipe
    settings: Settings

    @classmethod
    def find(cls, settings: Settings, find: Callable[[str], Recipe]) -> Experiment:
        """Find the recipe of some settings.

        Args:
            settings: with the reference of the recipe.
            find: reference -> recipe.

        Raises:
            BadRecipe: there is none.
        """
        return cls(find(settings.recipe), settings)

    @property
    def part(self) -> Device:
        """The part that the search is for."""
        return device(self.recipe.device if self.settings.part is None else self.settings.part)

    @property
    def clock_mhz(self) -> float:
        """Clock of the fabric, MHz."""
        return self.recipe.clock_mhz if self.settings.clock_mhz is None else self.settings.clock_mhz

    @property
    def fps(self) -> float:
        """Frames per second that the folding is chosen for, unless a trial chooses its own."""
        return self.recipe.fps if self.settings.fps is None else self.settings.fps

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The score of the task, `accuracy` in records, in its direction; resources down.

        Raises:
            BadRecipe: an objective that no trial has a figure for.
        """
        known = (*RESOURCES, *(FIGURES if self.settings.method != "greybox" else ()))
        for name in self.recipe.objectives:
            if name not in ("accuracy", *known):
                remedy = "; its price is not known before training: give another --sampler" if name in FIGURES else ""
                names = ", ".join(PUBLISHED.get(one, one) for one in known)
                raise BadRecipe(f"recipe {self.recipe.name}: objective {name!r}; give score and any of {names}{remedy}")
        if "energy_uj" in self.recipe.objectives and not has_energy(self.part.dsp_kind):
            raise BadRecipe(
                f"recipe {self.recipe.name}: objective 'energy_uj': there is no published power of the family of "
                f"{self.part.name}; give a part of the 7 series, or another objective"
            )
        ways: dict[str, Literal["maximize", "minimize"]] = {"accuracy": self.recipe.task.direction, "fps": "maximize"}
        given = self.settings.bounds.worst_score
        least = self.recipe.worst_score if given is None else given
        if least is not None and self.recipe.task.unit == "%" and abs(least) > 1:
            raise BadRecipe(
                f"recipe {self.recipe.name}: worst score {least:g} of a ratio shown in percent; give {least / 100:g}"
            )
        worst = {"accuracy": least}
        named = {"accuracy": self.recipe.task.name}
        return tuple(
            Objective(name, ways.get(name, "minimize"), worst.get(name), named.get(name, ""))
            for name in self.recipe.objectives
        )

    @property
    def score(self) -> Score:
        """The reading of the task's score in logs and reports."""
        return Score.of(self.recipe.task.record())

    def load(self) -> Data:
        """Load the data set of the recipe, onto the accelerator of the settings."""
        data = self._made("data", Data, self.recipe.data, self.settings.data)
        where = accelerator(self.settings.accelerator)
        return data if where.type == "cpu" else data.to(where)

    def network(self, params: Params) -> nn.Module:
        """Build the network of a trial; seeded by the caller, drawn on the CPU."""
        chosen = self._plain if self._by_widths else params
        net = self._made("network", nn.Module, self.recipe.network, chosen)
        if (given := self.pretrained) is not None:
            take_over(f"recipe {self.recipe.name}: pretrained", net, given)
        hold_widths(net, self.recipe.fixed)
        if self.settings.bits is not None:
            fix_widths(net, params)
        return net.to(accelerator(self.settings.accelerator))

    def float_network(self) -> nn.Module:
        """Build the network without quantizers; seeded by the caller, drawn on the CPU."""
        built = self._made("float_network", nn.Module, self.recipe.float_network)
        if (given := self.pretrained) is not None:
            try:
                built.load_state_dict(dict(given))
            except (RuntimeError, TypeError) as error:
                raise BadRecipe(
                    f"recipe {self.recipe.name}: pretrained is no state_dict of the float network "
                    f"({str(error).splitlines()[-1].strip()})"
                ) from error
        return built.to(accelerator(self.settings.accelerator))

    @cached_property
    def pretrained(self) -> Mapping[str, Tensor] | None:
        """The weights that the float network comes with, asked for once; None where it is trained here."""
        source, where = self.recipe.pretrained, f"recipe {self.recipe.name}: pretrained"
        if source is None:
            return None
        with torch.random.fork_rng(devices=[]):  # the first call must leave a trial as the others do
            found = ask(where, source) if callable(source) else ask(where, torch.load, source, "cpu", weights_only=True)
        if not isinstance(found, Mapping) or not all(isinstance(one, Tensor) for one in found.values()):
            raise BadRecipe(f"{where} holds {type(found).__name__}; give the state_dict of the float network")
        return found

    def training(self, params: Params | None = None) -> Training:
        """Settings of the training of a trial; without parameters, of the float network."""
        given = self.recipe.training
        if isinstance(given, Training):
            return given
        plain = self._plain if self._by_widths else self.recipe.first_tries[0] if params is None else params
        return self._made("training", Training, given, plain)

    def _made(self, name: str, kind: type[Made], function: Callable[..., object], *args: object) -> Made:
        """Result of a function of the recipe, of the class that it must have."""
        where = f"recipe {self.recipe.name}: its {name}()"
        made = ask(where, function, *args)
        if not isinstance(made, kind):
            package = kind.__module__.split(".")[0]
            raise BadRecipe(f"{where} returned {type(made).__name__}, not a {kind.__name__} of {package}")
        return made

    def budget(self, params: Params) -> Mapping[str, Limit]:
        """Figure -> the limit that a trial is driven to, or its hardware chosen by; of speeds a number."""
        bounds = self.settings.bounds
        if self._by_widths:
            return {**bounds.resources, **bounds.speeds}
        where = f"recipe {self.recipe.name}: its budget()"
        limits = _table(where, ask(where, self.recipe.budget, params))
        for name, limit in limits.items():
            if isinstance(limit, Headroom) and name not in SPEEDS:
                continue
            least = "above 0" if name in SPEEDS else "of at least 0"
            if not (finite(limit) and limit >= 0) or (name in SPEEDS and limit == 0):
                raise BadRecipe(f"{where}: {name}: {limit!r}; give a finite amount {least}")
        if "fps" in limits:
            raise BadRecipe(f"{where}: fps has no upper limit; limit interval_cycles, or give fps in hardware()")
        return {**limits, **{name: min(limits.get(name, inf), most) for name, most in bounds.speeds.items()}}

    def hardware(self, params: Params) -> dict[str, Any]:
        """Options of the hardware that a trial chooses; architecture, clock and frame rate among them.

        Raises:
            BadRecipe: an option that the architecture does not have.
        """
        chosen = self._plain if self._by_widths else params
        where = f"recipe {self.recipe.name}: its hardware()"
        options = dict(self.defaults) | dict(_table(where, ask(where, self.recipe.hardware, chosen)))
        for name in ("fps", "clock_mhz"):
            if getattr(self.settings, name) is not None:
                options[name] = getattr(self.settings, name)
            if not positive(options[name]):
                raise BadRecipe(f"{where} chooses {name}={options[name]!r}; give a finite number above 0")
        if self.settings.architecture is not None:
            known = {*self.defaults, *OPTIONS[self.settings.architecture]}
            options = {name: value for name, value in options.items() if name in known}
            options["architecture"] = self.settings.architecture
            if self.settings.granularity is not None and "value_aware" not in options:
                options.setdefault("sums", "shared")
        kind = options["architecture"]
        if kind not in ARCHITECTURES and not callable(kind):
            raise BadRecipe(f"{where} chooses architecture {kind!r}; give {', '.join(ARCHITECTURES)} or a function")
        if not callable(kind) and (strange := sorted(options.keys() - {*self.defaults, *OPTIONS[kind]})):
            raise BadRecipe(
                f"{where} chooses {strange[0]!r}; give {', '.join(self.defaults)} and any of {', '.join(OPTIONS[kind])}"
            )
        return options

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Hardware of a trial that chooses none."""
        return {"fps": self.fps, "clock_mhz": self.clock_mhz, "architecture": "dataflow"}

    def model(self, pipeline: Pipeline, params: Params) -> OnPart:
        """The hardware of a trial: the slowest from its frame rate on that keeps the limits on speed.

        Raises:
            BadFolding: it cannot be that fast. BadRecipe: a function of the recipe failed, or made no such model.
        """
        options = self.hardware(params)
        limits = {name: most for name, most in self.budget(params).items() if not isinstance(most, Headroom)}
        kind, clock_mhz, fps = (options.pop(name) for name in ("architecture", "clock_mhz", "fps"))
        if "interval_cycles" in limits:
            fps = max(fps, frames_per_second(max(1, floor(limits["interval_cycles"])), clock_mhz))
        most_cycles = min(limits.get("latency_cycles", inf), limits.get("latency_us", inf) * clock_mhz)
        make: Callable[..., OnPart] = ARCHITECTURES.get(kind, kind)
        where = f"recipe {self.recipe.name}: its architecture"

        def made(fps: float) -> OnPart:
            model = ask(where, make, pipeline, device=self.part, clock_mhz=clock_mhz, fps=fps, **options)
            if not isinstance(model, OnPart):
                raise BadRecipe(f"{where} made a {type(model).__name__}; make a hardware model with a part and a clock")
            return model

        found, given = fast_enough(made, pipeline, fps, clock_mhz, most_cycles), self.settings.bounds.speeds
        asked = min(given.get("latency_cycles", inf), given.get("latency_us", inf) * clock_mhz)
        if asked < inf and (cycles := latency_cycles(pipeline, found)) > asked:
            raise BadFolding(
                f"a latency of {asked:g} cycles is asked for, {asked / clock_mhz:g} us at {clock_mhz:g} MHz; the "
                f"fastest design found takes {cycles:,}: raise --limit or the clock, or make the network shallower"
            )
        return found

    @property
    def space(self) -> Space:
        """Parameters of a trial, where they are not widths: those of the recipe, or the epoch of the ramp."""
        if self.settings.ramp_alone and self.settings.ramp is not None:
            return {RAMP_EPOCH: IntDistribution(1, self.settings.ramp)}
        return self.recipe.asked

    @property
    def _by_widths(self) -> bool:
        """Whether the parameters of a trial say which widths its network has, and the recipe's are plain."""
        return self.settings.bits is not None or self.settings.ramp_alone

    @property
    def _plain(self) -> Params:
        """Parameters of the network in which `bits` searches every width."""
        return self.recipe.plain or self.recipe.first_tries[0]

    @property
    def rehearsals(self) -> tuple[Params, ...]:
        """Parameters to try a recipe with before anything is trained; with `bits`, the widths as they are built."""
        return ({},) if self._by_widths else self.recipe.first_tries
