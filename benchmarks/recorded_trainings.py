"""Trainings of 2,000 vectors of bit-widths on digits, recorded once: the table behind the problem `recorded`.

    python benchmarks/recorded_trainings.py     # a few CPU minutes; goes on where it was stopped

The network is a perceptron of two hidden layers; weights of each of its three layers have 2 to 6 bits, activations of
each hidden layer 1 to 4: every one of the 2,000 combinations is trained, each `REPEATS` times with other orders of the
samples, from one float network, as warm trials of `hwcost sweep --bits` are. 900 of the 1,797 images train, the others
judge. `STACK` perceptrons train side by side, as the groups of one network that share nothing: each has its own loss,
and AdamW moves each weight on its own. The LUTs are those of a dataflow accelerator for a million frames per second.
"""

from __future__ import annotations

import argparse
import os
from functools import cache
from itertools import pairwise, product
from pathlib import Path

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from hwcost.graph.ranges import between  # noqa: E402
from hwcost.graph.trace import trace  # noqa: E402
from hwcost.models.device import device  # noqa: E402
from hwcost.quant import IntQuantizer, LearnedBits, LearnedScale, QuantConv2d, StatScale, freeze_widths  # noqa: E402
from hwcost.quant.stats import abs_max  # noqa: E402
from hwcost.sweep.architecture import dataflow  # noqa: E402
from hwcost.sweep.width_space import WidthSpace  # noqa: E402
from hwcost.train.data import Data, Split  # noqa: E402
from hwcost.train.loop import Training, fit  # noqa: E402
from hwcost.train.task import Task  # noqa: E402
from hwcost.zoo.data import digits  # noqa: E402
from hwcost.zoo.mlp import MLP  # noqa: E402
from hwcost.zoo.precision import Precision  # noqa: E402

TABLE = Path(__file__).with_name("recorded_trainings.npz")
BITS = {
    "fc1.weight_quant.bits": range(2, 7),
    "relu1.quant.bits": range(1, 5),
    "fc2.weight_quant.bits": range(2, 7),
    "relu2.quant.bits": range(1, 5),
    "fc3.weight_quant.bits": range(2, 7),
}
"""Learned width -> the bits that are tried."""

REPEATS, STACK = 2, 250
SIZES = (64, 24, 16, 10)
FLOAT = Training(epochs=30, batch=64)
WARM = Training(epochs=6, batch=100, lr=5e-3)


@cache
def data() -> Data:
    """900 images to train on; the others judge, as validation and as test."""
    whole = digits()
    splits = (whole.train, whole.validation, whole.test)
    x, y = (torch.cat([getattr(split, side) for split in splits]) for side in ("x", "y"))
    train, judge = train_test_split(np.arange(len(y)), train_size=900, stratify=y.numpy(), random_state=0)
    x = x.flatten(1)[:, :, None, None]
    judged = Split(x[judge], y[judge])
    return Data(name="digits", train=Split(x[train], y[train]), validation=judged, test=judged, classes=10)


@cache
def trained_float() -> dict[str, Tensor]:
    """State of the float network that every training starts from."""
    torch.manual_seed(0)
    net = MLP(SIZES, None)
    fit(net, data(), FLOAT, seed=0)
    return net.state_dict()


