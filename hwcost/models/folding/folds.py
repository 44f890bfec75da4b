"""The folding of a pipeline: the parallelism of its units."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hwcost.errors import BadFolding
from hwcost.graph.spec import Block, MatVec
from hwcost.models.amounts import whole
from hwcost.models.formulas.formula import Fold, Formula
from hwcost.models.resources import Placed


@dataclass(frozen=True)
class Folding(Mapping[str, Fold]):
    """A fold for every matrix-vector unit, and the interval that the whole pipeline keeps.

    Attributes:
        folds: unit name -> Fold.
        interval_cycles: no block takes longer per inference.
    """

    folds: Mapping[str, Fold]
    interval_cycles: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "interval_cycles", whole("interval_cycles", self.interval_cycles))  # frozen

    def __getitem__(self, name: str) -> Fold:
        return self.folds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.folds)

    def __len__(self) -> int:
        return len(self.folds)


def unit_names(placed: Sequence[Placed]) -> dict[int, str]:
    """Index in `placed` -> name of the matrix-vector unit: its layer's, with [0], [1]... where a layer has several."""
    units: dict[str, list[int]] = {}
    for index, item in enumerate(placed):
        if isinstance(item.block, MatVec):
            units.setdefault(item.layer, []).append(index)
    names = {}
    for layer, rows in units.items():
        for position, index in enumerate(rows):
            names[index] = layer if len(rows) == 1 else f"{layer}[{position}]"
    return names


def keep_up(layer: str, block: Block, formula: Formula[Any], interval_cycles: int | None) -> Fold:
    """The least parallelism of a block that meets an interval; None asks for the least of all.

    Raises:
        BadFolding: not even the most parallel form is that fast.
    """
    folds = formula.folds(block)
    if interval_cycles is None:
        return folds[0]
    for fold in folds:
        if formula.cycles(block, fold) <= interval_cycles:
            return fold
    best = min(formula.cycles(block, fold) for fold in folds)
    raise BadFolding(
        f"{layer}: {type(block).__name__} takes {best} cycles per frame at best, above the interval of "
        f"{interval_cycles} that the pipeline keeps; fold the other units more"
    )
