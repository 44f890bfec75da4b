"""The default of `hwcost sweep`: a small CNN on scikit-learn's 8x8 digits, 1,797 real images that ship with it."""

from pathlib import Path

from hwcost.errors import BadData
from hwcost.graph.ranges import between
from hwcost.sweep.recipe import Recipe
from hwcost.train.data import Data
from hwcost.train.loop import Training
from hwcost.zoo.cnn import cnn_search
from hwcost.zoo.data import digits


def _data(path: Path | None) -> Data:
    if path is not None:
        raise BadData(f"--data {path}: the digits ship with scikit-learn; omit --data, or name another recipe")
    return digits()


recipe = Recipe(
    name="digits",
    data=_data,
    input=between(0, 16),  # pixels are counts from 0 to 16
    example=(1, 8, 8),
    training=Training(epochs=20, batch=64),
    device="PYNQ-Z1",
    fps=400_000,
    **cnn_search(image=(1, 8, 8), channels=(2, 16), classes=10),
)
