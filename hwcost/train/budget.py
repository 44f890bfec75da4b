"""Hardware cost as a term of the loss: a budget per resource, or a plain weighted cost."""

from collections.abc import Mapping
from difflib import get_close_matches
from math import isfinite, log

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.models.generic import GENERIC
from hwcost.models.resources import LARGEST, RESOURCES

NEEDED = ("LUT", "cycles")
"""Resources that every network uses some of; of the others, a budget of 0 asks to do without."""


def log_ratio(used: Mapping[str, Tensor], reference: Mapping[str, float]) -> Tensor:
    """Sum of log(used / reference): a plain cost in which a percent of each resource weighs the same.

    Args:
        used: from `hardware_cost`.
        reference: resource -> amount above 0 that counts as 1, e.g. the cost before training.

    Returns:
        () tensor; 0 at the reference. Both sides are counted from 1, so that an unused resource is no -inf.

    Raises:
        BadOption: no reference, one that is not above 0, or of a resource that is not priced.
    """
    for resource, amount in reference.items():
        if not (isfinite(amount) and amount > 0):
            raise BadOption(f"log_ratio: reference {resource}={amount}; give a finite amount above 0")
    if not reference:
        raise BadOption("log_ratio: no reference; give at least one resource, e.g. {'LUT': 20_000}")
    return log_excess("log_ratio", used, reference).sum()


def log_excess(where: str, used: Mapping[str, Tensor], limits: Mapping[str, float]) -> Tensor:
    """Logarithms of (1 + used) / (1 + limit): above 0 where a limit is exceeded.

    Args:
        where: the object that asks, for the message.
        used: from `hardware_cost`.
        limits: resource -> amount, at least 0.

    Returns:
        (resources,) tensor, in the order of the limits. Gradient: 1 / (1 + used).

    Raises:
        BadOption: a resource that is not priced.
    """
    check_priced(where, used, limits)
    return torch.stack([torch.log1p(used[resource]) - log(1 + limit) for resource, limit in limits.items()])


def check_priced(where: str, used: Mapping[str, Tensor], limits: Mapping[str, float]) -> None:
    """Refuse a limit of a resource that has no amount.

    Raises:
        BadOption: names it, and `where` it was asked for.
    """
    for resource in limits:
        if resource not in used:
            raise BadOption(f"{where}: resource {resource!r} is not priced; this model prices {', '.join(used)}")


class Budget(nn.Module):
    """Limits on resources, as an augmented Lagrangian: one multiplier per resource, learned from the violation.

    The excess of a resource is g = log((1 + used) / (1 + limit)): above 0 only when it does not fit, and the same
    for LUTs in the thousands as for a handful of BRAMs. The penalty of each is (max(0, m + s g)^2 - m^2) / 2 s
    with strength s and multiplier m, which `update` moves by s g, never below 0. A budget that is kept costs
    nothing once its multiplier is back at 0.

    Source: Nocedal and Wright, Numerical Optimization, 2nd ed., section 17.4 (inequality constraints).

    Args:
        limits: resource -> largest amount, e.g. {"LUT": 20_000, "BRAM18": 100}; finite, at least 0, above 0 for
            LUT and cycles.
        strength: of the quadratic term, in units of the loss, above 0.
        rate: share of s g by which one `update` moves the multiplier.
        warmup: number of updates over which the strength grows linearly from 0, at least 0.

    The multipliers and the step counter are buffers: a checkpoint resumes where it stopped.
    """

    multipliers: Tensor
    steps: Tensor

    def __init__(
        self, limits: Mapping[str, float], *, strength: float = 1.0, rate: float = 0.05, warmup: int = 0
    ) -> None:
        super().__init__()
        for resource, limit in limits.items():
            _check_name(resource)
            needed = resource in NEEDED
            if not isfinite(limit) or limit < 0 or (needed and limit == 0):
                least = "above 0, for every network needs some" if needed else "of at least 0"
                raise BadOption(f"budget: {resource} limit {limit}; give a finite amount {least}")
        if not limits:
            raise BadOption("budget: no limits; give at least one resource, e.g. {'LUT': 20_000}")
        for name, value in (("strength", strength), ("rate", rate)):
            if not isfinite(value) or value <= 0:
                raise BadOption(f"budget: {name}={value}; give a finite number above 0")
        if warmup < 0:
            raise BadOption(f"budget: warmup={warmup}; give 0 or more updates")
        self.limits = dict(limits)
        self.strength, self.rate, self.warmup = strength, rate, warmup
        self.register_buffer("multipliers", torch.zeros(len(limits), dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def penalty(self, used: Mapping[str, Tensor]) -> Tensor:
        """The loss term for the amounts of `hardware_cost`.

        Returns:
            () float64. Gradient: max(0, m + s g) / (1 + used) per resource; zero while the budget is kept.
        """
        strength = self._strength()
        push = torch.relu(self.multipliers + strength * self._excess(used))
        return (push.square() - self.multipliers.square()).sum() / (2 * strength)

    def update(self, used: Mapping[str, Tensor]) -> None:
        """Move the multipliers by the violation; call once after each optimizer step."""
        with torch.no_grad():
            step = self.rate * self._strength() * self._excess(used)
            self.multipliers.add_(step).clamp_(min=0)
            self.steps += 1

    def extra_repr(self) -> str:
        return ", ".join(f"{name} <= {limit:,g}" for name, limit in self.limits.items())

    def fits(self, used: Mapping[str, Tensor]) -> bool:
        """Whether every limit is kept."""
        return bool((self._excess(used) <= 0).all())

    def _excess(self, used: Mapping[str, Tensor]) -> Tensor:
        return log_excess("budget", used, self.limits)

    def _strength(self) -> float:
        if not self.warmup:
            return self.strength
        return self.strength * min(1.0, (int(self.steps) + 1) / self.warmup)


def _check_name(resource: str) -> None:
    """Refuse a misspelt resource of the models here; a model of the user's own may price anything else."""
    known = {name.casefold(): name for name in (*RESOURCES, *LARGEST, *GENERIC)}
    close = get_close_matches(resource.casefold(), known, n=1, cutoff=0.7)
    if close and resource not in known.values():
        raise BadOption(f"budget: no model prices {resource!r}; do you mean {known[close[0]]!r}?")
