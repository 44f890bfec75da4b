"""Fingerprint of a study: declared facts that the figures of its trials follow from, in numbered versions.

Version 1 held the printed text of network and training. Version 2 holds declared fields, so that a new field with its
default and a new line in a printed network change nothing; a study of version 1 is compared as far as its text tells.
Version 3 adds the code that the user wrote, and the sizes of the weights that a network is built with.
"""

import ast
import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from enum import Enum
from hashlib import sha256
from importlib.metadata import version
from math import isclose
from pathlib import Path

import torch
from torch import Tensor, nn

from hwcost.files import code_hash, parse_json
from hwcost.search import Identity, Prices, StudySpec
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.recipe import Recipe
from hwcost.sweep.written_code import code_digest
from hwcost.train.data import Data
from hwcost.train.loop import Training
from hwcost.train.task import CLASSIFICATION

VERSION = 3

_CODE = "code of "
"""Beginning of the entries with the code of the user."""

Facts = dict[str, dict[str, str]]
"""Path of a module -> "class", "parameter NAME" or the name of a declared attribute -> text."""


@dataclass(frozen=True)
class Fingerprint:
    """The fingerprint of an experiment as this version writes it.

    Attributes:
        entries: name -> text or number; all that the figures of a trial follow from, besides its parameters.
        printed: the network as text, which studies of version 1 are compared with.
    """

    entries: Mapping[str, str | int | float]
    printed: str

    def upgrade(self, stored: Identity) -> Identity:
        """Bring the entries of a stored study into the spelling of this version.

        Args:
            stored: entries of any version; others than those of the fingerprint stay as they are.

        Returns:
            The entries; where they mean what this fingerprint means, they are equal to it.
        """
        try:
            return self._upgraded(stored)
        except (KeyError, TypeError, ValueError, AttributeError):  # garbled: it differs, and that is said by name
            return stored

    def _upgraded(self, stored: Identity) -> Identity:
        if "network" not in stored or "training" not in stored:
            return stored
        found = dict(stored)
        if "fingerprint_version" not in stored:
            found["fingerprint_version"] = VERSION
            found["training"] = _training_of_text(str(stored["training"]))
            if _agree(_facts_of_text(str(stored["network"])), _facts_of_text(self.printed)):
                found["network"] = self.entries["network"]
            return found | self._written()
        if stored["fingerprint_version"] in (2, VERSION):
            found["training"] = _completed(parse_json(str(stored["training"])))
            if _agree(parse_json(str(stored["network"])), json.loads(str(self.entries["network"]))):
                found["network"] = self.entries["network"]
        if stored["fingerprint_version"] == 2:
            found["fingerprint_version"] = VERSION
            found |= self._written()
        elif _alike(parse_json(str(stored.get("weights", "{}"))), json.loads(str(self.entries["weights"]))):
            found["weights"] = self.entries["weights"]
        return found

    def _written(self) -> Identity:
        """Entries that versions before 3 did not record, so that they cannot tell studies apart."""
        return {name: value for name, value in self.entries.items() if name == "weights" or name.startswith(_CODE)}


