"""The task of a network: the loss that trains it, and the score from 0 to 1 that a search maximizes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hwcost.train.data import Data


@dataclass(frozen=True, kw_only=True)
class Task:
    """Loss and score of a training; `hwcost.Recipe(task=...)`.

    Attributes:
        name: of the score, as reports say it.
        loss: (outputs, x, y) of a batch -> (), differentiable.
        judge: (outputs, x, y) of a batch -> (N,), what the score needs of each sample.
        score: (what `judge` gave, y), both (N,), of a whole split -> 0 to 1, larger is better.
        outputs: data -> the shape of a network's output for one sample.
    """

    name: str
    loss: Callable[[Tensor, Tensor, Tensor], Tensor]
    judge: Callable[[Tensor, Tensor, Tensor], Tensor]
    score: Callable[[Tensor, Tensor], float]
    outputs: Callable[[Data], tuple[int, ...]]


def separation(strange: Tensor, normal: Tensor) -> float:
    """Area under the ROC curve: how often a strange sample has the larger figure, ties counted half.

    Args:
        strange, normal: figures, (samples,) each, at least one.

    >>> import torch
    >>> separation(torch.tensor([2.0, 3.0]), torch.tensor([1.0, 2.0]))
    0.875
    """
    rising = normal.sort().values
    below, not_above = (torch.searchsorted(rising, strange.contiguous(), right=right) for right in (False, True))
    return float((below + not_above).double().mean()) / (2 * len(normal))


def _squares(out: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Mean squared error of each sample, (N,)."""
    return F.mse_loss(out, x, reduction="none").flatten(1).mean(1)


def _cross_entropy(out: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(out, y)


def _right(out: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return out.argmax(1) == y


def _share_right(right: Tensor, y: Tensor) -> float:
    return int(right.sum()) / len(right)


def _one_per_class(data: Data) -> tuple[int, ...]:
    return (data.classes,)


CLASSIFICATION = Task(  # no lambdas: a task can be pickled
    name="accuracy", loss=_cross_entropy, judge=_right, score=_share_right, outputs=_one_per_class
)
"""Labels from scores: cross-entropy, and the share of samples whose label has the largest score."""


def _reconstruction_loss(out: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return F.mse_loss(out, x)


def _separated(errors: Tensor, y: Tensor) -> float:
    return separation(errors[y == 1], errors[y == 0])


def _one_per_input(data: Data) -> tuple[int, ...]:
    return tuple(data.train.x.shape[1:])


RECONSTRUCTION = Task(
    name="area under ROC",
    loss=_reconstruction_loss,
    judge=_squares,
    score=_separated,
    outputs=_one_per_input,
)
"""An autoencoder that finds what is strange (label 1): the squared error trains it on normal samples (label 0), and the
score is how well the error tells the two apart. Source: MLPerf Tiny, Banbury et al., arXiv:2106.07597."""
