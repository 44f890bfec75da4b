"""The example recipes of many jobs: each is swept, reported, loaded, priced, and its integers leave for other tools."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from example_recipes import MOST_LINES, TASKS, own_lines
from page_words import shown

import hwcost
from hwcost.integer import IntegerNetwork
from hwcost.sweep.recipe import load_recipe

NEEDS = {"lightning_trainer.py": "lightning"}
BETTER_THAN = {
    "regression.py": 35.0, "segmentation.py": 0.5, "multilabel.py": 0.6, "trigger.py": 0.3, "two_heads.py": 0.4,
    "anomaly.py": 0.8, "tabular.py": 0.7, "on_disk.py": 0.7, "lightning_trainer.py": 0.6, "pretrained.py": 0.8,
    "latency.py": 0.6, "cosine.py": 0.6, "distillation.py": 0.6,
}  # fmt: skip
"""Validation score of the best of two trials: what a network that learned nothing does not reach."""


def test_every_example_is_swept_here_and_short() -> None:
    assert {path.name for path in TASKS.glob("*.py")} == {*BETTER_THAN}
    assert {path.name: lines for path in TASKS.glob("*.py") if (lines := own_lines(path)) > MOST_LINES} == {}


@pytest.mark.slow
def test_an_array_of_jobs_shares_one_file(tmp_path: Path) -> None:
    """A worker that comes first, and a sweep, as SLURM starts them."""
    jobs = []
    for number in (1, 0):
        given = {"SLURM_ARRAY_TASK_ID": str(number), "SHARED": str(tmp_path), "TRIALS": "6"}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        jobs.append(
            subprocess.Popen([TASKS / "cluster.sh"], cwd=TASKS.parents[1], env=os.environ | given | {"PATH": path})
        )
    assert [job.wait(300) for job in jobs] == [0, 0]
    study = hwcost.open_study(tmp_path / "machines", load_recipe(f"{TASKS / 'tabular.py'}:recipe", {}))
    frame = study.frame()
    assert study.design(int(study.front()["number"][0])).estimate().total["LUT"] == study.front()["LUT"][0]
    assert list(frame["state"]) == ["COMPLETE"] * 6 and frame["on_front"].any()
    kept = [json.loads(line) for line in (tmp_path / "studies.journal").read_text().splitlines()]
    assert len({line["worker_id"].rpartition("-")[0] for line in kept if "worker_id" in line}) >= 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:lightning")
@pytest.mark.filterwarnings("ignore::FutureWarning:lightning")
@pytest.mark.parametrize("name", BETTER_THAN)
def test_from_sweep_to_export(name: str, tmp_path: Path) -> None:
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed; pip install 'hwcost[{NEEDS[name]}]'")
    recipe = load_recipe(f"{TASKS / name}:recipe", {})
    data = tmp_path / "data" if name == "on_disk.py" else None
    study = hwcost.run_sweep(recipe, trials=2, out=tmp_path / "study", data=data, quiet=True)
    frame, front = study.frame(), study.front()
    assert set(frame["state"]) == {"COMPLETE"} and len(front) >= 1
    sign = 1 if recipe.task.direction == "maximize" else -1
    assert (sign * frame["score"]).max() > sign * BETTER_THAN[name]
    page = study.report().read_text(encoding="utf-8")
    assert recipe.task.name in page and (recipe.task.name == "accuracy" or "accuracy" not in shown(page))

    row = front.iloc[0]
    design = study.design(int(row["number"]))
    assert design.estimate().total["LUT"] == row["LUT"] and np.isfinite(row["test_score"])
    net, x = study.load(int(row["number"])), recipe.data(data).validation.take(slice(0, 16))[0]
    with torch.no_grad():
        out = net(x)
    if isinstance(out, torch.Tensor):
        whole = IntegerNetwork.of(design.pipeline, input_step=study.input_step)
        found = whole.values(x if study.input_step is None else whole.codes(x))
        torch.testing.assert_close(found.float(), out, rtol=1e-4, atol=1e-4)
    if find_spec("onnx") is not None:
        from hwcost.export.qonnx import qonnx

        assert len(qonnx(design.pipeline, input_step=study.input_step).graph.node) > 3


@pytest.mark.slow
def test_every_trial_of_the_conditional_space_keeps_its_latency(tmp_path: Path) -> None:
    recipe = load_recipe(f"{TASKS / 'latency.py'}:recipe", {})
    frame = hwcost.run_sweep(recipe, trials=6, out=tmp_path / "study", quiet=True).frame()
    assert (frame["latency_us"] <= 2.0).all() and frame["within_budget"].all()
    assert (frame["second"].isna() == (frame["depth"] == 1)).all() and set(frame["depth"]) == {1, 2}
    assert not (frame["second"] > frame["first"]).any() and frame["clock_mhz"].nunique() > 1
    assert not (frame["on_front"] & (frame["score"] < 0.5)).any()
