"""MobileNet V1 and ProxylessNAS Mobile14 at 224x224: tracing, pricing and training, CPU time on one thread.

python benchmarks/imagenet.py --out reports/benchmarks/imagenet.md
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import hwcost
from hwcost.cost.width_proxy import learned_widths
from hwcost.zoo.mobilenet import MobileNetV1
from hwcost.zoo.precision import Precision
from hwcost.zoo.proxylessnas import ProxylessNASMobile14

SIDE, BATCH = 224, 2
FPS, CLOCK_MHZ = 100, 200.0
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "MobileNetV1": lambda: MobileNetV1(Precision(2, 2, learned=True)),
    "ProxylessNAS Mobile14": lambda: ProxylessNASMobile14(Precision(2, 2, learned=True)),
}
TRACE_S, PRICE_MS = 5.0, 50.0
"""Upper bounds that tracing, and pricing within a step, should stay below."""


def seconds(
    work: Callable[[], object], repeat: int, before: Callable[[], object] = lambda: None
) -> tuple[float, float]:
    """Median and least CPU time of one call; `before` is not counted."""
    times = []
    for _ in range(repeat):
        before()
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return median(times), min(times)


def rows(name: str, build: Callable[[], nn.Module], repeat: int) -> Iterator[tuple[str, str, str, str]]:
    torch.manual_seed(0)
    net = build()
    example = torch.zeros(1, 3, SIDE, SIDE)
    pipeline = hwcost.trace(net, example, input_bits=8)
    folding = hwcost.target_fps(pipeline, FPS, clock_mhz=CLOCK_MHZ)
    fpga = hwcost.Dataflow(device="xczu7ev", folding=folding, clock_mhz=CLOCK_MHZ)
    live = hwcost.LiveCost(net, pipeline, fpga, ("LUT", "BRAM18"))
    widths = list(learned_widths(net).values())
    draw = torch.Generator().manual_seed(0)

    def learn(used: dict[str, Tensor]) -> None:
        (used["LUT"] + used["BRAM18"]).backward()  # type: ignore[no-untyped-call] # torch leaves it untyped

    def move(count: int) -> None:
        for at in torch.randperm(len(widths), generator=draw)[:count].tolist():
            torch.nn.init.constant_(widths[at].offset, int(torch.randint(0, 7, (), generator=draw)))

    def shown(
        what: str, work: Callable[[], object], times: int, bar: str, **extra: Callable[[], object]
    ) -> tuple[str, str, str, str]:
        middle, least = seconds(work, times, **extra)
        unit, factor = ("s", 1.0) if middle > 0.3 else ("ms", 1e3)
        return f"{name}: {what}", f"{middle * factor:.3g} {unit}", f"{least * factor:.3g} {unit}", bar

    yield shown("trace", lambda: hwcost.trace(net, example, input_bits=8), 5, f"{TRACE_S:.0f} s")
    bar = f"{PRICE_MS:.0f} ms"
    yield shown("hardware_cost", lambda: hwcost.hardware_cost(pipeline, fpga), repeat, bar)
    yield shown("hardware_cost and backward", lambda: learn(hwcost.hardware_cost(pipeline, fpga)), repeat, bar)
    learn(live())
    yield shown("LiveCost and backward, no width changed", lambda: learn(live()), repeat, bar)
    for count in (1, 8):
        yield shown(
            f"LiveCost and backward, {count} of {len(widths)} widths changed",
            lambda: learn(live()),
            repeat,
            bar,
            before=lambda count=count: move(count),  # type: ignore[misc] # bound now
        )
    x, y = torch.rand(BATCH, 3, SIDE, SIDE), torch.arange(BATCH)

    def step() -> None:
        net.zero_grad()
        F.cross_entropy(net(x), y).backward()  # type: ignore[no-untyped-call] # torch leaves it untyped

    yield shown(f"training step, batch {BATCH}", step, 5, "-")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--repeat", type=int, default=31)
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        "# The networks of ImageNet, at full size",
        "",
        "Written by `python benchmarks/imagenet.py`: learned widths throughout, ZU7EV, CPU time of one thread.",
        "",
        "| what | median | least | below |",
        "| --- | --- | --- | --- |",
    ]
    for name, build in NETWORKS.items():
        lines += [f"| {' | '.join(row)} |" for row in rows(name, build, options.repeat)]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
