"""CPU milliseconds of a training step with a width of each weight, its price and gradient included; beside HGQ2's.

    python benchmarks/unrolled_step.py --batch 256 --batch 1024 --peers PEERS/bin/python --rounds 3

The 16-64-32-32-7 network on made-up data, one thread, through `hwcost.fit` with the settings of a ramp; evaluation and
records of an epoch are in it, as in a study. PEERS is an environment of its own with HGQ2 on JAX
(`pip install HGQ2 'jax[cpu]'`): the same network with widths of each weight and EBOPs in its loss. Both are measured in
turn, a process each: seconds of the CPU, all threads, until the first step is done (compilation, by whom compiles) less
those of the imports, milliseconds of a step after that, and of a step with both in it where a training has STEPS steps.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

STEPS = 100
"""Steps of an epoch."""

PEER = '''
"""HGQ2 on JAX: prints seconds up to the first step, and milliseconds of the others."""
import json, os, sys, time
os.environ.update(KERAS_BACKEND="jax", JAX_PLATFORMS="cpu", OMP_NUM_THREADS="1")
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
import keras, numpy as np
from hgq.config import LayerConfigScope, QuantizerConfigScope
from hgq.layers import QDense

batch, epochs, steps = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
x = rng.standard_normal((steps * batch, 16)).astype("float32")
y = (x @ rng.standard_normal((16, 7))).argmax(1).astype("int32")
with (
    QuantizerConfigScope(place="all", k0=1, b0=6, i0=1, default_q_type="kbi", overflow_mode="sat_sym"),
    QuantizerConfigScope(place="datalane", k0=1, default_q_type="kif", overflow_mode="wrap", f0=4, i0=3),
    LayerConfigScope(enable_ebops=True, beta0=1e-6),
):
    hidden = [QDense(size, activation="relu") for size in (64, 32, 32)]
    net = keras.Sequential([keras.Input((16,)), *hidden, QDense(7)])
net.compile(
    optimizer=keras.optimizers.Adam(1e-3), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    jit_compile=True,
)

class Batches(keras.utils.PyDataset):
    def __len__(self):
        return steps
    def __getitem__(self, at):
        return x[at * batch : (at + 1) * batch], y[at * batch : (at + 1) * batch]

class Clock(keras.callbacks.Callback):
    times = []
    def on_epoch_end(self, epoch, logs=None):
        self.times.append(time.process_time())

start = time.process_time()
net.fit(Batches(), epochs=1, steps_per_epoch=1, verbose=0)
first = time.process_time() - start
net.fit(Batches(), epochs=epochs, verbose=0, callbacks=[Clock()])
spent = sorted((after - before) / steps * 1e3 for before, after in zip(Clock.times, Clock.times[1:]))
print(json.dumps({"first_s": first, "ms": spent[len(spent) // 2]}))
'''


def measured(batch: int, epochs: int) -> dict[str, float]:
    """Ours, in this process."""
    import torch

    import hwcost
    from hwcost.graph.ranges import unknown
    from hwcost.quant.granularity import fold_norms, refine_widths
    from hwcost.sweep.ramp import DECAY, FASTER, FIRST_LINEAR, REUSED
    from hwcost.train.data import Data, Split
    from hwcost.train.penalties import WeightedCost
    from hwcost.train.run import Hardware, Training
    from hwcost.zoo.mlp import dry_bean

    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.randn(STEPS * batch, 16)
    y = (x @ torch.randn(16, 7)).argmax(1)
    few = Split(x[:1_024], y[:1_024])
    data = Data(name="made-up", train=Split(x, y), validation=few, test=few, classes=7, fingerprint="made-up")
    net = dry_bean.network(dry_bean.plain)
    fold_norms(net, x[:2])
    refine_widths(net, x[:2])
    start = time.process_time()
    pipeline = hwcost.trace(net, x[:1], input_range=unknown())
    model = hwcost.Unrolled(device="xczu7ev", sums="shared")
    full = float(hwcost.hardware_cost(pipeline, model)["LUT"].detach())
    first = time.process_time() - start
    rate = dry_bean.training.lr
    settings = Training(
        epochs=epochs, batch=batch, lr=rate, weight_decay=DECAY, width_lr=FASTER * rate, width_rule="adam",
        schedule="cosine", price_every=REUSED, settle=0.0, land=False,
    )  # fmt: skip
    times = [time.process_time()]
    hwcost.fit(
        net,
        data,
        settings,
        seed=0,
        hardware=Hardware(pipeline, model, WeightedCost({"LUT": full}, FIRST_LINEAR, log=False)),
        on_epoch=lambda _: times.append(time.process_time()),
    )
    spent = [(after - before) / STEPS * 1e3 for before, after in pairwise(times)]
    return {"first_s": first, "ms": median(spent)}


def in_turn(batch: int, epochs: int, peers: Path, rounds: int) -> list[tuple[dict[str, float], dict[str, float]]]:
    """Ours and HGQ2's of each round, a process each."""
    own = [sys.executable, __file__, "--batch", str(batch), "--epochs", str(epochs)]
    other = [str(peers), "-c", PEER, str(batch), str(epochs), str(STEPS)]
    found = []
    for _ in range(rounds):
        lines = [
            subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
            for command in (own, other)
        ]
        found.append((json.loads(lines[0]), json.loads(lines[1])))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, action="append", help="Samples in a step; can be given several times.")
    parser.add_argument("--epochs", type=int, default=5, help=f"Epochs of {STEPS} steps that are measured.")
    parser.add_argument("--peers", type=Path, help="Python of an environment with HGQ2 on JAX; without it, ours alone.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100_000, help="Steps of a training that shares a compilation.")
    arguments = parser.parse_args()
    for batch in arguments.batch or [256]:
        if arguments.peers is None:
            print(json.dumps({"batch": batch, **measured(batch, arguments.epochs)}))
            continue
        pairs = in_turn(batch, arguments.epochs, arguments.peers, arguments.rounds)
        both = [
            [one["ms"] + one["first_s"] * 1e3 / arguments.steps for one in column]
            for column in zip(*pairs, strict=True)
        ]
        ratio = median(ours / theirs for ours, theirs in zip(*both, strict=True))
        print(f"batch {batch}, load {os.getloadavg()[0]:.0f}: hwcost / HGQ2 {ratio:.2f}", end="")
        print(f" (with the first step shared by {arguments.steps:,})")
        for ours, theirs in pairs:
            print(f"  hwcost {ours['ms']:.2f} ms, first {ours['first_s']:.1f} s", end="; ")
            print(f"HGQ2 {theirs['ms']:.2f} ms, first {theirs['first_s']:.1f} s", flush=True)


if __name__ == "__main__":
    main()
