"""Cost as a loss: it reaches every learned width without data, and a budget pushes only what does not fit."""

import copy
from math import log

import pytest
import torch

from hwcost.cost.estimate import estimate
from hwcost.cost.hardware_cost import hardware_cost
from hwcost.errors import BadOption
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import target_fps
from hwcost.models.dataflow import Dataflow
from hwcost.quant import LearnedBits
from hwcost.train.budget import Budget, log_ratio
from hwcost.zoo.lenet import QuantLeNet


@pytest.fixture
def lenet() -> QuantLeNet:
    return QuantLeNet(weight_bits=5, activation_bits=4)


def _priced(net: QuantLeNet) -> tuple[Pipeline, Dataflow]:
    pipeline = trace(net, torch.zeros(1, 3, 32, 32), input_bits=8)
    return pipeline, Dataflow(device="xc7z020", folding=target_fps(pipeline, 1_000))


def _offsets(net: QuantLeNet) -> dict[str, torch.nn.Parameter]:
    return {name: module.offset for name, module in net.named_modules() if isinstance(module, LearnedBits)}


def test_the_gradient_reaches_every_learned_width_without_a_forward_pass(lenet: QuantLeNet) -> None:
    pipeline, fpga = _priced(lenet)
    hardware_cost(pipeline, fpga)["LUT"].backward()
    gradients = {name: offset.grad for name, offset in _offsets(lenet).items()}
    assert len(gradients) == 9  # five weights, four activations
    assert all(gradient is not None and gradient > 0 for gradient in gradients.values()), gradients


@pytest.mark.parametrize("bits", [2, 3, 5, 8])
def test_the_loss_and_the_estimate_are_the_same_number(bits: int) -> None:
    net = QuantLeNet(weight_bits=bits, activation_bits=bits)
    pipeline, fpga = _priced(net)
    used = {name: amount.item() for name, amount in hardware_cost(pipeline, fpga).items()}
    assert used == estimate(pipeline, fpga).total


def test_no_width_is_cheaper_when_it_grows(lenet: QuantLeNet) -> None:
    pipeline, fpga = _priced(lenet)
    before = {name: amount.item() for name, amount in hardware_cost(pipeline, fpga).items()}
    for offset in _offsets(lenet).values():
        with torch.no_grad():
            offset += 1
        after = {name: amount.item() for name, amount in hardware_cost(pipeline, fpga).items()}
        assert all(after[name] >= before[name] for name in before)
        assert after["LUT"] > before["LUT"]
        with torch.no_grad():
            offset -= 1


def test_the_price_does_not_depend_on_the_dtype_of_the_model(lenet: QuantLeNet) -> None:
    pipeline, fpga = _priced(lenet)
    before = {name: amount.item() for name, amount in hardware_cost(pipeline, fpga).items()}
    lenet.to(torch.bfloat16)
    assert {name: amount.item() for name, amount in hardware_cost(pipeline, fpga).items()} == before


def _used(lut: float, bram18: float = 10.0) -> dict[str, torch.Tensor]:
    return {
        "LUT": torch.tensor(lut, dtype=torch.float64, requires_grad=True),
        "BRAM18": torch.tensor(bram18, dtype=torch.float64, requires_grad=True),
    }


def test_a_kept_budget_costs_and_pushes_nothing() -> None:
    budget, used = Budget({"LUT": 1000, "BRAM18": 10}), _used(900.0)
    penalty = budget.penalty(used)
    penalty.backward()
    assert penalty == 0 and used["LUT"].grad == 0 and used["BRAM18"].grad == 0
    assert budget.fits(used)


def test_a_violation_is_penalised_by_its_log_excess_squared() -> None:
    budget, used = Budget({"LUT": 1000, "BRAM18": 10}, strength=2.0), _used(1500.0)
    excess = log(1501 / 1001)
    penalty = budget.penalty(used)
    penalty.backward()
    assert penalty.item() == pytest.approx(excess**2)
    assert used["LUT"].grad is not None and used["LUT"].grad.item() == pytest.approx(2 * excess / 1501)
    assert used["BRAM18"].grad == 0
    assert not budget.fits(used)


def test_multipliers_grow_while_violated_and_shrink_to_zero_when_kept() -> None:
    budget = Budget({"LUT": 1000, "BRAM18": 10}, rate=0.5)
    for _ in range(4):
        budget.update(_used(1500.0))
    assert budget.multipliers[0].item() == pytest.approx(2 * log(1501 / 1001))
    assert budget.multipliers[1] == 0
    used = _used(1000.0)  # exactly kept, but the multiplier still pushes
    budget.penalty(used).backward()
    assert used["LUT"].grad is not None and used["LUT"].grad > 0
    for _ in range(100):
        budget.update(_used(100.0))
    assert budget.multipliers[0] == 0


def test_the_warm_up_grows_linearly() -> None:
    budget = Budget({"LUT": 1000}, warmup=4)
    penalties = []
    for _ in range(5):
        used = _used(1500.0)
        budget.multipliers.zero_()
        penalties.append(budget.penalty(used).item())
        budget.update(used)
    assert penalties == pytest.approx([penalties[-1] * share for share in (0.25, 0.5, 0.75, 1, 1)])


def test_a_budget_resumes_from_its_state() -> None:
    budget = Budget({"LUT": 1000}, warmup=10)
    budget.update(_used(2000.0))
    again = Budget({"LUT": 1000}, warmup=10)
    again.load_state_dict(copy.deepcopy(budget.state_dict()))
    assert again.penalty(_used(1500.0)) == budget.penalty(_used(1500.0))


def test_log_ratio_is_zero_at_the_reference_and_counts_percents_alike() -> None:
    assert log_ratio(_used(1000.0), {"LUT": 1000, "BRAM18": 10}).item() == pytest.approx(0)
    assert log_ratio(_used(2001.0), {"LUT": 1000}).item() == pytest.approx(log(2))


def test_bad_budgets_are_refused() -> None:
    for limits in ({}, {"LUT": -1}, {"LUT": float("nan")}):
        with pytest.raises(BadOption, match="budget"):
            Budget(limits)
    for options in ({"strength": 0}, {"rate": float("inf")}, {"warmup": -1}):
        with pytest.raises(BadOption, match=next(iter(options))):
            Budget({"LUT": 1}, **options)
    with pytest.raises(BadOption, match=r"^budget: resource 'URAM' is not priced"):
        Budget({"URAM": 1}).penalty(_used(1.0))
    with pytest.raises(BadOption, match=r"^log_ratio: resource 'URAM' is not priced"):
        log_ratio(_used(1.0), {"URAM": 1})


def test_a_budget_of_nothing_is_refused_where_every_network_needs_some() -> None:
    for resource in ("LUT", "cycles"):
        with pytest.raises(BadOption, match=f"{resource} limit 0"):
            Budget({resource: 0})
    assert Budget({"DSP": 0, "LUT": 1}).limits == {"DSP": 0, "LUT": 1}


@pytest.mark.parametrize(("name", "meant"), [("LUTS", "LUT"), ("lut", "LUT"), ("BRAM", "BRAM18"), ("Cycles", "cycles")])
def test_a_misspelt_resource_is_named_at_once(name: str, meant: str) -> None:
    with pytest.raises(BadOption, match=f"budget: no model prices '{name}'; do you mean '{meant}'?"):
        Budget({name: 1})
    assert Budget({"power": 1}).limits == {"power": 1}  # of a model of the user's own


def test_a_budget_prints_its_limits() -> None:
    assert repr(Budget({"LUT": 10_000, "BRAM18": 60})) == "Budget(LUT <= 10,000, BRAM18 <= 60)"
