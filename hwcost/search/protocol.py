"""Objects that a study and its caller exchange: suggestions, outcomes, and the end of a run."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from hwcost.errors import BadOption

Params = Mapping[str, Any]
"""Parameters of a trial: name -> the value that its distribution gave, a number, text, or any categorical choice."""

COLUMNS = ("number", "state", "seed", "seconds", "reason", "params")


@dataclass(frozen=True)
class Objective:
    """A figure that trials are judged by.

    Attributes:
        name: a column of `Study.frame()`; of no other column or objective.
        direction: "minimize" or "maximize".
        worst: the worst value that counts; None where every value does. Trials beyond it are on no front.
        label: what plots and the dashboard of Optuna call it; by default its name.
    """

    name: str
    direction: Literal["minimize", "maximize"]
    worst: float | None = None
    label: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.direction not in ("minimize", "maximize"):
            raise BadOption(f"objective {self.name}: direction {self.direction!r}; use 'minimize' or 'maximize'")
        if not self.name or self.name in COLUMNS:
            raise BadOption(f"objective name {self.name!r}: taken or empty; {', '.join(COLUMNS)} are columns already")
        if self.worst is not None and not math.isfinite(self.worst):
            raise BadOption(f"objective {self.name}: worst={self.worst}; give a finite number, or None")

    def __str__(self) -> str:
        return f"{self.direction} {self.name}" + ("" if self.worst is None else f" (worst {self.worst:g})")

    def beyond(self, value: float) -> float:
        """Excess of a value over the worst that counts; at most 0 where it counts."""
        if self.worst is None:
            return 0.0
        return value - self.worst if self.direction == "minimize" else self.worst - value


Rival = tuple[tuple[float, ...], tuple[float, ...]]
"""A finished trial as a later one sees it: values of the objectives, and its curve."""


@dataclass(frozen=True)
class Suggestion:
    """A trial to evaluate.

    Attributes:
        number: of the trial in its study, from 0; a retry has a number of its own.
        params: name -> value, one for each entry of the space.
        seed: for all randomness of this trial, 0 to 2**32 - 1; a retry has that of the trial it repeats.
        parent: in a study with warm starts, finished trial that it starts from; None for the float network.
        polish: of a trial that trains on from its own weights, how many times as long as an ordinary one; else 0.
        coarser: by how much its quantization steps are larger than those of its start (`hwcost.search.nearest_trial`).
        epochs: of its training, where it repeats one; None where they follow from the others.
        parent_checkpoint: hash of the weights of `parent`, where its record has one.
        rivals: in a study that prunes, the trials that were finished when it was drawn.
    """

    number: int
    params: Params
    seed: int
    parent: int | None = None
    polish: int = 0
    coarser: float = 0.0
    epochs: int | None = None
    parent_checkpoint: str | None = None
    rivals: tuple[Rival, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The result of a trial.

    Attributes:
        values: one number per objective, in their order. A NaN or an infinity makes the trial a failure.
        attributes: name -> anything that JSON can hold; columns of `Study.frame()`. Tens of kB are fine. One with the
            name of an objective must hold that objective's value.
    """

    values: Sequence[float]
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Crew(Protocol):
    """Evaluates several suggestions at once.

    Attributes:
        size: how many.
    """

    size: int

    def start(self, suggestion: Suggestion) -> None:
        """Begin one; never more than `size` at a time."""
        ...

    def finished(self) -> tuple[int, Outcome | Exception | None]:
        """Wait for any: number of its trial and its outcome, the error it failed with, or None where it died."""
        ...

    def stop(self) -> None:
        """Abandon the trials that are running."""
        ...


@dataclass(frozen=True)
class RunEnd:
    """The end of a call of `Study.run`.

    Attributes:
        done: trials that this call finished, failures included.
        interrupted: by Ctrl-C; the trial it hit is retried by the next call.
        stopped: by `stop`.
    """

    done: int
    interrupted: bool = False
    stopped: bool = False


def checked(outcome: Outcome, objectives: Sequence[Objective]) -> list[float]:
    """The values of an outcome that fits both the objectives and JSON."""
    if not isinstance(outcome, Outcome):
        raise BadOption(f"the objective returned {type(outcome).__name__}; return a hwcost.search.Outcome")
    names = [objective.name for objective in objectives]
    try:
        values = [float(value) for value in outcome.values]
    except (TypeError, ValueError) as error:
        raise BadOption(f"outcome values {outcome.values!r}: give numbers, one for each of {names}") from error
    if len(values) != len(names):
        raise BadOption(f"outcome of {len(values)} values; give one for each of {names}")
    expected = dict(zip(names, values, strict=True))
    for name, value in outcome.attributes.items():
        if not isinstance(name, str) or name in COLUMNS:
            raise BadOption(f"outcome attribute {name!r}: use another name; {', '.join(COLUMNS)} are taken")
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise BadOption(f"outcome attribute {name}: {error}; give plain numbers, text, lists, dicts") from error
        if name in expected and value != expected[name] and not math.isnan(expected[name]):
            raise BadOption(f"outcome attribute {name} = {value!r}, but objective {name} = {expected[name]!r}")
    return values