def stack(bits: NDArray[np.int64] | None, count: int) -> nn.Module:
    """Perceptrons side by side with the weights of the float one: (N, 64, 1, 1) -> (N, count * 10, 1, 1) scores.

    Args:
        bits: of the widths of each, (count, widths), frozen; None for float.
        count: of perceptrons.
    """

    def quantizer(at: int, size: int, shape: tuple[int, ...]) -> IntQuantizer | None:
        if bits is None:
            return None
        width = LearnedBits(6, base=1 if len(shape) == 2 else 2, most=6, shape=(count * size, *shape))
        every = torch.from_numpy(bits[:, at]).repeat_interleave(size).reshape(width.offset.shape)
        with torch.no_grad():
            width.offset.copy_(every - width.base)
        if len(shape) == 3:
            return IntQuantizer(bits=width, scale=StatScale(abs_max, channel_dim=0), signed=True, narrow=True)
        return IntQuantizer(bits=width, scale=LearnedScale(torch.full((1, *width.offset.shape), 4.0)), signed=False)

    net, state = nn.Sequential(), trained_float()
    for number, (before, after) in enumerate(pairwise(SIZES), start=1):
        groups, weights = 1 if number == 1 else count, quantizer(2 * number - 2, after, (1, 1, 1))
        layer = QuantConv2d(groups * before, count * after, 1, groups=groups, bias=False, weight_quant=weights)
        with torch.no_grad():
            layer.weight.copy_(state[f"fc{number}.weight"].repeat(count, 1)[:, :, None, None])
        net.append(layer)
        if number == len(SIZES) - 1:
            break
        norm = nn.BatchNorm2d(count * after)
        mine = {name: state[f"norm{number}.{name}"] for name in norm.state_dict()}
        norm.load_state_dict({name: one.repeat(count) if one.ndim else one for name, one in mine.items()})
        net.append(norm).append(quantizer(2 * number - 1, after, (1, 1)) or nn.ReLU())  # an unsigned one clips at 0
    freeze_widths(net)
    return net


def right(bits: NDArray[np.int64] | None, count: int, seed: int) -> NDArray[np.int16]:
    """Judging images that each of some perceptrons recognizes after one training, (count,)."""

    def each(out: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(out.reshape(-1, SIZES[-1]), y.repeat_interleave(count)) * count

    task = Task(
        name="accuracy",
        loss=lambda out, x, y: each(out, y),
        judge=lambda out, x, y: out.reshape(len(y), count, SIZES[-1]).argmax(2) == y[:, None],
        score=lambda rights, y: rights.double().mean(),
    )
    net = stack(bits, count)
    torch.manual_seed(seed)
    fit(net, data(), WARM, seed=seed, task=task)
    with torch.no_grad():
        rights = task.judge(net.eval()(data().test.x), data().test.x, data().test.y)
    found: NDArray[np.int16] = rights.sum(0).numpy().astype(np.int16)
    return found


def luts(vectors: NDArray[np.int64]) -> NDArray[np.int64]:
    """LUTs of each vector."""
    net = MLP(SIZES, Precision(2, 1, learned=True))
    pipeline = trace(net, data().train.example, input_range=between(0, 16))
    model = dataflow(pipeline, device=device("PYNQ-Z1"), clock_mhz=100.0, fps=1e6)
    space = WidthSpace(net, pipeline, model, (1, 6))
    priced = space.price({name: vectors[:, at] for at, name in enumerate(BITS)})["LUT"]
    return priced.round().astype(np.int64)


def main() -> None:
    """Train what the table lacks, and write it after every repeat."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=TABLE)
    out = parser.parse_args().out
    torch.set_num_threads(1)
    vectors = np.array(list(product(*BITS.values())))
    table = dict(np.load(out)) if out.exists() else {"right": np.zeros((len(vectors), 0), dtype=np.int16)}
    for seed in range(table["right"].shape[1], REPEATS):
        column = np.concatenate([right(part, len(part), seed) for part in np.split(vectors, len(vectors) // STACK)])
        table["right"] = np.column_stack([table["right"], column])
        table["float"] = np.concatenate([table.get("float", np.zeros(0, dtype=np.int16)), right(None, 1, seed)])
        table |= {"bits": vectors.astype(np.int8), "LUT": luts(vectors).astype(np.int32)}
        table |= {"names": np.array(list(BITS)), "images": np.array(len(data().test))}
        np.savez_compressed(out, **table)
        print(f"repeat {seed + 1} of {REPEATS}", flush=True)


if __name__ == "__main__":
    main()
