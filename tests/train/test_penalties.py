"""Ways to weigh hardware in a loss: their gradients, what they do over time, and that a checkpoint resumes them."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log

import pytest
import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.train.penalties import Ramp, TargetControl, WeightedCost

LIMITS = {"LUT": 99.0, "DSP": 9.0}


def used(lut: float, dsp: float) -> dict[str, Tensor]:
    amounts = {"LUT": lut, "DSP": dsp, "FF": 5.0}
    return {name: torch.tensor(amount, dtype=torch.float64, requires_grad=True) for name, amount in amounts.items()}


def test_a_ramp_grows_by_one_factor() -> None:
    ramp = Ramp(0.1, 10.0, 100)
    assert (ramp(0), ramp(50), ramp(100), ramp(1000)) == pytest.approx((0.1, 1.0, 10.0, 10.0))


def test_the_weighted_cost_pushes_inside_its_limits_too() -> None:
    cost = WeightedCost(LIMITS, 0.5)
    amounts = used(19.0, 4.0)
    penalty = cost.penalty(amounts)
    penalty.backward()
    assert penalty.item() == pytest.approx(0.5 * (log(20 / 100) + log(5 / 10)))
    assert [float(amounts[name].grad) for name in LIMITS] == pytest.approx([0.5 / 20, 0.5 / 5])
    assert amounts["FF"].grad is None


def test_a_ramped_cost_grows_step_by_step() -> None:
    cost = WeightedCost({"LUT": 99.0}, Ramp(0.01, 1.0, 10))
    penalties = []
    for _ in range(12):
        penalties.append(cost.penalty(used(999.0, 0.0)).item())
        cost.update(used(999.0, 0.0))
    assert penalties[0] == pytest.approx(0.01 * log(10)) and penalties[5] == pytest.approx(0.1 * log(10))
    assert penalties[10] == penalties[11] == pytest.approx(log(10))


def test_the_controller_holds_a_plant_at_its_target_from_both_sides() -> None:
    """A stand-in for a training: the amount used falls with the weight, and comes back without it."""
    for start in (0.001, 50.0):
        control = TargetControl({"LUT": 100.0}, start=start)
        amount = 400.0
        for _ in range(400):
            control.update(used(amount, 0.0))
            amount += 0.1 * (400 / (1 + float(control.weights[0])) - amount)
        assert amount == pytest.approx(100, rel=0.02)


def test_the_weight_is_bounded_and_comes_back() -> None:
    control = TargetControl({"LUT": 100.0}, start=1.0, proportional=0.0, integral=1.0)
    for _ in range(1000):
        control.update(used(1e6, 0.0))
    assert float(control.weights[0]) == pytest.approx(exp(10))
    for _ in range(4):  # no windup: a few steps below the target undo a thousand above it
        control.update(used(0.0, 0.0))
    assert float(control.weights[0]) < 1


def test_the_derivative_answers_a_change() -> None:
    control = TargetControl({"LUT": 99.0}, start=1.0, proportional=0.0, integral=0.0, derivative=2.0)
    control.update(used(999.0, 0.0))
    assert float(control.weights[0]) == pytest.approx(exp(2 * log(10)))
    control.update(used(999.0, 0.0))
    assert float(control.weights[0]) == pytest.approx(1.0)


@pytest.mark.parametrize("make", [lambda: TargetControl(LIMITS), lambda: WeightedCost(LIMITS, Ramp(0.1, 1, 9))])
def test_a_checkpoint_resumes(make: Callable[[], nn.Module]) -> None:
    first, second = make(), make()
    for _ in range(5):
        first.update(used(300.0, 2.0))  # type: ignore[operator]
    second.load_state_dict(first.state_dict())
    for control in (first, second):
        control.update(used(200.0, 3.0))  # type: ignore[operator]
    assert torch.equal(first.penalty(used(150.0, 8.0)), second.penalty(used(150.0, 8.0)))  # type: ignore[operator]
    assert not torch.equal(first.penalty(used(150.0, 8.0)), make().penalty(used(150.0, 8.0)))  # type: ignore[operator]


def test_a_plain_weighted_cost_weighs_every_unit_the_same() -> None:
    plain = WeightedCost({"LUT": 100.0, "BRAM18": 4.0}, 0.5, log=False)
    lut = torch.tensor(150.0, dtype=torch.float64, requires_grad=True)
    term = plain.penalty({"LUT": lut, "BRAM18": torch.tensor(8.0, dtype=torch.float64)})
    term.backward()  # type: ignore[no-untyped-call]
    assert float(term.detach()) == 0.5 * (1.5 + 2) and lut.grad is not None and float(lut.grad) == 0.5 / 100


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: Ramp(0.0, 1.0, 3), "first=0.0"),
        (lambda: Ramp(1.0, float("inf"), 3), "last=inf"),
        (lambda: Ramp(1.0, 2.0, 0), "steps=0"),
        (lambda: WeightedCost({}, 1.0), "at least one resource"),
        (lambda: WeightedCost({"LUT": 0.0}, 1.0), "amounts above 0"),
        (lambda: WeightedCost(LIMITS, -1.0), "first=-1.0"),
        (lambda: TargetControl(LIMITS, start=0.0), "start=0.0"),
        (lambda: TargetControl(LIMITS, integral=-1.0), "integral=-1.0"),
        (
            lambda: TargetControl({"area": 3.0}).penalty(used(1.0, 1.0)),
            "^target control: resource 'area'",
        ),
        (lambda: WeightedCost({"area": 3.0}, 1.0).penalty(used(1.0, 1.0)), "^weighted cost: resource 'area'"),
    ],
)
def test_bad_options(make: Callable[[], object], part: str) -> None:
    with pytest.raises(BadOption, match=part):
        make()
