"""A recipe: everything that `hwcost sweep` needs to know about one network on one data set."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.machinery import SourceFileLoader
from itertools import islice
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from optuna.distributions import BaseDistribution
from torch import Tensor, nn

from hwcost.errors import BadRecipe
from hwcost.graph.ranges import Range
from hwcost.search import Params as Params
from hwcost.search import Space, is_all
from hwcost.sweep.headroom import Limit
from hwcost.sweep.tries import kept_tries
from hwcost.sweep.user_call import ask, finite, positive, told
from hwcost.train.data import Data
from hwcost.train.loop import train
from hwcost.train.ready_tasks import CLASSIFICATION
from hwcost.train.run import Run, Training
from hwcost.train.task import Task


def _no_choice(params: Params) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One network, its data, how it is trained, and what the search may choose.

    Attributes:
        name: of the study and its folder; a plain word.
        network: parameters of a trial -> a fresh network with learned or constant bit-widths.
        float_network: -> the same network without quantizers: the score to hold on to.
        data: path or None -> the data set; None only where the data ships with a dependency.
        input: the integers that enter the network, e.g. `ranges.integers(8, signed=False)`.
        input_step: value of one of these integers, e.g. 1 / 256; None finds it in the data.
        space: name -> Optuna distribution, the parameters of a trial, each read by `network`, `budget`, `hardware` or
            `training`; or a function of an Optuna trial that asks it for them, for parameters that not every trial has.
        constraints: parameters of a trial -> amounts, one or several, each at most 0 where it is kept; no trial that
            breaks one is trained. With `--bits` it is given the widths.
        fixed: name of a width or of a layer, with * and ? as in file names -> bits that the learned widths of that name
            keep, whatever is searched; the last pattern that a name matches counts.
        worst_score: the worst score that is of use, in its own direction: what is beyond it is on no front, and the
            sampler looks elsewhere.
        budget: parameters of a trial -> resource -> limit that its training is driven to, an amount or a
            `hwcost.Headroom`; without it, cost is but an objective. `latency_us`, `latency_cycles` and
            `interval_cycles` are kept by the choice of the hardware.
        task: what it is trained for, and the score that judges it, under its own name.
        training: settings of every training, its learning rates those of one trial; or a function of the parameters.
        train: (network, run) -> None, which trains the network in the place of `hwcost.fit`; it may return figures by
            name, or its own validation score, a number. See `hwcost.train.run.Run`.
        pretrained: weights of the float network, which is then not trained, and which every trial starts from: the
            file of a state_dict, or a function that returns one.
        device: part or board, by name.
        fps: target frame rate that the folding is chosen for, frames per second.
        clock_mhz: of the fabric.
        hardware: parameters of a trial -> what it chooses: "fps" (its folding) and "clock_mhz", which `--fps` and
            `--clock` override; "architecture" ("dataflow", "unrolled", or a function, see
            `hwcost.sweep.architecture.Architecture`); options of it, e.g. multipliers or reuse.
        objectives: what the front trades: "score", that of the task; resources, `interval_cycles`,
            `latency_cycles` and `latency_us` (minimized); `fps`; `energy_uj` of parts of the 7 series.
        anchors: parameter sets to try first, e.g. the widest and the narrowest.
        plain: parameters of the network in which `--bits` searches every width on its own; None takes the first of
            `first_tries`. Low bases leave the search room.
        example: shape of one sample, so that `hwcost estimate` needs no data; of several inputs a tuple, or a dict by
            name.
    """

    name: str
    network: Callable[[Params], nn.Module]
    float_network: Callable[[], nn.Module]
    data: Callable[[Path | None], Data]
    input: Range
    space: Space
    device: str
    fps: float
    task: Task = CLASSIFICATION
    constraints: Callable[[Params], float | Sequence[float] | Mapping[str, float]] | None = None
    fixed: Mapping[str, int] = field(default_factory=dict)
    worst_score: float | None = None
    budget: Callable[[Params], Mapping[str, Limit]] = _no_choice
    training: Training | Callable[[Params], Training] = field(default_factory=Training)
    train: Callable[[nn.Module, Run], float | Mapping[str, float] | None] = train
    pretrained: Path | str | Callable[[], Mapping[str, Tensor]] | None = None
    input_step: float | None = None
    clock_mhz: float = 100.0
    hardware: Callable[[Params], Mapping[str, object]] = _no_choice
    objectives: tuple[str, ...] = ("score", "LUT", "BRAM18")
    anchors: tuple[Params, ...] = ()
    plain: Params | None = None
    example: tuple[int, ...] | tuple[tuple[int, ...], ...] | Mapping[str, tuple[int, ...]] | None = None

    def __post_init__(self) -> None:
        self._check_types()
        if not self.name.replace("-", "").replace("_", "").isalnum():
            raise BadRecipe(f"recipe name {self.name!r}: it names a folder; use letters, digits, - and _")
        object.__setattr__(self, "objectives", tuple(_RECORDED.get(one, one) for one in self.objectives))
        if "accuracy" not in self.objectives or len(set(self.objectives)) != len(self.objectives):
            raise BadRecipe(f"recipe {self.name}: objectives {self.objectives}; name score and each resource once")
        for anchor in (*self.anchors, *([] if self.plain is None else [self.plain])):
            if not is_all(self.asked, anchor):
                missing = set(self.space) if isinstance(self.space, Mapping) else "those that space() asks for"
                raise BadRecipe(f"recipe {self.name}: anchor {dict(anchor)}; give a value for each of {missing}")

    def _check_types(self) -> None:
        """Refuse what would fail in the middle of a sweep: recipes are plain Python, which no checker has seen."""
        wrong = {
            "name": not isinstance(self.name, str),
            "device": not isinstance(self.device, str),
            "fps": not positive(self.fps),
            "clock_mhz": not positive(self.clock_mhz),
            "input_step": self.input_step is not None and not positive(self.input_step),
            "input": not isinstance(self.input, Range),
            "task": not isinstance(self.task, Task),
            "training": not (isinstance(self.training, Training) or callable(self.training)),
            "pretrained": not (self.pretrained is None or isinstance(self.pretrained, Path | str))
            and not callable(self.pretrained),
            "objectives": not isinstance(self.objectives, tuple | list),
            "space": not (isinstance(self.space, Mapping) or callable(self.space)),
            "constraints": self.constraints is not None and not callable(self.constraints),
            "fixed": not isinstance(self.fixed, Mapping)
            or not all(isinstance(name, str) and type(bits) is int for name, bits in self.fixed.items()),
            "worst_score": self.worst_score is not None and not finite(self.worst_score),
            "example": self.example is not None and not _shaped(self.example),
        }
        for name in (name for name, is_wrong in wrong.items() if is_wrong):
            raise BadRecipe(f"recipe {self.name}: {name}={getattr(self, name)!r}; give {_KINDS[name]}")
        for name, choices in self.space.items() if isinstance(self.space, Mapping) else ():
            if not isinstance(choices, BaseDistribution):
                raise BadRecipe(f"recipe {self.name}: space {name}: {choices!r} is no Optuna distribution")
        for name in ("data", "network", "float_network", "budget", "hardware", "train"):
            if not callable(getattr(self, name)):
                raise BadRecipe(f"recipe {self.name}: {name}={getattr(self, name)!r}; give a function")

    @property
    def asked(self) -> Space:
        """The space; a function of it fails by name."""
        space = self.space
        return space if isinstance(space, Mapping) else lambda trial: ask(self._its("space"), space, trial)

    def excess(self, params: Params) -> float:
        """Amount by which parameters break the worst of the constraints; at most 0 where all are kept.

        Raises:
            BadRecipe: the function failed, or returned something else than numbers.
        """
        if self.constraints is None:
            return 0.0
        found: Any = ask(where := self._its("constraints"), self.constraints, params)
        amounts = list(
            found.values() if isinstance(found, Mapping) else found if isinstance(found, Sequence) else [found]
        )
        if not all(finite(amount) for amount in amounts):
            raise BadRecipe(
                f"{where} returned {found!r}; return numbers, at most 0 where kept, e.g. params['a'] - params['b'] for "
                "a <= b"
            )
        return max(map(float, amounts), default=0.0)

    def _its(self, name: str) -> str:
        return f"recipe {self.name}: its {name}()"

    @property
    def first_tries(self) -> tuple[Params, ...]:
        """The anchors; without any, the corner of the space where each parameter has its lowest or first value.

        Where that breaks a constraint, a random point that keeps them.
        """
        return self.anchors or tuple(islice(kept_tries(self.asked, self.excess), 1))


