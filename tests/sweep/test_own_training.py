"""Trainings that users bring: the same door as the built-in one, from float network to refit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.distributions import FloatDistribution, IntDistribution
from sweeps import experiment, run
from tiny_recipe import made, recipe
from torch import Tensor, nn

from hwcost.cost.width_proxy import learned_widths
from hwcost.errors import BadRecipe, BadStudy, HopelessTrial, OutOfMemory
from hwcost.models import RESOURCES
from hwcost.quant import parameter_groups
from hwcost.search import Suggestion
from hwcost.sweep.fingerprint import fingerprint_of
from hwcost.sweep.objective import train_trial
from hwcost.sweep.rehearsal import rehearse
from hwcost.sweep.replay import recall, reproduce
from hwcost.sweep.study import open_study
from hwcost.sweep.study_files import read_json, read_run, read_trials
from hwcost.sweep.trial import run_trial
from hwcost.train.loop import fit, train
from hwcost.train.run import Run, Training, evaluate

pytestmark = pytest.mark.usefixtures("undrawn")

SEEN: list[Run] = []


def plain(net: nn.Module, run: Run) -> None:
    """Adam for the weights, SGD for the widths, one batch an epoch."""
    SEEN.append(run)
    groups = parameter_groups(net, lr=run.params.get("lr", 0.02), width_lr=2.0, weight_decay=0.0)
    optimizers = [torch.optim.Adam([groups.weights, groups.rest]), torch.optim.SGD([groups.widths])]
    for number in range(run.training.epochs):
        if number == run.training.epochs - 2:
            run.land()
        for x, y in run.data.train.batches(16, shuffle=torch.Generator().manual_seed(run.seed + number)):
            net.train()
            loss = run.task.loss(net(x), x, y) + run.penalty()
            net.zero_grad()
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            run.update()
        run.report(float(loss.detach()))


OWN = replace(recipe, train=plain)


def _first(one: Any, tmp_path: Path) -> dict[str, Any]:
    outcome, trial = run_trial(experiment(one, tmp_path), made(None), Suggestion(0, one.anchors[1], seed=5))
    return dict(outcome.attributes) | {"net": trial.net}


def test_the_built_in_training_is_a_function_of_the_same_form(tmp_path: Path) -> None:
    def through(net: nn.Module, run: Run) -> None:
        train(net, run)

    mine, theirs = _first(replace(recipe, train=through), tmp_path), _first(recipe, tmp_path)
    tensors, expected = mine.pop("net").state_dict(), theirs.pop("net").state_dict()
    assert mine == theirs and all(torch.equal(tensors[name], expected[name]) for name in expected)


def test_an_own_training_lands_in_the_budget_and_tells_its_epochs(tmp_path: Path) -> None:
    told = _first(OWN, tmp_path)
    assert told["within_budget"] and told["LUT"] <= recipe.anchors[1]["lut_budget"]
    assert [entry["epoch"] for entry in told["epochs"]] == [1, 2, 3, 4, 5, 6]
    assert all(not width.offset.requires_grad for width in learned_widths(told["net"]).values())
    assert told["accuracy"] == told["epochs"][-1]["accuracy"] > 0.5


def test_it_trains_float_network_trials_and_refit_and_comes_out_again(tmp_path: Path) -> None:
    SEEN.clear()
    run(experiment(OWN, tmp_path), 2, refit=2)
    float_run, trial, *_, last = SEEN
    assert float_run.hardware is None and not float_run.cost() and float_run.device.type == "cpu"
    assert set(trial.params) == {"base", "lut_budget"} and trial.cost().keys() == {*RESOURCES}
    assert last.training.epochs == 2 and len(last.data.train) == len(made(None).train) + len(made(None).validation)
    recorded, again = reproduce(tmp_path, 1, lambda _: OWN, None)
    assert recorded == again
    with pytest.raises(BadStudy, match=r"code of train was '.*', now absent"):
        run(experiment(recipe, tmp_path), 1)


@pytest.mark.parametrize(
    ("said", "score", "more"),
    [(0.25, 0.25, {}), (torch.tensor(0.25), 0.25, {}), ({"watts": 3}, None, {"watts": 3.0}), (None, None, {})],
)
def test_it_may_return_a_score_or_figures(
    tmp_path: Path, said: Any, score: float | None, more: Mapping[str, float]
) -> None:
    told = _first(replace(recipe, train=lambda net, run: said), tmp_path)
    assert told["accuracy"] == (evaluate(told["net"], made(None).validation) if score is None else score)
    assert told.get("figures", {}) == more


def test_its_figures_stand_in_frame_and_copy_and_come_from_a_single_trial(tmp_path: Path) -> None:
    told = replace(recipe, train=lambda net, run: {"macro F1": 0.25, "base": 7} if run.params else None)
    run(experiment(told, tmp_path), 1)
    study = open_study(tmp_path, told)
    row = study.frame().iloc[0]
    assert row["macro F1"] == 0.25 and row["base"] == 7 and row["param:base"] == recipe.anchors[0]["base"]
    assert study.to_optuna().trials[0].user_attrs["macro F1"] == 0.25
    assert train_trial(told, recipe.anchors[0])["macro F1"] == 0.25


def _fails(net: nn.Module, run: Run) -> None:
    raise KeyError("no such layer")


def _asks_for_too_much(net: nn.Module, run: Run) -> None:
    raise RuntimeError("out of memory: 3 TB")


@pytest.mark.parametrize(
    ("function", "error", "part"),
    [
        (_fails, BadRecipe, r"its train\(\) failed: KeyError: 'no such layer' \(.*test_own_training.py"),
        (_asks_for_too_much, OutOfMemory, "trial 0: its training ran out of memory"),
        (lambda net, run: "good", BadRecipe, r"its train\(\) returned str"),
        (lambda net, run: {"LUT": 3.0}, BadRecipe, "returned 'LUT', which a trial has already"),
        (lambda net, run: {"on_front": 3.0}, BadRecipe, "returned 'on_front', which a trial has already"),
    ],
)
def test_what_can_go_wrong_in_it(tmp_path: Path, function: Any, error: type[Exception], part: str) -> None:
    with pytest.raises(error, match=part):
        _first(replace(recipe, train=function), tmp_path)


def test_a_ramp_has_a_training_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(BadRecipe, match="knows no ramp"):
        run(experiment(OWN, tmp_path / "study", bits=(2, 5), ramp=2), 1)


def _searched(params: Mapping[str, Any]) -> Training:
    return replace(recipe.training, lr=params["lr"], epochs=params["epochs"])  # type: ignore[arg-type, type-var]


def test_settings_of_the_training_may_be_searched(tmp_path: Path) -> None:
    """`lr` and `epochs` in the space: recorded 8, 2, 9; all trained 3."""
    assert isinstance(recipe.space, Mapping)
    space = {**recipe.space, "lr": FloatDistribution(1e-3, 1e-1), "epochs": IntDistribution(1, 4)}
    first = {**recipe.anchors[0], "lr": 0.02, "epochs": 3}
    searched = replace(recipe, space=space, anchors=(first, first | {"epochs": 1}), training=_searched)
    rehearse(experiment(searched, tmp_path), made(None))
    assert run(experiment(searched, tmp_path), 3).finished == 3
    rows = read_trials(tmp_path).to_dict("records")
    assert [len(row["epochs"]) for row in rows] == [row["params"]["epochs"] for row in rows]
    assert rows[0]["params"]["epochs"] == 3 and rows[1]["params"]["epochs"] == 1
    with pytest.raises(BadRecipe, match=r"its training\(\) returned dict, not a Training"):
        rehearse(experiment(replace(searched, training=lambda p: {"lr": p["lr"]}), tmp_path), made(None))


def test_a_budget_may_be_left_out(tmp_path: Path) -> None:
    free = replace(recipe, budget=type(recipe).__dataclass_fields__["budget"].default)
    free = replace(free, space={"base": IntDistribution(2, 5)}, anchors=({"base": 3},))
    told = _first(replace(free, anchors=({"base": 3},) * 2), tmp_path)
    assert told["budget"] == {} and told["within_budget"] and "budget_reachable" not in told


def _given() -> dict[str, Tensor]:
    torch.manual_seed(7)
    net = recipe.float_network()
    fit(net, made(None), Training(epochs=3, batch=16, lr=2e-2), seed=0)
    return net.state_dict()


def test_pretrained_weights_are_the_baseline_and_every_trials_start(tmp_path: Path) -> None:
    state = _given()
    torch.save(state, tmp_path / "float.pt")
    barely = Training(epochs=1, batch=16, lr=1e-9, width_lr=0.0)
    for source in (tmp_path / "float.pt", lambda: state):
        starts = replace(recipe, pretrained=source, training=barely)
        folder = tmp_path / f"study-{callable(source)}"
        run(experiment(starts, folder), 1)
        assert read_run(folder)["float"]["given"] is True
        net = recipe.float_network()
        net.load_state_dict(state)
        assert read_json(folder / "float.json")["validation"] == evaluate(net, made(None).validation)
        trial = recall(folder, 0, lambda _, starts=starts: starts, None).net  # type: ignore[misc]
        torch.testing.assert_close(trial.state_dict()["0.weight"], state["0.weight"], atol=1e-5, rtol=0)
    other = {name: one + 0.01 if name == "5.weight" else one for name, one in state.items()}
    with pytest.raises(BadStudy, match=r"pretrained was '.*', now"):
        run(experiment(replace(recipe, pretrained=lambda: other, training=barely), folder), 1)


def test_pretrained_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    for source, part in (
        (lambda: {"0.weight": torch.zeros(1)}, "not in both networks|state_dict of the float network"),
        (lambda: 3, "pretrained holds int"),
        (tmp_path / "none.pt", "pretrained failed: FileNotFoundError"),
    ):
        with pytest.raises((BadRecipe, BadStudy), match=part):
            rehearse(experiment(replace(recipe, pretrained=source), tmp_path), made(None))  # type: ignore[arg-type]
    assert "pretrained" not in fingerprint_of(experiment(recipe, tmp_path), made(None)).entries


def test_the_live_cost_needs_no_budget(tmp_path: Path) -> None:
    """A penalty of one's own: every width learns from the price of all resources."""

    def train(net: nn.Module, run: Run) -> None:
        cost = run.cost()
        assert run.budget is None and float(run.penalty()) == 0 and cost.keys() == {*RESOURCES}
        cost["LUT"].log().backward()
        gradients = [float(width.offset.grad) for width in learned_widths(net).values()]  # type: ignore[arg-type]
        assert len(gradients) == 3 and all(gradient > 0 for gradient in gradients)

    no_budget = type(recipe).__dataclass_fields__["budget"].default
    told = _first(replace(recipe, train=train, budget=no_budget), tmp_path)
    assert told["LUT"] > 0


