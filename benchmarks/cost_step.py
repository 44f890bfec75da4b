"""CPU time of the hardware cost in a training step, compared with the step itself: LeNet and MobileNetV1, one thread.

Three ways: `LiveCost` while no width changes, `LiveCost` along a training whose budget pulls the widths down, and
`hardware_cost` in full. Each measurement reads the widths, prices LUT and BRAM18 and runs backward; rounds are
interleaved with training steps, so that load on the machine affects all alike.

    python benchmarks/cost_step.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.cost.cached import LiveCost
from hwcost.cost.hardware_cost import hardware_cost
from hwcost.cost.width_proxy import learned_widths
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, target_fps
from hwcost.quant import QuantAvgPool2d, QuantConv2d, QuantLinear, QuantReLU, learned_activation, learned_weight
from hwcost.train.budget import Budget
from hwcost.zoo.lenet import QuantLeNet

WATCHED = ("LUT", "BRAM18")
WIDTH_LR = 0.3
"""Step size of the widths, the default of `hwcost.train.loop.Training`."""


def mobilenet(alpha: float = 0.25, bits: int = 4, classes: int = 10) -> nn.Module:
    """MobileNetV1 for 64 by 64 pixels: 27 convolutions and a dense layer, each width learned."""

    def channels(full: int) -> int:
        return max(8, int(full * alpha))

    last = QuantReLU(learned_activation(bits=bits))
    layers: list[nn.Module] = [
        QuantConv2d(3, channels(32), 3, 2, 1, bias=False, weight_quant=learned_weight(bits=8)),
        nn.BatchNorm2d(channels(32)),
        QuantReLU(learned_activation(bits=bits)),
    ]
    steps = [(32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2)]
    steps += [(512, 512, 1)] * 5 + [(512, 1024, 2), (1024, 1024, 1)]
    for number, (full, rows, stride) in enumerate(steps):
        inputs, outputs = channels(full), channels(rows)
        act = last if number == len(steps) - 1 else QuantReLU(learned_activation(bits=bits))
        layers += [
            QuantConv2d(
                inputs, inputs, 3, stride, 1, groups=inputs, bias=False, weight_quant=learned_weight(bits=bits)
            ),
            nn.BatchNorm2d(inputs),
            QuantReLU(learned_activation(bits=bits)),
            QuantConv2d(inputs, outputs, 1, bias=False, weight_quant=learned_weight(bits=bits)),
            nn.BatchNorm2d(outputs),
            act,
        ]
    pool = QuantAvgPool2d(2, source=last.quant)
    head = QuantLinear(channels(1024), classes, weight_quant=learned_weight(bits=8))
    return nn.Sequential(*layers, pool, nn.Flatten(), head)


def timed(work: Callable[[], object]) -> float:
    """Milliseconds of CPU time."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1e3


def measured(name: str, net: nn.Module, side: int, batch: int, bar: float, options: argparse.Namespace) -> list[str]:
    """One row per way."""
    pipeline = trace(net, torch.zeros(1, 3, side, side), input_bits=8)
    model = Dataflow(device="ZCU104", folding=target_fps(pipeline, 1_000))
    images, labels = torch.randn(batch, 3, side, side), torch.randint(0, 10, (batch,))
    widths = [bits.offset for bits in learned_widths(net).values()]
    own = {id(offset) for offset in widths}
    weights = torch.optim.SGD([p for p in net.parameters() if id(p) not in own], lr=1e-3)
    moving = torch.optim.SGD(widths, lr=WIDTH_LR)
    with torch.no_grad():
        before = hardware_cost(pipeline, model)
    budget = Budget({resource: float(before[resource]) / 2 for resource in WATCHED})
    live = LiveCost(net, pipeline, model, WATCHED)

    def step() -> None:
        net.zero_grad()
        F.cross_entropy(net(images), labels).backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        weights.step()

    def cost(price: Callable[[], dict[str, Tensor]], *, pull: bool = False) -> float:
        """Milliseconds of read, price and backward; with the gradient of the budget, or of the plain sum."""
        found: dict[str, Tensor] = {}
        spent = timed(lambda: found.update(price()))
        used = {resource: found[resource].detach().requires_grad_() for resource in WATCHED}
        loss = budget.penalty(used) if pull else torch.stack(list(used.values())).sum()
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        if pull:
            budget.update(used)
        grads = [used[resource].grad for resource in WATCHED]
        return spent + timed(lambda: torch.autograd.backward([found[resource] for resource in WATCHED], grads))

    def in_full() -> dict[str, Tensor]:
        return hardware_cost(pipeline, model)

    times: dict[str, list[float]] = {"step": [], "at rest": [], "in full": []}
    for _ in range(options.rounds):
        times["step"].append(timed(step))
        times["at rest"].append(cost(live))
        times["in full"].append(cost(in_full))
    stepping, quiet, moved = [], [], []
    live = LiveCost(net, pipeline, model, WATCHED)
    before_step = [torch.full_like(offset, torch.nan) for offset in widths]
    for _ in range(options.steps):
        stepping.append(timed(step))
        now = [offset.detach().round() for offset in widths]
        changed = not all(map(torch.equal, now, before_step))
        (moved if changed else quiet).append(cost(live, pull=True))
        before_step = now
        moving.step()
    size = f"{len(pipeline.steps)} layers, {len(widths)} learned widths"
    rows = [f"| {name} ({size}): training step, batch {batch} | {median(times['step']):.1f} | | |"]
    for way, limit in (("at rest", f"{bar:.0%}"), ("in full", "")):
        ratio = median(cost / step for cost, step in zip(times[way][1:], times["step"][1:], strict=True))
        rows.append(f"| cost {way} | {median(times[way][1:]):.2f} | {ratio:.1%} | {limit} |")
    spent = mean([*quiet, *moved])
    what = f"cost in {options.steps} steps of training, mean"
    rows.append(f"| {what} | {spent:.2f} | {spent / mean(stepping):.1%} | {bar:.0%} |")
    rows.append(f"| of these: {len(moved)} in which a width is new, median | {median(moved):.2f} | | |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--steps", type=int, default=500, help="Of the training with moving widths.")
    parser.add_argument("--out", type=Path, help="Write the table there too.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = measured("LeNet", QuantLeNet(), 32, 128, 0.05, options)
    rows += measured("MobileNetV1 0.25, 64x64", mobilenet(), 64, 16, 0.10, options)
    text = "\n".join(
        [
            "# Cost of hardware in a training step",
            "",
            "Written by `python benchmarks/cost_step.py`: one thread, CPU time, medians of interleaved rounds in one",
            "process. The cost is read, price and backward of LUT and BRAM18; in training a budget of half of both",
            "pulls the widths down.",
            "",
            "| what | ms | of the step | at most |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
