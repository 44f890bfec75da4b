"""Width assignments of LeNet that are priced per second: all at once, one by one, and node by node as FINN does.

python benchmarks/width_prices.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import nn

from hwcost.cost.hardware_cost import hardware_cost
from hwcost.cost.width_table import WidthPrices
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, Finn, target_fps
from hwcost.quant import LearnedBits, QuantConv2d, QuantLinear, QuantReLU, learned_activation, learned_weight
from hwcost.zoo.lenet import QuantLeNet

CHANNELS = 20_000
"""Assignments of the network with a width per channel."""


def seconds(work: Callable[[], object], repeat: int) -> float:
    """Median CPU time of one call."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return median(times)


def per_channel() -> nn.Module:
    """A convolution with a learned width per channel, an activation and a dense layer: 18 widths."""
    conv = QuantConv2d(3, 16, 3, padding=1, bias=False, weight_quant=learned_weight(bits=4))
    assert conv.weight_quant is not None
    conv.weight_quant.bits = LearnedBits(4, base=2, shape=(16, 1, 1, 1))  # type: ignore[attr-defined]
    head = QuantLinear(1024, 10, weight_quant=learned_weight(bits=4))
    return nn.Sequential(conv, nn.BatchNorm2d(16), QuantReLU(learned_activation(bits=4)), nn.Flatten(), head)


def of_channels(assignments: int) -> str:
    """Assignments per second of `per_channel`, each priced for the first time."""
    net = per_channel()
    pipeline = trace(net, torch.zeros(1, 3, 8, 8), input_bits=8)
    prices = WidthPrices(net, pipeline, Dataflow(device="xc7z020", folding=target_fps(pipeline, 1_000)))
    low = [base for base, _ in prices.bounds]
    widths = np.random.default_rng(0).integers(low, 17, (assignments, len(low)))
    return f"{assignments / seconds(lambda: prices.price(widths), 1):,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assignments", type=int, default=400_000)
    parser.add_argument("--out", type=Path, help="Write the table there too.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    net = QuantLeNet()
    pipeline = trace(net, torch.zeros(1, 3, 32, 32), input_bits=8)
    folding = target_fps(pipeline, 10_000)
    model, finn = Dataflow(device="xc7z020", folding=folding), Finn(device="xc7z020", folding=folding)
    with torch.no_grad():
        node_by_node = seconds(lambda: hardware_cost(pipeline, finn), 11)
        one_by_one = seconds(lambda: hardware_cost(pipeline, model), 11)
    rows = [
        ("node by node with FINN's formulas", f"{1 / node_by_node:,.0f}", "1"),
        ("one by one, `hardware_cost`", f"{1 / one_by_one:,.0f}", f"{node_by_node / one_by_one:,.1f}"),
    ]
    for most in (8, 16):
        prices = WidthPrices(net, pipeline, model)
        low = [base for base, _ in prices.bounds]
        widths = np.random.default_rng(0).integers(low, most + 1, (options.assignments, len(low)))
        for what, repeat in ((f"widths 2 to {most}, tables built on the way", 1), (f"widths 2 to {most}", 5)):
            rate = options.assignments / seconds(lambda prices=prices, widths=widths: prices.price(widths), repeat)  # type: ignore[misc] # bound now
            rows.append((what, f"{rate:,.0f}", f"{rate * node_by_node:,.0f}"))
    lines = [
        "# Width assignments of LeNet per second",
        "",
        "Written by `python benchmarks/width_prices.py`: one thread, CPU time. All resources, equal to `hardware_cost`",
        f"at every assignment; {options.assignments:,} random ones in a call.",
        "",
        "| how | assignments/s | times node by node |",
        "| --- | --- | --- |",
        *(f"| {what} | {rate} | {ratio} |" for what, rate, ratio in rows),
        f"| 18 widths, 16 of them per channel, {CHANNELS:,} assignments | {of_channels(CHANNELS)} | |",
        "",
    ]
    text = "\n".join(lines)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