def fingerprint_of(experiment: Experiment, data: Data, *, shared: bool | None = None) -> Fingerprint:
    """Collect all that the figures of a trial follow from.

    Args:
        experiment: what is explored.
        data: its data set.
        shared: whether the code joins; None where the settings have a storage. The code of one machine may be mended
            between two calls; among many machines, one that lags behind would go unnoticed.
    """
    recipe, settings = experiment.recipe, experiment.settings
    torch.manual_seed(settings.seed)
    net = experiment.network(experiment.rehearsals[0])
    hardware = [experiment.hardware(params) for params in experiment.rehearsals]
    chooses = any(one != {"fps": experiment.fps} for one in hardware)
    kind = torch.device(settings.accelerator).type  # another one rounds in another order
    entries: dict[str, str | int | float] = {
        "fingerprint_version": VERSION,
        "recipe": recipe.name,
        "network": json.dumps(facts(net), sort_keys=True),
        "weights": json.dumps(_sizes(net), sort_keys=True),
        "input": f"{recipe.input.low.tolist()} to {recipe.input.high.tolist()}",
        "data": data.fingerprint,
        "budget": json.dumps([_floats(experiment.budget(params)) for params in experiment.rehearsals]),
        "training": _completed(asdict(experiment.training(experiment.rehearsals[0]))),
        "device": experiment.part.name,
        "fps": f"{experiment.fps:.12g}",
        "clock_mhz": str(float(experiment.clock_mhz)),
        # what differs from the default alone, so that a study from before there was a choice is resumed
        **settings.chosen(),
        **{
            f"{_CODE}{name}": code for name, one in _functions(recipe).items() if (code := code_digest(one)) is not None
        },
        **({} if (given := experiment.pretrained()) is None else {"pretrained": _digest(given)}),
        **({} if recipe.task is CLASSIFICATION else {"task": recipe.task.name}),
        **({"hardware": json.dumps(hardware, default=str)} if chooses else {}),
        **({} if kind == "cpu" else {"accelerator": kind}),
        **({} if (settings.share is None if shared is None else not shared) else {"code": _code(recipe)}),
    }
    return Fingerprint(entries, str(net))


def spec_of(experiment: Experiment, fingerprint: Fingerprint, prices: Prices | None) -> StudySpec:
    """Specify the study of an experiment.

    Args:
        experiment: what is explored.
        fingerprint: of the experiment.
        prices: with `bits`, the costs that are known before training.

    Raises:
        BadOption: an unknown sampler, an anchor outside the space, and the like.
    """
    return StudySpec(
        objectives=experiment.objectives,
        seed=experiment.settings.seed,
        sampler=experiment.settings.method,
        space=experiment.recipe.space if prices is None else prices.space,
        anchors=experiment.recipe.anchors if prices is None else (),
        prices=prices,
        warm=experiment.settings.warm is not None,
        fingerprint=fingerprint.entries,
        upgrade=fingerprint.upgrade,
    )


def facts(net: nn.Module) -> Facts:
    """Declare a network: for each module its class, its plain attributes, and the shapes of its tensors.

    Values of parameters are no part of it: they follow from the seed. Modules without any child, parameter or attribute
    of their own still have a class.
    """
    return {name: dict(_facts_of_module(module)) for name, module in net.named_modules()}


def _functions(recipe: Recipe) -> dict[str, Callable[..., object]]:
    """Functions of a recipe that the figures of its trials follow from, by what they are called."""
    task = recipe.task
    return {
        "network": recipe.network,
        "float_network": recipe.float_network,
        "data": recipe.data,
        "loss": task.loss,
        "judge": task.judge,
        "score": task.score,
        "train": recipe.train,
        **({"training": recipe.training} if callable(recipe.training) else {}),
    }


def _sizes(net: nn.Module) -> dict[str, float]:
    """Norm of each tensor of a network as it is built under the seed of the study, which weights from a file change."""
    return {name: float(one.detach().double().norm()) for name, one in net.state_dict().items()}


def _digest(tensors: Mapping[str, Tensor]) -> str:
    content = sha256()
    for name, one in sorted(tensors.items()):
        content.update(f"{name} {one.dtype} {tuple(one.shape)}".encode() + one.detach().cpu().float().numpy().tobytes())
    return content.hexdigest()[:16]


def _alike(stored: Mapping[str, float], now: Mapping[str, float]) -> bool:
    """Whether two lists of norms are equal but for the rounding of another machine."""
    return stored.keys() == now.keys() and all(isclose(stored[name], now[name], rel_tol=1e-5) for name in now)


def _facts_of_module(module: nn.Module) -> Iterator[tuple[str, str]]:
    yield "class", type(module).__name__
    for name, value in vars(module).items():
        text = None if name.startswith("_") or name == "training" else _plain(value)
        if text is not None:
            yield name, text
    for name, parameter in module.named_parameters(recurse=False):
        yield f"parameter {name}", f"{tuple(parameter.shape)} {parameter.dtype}"
    for name, buffer in module.named_buffers(recurse=False):
        yield name, f"{tuple(buffer.shape)} {buffer.dtype}"


