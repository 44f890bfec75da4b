"""Remembered prices of blocks: training asks for the same few widths step after step."""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from hwcost.graph.spec import Block
from hwcost.graph.ste import with_gradient_of
from hwcost.models.formulas.arithmetic import SMOOTH, Geometry
from hwcost.models.formulas.formula import Formula, Job, Setting
from hwcost.models.formulas.relax import stacked
from hwcost.models.memo import MOST_KEPT, Memo
from hwcost.models.resources import RESOURCES

FEW = 8
"""Blocks of a kind up to which python numbers are faster than tensors, see `dual_numbers`."""

MOST_WIDTHS = 4

Key: TypeAlias = tuple[Formula[Block], tuple[float, ...], tuple[float, ...]]
"""Everything that a price depends on: the formula, the geometry, the widths."""


class PriceMemo:
    """Prices and slopes of blocks at whole widths, computed once per combination of geometry and widths.

    Args:
        setting: what all blocks of the design share.
        most: combinations that are remembered.
    """

    def __init__(self, setting: Setting, most: int = MOST_KEPT) -> None:
        self._setting = setting
        self._memo: Memo[Key, tuple[Tensor, Tensor]] = Memo(most)

    def price(self, formulas: Sequence[Formula[Block]], jobs: Sequence[Job]) -> Tensor | None:
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
        here = torch.stack(flat).reshape(len(jobs), MOST_WIDTHS)
        numbers = here.tolist()
        if any(number % 1 for row in numbers for number in row):
            return None
        keys = [
            (formula, tuple(formula.geometry(job, self._setting).values()), tuple(row[: len(widths)]))
            for formula, job, row, widths in zip(formulas, jobs, numbers, per_job, strict=True)
        ]
        found = self._memo.of(keys, lambda new: self._computed([keys[i] for i in new], [jobs[i] for i in new]))
        value = torch.stack([amounts for amounts, _ in found])
        if not (here.requires_grad and torch.is_grad_enabled()):
            return value
        steep = torch.stack([slopes for _, slopes in found])
        return with_gradient_of(value, (steep * here.unsqueeze(2)).sum(1))

    def _computed(self, keys: Sequence[Key], jobs: Sequence[Job]) -> list[tuple[Tensor, Tensor]]:
        found: dict[int, tuple[Tensor, Tensor]] = {}
        groups: dict[Formula[Block], list[int]] = {}
        for position, (formula, _, _) in enumerate(keys):
            groups.setdefault(formula, []).append(position)
        for formula, rows in groups.items():
            if len(rows) <= FEW:
                found |= {row: _alone(keys[row], jobs[row], self._setting) for row in rows}
            else:
                group = [keys[row] for row in rows]
                found |= zip(rows, _together(formula, group, [jobs[row] for row in rows], self._setting), strict=True)
        return [found[row] for row in range(len(keys))]


def _alone(key: Key, job: Job, setting: Setting) -> tuple[Tensor, Tensor]:
    """Price (resources,) and slopes (MOST_WIDTHS, resources) of one block, in python numbers."""
    formula, _, widths = key
    value = formula.reference(job, setting)
    found = formula.slopes(widths, formula.geometry(job, setting), setting)
    rows = [found[name] for name in RESOURCES]
    table = [[row[width] if width < len(widths) else 0.0 for row in rows] for width in range(MOST_WIDTHS)]
    return torch.tensor([float(value[name]) for name in RESOURCES], dtype=torch.float64), torch.tensor(
        table, dtype=torch.float64
    )


def _together(
    formula: Formula[Block], keys: Sequence[Key], jobs: Sequence[Job], setting: Setting
) -> list[tuple[Tensor, Tensor]]:
    """Price many blocks of a kind in tensors; the slopes of all resources take one backward pass."""
    here = torch.tensor([widths for _, _, widths in keys], dtype=torch.float64).T
    bill = formula.at(jobs, setting, here)
    value = torch.stack([bill[name] for name in RESOURCES], dim=1)
    names = formula.geometry(jobs[0], setting)
    columns = torch.tensor([geometry for _, geometry, _ in keys], dtype=torch.float64).T
    table = torch.zeros(len(keys), MOST_WIDTHS, len(RESOURCES), dtype=torch.float64)
    with torch.enable_grad():
        # a copy of the widths per resource, so that their gradients stay apart
        widths = here.unsqueeze(1).repeat(1, len(RESOURCES), 1).requires_grad_()
        found = formula.law(SMOOTH, list(widths), Geometry(**dict(zip(names, columns, strict=True))), setting).total()
        apart = stacked(found, tuple(widths.shape[1:])).diagonal(dim1=0, dim2=1).sum()
        if apart.requires_grad:
            grads = torch.autograd.grad(apart, widths)[0]
            table[:, : len(here)] = grads.permute(2, 0, 1)
    return list(zip(value, table, strict=True))