_RECORDED = {"score": "accuracy", "interval_cycles": "cycles"}
"""Names of objectives -> those that records keep them under."""

_KINDS = {
    "name": "a text",
    "device": "the name of a part or board, see `hwcost devices`",
    "fps": "frames per second, a finite number above 0",
    "clock_mhz": "MHz, a finite number above 0",
    "input_step": "the value of one integer that enters, a finite number above 0",
    "input": "a range of integers, e.g. between(0, 255)",
    "task": "a Task, e.g. CLASSIFICATION",
    "training": "a Training, or a function of the parameters that returns one",
    "pretrained": "the path of a state_dict, or a function that returns one",
    "objectives": "a tuple of names",
    "space": "name -> Optuna distribution, or a function of a trial",
    "constraints": "a function of the parameters, or None",
    "fixed": "name of a width or layer -> bits",
    "worst_score": "a finite number, or None",
    "example": "the shape of one sample, whole numbers above 0, or a tuple or a dict of shapes",
}


def _shaped(example: object) -> bool:
    """Whether it is the shape of a sample, or several of them."""
    if isinstance(example, Mapping):
        return len(example) > 0 and all(isinstance(one, tuple) and _shaped(one) for one in example.values())
    if not isinstance(example, tuple):
        return False
    return all(type(side) is int and side > 0 for side in example) or all(map(_shaped, example))


