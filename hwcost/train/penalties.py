"""Other ways than `Budget` to weigh hardware in a loss: a plain weighted cost, on a schedule, or driven to a target."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.train.budget import check_priced, log_excess


class Keeper(Protocol):
    """The interface that `fit` needs to weigh hardware in the loss; `Budget` and the classes below are of this form.

    Attributes:
        limits: resource -> largest amount.
    """

    limits: dict[str, float]

    def penalty(self, used: Mapping[str, Tensor]) -> Tensor:
        """The loss term for the amounts of `hardware_cost`, ()."""
        ...

    def update(self, used: Mapping[str, Tensor]) -> None:
        """Called once after each optimizer step."""
        ...


@dataclass(frozen=True)
class Ramp:
    """A strength that grows by the same factor each step, from the first to the last, and stays there.

    Attributes:
        first, last: above 0.
        steps: from the one to the other, at least 1.

    >>> [round(Ramp(0.01, 1.0, 4)(step), 3) for step in range(6)]
    [0.01, 0.032, 0.1, 0.316, 1.0, 1.0]
    """

    first: float
    last: float
    steps: int

    def __post_init__(self) -> None:
        for name, value in (("first", self.first), ("last", self.last)):
            if not (isfinite(value) and value > 0):
                raise BadOption(f"ramp: {name}={value}; give a finite number above 0")
        if self.steps < 1:
            raise BadOption(f"ramp: steps={self.steps}; give at least 1")

    def __call__(self, step: int) -> float:
        """The strength at a step, from 0."""
        return float(self.first * (self.last / self.first) ** min(1.0, step / self.steps))


class WeightedCost(nn.Module):
    """A weight times the sum of log(used / limit), or of used / limit: pushes always, whether limits are kept or not.

    One training with a ramp passes through a whole front, from accurate to cheap. The step is a buffer: a checkpoint
    resumes where it stopped.

    Args:
        limits: resource -> amount above 0 that counts as 1; to `log_ratio`.
        weight: in units of the loss, constant and above 0, or a ramp.
        log: whether a percent of a resource weighs the same however much is used; without it, a LUT does.
    """

    steps: Tensor

    def __init__(self, limits: Mapping[str, float], weight: float | Ramp, *, log: bool = True) -> None:
        super().__init__()
        self.limits, self.log = _checked(limits), log
        self.ramp = weight if isinstance(weight, Ramp) else Ramp(weight, weight, 1)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def penalty(self, used: Mapping[str, Tensor]) -> Tensor:
        """() float64. Gradient: weight / (1 + used) per resource; without `log`, weight / limit."""
        if self.log:
            return self.ramp(int(self.steps)) * log_excess("weighted cost", used, self.limits).sum()
        check_priced("weighted cost", used, self.limits)
        weight = self.ramp(int(self.steps))
        first, *others = [used[name] * (weight / limit) for name, limit in self.limits.items()]
        return sum(others, first)

    def update(self, used: Mapping[str, Tensor]) -> None:
        """Count the step."""
        self.steps.add_(1)


class TargetControl(nn.Module):
    """A weight per resource that a PID controller moves until the amount used is the target: neither more nor less.

    The error of a resource is e = log(used / target). Its weight is start * exp(p e + i sum(e) + d (e - last e)): it
    grows while too much is used and falls while there is room. All of it is in buffers: a checkpoint resumes where it
    stopped.

    Args:
        limits: resource -> target, above 0.
        start: weight before the first error, in units of the loss, above 0.
        proportional, integral, derivative: gains, at least 0.

    Source: Astrom and Murray, Feedback Systems, 2nd ed., chapter 11; the sum is bounded against windup (11.4).
    """

    total: Tensor
    last: Tensor
    weights: Tensor

    def __init__(
        self,
        limits: Mapping[str, float],
        *,
        start: float = 0.1,
        proportional: float = 4.0,
        integral: float = 0.1,
        derivative: float = 0.0,
    ) -> None:
        super().__init__()
        self.limits = _checked(limits)
        for name, value in (("proportional", proportional), ("integral", integral), ("derivative", derivative)):
            if not (isfinite(value) and value >= 0):
                raise BadOption(f"target control: {name}={value}; give a finite number of at least 0")
        if not (isfinite(start) and start > 0):
            raise BadOption(f"target control: start={start}; give a finite number above 0")
        self.start, self.gains = start, (proportional, integral, derivative)
        self.register_buffer("total", torch.zeros(len(limits), dtype=torch.float64))
        self.register_buffer("last", torch.zeros(len(limits), dtype=torch.float64))
        self.register_buffer("weights", torch.full((len(limits),), start, dtype=torch.float64))

    def penalty(self, used: Mapping[str, Tensor]) -> Tensor:
        """() float64. Gradient: weight / (1 + used) per resource."""
        return (self.weights * self._errors(used)).sum()

    def update(self, used: Mapping[str, Tensor]) -> None:
        """Move the weights by the errors."""
        proportional, integral, derivative = self.gains
        with torch.no_grad():
            error = self._errors(used)
            self.total.add_(error)
            if integral:
                self.total.clamp_(-_FARTHEST / integral, _FARTHEST / integral)
            power = proportional * error + integral * self.total + derivative * (error - self.last)
            self.weights.copy_(self.start * torch.exp(power.clamp(-_FARTHEST, _FARTHEST)))
            self.last.copy_(error)

    def _errors(self, used: Mapping[str, Tensor]) -> Tensor:
        return log_excess("target control", used, self.limits)


_FARTHEST = 10.0
"""The weight stays within a factor of e^10 of its start."""


def _checked(limits: Mapping[str, float]) -> dict[str, float]:
    if not limits or not all(isfinite(limit) and limit > 0 for limit in limits.values()):
        raise BadOption(f"limits {dict(limits)}: give at least one resource, and finite amounts above 0")
    return dict(limits)
