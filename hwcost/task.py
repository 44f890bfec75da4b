"""What a network is trained for: the loss that trains it, and the score from 0 to 1 that a search maximizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.data import Data
from hwcost.errors import BadOption, BadRecipe

TEMPERATURE = 2.0
"""Of distillation: divides the scores of both networks, so that classes that the teacher holds for unlikely count."""


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


def _squares(out: Tensor, x: Tensor) -> Tensor:
    """Mean squared error of each sample, (N,)."""
    return F.mse_loss(out, x, reduction="none").flatten(1).mean(1)


CLASSIFICATION = Task(
    name="accuracy",
    loss=lambda out, x, y: F.cross_entropy(out, y),
    judge=lambda out, x, y: out.argmax(1) == y,
    score=lambda right, y: int(right.sum()) / len(right),
    outputs=lambda data: (data.classes,),
)
"""Labels from scores: cross-entropy, and the share of samples whose label has the largest score."""

RECONSTRUCTION = Task(
    name="area under ROC",
    loss=lambda out, x, y: F.mse_loss(out, x),
    judge=lambda out, x, y: _squares(out, x),
    score=lambda errors, y: separation(errors[y == 1], errors[y == 0]),
    outputs=lambda data: tuple(data.train.x.shape[1:]),
)
"""An autoencoder that finds what is strange (label 1): the squared error trains it on normal samples (label 0), and the
score is how well the error tells the two apart. Source: MLPerf Tiny, Banbury et al., arXiv:2106.07597."""


def distilled(task: Task, teacher: nn.Module, share: float) -> Task:
    """The same task, with a loss that also asks for the scores of a teacher.

    The loss is (1 - share) of the task's own and `share` of T^2 KL(teacher || network), both softened by the
    temperature T = 2. Gradients go into the network alone.
    Source: Hinton, Vinyals, Dean, arXiv:1503.02531; of quantized networks: Mishra, Marr, arXiv:1711.05852.

    Args:
        task: classification; its score stays as it is.
        teacher: (N, ...) -> (N, classes), before any softmax; put into eval mode.
        share: above 0, at most 1.

    Raises:
        BadOption: another share, or a task without classes. BadRecipe, from the loss: scores of another shape.
    """
    if not 0 < share <= 1:
        raise BadOption(f"distill={share}: give a share of the loss above 0 and at most 1")
    if task.name != CLASSIFICATION.name:
        raise BadOption(f"distill={share}: the task's score is {task.name}; only classes can be taught by their scores")
    teacher.eval()

    def loss(out: Tensor, x: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            scores = teacher(x)
        if scores.shape != out.shape:
            raise BadRecipe(
                f"distill={share}: the teacher gives {tuple(scores.shape)} where the network gives {tuple(out.shape)}; "
                "give both the same outputs"
            )
        told = F.log_softmax(scores / TEMPERATURE, 1)
        learned = F.log_softmax(out / TEMPERATURE, 1)
        apart = F.kl_div(learned, told, reduction="batchmean", log_target=True)
        own = task.loss(out, x, y) if share < 1 else 0.0
        return (1 - share) * own + share * TEMPERATURE**2 * apart

    return replace(task, loss=loss)
