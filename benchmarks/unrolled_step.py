"""CPU milliseconds of a training step with a width of each weight, its price and gradient included.

    python benchmarks/unrolled_step.py --batch 256

The 16-64-32-32-7 network on made-up data, one thread, through `hwcost.fit`; evaluation and records of an epoch are in
it, as in a study. HGQ2's step is measured next to it, in turn, by a tool of its own.
"""

import argparse
import json
import time
from itertools import pairwise

import torch

import hwcost
from hwcost.graph.ranges import unknown
from hwcost.quant.granularity import fold_norms, refine_widths
from hwcost.train.data import Data, Split
from hwcost.train.penalties import WeightedCost
from hwcost.train.run import Hardware, Training
from hwcost.zoo.mlp import TRIGGER, dry_bean

STEPS = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--every", type=int, default=8, help="Steps that share a price.")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    samples = STEPS * arguments.batch
    x = torch.randn(samples, 16)
    y = (x @ torch.randn(16, 7)).argmax(1)
    few = Split(x[:1_024], y[:1_024])
    data = Data(name="made-up", train=Split(x, y), validation=few, test=few, classes=7, fingerprint="made-up")
    net = dry_bean.network(dry_bean.plain)
    fold_norms(net, x[:2])
    refine_widths(net, x[:2])
    pipeline = hwcost.trace(net, x[:1], input_range=unknown())
    model = hwcost.Unrolled(device="xczu7ev", sums="shared")
    full = float(hwcost.hardware_cost(pipeline, model)["LUT"].detach())
    settings = Training(
        epochs=arguments.epochs, batch=arguments.batch, lr=8e-3, width_lr=2e-2, width_rule="adam", schedule="cosine",
        price_every=arguments.every, settle=0.0, land=False,
    )  # fmt: skip
    times = [time.process_time()]
    hwcost.fit(
        net,
        data,
        settings,
        seed=0,
        hardware=Hardware(pipeline, model, WeightedCost({"LUT": full}, 0.3, log=False)),
        on_epoch=lambda _: times.append(time.process_time()),
    )
    steps = sorted((after - before) / STEPS * 1e3 for before, after in pairwise(times))
    print(
        json.dumps(
            {"hidden": TRIGGER, "batch": arguments.batch, "every": arguments.every, "ms": steps[len(steps) // 2]}
        )
    )


if __name__ == "__main__":
    main()
