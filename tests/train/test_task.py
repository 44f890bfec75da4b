"""Tasks: a score may be any number, a function or a metric object, and says which way is better."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sweeps import experiment
from tiny_recipe import made, recipe

import hwcost
from hwcost.errors import BadOption, BadStudy
from hwcost.sweep.fingerprint import fingerprint_of
from hwcost.train.data import Split
from hwcost.train.ready_tasks import CLASSIFICATION, regression
from hwcost.train.run import evaluate
from hwcost.train.task import Task


class _Given(torch.nn.Module):
    """A network whose outputs are its inputs."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class _Metric:
    """A metric as torchmetrics has it: it remembers, until it is reset."""

    seen = 0

    def reset(self) -> None:
        self.seen = 0

    def __call__(self, out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        self.seen += len(out)
        return torch.tensor(self.seen)


def test_a_score_may_be_a_metric_or_any_number() -> None:
    split = Split(torch.rand(9, 2), torch.rand(9, 2))
    task = replace(regression(), judge=lambda out, x, y: (out, x), score=lambda both, y: np.float64(both[0].shape[0]))
    assert evaluate(_Given(), split, batch=4, task=task) == 9.0
    metric = Task(name="seen", loss=regression().loss, score=_Metric())
    assert [evaluate(_Given(), split, task=metric) for _ in range(2)] == [9.0, 9.0]
    with pytest.raises(BadOption, match="task RMSE: its score\\(\\) returned str; return one number"):
        evaluate(_Given(), split, task=replace(regression(), score=lambda figures, y: "good"))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"direction": "min"}, "direction 'min'"),
        ({"format": "wide"}, "format 'wide'"),
        ({"tolerances": (0.0,)}, "above 0"),
    ],
)
def test_a_task_that_makes_no_sense(changes: dict[str, Any], part: str) -> None:
    with pytest.raises(BadOption, match=part):
        replace(CLASSIFICATION, **changes)


def _f1(average: Any) -> Task:
    metrics = pytest.importorskip("torchmetrics.classification", reason="pip install 'hwcost[metrics]'")
    score = metrics.MulticlassF1Score(num_classes=3, average=average)
    return replace(CLASSIFICATION, name="F1", judge=lambda out, x, y: out, score=score)


def test_a_metric_of_torchmetrics_is_a_score() -> None:
    from sklearn.metrics import f1_score

    out, y = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 3
    for average in ("macro", "micro", "weighted"):
        expected = f1_score(y, out.argmax(1), average=average)
        found = [evaluate(_Given(), Split(out, y), batch=7, task=_f1(average)) for _ in range(2)]
        assert found == pytest.approx([expected] * 2)


def test_a_score_that_fails_is_named() -> None:
    task = Task(name="MAE", loss=regression().loss, score=lambda figures, y: 1 / 0)
    with pytest.raises(BadOption, match=r"task MAE: its score\(\) failed: ZeroDivisionError: division by zero"):
        task.scored(torch.zeros(3), torch.zeros(3))


def test_the_direction_of_a_metric_is_held_against_that_of_its_task() -> None:
    torchmetrics = pytest.importorskip("torchmetrics", reason="pip install 'hwcost[metrics]'")
    error = torchmetrics.MeanAbsoluteError()
    with pytest.raises(BadOption, match="task MAE: direction 'maximize', but MeanAbsoluteError is to minimize"):
        Task(name="MAE", loss=regression().loss, score=error)
    assert Task(name="MAE", loss=regression().loss, score=error, direction="minimize").metric() is not None


@pytest.mark.slow
def test_a_study_of_a_metric_is_resumed_with_the_same_settings_of_it_alone(tmp_path: Path) -> None:
    macro, micro = (replace(recipe, task=_f1(average)) for average in ("macro", "micro"))
    study = hwcost.run_sweep(macro, trials=1, out=tmp_path, quiet=True)
    number = int(study.front()["number"][0])
    assert evaluate(study.load(number), made(None).validation, task=_f1("macro")) == study.front()["score"][0]
    hwcost.run_sweep(macro, trials=1, out=tmp_path, quiet=True)
    with pytest.raises(BadStudy, match=r"holds another study: metric was .*macro"):
        hwcost.run_sweep(micro, trials=1, out=tmp_path, quiet=True)
    assert len(study.frame()) == 2
    assert "metric" not in fingerprint_of(experiment(recipe, tmp_path), made(None)).entries
