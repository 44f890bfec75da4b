"""Remembered prices: training asks for the same few widths step after step."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TypeAlias

import torch
from torch import Tensor

from hwcost.graph.ste import with_gradient_of
from hwcost.models.formulas.dual_numbers import slopes
from hwcost.models.formulas.formula import Formula, Job, Setting
from hwcost.models.formulas.relax import SMOOTH
from hwcost.models.resources import RESOURCES

FEW = 8
"""Up to so many blocks of a kind, python numbers are faster than tensors."""

MOST_WIDTHS = 4
MOST_ENTRIES = 2**16

Key: TypeAlias = tuple[Formula, tuple[float, ...], tuple[float, ...]]
"""What a price depends on: the formula, the geometry, the widths."""


class PriceMemo:
    """Prices and slopes of blocks at whole widths, computed once per combination of geometry and widths.

    It remembers a pure function, so it changes no result; it forgets everything when it is full.

    Args:
        setting: what all blocks of the design share.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._known: dict[Key, tuple[Tensor, Tensor]] = {}

    def price(self, formulas: Sequence[Formula], jobs: Sequence[Job]) -> Tensor | None:
        """Every resource of every job, with the gradient of the laws.

        Args:
            formulas: of each job.
            jobs: blocks with their choices.

        Returns:
            float64 (jobs, resources), bit for bit as calling the formulas; None if a width is no whole number.
        """
        per_job = [formula.widths(job.block) for formula, job in zip(formulas, jobs, strict=True)]
        none = torch.zeros((), dtype=torch.float64)
        flat = [width for widths in per_job for width in (*widths, *[none] * (MOST_WIDTHS - len(widths)))]
        stacked = torch.stack(flat).reshape(len(jobs), MOST_WIDTHS)
        numbers = stacked.tolist()
        if any(number % 1 for row in numbers for number in row):
            return None
        keys = [
            (formula, tuple(formula.geometry(job, self._setting).values()), tuple(row[: len(widths)]))
            for formula, job, row, widths in zip(formulas, jobs, numbers, per_job, strict=True)
        ]
        self._learn(keys, jobs)
        value = torch.stack([self._known[key][0] for key in keys])
        if not (stacked.requires_grad and torch.is_grad_enabled()):
            return value
        steep = torch.stack([self._known[key][1] for key in keys])
        return with_gradient_of(value, (steep * stacked.unsqueeze(2)).sum(1))

    def _learn(self, keys: Sequence[Key], jobs: Sequence[Job]) -> None:
        missing: dict[Formula, dict[Key, Job]] = {}
        for key, job in zip(keys, jobs, strict=True):
            if key not in self._known:
                missing.setdefault(key[0], {})[key] = job
        if not missing:
            return
        if len(self._known) + len(keys) > MOST_ENTRIES:
            self._known.clear()
            self._learn(keys, jobs)
            return
        for formula, group in missing.items():
            if len(group) <= FEW:
                for key, job in group.items():
                    self._known[key] = _alone(formula, key, job, self._setting)
                continue
            widths = torch.tensor([key[2] for key in group], dtype=torch.float64).T
            values = formula.at(list(group.values()), self._setting, widths)
            rows = torch.stack([values[name] for name in RESOURCES], dim=1)
            for key, value, slope in zip(group, rows, _slopes(formula, group, self._setting), strict=True):
                self._known[key] = value, slope


def _alone(formula: Formula, key: Key, job: Job, setting: Setting) -> tuple[Tensor, Tensor]:
    """Price (resources,) and slopes (MOST_WIDTHS, resources) of one block, in python numbers."""
    _, _, widths = key
    value = formula.reference(job, setting)
    found = slopes(formula.total, widths, formula.geometry(job, setting), setting)
    rows = [found[name] for name in RESOURCES]
    table = [[row[width] if width < len(widths) else 0.0 for row in rows] for width in range(MOST_WIDTHS)]
    return torch.tensor([float(value[name]) for name in RESOURCES], dtype=torch.float64), torch.tensor(
        table, dtype=torch.float64
    )


def _slopes(formula: Formula, group: dict[Key, Job], setting: Setting) -> Tensor:
    """(jobs, MOST_WIDTHS, resources): the gradient of the smooth law, all resources in one backward pass."""
    names = list(formula.geometry(next(iter(group.values())), setting))
    columns = torch.tensor([key[1] for key in group], dtype=torch.float64).T
    here = torch.tensor([key[2] for key in group], dtype=torch.float64).T
    table = torch.zeros(len(group), MOST_WIDTHS, len(RESOURCES), dtype=torch.float64)
    with torch.enable_grad():
        # a copy of the widths per resource, so that their gradients stay apart
        widths = here.unsqueeze(1).repeat(1, len(RESOURCES), 1).requires_grad_()
        found = formula.total(SMOOTH, widths, SimpleNamespace(**dict(zip(names, columns, strict=True))), setting)
        apart = [torch.as_tensor(found[name]).expand(widths.shape[1:])[i] for i, name in enumerate(RESOURCES)]
        grads = torch.autograd.grad(torch.stack(apart).sum(), widths, allow_unused=True)[0]
    if grads is not None:
        table[:, : len(here)] = grads.permute(2, 0, 1)
    return table
