"""A ramp before the trials: its unbeaten epochs join the study as trials, keep its limits and come out again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny_recipe
from sweeps import experiment, run
from torch import nn

from hwcost.errors import BadOption, BadRecipe, BadStudy, OutOfMemory
from hwcost.models import Unrolled
from hwcost.report.pareto import non_dominated
from hwcost.search import Outcome, Study
from hwcost.sweep import ramp
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.ramp import RECORD
from hwcost.sweep.replay import recall, reproduce
from hwcost.sweep.study_files import read_json, read_run, read_trials
from hwcost.train.loop import Epoch, evaluate

RECIPE = tiny_recipe.roomy
pytestmark = pytest.mark.usefixtures("undrawn")


def sweep(folder: Path, **changes: Any) -> Experiment:
    where = f"{Path(tiny_recipe.__file__)}:recipe"
    return experiment(RECIPE, folder, **{"recipe": where, "bits": (2, 5), "warm": 2, "ramp": 12, **changes})


def again(folder: Path, number: int) -> tuple[dict[str, float], dict[str, float]]:
    return reproduce(folder, number, lambda _: RECIPE, None)


@pytest.mark.slow
def test_its_unbeaten_epochs_are_trials_that_come_out_again(tmp_path: Path) -> None:
    tables: list[pd.DataFrame] = []
    for name in ("one", "two"):
        run(sweep(tmp_path / name), 2)
        run(sweep(tmp_path / name), 1)
        tables.append(read_trials(tmp_path / name).drop(columns="seconds"))
    pd.testing.assert_frame_equal(*tables)
    assert read_run(tmp_path / "one")["ramp"] == 12
    rows = tables[0]
    passed = rows[rows["ramp_epoch"].notna()]
    assert 1 < len(passed) <= 12 and len(rows) == len(passed) + 3
    assert list(passed["number"]) == list(range(len(passed))) and passed["ramp_epoch"].is_monotonic_increasing
    points = passed[["accuracy", "LUT", "BRAM18"]].to_numpy(dtype=float)
    assert non_dominated(points, ["maximize", "minimize", "minimize"]).all()
    assert passed["LUT"].min() < passed["LUT"].max(), "the widths moved"
    data = tiny_recipe.made(None)
    for row in passed.to_dict("records"):
        number = int(row["number"])
        assert len(row["epochs"]) == row["ramp_epoch"] and row["epochs"][-1]["accuracy"] == row["accuracy"]
        assert row["epochs"][-1]["LUT"] == row["LUT"] and all(2 <= bits <= 5 for bits in row["params"].values())
        trial = recall(tmp_path / "one", number, lambda _: RECIPE, None)
        assert evaluate(trial.net, data.validation) == row["accuracy"]
        recorded, anew = again(tmp_path / "one", number)
        assert recorded == anew
    trained = rows[rows["ramp_epoch"].isna()]
    assert set(trained["parent"].dropna()) & set(passed["number"]), "no trial went on from the ramp"
    with pytest.raises(BadStudy, match="ramp"):
        run(sweep(tmp_path / "one", ramp=13), 1)


def test_a_front_that_grows_by_the_epoch_is_that_of_all_epochs(tmp_path: Path) -> None:
    found, draw = sweep(tmp_path), np.random.default_rng(0)
    epochs = [
        Epoch(
            epoch=number, loss=0.0, accuracy=accuracy / 8, widths={},
            cost={"LUT": 100.0 * luts, "BRAM18": float(brams), "FF": number},
        )
        for number, (accuracy, luts, brams) in enumerate(draw.integers(0, 9, (200, 3)), start=1)
    ]  # fmt: skip
    limits, grown, known = {"LUT": 600.0}, list[Epoch](), dict[tuple[float, ...], Epoch]()
    for epoch in epochs:
        grown = ramp._unbeaten(found, limits, [*grown, epoch])
        if epoch.cost["LUT"] <= 600:
            known[epoch.accuracy, epoch.cost["LUT"], epoch.cost["BRAM18"]] = epoch  # of equals the latest
    front = non_dominated(list(known), ["maximize", "minimize", "minimize"])
    expected = {epoch.epoch for epoch, unbeaten in zip(known.values(), front, strict=True) if unbeaten}
    assert {epoch.epoch for epoch in grown} == expected and 1 < len(expected) < len(known)


def test_what_exceeds_a_limit_does_not_join(tmp_path: Path) -> None:
    run(sweep(tmp_path / "free"), 1)
    luts = read_trials(tmp_path / "free")["LUT"]
    most = float((luts.min() + luts.max()) / 2)
    run(sweep(tmp_path / "tied", limits={"LUT": most}), 1)
    rows = read_trials(tmp_path / "tied")
    assert (rows["LUT"] <= most).all() and rows["ramp_epoch"].notna().any()


@pytest.mark.slow
def test_killed_while_its_points_join_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(sweep(tmp_path / "whole"), 2)
    adopt, joined = Study.adopt, []

    def killed(self: Study, params: Any, outcome: Outcome, seconds: float) -> int:
        if joined:
            raise SystemExit
        joined.append(params)
        return adopt(self, params, outcome, seconds)

    monkeypatch.setattr(Study, "adopt", killed)
    with pytest.raises(SystemExit):
        run(sweep(tmp_path / "torn"), 2)
    monkeypatch.setattr(Study, "adopt", adopt)
    run(sweep(tmp_path / "torn"), 2)
    both = [read_trials(tmp_path / name).drop(columns="seconds") for name in ("whole", "torn")]
    pd.testing.assert_frame_equal(*both)


@pytest.mark.slow
def test_in_a_database_its_weights_leave_the_machine(tmp_path: Path) -> None:
    share = {"storage": f"sqlite:///{tmp_path}/shared.db", "artifacts": str(tmp_path / "weights")}
    run(sweep(tmp_path / "study", **share), 1)
    rows = read_trials(tmp_path / "study")
    assert rows["ramp_epoch"].notna().sum() == len(rows) - 1
    for file in (tmp_path / "study" / "checkpoints").iterdir():
        file.unlink()
    run(sweep(tmp_path / "study", **share), 1)  # parents and front are fetched
    assert len(read_trials(tmp_path / "study")) == len(rows) + 1


def test_a_ramp_without_memory_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*given: Any, **named: Any) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(ramp, "fit", greedy)
    with pytest.raises(OutOfMemory, match="the ramp: its training ran out of memory"):
        run(sweep(tmp_path / "study"), 1)


def test_a_ramp_is_for_bits_and_a_broken_record_is_one_line(tmp_path: Path) -> None:
    for changes in ({"bits": None, "warm": None}, {"ramp": 0}):
        with pytest.raises(BadOption, match="ramp"):
            sweep(tmp_path, **changes)
    run(sweep(tmp_path / "study"), 1)
    assert read_json(tmp_path / "study" / RECORD)["points"]
    (tmp_path / "study" / RECORD).write_text('{"points": [1]}')
    with pytest.raises(BadStudy, match=r"ramp\.json: garbled"):
        run(sweep(tmp_path / "study"), 1)


@pytest.mark.parametrize("changes", [{}, {"bits": None, "warm": None, "architecture": "unrolled"}])
def test_a_float_network_that_names_its_layers_otherwise_is_refused_at_once(tmp_path: Path, changes: Any) -> None:
    """As one is whose twin has a quantizer in front: numbered modules move by one."""
    other = replace(RECIPE, float_network=lambda: nn.Sequential(nn.Identity(), *tiny_recipe.TinyNet(None)))
    said = (
        r"--ramp starts from the float network: 0\.weight is \(4, 1, 3, 3\) in the network and missing there; .*nn\.Id"
    )
    with pytest.raises(BadRecipe, match=said):
        run(replace(sweep(tmp_path / "study", **changes), recipe=other), 1)
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
@pytest.mark.parametrize("widths", [None, "layer"])
def test_of_constants_it_is_the_whole_study(tmp_path: Path, widths: str | None) -> None:
    def settings() -> Experiment:
        return sweep(tmp_path, bits=None, warm=None, ramp=150, architecture="unrolled", widths=widths)

    run(settings(), 3)
    run(settings(), 3)  # nothing is left to do
    rows = read_trials(tmp_path)
    assert (rows["ramp_epoch"] == rows["params"].map(lambda params: params["ramp_epoch"])).all()
    assert rows["LUT"].min() < 0.7 * rows["LUT"].max() and (rows["DSP"] == 0).all()
    number = int(rows["number"].max())
    trial = recall(tmp_path, number, lambda _: RECIPE, None)
    assert isinstance(trial.model, Unrolled) and trial.model.sums == "shared"
    assert trial.estimate().total["LUT"] == rows["LUT"].iloc[-1]
    assert evaluate(trial.net, tiny_recipe.made(None).validation) == rows["accuracy"].iloc[-1]
    assert not any(isinstance(module, nn.BatchNorm2d) for module in trial.net.modules())
    recorded, anew = again(tmp_path, number)
    assert recorded == anew


@pytest.mark.parametrize(
    ("seconds", "most", "epochs"), [(1_000, 5_000, 970), (1_000, 500, 500), (20, 5_000, 7), (1, 50, 1)]
)
def test_a_time_becomes_epochs_by_a_rehearsal_of_a_share_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, most: int, epochs: int
) -> None:
    """Of epochs that take a second, the first ten: it takes 30 of 1,000 seconds, or four epochs."""
    clock = chain([0, 10], count(11))
    monkeypatch.setattr(ramp, "time", SimpleNamespace(process_time=lambda: next(clock)))

    def trained(one: Any, data: Any, prices: Any, on_epoch: Any, *, until: int) -> None:
        with suppress(ramp._Reached):
            for _ in range(until):
                on_epoch(None)

    monkeypatch.setattr(ramp, "ramp", trained)
    one = sweep(tmp_path, bits=None, warm=None, ramp=most, architecture="unrolled")
    assert ramp.epochs_within(one, tiny_recipe.made(None), None, seconds) == epochs


@pytest.mark.slow
@pytest.mark.parametrize(("time", "epochs"), [(1e-6, 1), ("1h", 6)])
def test_a_lone_ramp_is_as_long_as_its_time_and_comes_out_again(tmp_path: Path, time: Any, epochs: int) -> None:
    run(sweep(tmp_path, bits=None, warm=None, ramp=6, architecture="unrolled", time=time), 1)
    assert read_json(tmp_path / RECORD)["epochs"] == epochs
    rows = read_trials(tmp_path)
    assert 1 <= len(rows) <= epochs and rows["ramp_epoch"].max() <= epochs
    recorded, anew = again(tmp_path, int(rows["number"].max()))
    assert recorded == anew
