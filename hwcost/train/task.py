"""The task of a network: the loss that trains it, and the score that a search maximizes or minimizes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, SupportsFloat

from torch import Tensor

from hwcost.errors import BadOption, HwcostError
from hwcost.train.data import Data


def _as_they_are(out: object, x: Tensor, y: object) -> object:
    return out


@dataclass(frozen=True, kw_only=True)
class Task:
    """Loss and score of a training; `hwcost.Recipe(task=...)`.

    Attributes:
        name: of the score, as reports say it.
        loss: (outputs, x, y) of a batch -> (), differentiable.
        score: (what `judge` gave, y) of a whole split -> one finite number, as Python, PyTorch or NumPy have it; or a
            metric of torchmetrics, which is reset before.
        judge: (outputs, x, y) of a batch -> what the score needs of each sample, (samples, ...); if not given, the
            outputs themselves.
        outputs: data -> the shape of a network's output for one sample, or a tuple of shapes for several outputs;
            None where any will do.
        direction: whether a larger or a smaller score is better.
        unit: of the score, e.g. "mm" or "dB"; "%" shows a ratio of 0 to 1 in percent.
        format: of the number, e.g. ".3f"; by default two decimals in percent, four significant digits of other scores.
        tolerances: losses against the float network, in the unit of the score, within which a report names the cheapest
            trial; by default 0.5, 1 and 2 points in percent, 1, 2 and 5 % of other scores.
    """

    name: str
    loss: Callable[[Any, Tensor, Any], Tensor]
    score: Callable[[Any, Any], SupportsFloat]
    judge: Callable[[Any, Tensor, Any], object] = _as_they_are
    outputs: Callable[[Data], tuple[object, ...]] | None = None
    direction: Literal["maximize", "minimize"] = "maximize"
    unit: str = ""
    format: str = ""
    tolerances: tuple[float, ...] = ()

    def __repr__(self) -> str:
        return f"Task({self.name!r}, {self.direction})"

    def __post_init__(self) -> None:
        if self.direction not in ("maximize", "minimize"):
            raise BadOption(f"task {self.name}: direction {self.direction!r}; give 'maximize' or 'minimize'")
        larger = getattr(self.score, "higher_is_better", None)  # as metrics of torchmetrics have it, or None
        if isinstance(larger, bool) and larger != (self.direction == "maximize"):
            right = "maximize" if larger else "minimize"
            raise BadOption(
                f"task {self.name}: direction {self.direction!r}, but {type(self.score).__name__} is to {right}"
            )
        try:
            format(0.5, self.format)
        except ValueError as error:
            raise BadOption(f"task {self.name}: format {self.format!r} ({error}); give one such as '.3f'") from error
        if any(not tolerance > 0 for tolerance in self.tolerances):
            raise BadOption(f"task {self.name}: tolerances {self.tolerances}; give numbers above 0")

    def scored(self, figures: object, y: object) -> float:
        """The score of a split as a plain number; it may be NaN.

        Raises:
            BadOption: the score is no number, or its function failed.
        """
        reset = getattr(self.score, "reset", None)  # a metric of torchmetrics remembers what it saw
        if callable(reset):
            reset()
        try:
            found = self.score(figures, y)
        except HwcostError:
            raise
        except Exception as error:  # a user's function may fail in any way at all
            raise BadOption(f"task {self.name}: its score() failed: {type(error).__name__}: {error}") from error
        try:
            return float(found)
        except (TypeError, ValueError, RuntimeError) as error:
            raise BadOption(
                f"task {self.name}: its score() returned {type(found).__name__}; return one number"
            ) from error

    def metric(self) -> str | None:
        """The class and the plain settings of a score that is a metric object; None where it is a function."""
        if not callable(getattr(self.score, "reset", None)):
            return None
        plain = {name: value for name, value in vars(self.score).items() if isinstance(value, str | int | float)}
        told = (f"{name}={plain[name]!r}" for name in sorted(plain) if not name.startswith("_") and name != "training")
        return f"{type(self.score).__name__}({', '.join(told)})"

    def record(self) -> dict[str, object]:
        """The reading of the score, as plain values for reports."""
        return {
            "name": self.name,
            "direction": self.direction,
            "unit": self.unit,
            "format": self.format,
            "tolerances": list(self.tolerances),
        }
