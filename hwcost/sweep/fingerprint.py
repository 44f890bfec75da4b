"""Fingerprint of a study: declared facts that the figures of its trials follow from, in numbered versions.

Version 1 held the printed text of network and training. Version 2 holds declared fields, so that a new field with its
default and a new line in a printed network change nothing; a study of version 1 is compared as far as its text tells.
Version 3 adds the code that the user wrote, and the sizes of the weights that a network is built with.
"""

import ast
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from importlib.metadata import version
from math import isclose
from pathlib import Path

import torch
from torch import Tensor, nn

from hwcost.files import code_hash, parse_json
from hwcost.search import Identity, Prices, StudySpec
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.headroom import Headroom, Limit
from hwcost.sweep.network_facts import agree, facts, facts_of_text
from hwcost.sweep.pruning import curve_of
from hwcost.sweep.recipe import Recipe
from hwcost.sweep.written_code import code_digest
from hwcost.train.data import Data
from hwcost.train.loop import Training
from hwcost.train.ready_tasks import CLASSIFICATION

VERSION = 3

CODE = "code"
"""Entry with hwcost's own code and the packages that compute, in a study of many machines."""

_CODE = "code of "
"""Beginning of the entries with the code of the user."""

_LATER = ("budget", "hardware")
"""Functions whose code joined version 3 later, so that a study from before cannot tell it apart."""


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
            if agree(facts_of_text(str(stored["network"])), facts_of_text(self.printed)):
                found["network"] = self.entries["network"]
            return found | self._written()
        if stored["fingerprint_version"] in (2, VERSION):
            found["training"] = _completed(parse_json(str(stored["training"])))
            if agree(parse_json(str(stored["network"])), json.loads(str(self.entries["network"]))):
                found["network"] = self.entries["network"]
        if stored["fingerprint_version"] == 2:
            found["fingerprint_version"] = VERSION
            return found | self._written()
        if _alike(parse_json(str(stored.get("weights", "{}"))), json.loads(str(self.entries["weights"]))):
            found["weights"] = self.entries["weights"]
        later = {f"{_CODE}{name}" for name in _LATER} & self.entries.keys()
        return {name: self.entries[name] for name in later} | found

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
    usual = experiment.defaults
    hardware = [
        {name: _named(value) for name, value in experiment.hardware(params).items()
         if name == "fps" or value != usual.get(name)}
        for params in experiment.rehearsals
    ]  # fmt: skip
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
        **({} if (given := experiment.pretrained) is None else {"pretrained": _digest(given)}),
        **({} if recipe.task is CLASSIFICATION else {"task": recipe.task.name}),
        **({} if (metric := recipe.task.metric()) is None else {"metric": metric}),
        **({"fixed": json.dumps(dict(recipe.fixed))} if recipe.fixed else {}),
        **({"hardware": json.dumps(hardware, default=str)} if chooses else {}),
        **({} if kind == "cpu" else {"accelerator": kind}),
        **({} if (settings.share is None if shared is None else not shared) else {CODE: _code(recipe)}),
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
        space=experiment.space if prices is None else prices.space,
        constraints=None
        if experiment.recipe.constraints is None or experiment.settings.ramp_alone
        else experiment.recipe.excess,
        anchors=() if prices is not None or experiment.settings.ramp_alone else experiment.recipe.anchors,
        prices=prices,
        warm=experiment.settings.warm is not None,
        curve=curve_of if experiment.settings.prune else None,
        fingerprint=fingerprint.entries,
        upgrade=fingerprint.upgrade,
    )


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
        "budget": recipe.budget,
        "hardware": recipe.hardware,
        **({"training": recipe.training} if callable(recipe.training) else {}),
        **({"space": recipe.space} if callable(recipe.space) else {}),
        **({"constraints": recipe.constraints} if recipe.constraints is not None else {}),
    }


def _named(value: object) -> object:
    """A value for JSON; of a function its name, since its code has an entry of its own."""
    return getattr(value, "__qualname__", value)


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


def _floats(limits: Mapping[str, Limit]) -> dict[str, float | str]:
    """8000 or 8000.0: JSON does not keep them apart, a fingerprint must not either."""
    return {
        name: f"headroom {limit.share:g}" if isinstance(limit, Headroom) else float(limit)
        for name, limit in limits.items()
    }
