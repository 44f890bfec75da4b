"""CPU time of pricing compared with training, on one thread; prints a table.

python benchmarks/pricing_speed.py --out reports/benchmarks/pricing.md
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from networks import mobilenet_v1
from torch import Tensor

from hwcost.cost.width_table import WidthPrices
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, Finn, place, target_fps
from hwcost.zoo.lenet import QuantLeNet

ASSIGNMENTS = 200_000


def milliseconds(work: Callable[[], object], repeat: int) -> float:
    """Median time of one call."""
    for _ in range(3):
        work()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times) * 1e3


def summed(bill: dict[str, Tensor]) -> Tensor:
    return bill["LUT"].sum() + bill["BRAM18"].sum() + bill["DSP"].sum()


def lenet() -> list[tuple[str, str]]:
    torch.manual_seed(0)
    net = QuantLeNet()
    pipeline = trace(net, torch.zeros(1, 3, 32, 32), input_bits=8)
    folding = target_fps(pipeline, 10_000)
    model = Dataflow(device="xc7z020", folding=folding)
    images, labels = torch.randn(128, 3, 32, 32), torch.randint(0, 10, (128,))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        optimizer.step()

    placed = place(pipeline.layers())

    def whole() -> None:
        summed(model.price(place(pipeline.layers()))).backward()  # type: ignore[no-untyped-call] # torch leaves it untyped

    training, cost = milliseconds(step, 15), milliseconds(whole, 50)
    finn = Finn(device="xc7z020", folding=folding)
    with torch.no_grad():
        node_by_node = milliseconds(lambda: finn.price(placed), 20)
    table = WidthPrices(net, pipeline, model)
    bits = torch.randint(2, 9, (ASSIGNMENTS, len(table.names))).numpy()
    batch = milliseconds(lambda: table.price(bits), 9)
    per_second = ASSIGNMENTS / batch * 1e3
    return [
        ("LeNet: training step, batch 128", f"{training:.1f} ms"),
        ("LeNet: read the widths", f"{milliseconds(pipeline.layers, 50):.2f} ms"),
        ("LeNet: price", f"{milliseconds(lambda: model.price(placed), 50):.2f} ms"),
        ("LeNet: read, price and backward", f"{cost:.2f} ms ({cost / training:.1%} of the step)"),
        ("LeNet: FINN's formulas, node by node", f"{node_by_node:.2f} ms"),
        ("LeNet: width assignments per second", f"{per_second:,.0f}"),
        ("LeNet: that against node by node", f"{per_second * node_by_node / 1e3:,.0f} times as fast"),
    ]


def mobilenet() -> list[tuple[str, str]]:
    net = mobilenet_v1(4)
    folding = target_fps(net, 300, clock_mhz=200)
    placed = place(net.layers())
    model = Dataflow(device="U250", folding=folding, clock_mhz=200)
    return [
        ("MobileNetV1: blocks", f"{len(placed)}"),
        ("MobileNetV1: price", f"{milliseconds(lambda: model.price(placed), 20):.2f} ms"),
        ("MobileNetV1: choose the folding", f"{milliseconds(lambda: target_fps(net, 300, clock_mhz=200), 3):.0f} ms"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("reports/benchmarks/pricing.md"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = "\n".join(f"| {name} | {figure} |" for name, figure in [*lenet(), *mobilenet()])
    text = f"""# Speed of pricing

Written by `python benchmarks/pricing_speed.py`, one thread, median of repeated calls in one process.

| what | figure |
| --- | --- |
{rows}
"""
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