def test_the_weights_that_a_training_starts_from(tmp_path: Path) -> None:
    """None from scratch; the float network or the nearest trial with warm starts; else those that were given."""
    SEEN.clear()
    state = _given()
    run(experiment(replace(OWN, pretrained=lambda: state), tmp_path / "given"), 1)
    assert SEEN[-1].parent is state
    SEEN.clear()
    run(experiment(OWN, tmp_path / "scratch"), 1, refit=1)
    assert SEEN[0].parent is None and SEEN[1].parent is None
    start = SEEN[2].parent
    assert start is not None and "0.weight_quant.bits.offset" in start  # a refit starts from the trial itself
    SEEN.clear()
    warm = replace(OWN, plain=recipe.anchors[1])
    run(experiment(warm, tmp_path / "warm", bits=(2, 5), warm=2), 2)
    for parent in (one.parent for one in SEEN[1:]):
        assert parent is not None and parent["0.weight"].shape == (4, 1, 3, 3)
    kept = torch.load(tmp_path / "warm" / "checkpoints" / "float.pt", weights_only=True)
    assert torch.equal(SEEN[1].parent["0.weight"], kept["0.weight"])  # type: ignore[index]


STRUCK = [True]


def _goes_on(net: nn.Module, run: Run) -> None:
    """Keep a step of three in a file; Ctrl-C strikes in the second trial."""
    path = run.checkpoint
    assert path is not None
    done = int(path.read_text()) if path.exists() else 0
    for step in range(done, 3):
        if step == 2 and run.params.get("base") == 2 and STRUCK[0]:
            STRUCK[0] = False
            raise KeyboardInterrupt
        path.write_text(f"{step + 1}")
        run.report(float(step))


