"""Distillation: the loss is the stated one, trials learn from the float network, and each comes out again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiny_recipe
import torch
from click.testing import CliRunner
from torch import nn

from hwcost.cli import cli
from hwcost.errors import BadOption, BadRecipe, BadStudy
from hwcost.exploration import Sweep
from hwcost.recorded import reproduce
from hwcost.records import checkpoint, read_run, read_trials
from hwcost.sweep import run
from hwcost.task import CLASSIFICATION, RECONSTRUCTION, distilled


def test_the_loss_is_the_weighted_sum_and_pulls_at_the_network_alone() -> None:
    torch.manual_seed(0)
    teacher, out = nn.Linear(4, 3), torch.randn(5, 3, requires_grad=True)
    x, y = torch.randn(5, 4), torch.tensor([0, 1, 2, 0, 1])
    told, learned = (torch.softmax(scores / 2, 1) for scores in (teacher(x), out))
    apart = (told * (told.log() - learned.log())).sum(1).mean()
    for share in (0.25, 1.0):
        loss = distilled(CLASSIFICATION, teacher, share).loss(out, x, y)
        torch.testing.assert_close(loss, (1 - share) * nn.functional.cross_entropy(out, y) + share * 4 * apart)
    loss.backward()
    assert out.grad is not None and out.grad.abs().sum() > 0
    assert teacher.weight.grad is None
    same = distilled(CLASSIFICATION, teacher, 1.0).loss(teacher(x), x, y)
    torch.testing.assert_close(same, torch.zeros(()))


def test_the_teacher_answers_as_in_use() -> None:
    teacher = nn.Sequential(nn.Dropout(0.9), nn.BatchNorm1d(4))
    distilled(CLASSIFICATION, teacher, 0.5)
    assert not any(module.training for module in teacher.modules())


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, float("nan")])
def test_a_share_is_above_0_and_at_most_1(share: float) -> None:
    with pytest.raises(BadOption, match="distill"):
        distilled(CLASSIFICATION, nn.Identity(), share)


def test_what_has_no_classes_and_scores_of_another_shape_are_refused() -> None:
    with pytest.raises(BadOption, match="area under ROC"):
        distilled(RECONSTRUCTION, nn.Identity(), 0.5)
    x = torch.randn(2, 4)
    with pytest.raises(BadRecipe, match=r"\(2, 4\).*\(2, 3\)"):
        distilled(CLASSIFICATION, nn.Identity(), 0.5).loss(torch.randn(2, 3), x, torch.tensor([0, 1]))


def sweep(folder: Path, distill: float | None = 0.5, bits: tuple[int, int] | None = (2, 5)) -> Sweep:
    where = f"{Path(tiny_recipe.__file__)}:recipe"
    warm = None if bits is None else 2
    return Sweep(
        recipe=tiny_recipe.recipe, reference=where, out=folder, bits=bits, warm=warm, ramp=warm, distill=distill
    )  # fmt: skip


@pytest.mark.parametrize("bits", [(2, 5), None])
def test_every_trial_and_the_ramp_learn_from_the_float_network_and_come_out_again(
    tmp_path: Path, bits: tuple[int, int] | None
) -> None:
    tables = {}
    for name, distill in (("taught", 0.5), ("plain", None)):
        run(sweep(tmp_path / name, distill, bits), 3)
        tables[name] = read_trials(tmp_path / name)
    losses = {
        name: dict(zip(table["number"], (epochs[0]["loss"] for epochs in table["epochs"]), strict=True))
        for name, table in tables.items()
    }
    assert losses["taught"][0] != losses["plain"][0]
    assert read_run(tmp_path / "taught")["distill"] == 0.5
    for number in tables["taught"]["number"]:
        recorded, again = reproduce(tmp_path / "taught", int(number), lambda _: tiny_recipe.recipe, None)
        assert recorded == again
    with pytest.raises(BadStudy, match="distill"):
        run(sweep(tmp_path / "taught", None, bits), 1)


def test_a_lost_teacher_is_one_error(tmp_path: Path) -> None:
    run(sweep(tmp_path, bits=None), 1)
    checkpoint(tmp_path, None).unlink()
    with pytest.raises(BadStudy, match=r"float.*\.pt"):
        reproduce(tmp_path, 0, lambda _: tiny_recipe.recipe, None)


def test_nothing_is_trained_where_the_float_network_has_other_outputs(tmp_path: Path) -> None:
    plan = sweep(tmp_path / "study", bits=None)
    other = nn.Sequential(nn.Flatten(), nn.Linear(16, 4))
    with pytest.raises(BadRecipe, match="same outputs"):
        run(replace(plan, recipe=replace(plan.recipe, float_network=lambda: other)), 1)
    assert not (tmp_path / "study" / "float.json").exists()


@pytest.mark.parametrize("share", ["0", "1.1", "nan", "half"])
def test_a_bad_flag_is_one_line_and_status_2(tmp_path: Path, share: str) -> None:
    result = CliRunner().invoke(cli, ["sweep", "--out", str(tmp_path / "study"), "--distill", share])
    assert result.exit_code == 2 and "distill" in result.output and "Traceback" not in result.output
