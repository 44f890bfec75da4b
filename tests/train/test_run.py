"""A run: live cost and penalty with gradients, landing inside the budget, and a record of every epoch."""

from __future__ import annotations

import pytest
import torch
from tiny_recipe import FPS, TinyNet, luts, made

from hwcost.cost.hardware_cost import hardware_cost
from hwcost.cost.width_proxy import learned_widths
from hwcost.graph.ranges import between
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, target_fps
from hwcost.train.budget import Budget
from hwcost.train.run import Epoch, Hardware, Run, Training


def _run(limit: float, heard: list[Epoch]) -> Run:
    net = TinyNet(2)
    pipeline = trace(net, made(None).train.example, input_range=between(0, 15))
    model = Dataflow(device="PYNQ-Z1", folding=target_fps(pipeline, FPS))
    hardware = Hardware(pipeline, model, Budget({"LUT": limit}))
    return Run(net=net, data=made(None), training=Training(), seed=0, hardware=hardware, on_epoch=heard.append)


def test_the_penalty_is_the_budgets_and_pulls_at_the_widths() -> None:
    run = _run(0.8 * luts(5), [])
    assert run.budget is not None and run.hardware is not None
    penalty = run.penalty()
    used = hardware_cost(run.hardware.pipeline, run.hardware.model)
    assert penalty.item() == pytest.approx(run.budget.penalty(used).item()) and penalty.item() > 0
    penalty.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    assert all(width.offset.grad is not None for width in learned_widths(run.net).values())
    run.update()
    assert float(run.budget.multipliers) > 0  # type: ignore[attr-defined, arg-type]


def test_it_lands_in_the_budget_and_the_penalty_ends() -> None:
    run = _run(luts(3), [])
    run.land()
    assert run.settled and run.cost()["LUT"].item() <= luts(3)
    assert run.penalty().item() == 0 and not run.penalty().requires_grad


def test_epochs_are_recorded_with_score_cost_and_widths() -> None:
    heard: list[Epoch] = []
    run = _run(luts(8), heard)
    first, second = run.report(0.5), run.report(torch.tensor(0.25), score=0.75)  # type: ignore[arg-type]
    assert heard == run.epochs == [first, second] and [first.epoch, second.epoch] == [1, 2]
    assert second.accuracy == 0.75 and second.loss == 0.25 and first.widths["0"]["weight_bits"] == 5
    assert first.cost["LUT"] == pytest.approx(luts(5))


def test_a_float_network_has_neither_cost_nor_budget() -> None:
    run = Run(net=TinyNet(None), data=made(None), training=Training(), seed=0)
    assert run.cost() == {} and run.budget is None and float(run.penalty()) == 0 and run.device.type == "cpu"
    run.update()
    run.land()
    assert run.report(1.0).cost == {}