def test_a_training_goes_on_after_an_interruption(tmp_path: Path) -> None:
    STRUCK[0] = True
    goes_on = replace(recipe, train=_goes_on)
    assert run(experiment(goes_on, tmp_path), 2).interrupted
    left = list((tmp_path / "checkpoints").glob("unfinished-*"))
    assert [path.read_text() for path in left] == ["2"]
    assert run(experiment(goes_on, tmp_path), 1).finished == 2
    assert not list((tmp_path / "checkpoints").glob("unfinished-*"))
    epochs = [[epoch["loss"] for epoch in row["epochs"]] for row in read_trials(tmp_path).to_dict("records")
              if row["state"] == "COMPLETE"]  # fmt: skip
    assert epochs == [[0.0, 1.0, 2.0], [2.0]]  # the retry made the last step alone


def test_a_failed_training_leaves_nothing_to_go_on_with(tmp_path: Path) -> None:
    def fails(net: nn.Module, run: Run) -> None:
        assert run.checkpoint is not None
        run.checkpoint.mkdir()
        (run.checkpoint / "state").write_text("half")
        raise HopelessTrial("of its own") if run.params else ValueError("float")

    with pytest.raises(BadRecipe, match="ValueError: float"):
        run(experiment(replace(recipe, train=fails), tmp_path), 1)
    assert not list((tmp_path / "checkpoints").glob("unfinished-*"))