def load_recipe(where: str, built_in: Mapping[str, str]) -> Recipe:
    """Find a recipe by name, or as `package.module:recipe` or `file.py:recipe`.

    Args:
        where: as the user typed it.
        built_in: name -> `package.module:recipe` of those that ship.

    Raises:
        BadRecipe: it does not import (the message gives the first cause), or is no Recipe.
    """
    return checked(where, load_object(built_in.get(where, where), built_in))


def checked(where: str, found: Any) -> Recipe:
    """The object behind a reference, if it is a recipe.

    Raises:
        BadRecipe: it is none.
    """
    if not isinstance(found, Recipe):
        raise BadRecipe(f"{where}: {type(found).__name__} is not a hwcost.Recipe; see `hwcost sweep --help`")
    return found


def load_object(where: str, built_in: Mapping[str, str]) -> Any:
    """The object behind `package.module:name` or `file.py:name`; relative files are found from the working folder."""
    module_name, colon, name = where.rpartition(":")
    if not colon or not module_name or not name:
        close = get_close_matches(where.casefold(), built_in, n=1)
        meant = f"; did you mean {close[0]}?" if close else ""
        raise BadRecipe(
            f"{where!r}: neither built in nor package.module:name nor file.py:name{meant} Built in: "
            f"{', '.join(sorted(built_in))}"
        )
    try:
        module = _from_file(Path(module_name)) if module_name.endswith(".py") else _by_name(module_name)
    except BadRecipe:
        raise
    except (Exception, SystemExit) as error:  # a user's file may fail in any way at all
        raise BadRecipe(f"{where}: importing {module_name} failed: {told(error)}") from error
    if not hasattr(module, name):
        raise BadRecipe(f"{where}: {module_name} has no {name!r}")
    return getattr(module, name)


def _by_name(name: str) -> ModuleType:
    _find_beside(Path.cwd())  # as `python -m` does
    return importlib.import_module(name)


def _find_beside(folder: Path) -> None:
    """Make the modules of a folder importable."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # last: a file there must not stand in for an installed module


class _FromText(SourceFileLoader):
    """Runs the text of a file, never a cached compilation: it may be stale, or planted next to a trusted text."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise BadRecipe(f"{path}: no such file")
    name = f"_hwcost_recipe_{path.stem}"  # of its own, so that digits.py hides no module of that name
    spec = importlib.util.spec_from_file_location(name, path, loader=_FromText(name, str(path)))
    if spec is None or spec.loader is None:
        raise BadRecipe(f"{path}: not a Python file")
    _find_beside(path.resolve().parent)  # as `python file.py` does
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
