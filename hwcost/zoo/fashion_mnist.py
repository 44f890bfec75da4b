"""A CNN on Fashion-MNIST, from local files (`--data DIR`, npz or idx)."""

from pathlib import Path

from hwcost.errors import BadData
from hwcost.graph.ranges import integers
from hwcost.sweep.recipe import Recipe
from hwcost.train.data import Data
from hwcost.train.loop import Training
from hwcost.zoo.cnn import cnn_search
from hwcost.zoo.data import images


def _data(path: Path | None) -> Data:
    if path is None:
        raise BadData("fashion-mnist: no data; give --data with the folder of its npz or idx files")
    return images(path)


recipe = Recipe(
    name="fashion-mnist",
    data=_data,
    input=integers(8, signed=False),
    example=(1, 28, 28),
    training=Training(epochs=2, batch=128, lr=6e-3),
    device="PYNQ-Z1",
    fps=30_000,
    **cnn_search(image=(1, 28, 28), channels=(4, 16), classes=10, lut_budget=(2_000, 36_000)),
)
