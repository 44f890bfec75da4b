"""Number of changes of a learned width under Adam: plain, with hysteresis, with annealing, frozen for the last third.

One linear layer (16 -> 8) learns a fixed float one; 1,500 steps of Adam at 1e-2 on batches of 64; the loss is the mean
squared error plus lambda times the width. A width whose cost pulls down and whose error pulls up swings between two
values. If Brevitas is installed, its learned width is measured the same way.

    python benchmarks/width_flips.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from hwcost.quant import QuantLinear, freeze_widths, learned_weight, steady_widths

INPUTS, OUTPUTS, BATCH = 16, 8, 64
PRICES = (0.0, 1e-3, 1e-2, 1e-1)
LAST = 200
"""Steps over which the final error is averaged."""

Way = Callable[[nn.Module], AbstractContextManager[None]]


def ours(bits: int) -> tuple[nn.Module, Callable[[], Tensor], nn.Parameter]:
    """Layer, its width, its offset."""
    layer = QuantLinear(INPUTS, OUTPUTS, bias=False, weight_quant=learned_weight(bits=bits, per_channel=False))
    width: Any = layer.weight_quant.bits  # type: ignore[union-attr] # learned
    return layer, width, width.offset


def brevitas(bits: int) -> tuple[nn.Module, Callable[[], Tensor], nn.Parameter]:
    """The same layer of Brevitas."""
    from brevitas.inject.enum import BitWidthImplType
    from brevitas.nn import QuantLinear as BrevitasLinear
    from brevitas.quant import Int8WeightPerTensorFloat

    layer = BrevitasLinear(
        INPUTS,
        OUTPUTS,
        bias=False,
        weight_quant=Int8WeightPerTensorFloat,
        weight_bit_width=bits,
        weight_bit_width_impl_type=BitWidthImplType.PARAMETER,
    )
    (offset,) = (parameter for name, parameter in layer.named_parameters() if "bit_width_offset" in name)
    return layer, layer.weight_quant.bit_width, offset


def train(
    build: Callable[[int], Any], price: float, *, way: Way, anneal: bool, freeze: bool, steps: int, seed: int
) -> tuple[int, int, float, float]:
    """Flips in all steps, flips in the last third, final width, mean error over the last steps."""
    torch.manual_seed(seed)
    teacher = torch.randn(OUTPUTS, INPUTS)
    layer, width, offset = build(8)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(OUTPUTS, INPUTS))
    weights = [parameter for parameter in layer.parameters() if parameter is not offset]
    optimizer = torch.optim.Adam([{"params": weights}, {"params": [offset]}], lr=1e-2)
    rates = (lambda step: 1.0, lambda step: 1 - step / steps if anneal else 1.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rates)
    widths, errors = [], []
    for step in range(steps):
        if freeze and step == steps * 2 // 3:
            freeze_widths(layer)
        x = torch.randn(BATCH, INPUTS)
        error = (layer(x) - x @ teacher.T).square().mean()
        now = width()
        optimizer.zero_grad()
        (error + price * now).backward()
        with way(layer):
            optimizer.step()
        schedule.step()
        widths.append(int(now.detach()))
        errors.append(float(error.detach()))
    changes = [a != b for a, b in pairwise(widths)]
    return sum(changes), sum(changes[steps * 2 // 3 :]), widths[-1], sum(errors[-LAST:]) / LAST


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)

    def plain(layer: nn.Module) -> AbstractContextManager[None]:
        return nullcontext()

    def steady(margin: float) -> Way:
        return partial(steady_widths, margin=margin)

    ways: list[tuple[str, Callable[[int], Any], Way, bool, bool]] = [
        ("hwcost", ours, plain, False, False),
        ("hwcost, hysteresis 0.25", ours, steady(0.25), False, False),
        ("hwcost, hysteresis 0.5", ours, steady(0.5), False, False),
        ("hwcost, widths' rate falls to 0", ours, plain, True, False),
        ("hwcost, hysteresis 0.5 and falling rate", ours, steady(0.5), True, False),
        ("hwcost, frozen for the last third", ours, plain, False, True),
    ]
    if find_spec("brevitas") is not None:
        ways.insert(0, ("brevitas", brevitas, plain, False, False))
    rows = []
    for name, build, way, anneal, freeze in ways:
        for price in PRICES:
            found = train(build, price, way=way, anneal=anneal, freeze=freeze, steps=options.steps, seed=options.seed)
            rows.append((name, price, *found))
    columns = ["way", "lambda", "flips", "in the last third", "final width", "final error"]
    print(pd.DataFrame(rows, columns=columns).to_string(index=False, float_format="{:.5g}".format))


if __name__ == "__main__":
    main()
