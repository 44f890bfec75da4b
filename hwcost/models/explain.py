"""Where the LUTs of a pipeline go."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hwcost.errors import BadOption
from hwcost.models.dataflow import Dataflow
from hwcost.models.formula import Formula
from hwcost.models.resources import Placed


def lut_parts(model: Dataflow, placed: Sequence[Placed]) -> list[dict[str, float]]:
    """LUTs of every block by purpose: multipliers, adders, accumulators, comparators, memories, control...

    Args:
        model: the folded pipeline.
        placed: blocks with the names of their layers.

    Returns:
        One dict per block, in the order of `placed`; its values sum up to the LUTs that `model.price` gives the block.

    Raises:
        BadOption: a block of the user's own formula, which has no parts.
    """
    rows = []
    with torch.no_grad():
        for job in model.plan(placed):
            formula = model.formulas[type(job.block)]
            if not isinstance(formula, Formula):
                raise BadOption(
                    f"{job.layer}: the formula of {type(job.block).__name__} does not say where its LUTs go"
                )
            parts = formula.parts([job], model.setting)
            rows.append({key.removeprefix("LUT:"): float(v) for key, v in parts.items() if key.startswith("LUT:")})
    return rows
