"""Accuracy against LUT of the digits CNN: learned widths alone, and with channels that learn whether they live.

Every way trains for the same epochs against the price of `Refolding` at 400,000 frames/s on a PYNQ-Z1; the loss is
cross-entropy + lambda * log(LUT). Widths and channels stand still for the last 35% of the epochs. Networks whose
channels learn are compacted, traced and priced as any other. "8 channels" and "4 channels" begin with fewer channels,
as a search over their number trains them: the first convolution has that many, the second twice, fc1 four times.

`--cycles` holds a folding fixed (that of 50,000 frames/s) and has the cycles of a frame in the loss instead of LUTs.

    python benchmarks/channel_pruning.py --seeds 5
    python benchmarks/channel_pruning.py --seeds 3 --cycles

`recipe` is that of the digits with its number of channels fixed, for `hwcost sweep`:

    hwcost sweep benchmarks/channel_pruning.py:recipe --trials 10 --fps 400000 --channels 2 --out STUDY
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from statistics import mean, median
from typing import NamedTuple

import torch
from optuna.distributions import FloatDistribution

import hwcost
from hwcost.graph.ranges import between
from hwcost.models.resources import HardwareModel
from hwcost.quant import learn_channels
from hwcost.train.penalties import WeightedCost
from hwcost.zoo.cnn import SmallCNN, Widths
from hwcost.zoo.data import digits
from hwcost.zoo.digits import recipe as digits_recipe

PART, INPUT, EXAMPLE = "PYNQ-Z1", between(0, 16), torch.zeros(2, 1, 8, 8)
RATE, FIXED_RATE = 400_000, 50_000
"""Frames per second: of every folding, and of the one that is held fixed."""
FLOORS = Widths(conv=2, dense=2, activation=1)


def network(first: int) -> SmallCNN:
    """The network whose first convolution has that many channels."""
    return SmallCNN(image=(1, 8, 8), channels=(first, 2 * first), hidden=4 * first, classes=10, widths=FLOORS)


recipe = replace(
    digits_recipe,
    name="fixed-channels",
    network=lambda params: network(16),
    space={"lut_headroom": FloatDistribution(0, 1)},
    budget=lambda params: {"LUT": hwcost.Headroom(params["lut_headroom"])},
    anchors=({"lut_headroom": 1.0}, {"lut_headroom": 0.3}),
    plain=None,
)


class Way(NamedTuple):
    """The channels of the first convolution, and what those that live are a multiple of; None keeps them all."""

    name: str
    first: int
    multiple: int | None


WAYS = (
    Way("widths", 16, None),
    Way("widths, channels", 16, 1),
    Way("widths, channels in pairs", 16, 2),
    Way("widths, 8 channels", 8, None),
    Way("widths, 4 channels", 4, None),
)


class Found(NamedTuple):
    """What a training ends with."""

    score: float
    cost: dict[str, float]
    outputs: list[int]


def trained(seed: int, strength: float, way: Way, options: argparse.Namespace) -> Found:
    """Train one network in one way."""
    resource, data = "cycles" if options.cycles else "LUT", digits(seed=seed)
    torch.manual_seed(seed)
    net: torch.nn.Module = network(way.first)
    whole = hwcost.trace(net, EXAMPLE, input_range=INPUT)
    folding = hwcost.target_fps(whole, FIXED_RATE) if options.cycles else None
    fpga: HardwareModel = hwcost.Refolding(RATE, device=PART)
    if folding is not None:
        fpga = hwcost.Dataflow(device=PART, folding=dict(folding))
    with torch.no_grad():
        start = float(hwcost.hardware_cost(whole, fpga)[resource])
    channels = None if way.multiple is None else learn_channels(net, EXAMPLE, multiple=way.multiple, folding=folding)
    pipeline = whole if channels is None else hwcost.trace_channels(channels, input_range=INPUT)
    settings = hwcost.Training(
        epochs=options.epochs, batch=64, width_rule="adam", width_lr=options.rate, land=False, keep="weighted"
    )
    hardware = hwcost.Hardware(pipeline, fpga, WeightedCost({resource: start}, strength))
    hwcost.fit(net, data, settings, seed=seed, hardware=hardware)
    if channels is not None:
        net = channels.compacted()
    with torch.no_grad():
        used = hwcost.hardware_cost(hwcost.trace(net, EXAMPLE, input_range=INPUT), fpga)
    outputs = [module.weight.shape[0] for module in net.modules() if isinstance(module, hwcost.quant.Product)]
    return Found(hwcost.evaluate(net, data.test), {name: float(used[name]) for name in used}, outputs)


def row(way: Way, strength: float, found: list[Found]) -> str:
    scores = [one.score for one in found]
    luts, cycles = (median(one.cost[name] for one in found) for name in ("LUT", "cycles"))
    outputs = [round(mean(counts)) for counts in zip(*(one.outputs for one in found), strict=True)]
    spread = f"{min(scores):.3f} to {max(scores):.3f}"
    return (
        f"| {way.name} | {strength:g} | {mean(scores):.3f} ({spread}) | {luts:,.0f} | {cycles:,.0f} | "
        f"{', '.join(map(str, outputs))} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--rate", type=float, default=0.03, help="learning rate of widths and channels, Adam")
    parser.add_argument("--strength", type=float, nargs="+", default=[0.03, 0.1, 0.3, 1.0], help="lambda")
    parser.add_argument("--cycles", action="store_true", help="hold the folding fixed, and train against cycles")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| way | lambda | test accuracy (range) | LUT | cycles | outputs of conv1, conv2, fc1, fc2 |")
    print("|---|---|---|---|---|---|")
    for way in WAYS[:2] if options.cycles else WAYS:
        for strength in options.strength:
            found = [trained(seed, strength, way, options) for seed in range(options.seeds)]
            print(row(way, strength, found), flush=True)


if __name__ == "__main__":
    main()
