"""A search space: a table of distributions, or a function that asks a trial for one parameter after the other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hwcost.errors import BadOption


class Asked(Protocol):
    """A trial, as a function that is a space sees it: Optuna's, or a draft of one."""

    @property
    def params(self) -> dict[str, Any]:
        """Name -> value of what was asked for."""
        ...

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number of a range."""
        ...

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number of a range."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of several values."""
        ...


Space = Mapping[str, BaseDistribution] | Callable[[Asked], None]
"""Name -> distribution; or a function that calls `suggest_int` and the like, some only where others say so."""

Excess = Callable[[Mapping[str, Any]], float]
"""Parameters of a trial -> by how much they break the constraints between them, at most 0 where all are kept."""


class Missing(BadOption):
    """Parameters lack one that the space asks for."""


class Draft:
    """A trial that stores nothing: a function answers for it.

    Args:
        choose: name and distribution -> value.

    Attributes:
        params: name -> value of what was asked for.
        distributions: name -> distribution of it.
    """

    def __init__(self, choose: Callable[[str, BaseDistribution], Any]) -> None:
        self._choose = choose
        self.params: dict[str, Any] = {}
        self.distributions: dict[str, BaseDistribution] = {}

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number of a range."""
        found: float = self._asked(name, FloatDistribution(low, high, log=log, step=step))
        return found

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number of a range."""
        found: int = self._asked(name, IntDistribution(low, high, log=log, step=step))
        return found

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of several values."""
        return self._asked(name, CategoricalDistribution(choices))

    def _asked(self, name: str, choices: BaseDistribution) -> Any:
        if self.distributions.setdefault(name, choices) != choices:
            raise BadOption(f"space {name}: asked for as {self.distributions[name]!r} and as {choices!r}; name it once")
        if name not in self.params:
            self.params[name] = self._choose(name, choices)
        return self.params[name]


def fill(space: Space, trial: Asked) -> None:
    """Ask a trial for all parameters of a space.

    Raises:
        BadOption: what is no Optuna distribution, or a function that returns something.
    """
    if not isinstance(space, Mapping):
        if (found := space(trial)) is not None:
            raise BadOption(f"space: its function returned {found!r}; return nothing, whatever it asks for counts")
        return
    for name in sorted(space):  # the order decides who draws which number
        choices = space[name]
        if isinstance(choices, FloatDistribution):
            trial.suggest_float(name, choices.low, choices.high, step=choices.step, log=choices.log)
        elif isinstance(choices, IntDistribution):
            trial.suggest_int(name, choices.low, choices.high, step=choices.step, log=choices.log)
        elif isinstance(choices, CategoricalDistribution):
            trial.suggest_categorical(name, choices.choices)
        else:
            raise BadOption(
                f"space {name}: {choices!r} is no Optuna distribution; give Int-, Float- or CategoricalDistribution"
            )


def draft(space: Space, choose: Callable[[str, BaseDistribution], Any]) -> Draft:
    """The parameters that a space asks for where a function answers."""
    found = Draft(choose)
    fill(space, found)
    return found


def asked_by(space: Space, params: Mapping[str, Any]) -> dict[str, BaseDistribution]:
    """Name -> distribution of what a space asks for at these parameters.

    Raises:
        Missing: they lack one of them.
    """

    def given(name: str, choices: BaseDistribution) -> Any:
        if name not in params:
            raise Missing(f"parameters {dict(params)}: {name} is missing; the space asks for it")
        return params[name]

    return draft(space, given).distributions


def is_all(space: Space, params: Mapping[str, Any]) -> bool:
    """Whether parameters are all that a space asks for, and no others."""
    try:
        return asked_by(space, params).keys() == params.keys()
    except Missing:
        return False


def lowest(name: str, choices: BaseDistribution) -> Any:
    """The lowest or first value of a distribution."""
    return choices.choices[0] if isinstance(choices, CategoricalDistribution) else getattr(choices, "low", None)
