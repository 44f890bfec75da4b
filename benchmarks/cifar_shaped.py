"""Fashion-MNIST in the shape of CIFAR-10: real garments in random colours, somewhere on a coloured, noisy background.

For sweeps of networks for (3, 32, 32) images where CIFAR-10 itself is not at hand. Colour and place carry no class, so
a network must see the shape; it is easier than CIFAR-10, and no figure of it compares with one of CIFAR-10.

    python benchmarks/cifar_shaped.py fashion_mnist.npz cifar-shaped
    HWCOST_ACCELERATOR=cuda hwcost sweep benchmarks/cifar_shaped.py:recipe --data cifar-shaped --jobs 4

The recipe is the zoo's `cnv` with batches four times as large and eight epochs: a step of CNV is bound by the number of
kernels that it launches on a GPU, so that larger batches are nearly free there.
"""

from __future__ import annotations

import argparse
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwcost.train.loop import Training
from hwcost.zoo.cnv import recipe as published

recipe = replace(published, name="cnv-gpu", training=Training(epochs=8, batch=512, lr=6e-3))

BATCH = 10_000
SIDE, GARMENT = 32, 28
NOISE = 12.0
"""Standard deviation, in steps of a pixel."""


def coloured(garments: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """(N, 28, 28) -> (N, 3, 32, 32): a colour at each corner of the background, one more for the garment."""
    count = len(garments)
    mask = np.zeros((count, 1, SIDE, SIDE), dtype=np.float32)
    for image, garment, (top, left) in zip(
        mask, garments, random.integers(0, SIDE - GARMENT + 1, (count, 2)), strict=True
    ):
        image[0, top : top + GARMENT, left : left + GARMENT] = garment / 255
    across = np.linspace(0, 1, SIDE, dtype=np.float32)
    corners = random.uniform(0, 255, (count, 3, 2, 2)).astype(np.float32)
    weights = np.stack([1 - across, across])
    background = np.einsum("ncab,ah,bw->nchw", corners, weights, weights, optimize=True)
    colour = random.uniform(0, 255, (count, 3, 1, 1)).astype(np.float32)
    pixels = mask * colour + (1 - mask) * background + random.normal(0, NOISE, background.shape)
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def main() -> None:
    """Write five training batches and a test batch, as the python version of CIFAR-10."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="npz with X_train, y_train, X_test, y_test")
    parser.add_argument("out", type=Path, help="folder of the batches")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    with np.load(options.source) as found:
        splits = [(f"data_batch_{at + 1}", "train", at * BATCH) for at in range(5)] + [("test_batch", "test", 0)]
        for name, split, start in splits:
            garments = found[f"X_{split}"][start : start + BATCH].reshape(-1, GARMENT, GARMENT)
            labels = found[f"y_{split}"][start : start + BATCH]
            record = {
                b"data": coloured(garments, random).reshape(len(labels), -1),
                b"labels": [int(one) for one in labels],
            }
            (options.out / name).write_bytes(pickle.dumps(record))


if __name__ == "__main__":
    main()
