"""Parameters that note which of them were read: what nobody reads, nobody should search."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hwcost.errors import BadRecipe

LEAST_TRIALS = 3
"""Finished trials whose training left a parameter unread, from which on it counts as read by none."""


class Noted(dict[str, Any]):
    """Parameters that note which of them were read; whoever asks for all of them reads all."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__(params)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a parameter, or the default."""
        self.read.add(name)
        return super().get(name, default)

    def __iter__(self) -> Iterator[str]:
        self.read.update(super().__iter__())
        return super().__iter__()

    def keys(self) -> Any:
        """All names."""
        self.read.update(super().__iter__())
        return super().keys()

    def values(self) -> Any:
        """All values."""
        self.keys()
        return super().values()

    def items(self) -> Any:
        """All names and values."""
        self.keys()
        return super().items()

    @property
    def unread(self) -> list[str]:
        """Names that nobody read."""
        return sorted(set(super().__iter__()) - self.read)


def check_trainings(name: str, trials: Sequence[Mapping[str, Any]]) -> None:
    """Refuse parameters that no finished trial read, in a study whose recipe brings its own training.

    Args:
        name: of the recipe.
        trials: finished ones; `unread` lists what a trial left.

    Raises:
        BadRecipe: names the parameters.
    """
    left = [set(found) if isinstance(found := trial.get("unread"), list) else set[str]() for trial in trials]
    never = set[str].intersection(*left) if len(left) >= LEAST_TRIALS else set[str]()
    if never:
        raise BadRecipe(
            f"recipe {name}: space has {', '.join(sorted(never))}, which nothing read in {len(left)} finished trials, "
            "neither train() nor another function of the recipe; read it in train(), as run.params[...], or remove it "
            "from the space, and sweep into another folder"
        )
