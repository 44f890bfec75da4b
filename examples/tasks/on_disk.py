"""Samples that do not fit in memory: arrays on disk, read batch by batch; training pictures are flipped at random."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import hwcost
from hwcost.graph.ranges import integers
from hwcost.zoo.floors import floors
from hwcost.zoo.mlp import MLP


def write(folder: Path) -> None:
    """Stand in for your files: pictures with stripes of three directions."""
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[:12, :12]
    waves = np.stack([np.sin(1.6 * at) for at in (rows, columns, rows + columns)])
    labels = draw.integers(0, 3, 900)
    pictures = 128 + 60 * waves[labels] + draw.normal(0, 50, (900, 12, 12))
    np.save(folder / "x.npy", pictures.clip(0, 255).astype(np.uint8)[:, None])
    np.save(folder / "y.npy", labels)


def stripes(path: Path | None) -> hwcost.Data:
    """Map the arrays of a folder; nothing is loaded, and the fingerprint is the file's own."""
    folder = Path(tempfile.gettempdir()) / "hwcost-stripes" if path is None else path
    folder.mkdir(exist_ok=True)
    if not (folder / "y.npy").exists():
        write(folder)
    x, y = np.load(folder / "x.npy", mmap_mode="r"), np.load(folder / "y.npy")
    parts = {"train": slice(0, 600), "validation": slice(600, 750), "test": slice(750, 900)}
    return hwcost.Data(name="stripes", classes=3, augment=flipped, **{k: (x[v], y[v]) for k, v in parts.items()})


def flipped(x: Tensor) -> Tensor:
    """Turn a batch by 180 degrees, every other time."""
    return x.flip(-1, -2) if torch.rand(()) < 0.5 else x


recipe = hwcost.Recipe(
    name="stripes", data=stripes, input=integers(8, signed=False), example=(1, 12, 12),
    training=hwcost.Training(epochs=5, batch=32, lr=1e-2), device="PYNQ-Z1", fps=20_000,
    **floors(lambda precision: MLP((144, 24, 16, 3), precision)),
)  # fmt: skip