def _plain(value: object) -> str | None:
    """Text of a number, a word, or several of them; None for anything else."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool | int | float | str) or value is None:
        return str(value)
    if isinstance(value, tuple | list):
        texts = [_plain(one) for one in value]
        return None if None in texts else f"({', '.join(map(str, texts))})"
    return getattr(value, "__name__", None) if inspect.isfunction(value) else None


def _agree(stored: Facts, now: Facts) -> bool:
    """Whether two declarations mean the same network: modules, classes, parameters, and what both say of them.

    An attribute that one of them lacks was not declared at the time, so it cannot tell them apart.
    """
    return stored.keys() == now.keys() and all(
        all(mine.get(name) == theirs.get(name) for name in mine.keys() | theirs.keys() if _must_be_there(name))
        and all(mine[name] == theirs[name] for name in mine.keys() & theirs.keys())
        for mine, theirs in ((stored[path], now[path]) for path in now)
    )


def _must_be_there(name: str) -> bool:
    return name == "class" or name.startswith("parameter ")


_MODULE = re.compile(r"^(?P<indent> *)(?:\((?P<name>[^)]*)\): )?(?P<kind>\w+)\((?P<rest>.*)$")


def _facts_of_text(text: str) -> Facts:
    """Facts in a printed network: classes by path, `name=value` attributes, others by their place."""
    found: Facts = {}
    path: list[tuple[int, str]] = []
    for line in text.splitlines():
        module = _MODULE.match(line)
        named = module is not None and (module["name"] is not None or not found)
        if module is not None and named:
            indent = len(module["indent"])
            path = [(at, name) for at, name in path if at < indent] + [(indent, module["name"] or "")]
            found[".".join(name for _, name in path if name)] = {"class": module["kind"]}
        said = module["rest"].removesuffix(")") if module is not None and named else line.strip()
        if path:
            found[".".join(name for _, name in path if name)] |= _arguments(said)
    return found


def _arguments(text: str) -> dict[str, str]:
    """`4, kernel_size=(3, 3)` -> {"argument 0": "4", "kernel_size": "(3, 3)"}."""
    parts = [part.strip() for part in re.split(r",(?![^()\[\]]*[)\]])", text) if part.strip(" )")]
    split = [part.partition("=") for part in parts]
    return {
        name if equals else f"argument {at}": value if equals else name
        for at, (name, equals, value) in enumerate(split)
    }


def _completed(training: Mapping[str, object]) -> str:
    """Fields of a training by name, those that it lacks at their defaults: they were added with these."""
    defaults = {declared.name: declared.default for declared in fields(Training)}
    return json.dumps({**defaults, **training}, sort_keys=True)


def _training_of_text(text: str) -> str:
    """The fields in the printed text of a `Training`; the text itself where it is none."""
    try:
        call = ast.parse(text, mode="eval").body
        assert isinstance(call, ast.Call)
        return _completed({str(word.arg): ast.literal_eval(word.value) for word in call.keywords})
    except (SyntaxError, ValueError, AssertionError):
        return text


def _code(recipe: Recipe) -> str:
    """Hash of hwcost and of the recipe's own file, with the packages that compute."""
    source = inspect.getsourcefile(inspect.unwrap(recipe.network)) if inspect.isroutine(recipe.network) else None
    packages = (f"{name} {version(name)}" for name in ("torch", "numpy", "optuna"))
    return f"{code_hash(*([Path(source)] if source else []))[:16]}, {', '.join(packages)}"


def _floats(limits: Mapping[str, float]) -> dict[str, float]:
    """8000 or 8000.0: JSON does not keep them apart, a fingerprint must not either."""
    return {name: float(limit) for name, limit in limits.items()}