def _scored(net: nn.Module, run: Run) -> float:
    """The tighter the budget, the better: all but the tightest are hopeless, once their widths have landed."""
    run.land()
    score = 1 - run.params["lut_budget"] / 1e4 if run.params else 0.9
    for epoch in range(1, 5):
        run.report(0.0, score=epoch / 4 * score)
    return score


@pytest.mark.slow
def test_hopeless_trials_are_pruned_and_the_front_is_that_of_all(tmp_path: Path) -> None:
    scored = replace(recipe, train=_scored)
    for prune in (False, True):
        assert run(experiment(scored, tmp_path / f"{prune}", prune=prune, sampler="random", seed=2), 14).finished > 5
    whole, pruned = (read_trials(tmp_path / f"{prune}") for prune in (False, True))
    assert list(whole["params"]) == list(pruned["params"]) and set(whole["state"]) == {"COMPLETE"}
    ended = pruned[pruned["state"] == "PRUNED"]
    assert len(ended) >= 3 and ended["error"].str.contains("behind .*, the median of").all()
    front = [set(open_study(tmp_path / f"{prune}", scored).front()["number"]) for prune in (False, True)]
    assert front[0] == front[1] and not front[1] & set(ended["number"])
    with pytest.raises(BadStudy, match="prune was 'True', now absent"):
        run(experiment(scored, tmp_path / "True", sampler="random", seed=2), 1)
