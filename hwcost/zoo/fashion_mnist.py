"""A CNN on Fashion-MNIST, from local files (`--data DIR`, npz or idx)."""

from hwcost.graph.ranges import integers
from hwcost.sweep.recipe import Recipe
from hwcost.train.loop import Training
from hwcost.zoo.cnn import cnn_search
from hwcost.zoo.data import images
from hwcost.zoo.floors import from_path

recipe = Recipe(
    name="fashion-mnist",
    data=from_path("fashion-mnist", "the folder of its npz or idx files", images),
    input=integers(8, signed=False),
    example=(1, 28, 28),
    training=Training(epochs=2, batch=128, lr=6e-3),
    device="PYNQ-Z1",
    fps=30_000,
    **cnn_search(image=(1, 28, 28), channels=(4, 16), classes=10),
)
