"""Ready tasks: labels, reconstruction, numbers, labels of pixels, several labels, and triggers."""

from collections.abc import Callable
from functools import partial
from math import nan
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.train.data import Data
from hwcost.train.task import Task


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
    _target_shape(data)
    return (_classes(data),)


def _classes(data: Data) -> int:
    if data.classes is None:
        raise BadOption(f"{data.name}: its number of classes is not known; give Data(classes=...)")
    return data.classes


CLASSIFICATION = Task(  # no lambdas: a task can be pickled
    name="accuracy", loss=_cross_entropy, judge=_right, score=_share_right, outputs=_one_per_class, unit="%"
)
"""Labels from scores: cross-entropy, and the share of samples whose label has the largest score."""


def _reconstruction_loss(out: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return F.mse_loss(out, x)


def _separated(errors: Tensor, y: Tensor) -> float:
    return separation(errors[y == 1], errors[y == 0])


def _only(data: Data, what: str, tree: object) -> Tensor:
    """The tensor of inputs or targets that a ready task compares with an output."""
    if not isinstance(tree, Tensor):
        raise BadOption(
            f"{data.name}: {what} are a {type(tree).__name__}; this task compares one tensor with one output: give a "
            "hwcost.Task with a loss and a score of your own"
        )
    return tree


def _one_per_input(data: Data) -> tuple[int, ...]:
    return tuple(_only(data, "its inputs", data.train.example).shape[1:])


RECONSTRUCTION = Task(
    name="area under ROC",
    loss=_reconstruction_loss,
    judge=_squares,
    score=_separated,
    outputs=_one_per_input,
    unit="%",
)
"""An autoencoder that finds what is strange (label 1): the squared error trains it on normal samples (label 0), and the
score is how well the error tells the two apart. Source: MLPerf Tiny, Banbury et al., arXiv:2106.07597."""


def _per_sample(values: Tensor) -> Tensor:
    """(N, values of a sample)."""
    return values.float().reshape(len(values), -1)


def _target_shape(data: Data) -> tuple[int, ...]:
    return tuple(_only(data, "its targets", data.train.take(slice(0, 1))[1]).shape[1:]) or (1,)


def _distance(out: Tensor, x: Tensor, y: Tensor, *, power: int) -> Tensor:
    return (_per_sample(out) - _per_sample(y)).abs().pow(power).mean(1)


def _mean_distance(out: Tensor, x: Tensor, y: Tensor, *, power: int) -> Tensor:
    return _distance(out, x, y, power=power).mean()


def _rmse(squares: Tensor, y: Tensor) -> float:
    return float(squares.double().mean().sqrt())


def _mae(distances: Tensor, y: Tensor) -> float:
    return float(distances.double().mean())


def _explained(squares: Tensor, y: Tensor) -> float:
    y = _per_sample(y).double()
    return 1 - float(squares.double().mean() / (y - y.mean(0)).square().mean())


_METRICS: dict[str, tuple[int, Callable[[Tensor, Tensor], float], Literal["maximize", "minimize"]]] = {
    "RMSE": (2, _rmse, "minimize"),
    "MAE": (1, _mae, "minimize"),
    "R2": (2, _explained, "maximize"),
}


def regression(metric: str = "RMSE", *, unit: str = "") -> Task:
    """Numbers as targets: the squared error trains, or the absolute one for MAE.

    Args:
        metric: "RMSE" or "MAE", smaller is better; "R2", the share of the variance explained, larger is better.
        unit: of the targets, e.g. "mm".
    """
    if metric not in _METRICS:
        raise BadOption(f"regression: metric {metric!r}; give one of {', '.join(_METRICS)}")
    power, score, direction = _METRICS[metric]
    return Task(
        name=metric,
        loss=partial(_mean_distance, power=power),
        judge=partial(_distance, power=power),
        score=score,
        outputs=_target_shape,
        direction=direction,
        unit="" if metric == "R2" else unit,
    )


def _overlap(out: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Pixels of intersection and union, (N, classes, 2)."""
    found, truth = (F.one_hot(labels, out.shape[1]).bool().flatten(1, -2) for labels in (out.argmax(1), y))
    return torch.stack([(found & truth).sum(1), (found | truth).sum(1)], -1)


def _mean_iou(overlap: Tensor, y: Tensor) -> float:
    both, either = overlap.sum(0).double().unbind(-1)
    return float((both / either)[either > 0].mean())


def _classes_per_pixel(data: Data) -> tuple[int, ...]:
    return (_classes(data), *_target_shape(data))


SEGMENTATION = Task(
    name="mean IoU", loss=_cross_entropy, judge=_overlap, score=_mean_iou, outputs=_classes_per_pixel, unit="%"
)
"""A label for each pixel: cross-entropy, and intersection over union of each class over all pixels of a split, averaged
over the classes that occur. Outputs (classes, height, width), targets (height, width)."""


def _each_label(out: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(_per_sample(out), _per_sample(y))


def _mean_average_precision(out: Tensor, y: Tensor) -> float:
    from sklearn.metrics import average_precision_score  # takes seconds to import

    known = y.sum(0) > 0
    return float(average_precision_score(y[:, known].cpu().numpy(), out[:, known].float().cpu().numpy()))


MULTILABEL = Task(name="mAP", loss=_each_label, score=_mean_average_precision, outputs=_target_shape, unit="%")
"""Any number of labels for a sample: binary cross-entropy, and the average precision of each label, averaged over the
labels that occur. Targets (labels,) of 0 and 1."""


def _one_figure(out: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return out.flatten()


def _efficiency(figures: Tensor, y: Tensor, *, rate: float) -> float:
    signal, noise = (figures[y.flatten() == label] for label in (1, 0))
    if not len(signal) or not len(noise):
        return nan  # no share of none
    threshold = noise.sort(descending=True).values[int(rate * len(noise))]
    return float((signal > threshold).double().mean())


def _one(data: Data) -> tuple[int, ...]:
    return (1,)


def efficiency(false_positive_rate: float) -> Task:
    """A trigger of one output: the share of signal (label 1) above the threshold that passes this share of noise (0).

    Args:
        false_positive_rate: above 0, below 1; the split needs more than its inverse in samples of noise.
    """
    if not 0 < false_positive_rate < 1:
        raise BadOption(f"efficiency: false_positive_rate={false_positive_rate}; give a share above 0 and below 1")
    return Task(
        name=f"efficiency at {100 * false_positive_rate:g} % false positives",
        loss=_each_label,
        judge=_one_figure,
        score=partial(_efficiency, rate=false_positive_rate),
        outputs=_one,
        unit="%",
    )
