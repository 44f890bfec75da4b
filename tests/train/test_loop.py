"""The loop: widths move, then settle; a binding budget is reached; a NaN stops it; it repeats from its seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from math import isfinite
from typing import Any

import pytest
import torch
from tiny_recipe import TinyNet, made
from torch import Tensor, nn

from hwcost.cost.estimate import estimate
from hwcost.errors import BadOption, DivergedTraining
from hwcost.graph.ranges import between
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import Dataflow, target_fps
from hwcost.quant import (
    LearnedBits,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    const_input,
    learned_activation,
    learned_weight,
)
from hwcost.quant.dense_stack import stacked
from hwcost.quant.granularity import refine_widths
from hwcost.train import loop
from hwcost.train.budget import Budget
from hwcost.train.data import Data, Split
from hwcost.train.loop import Epoch, Hardware, Training, evaluate, fit
from hwcost.train.ready_tasks import CLASSIFICATION

QUICK = Training(epochs=10, batch=16, lr=2e-2)
FIRM = replace(QUICK, epochs=20, batch=8, width_lr=1.0, budget_strength=10.0)
"""Moves widths within the few steps that it has."""


@pytest.fixture(scope="module")
def data() -> Data:
    return made(None)


def priced(base: int = 2) -> tuple[TinyNet, Pipeline, Dataflow]:
    torch.manual_seed(0)
    net = TinyNet(base)
    pipeline = trace(net, torch.zeros(1, 1, 4, 4), input_range=between(0, 15))
    return net, pipeline, Dataflow(device="xc7z020", folding=target_fps(pipeline, 400_000))


def widths(net: nn.Module) -> list[float]:
    return [module().item() for module in net.modules() if isinstance(module, LearnedBits)]


def trained(data: Data, limit: float, settings: Training = QUICK, **changes: Any) -> tuple[TinyNet, list[Epoch], float]:
    net, pipeline, fpga = priced()
    budget = Budget({"LUT": limit}, strength=settings.budget_strength, rate=settings.budget_rate)
    epochs = fit(net, data, settings, seed=1, hardware=Hardware(pipeline, fpga, budget), **changes)
    return net, epochs, estimate(pipeline, fpga).total["LUT"]


def test_a_float_network_learns(data: Data) -> None:
    torch.manual_seed(0)
    net = TinyNet(None)
    before = evaluate(net, data.validation)
    epochs = fit(net, data, QUICK, seed=0)
    assert [epoch.epoch for epoch in epochs] == list(range(1, 11))
    assert epochs[-1].loss < epochs[0].loss / 2
    assert evaluate(net, data.validation) > max(before, 0.8)
    assert all(epoch.cost == {} and epoch.widths == {} for epoch in epochs)


def bounds() -> tuple[float, float]:
    """LUTs with every width at its floor, and as it starts."""
    net, pipeline, fpga = priced()
    full = estimate(pipeline, fpga).total["LUT"]
    for module in net.modules():
        if isinstance(module, LearnedBits):
            torch.nn.init.zeros_(module.offset)
    return estimate(pipeline, fpga).total["LUT"], full


@pytest.mark.parametrize("share", [0.8, 0.5])
def test_widths_move_apart_and_a_binding_budget_is_reached(data: Data, share: float) -> None:
    least, full = bounds()
    limit = least + share * (full - least)
    net, epochs, used = trained(data, limit, FIRM)
    assert used <= limit
    assert used == epochs[-1].cost["LUT"]
    assert used > least  # and no further than asked
    assert len(set(widths(net))) > 1, widths(net)
    assert evaluate(net, data.validation) > 0.8


def test_a_tighter_budget_is_a_cheaper_network(data: Data) -> None:
    least, full = bounds()
    used = [trained(data, least + share * (full - least), FIRM)[2] for share in (1.0, 0.7, 0.0)]
    assert used == sorted(used, reverse=True) and len(set(used)) == 3


def test_a_budget_that_does_not_bind_moves_nothing(data: Data) -> None:
    net, _, _ = priced()
    fitted, _, _ = trained(data, 1e9)
    assert widths(fitted) == widths(net)


def test_widths_stand_still_while_the_weights_settle(data: Data) -> None:
    settings = replace(QUICK, settle=0.4, land=False)
    offsets: list[list[float]] = []
    weights: list[Tensor] = []
    net, pipeline, fpga = priced()
    bits = [module.offset for module in net.modules() if isinstance(module, LearnedBits)]

    def look(epoch: Epoch) -> None:
        offsets.append([offset.item() for offset in bits])
        weights.append(net[0].weight.detach().clone())

    budget = Budget({"LUT": 1.0})  # out of reach: it pushes to the end
    epochs = fit(net, data, settings, seed=1, hardware=Hardware(pipeline, fpga, budget), on_epoch=look)
    moved = [before != after for before, after in pairwise(offsets)]
    assert moved == [True] * 5 + [False] * 4
    assert all(not torch.equal(before, after) for before, after in pairwise(weights))
    assert len({str(epoch.cost) for epoch in epochs[-5:]}) == 1
    assert [offset.item() for offset in bits] == offsets[-1]


def test_the_network_stays_as_the_last_epoch_leaves_it_whatever_its_accuracy(data: Data) -> None:
    earlier = 0
    for seed in range(4):
        states: list[dict[str, Tensor]] = []
        net, pipeline, fpga = priced()

        def look(epoch: Epoch, net: nn.Module = net, states: list[dict[str, Tensor]] = states) -> None:
            states.append({name: value.clone() for name, value in net.state_dict().items()})

        settings = Training(epochs=12, batch=16, lr=1.5, settle=0.5)  # so fast that the accuracy jumps about
        epochs = fit(net, data, settings, seed=seed, hardware=Hardware(pipeline, fpga), on_epoch=look)
        earlier += max(epoch.accuracy for epoch in epochs) > epochs[-1].accuracy
        assert evaluate(net, data.validation) == epochs[-1].accuracy
        assert all(torch.equal(value, states[-1][name]) for name, value in net.state_dict().items())
    assert earlier  # else this shows nothing


def test_the_records_say_what_the_network_was(data: Data) -> None:
    _, epochs, used = trained(data, bounds()[0], FIRM)
    for epoch in epochs:
        assert isfinite(epoch.loss) and 0 <= epoch.accuracy <= 1
        assert set(epoch.widths) == {"0", "2", "3", "5"}
        assert {"LUT", "FF", "DSP", "BRAM18", "URAM", "cycles"} <= set(epoch.cost)
    assert epochs[-1].widths["0"]["weight_bits"] < 5
    assert epochs[-1].record()["cost"]["LUT"] == used  # type: ignore[index]


def test_the_same_seed_is_the_same_training(data: Data) -> None:
    first, second = trained(data, 1_150), trained(data, 1_150)
    assert first[1] == second[1]
    assert all(map(torch.equal, first[0].state_dict().values(), second[0].state_dict().values()))
    net, pipeline, fpga = priced()
    other = fit(net, data, QUICK, seed=2, hardware=Hardware(pipeline, fpga, Budget({"LUT": 1_150})))
    assert other != first[1]


def test_the_randomness_of_others_is_left_alone(data: Data) -> None:
    net, pipeline, fpga = priced()
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    fit(net, data, replace(QUICK, epochs=1), seed=1, hardware=Hardware(pipeline, fpga))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_it(data: Data, value: float) -> None:
    x = data.train.x.clone()
    x[7] = value
    with pytest.raises(DivergedTraining, match="epoch 1: the loss is nan; lower the learning rate"):
        fit(TinyNet(None), replace(data, train=Split(x, data.train.y)), QUICK, seed=0)


def test_the_test_split_is_not_needed(data: Data) -> None:
    class Sealed(Split):
        def batches(self, batch: int, **order: Any) -> Iterator[tuple[Tensor, Any]]:
            raise AssertionError("the test split was read")

    sealed = replace(data, test=Sealed(data.test.x, data.test.y))
    fit(TinyNet(None), sealed, replace(QUICK, epochs=2), seed=0)


@pytest.mark.parametrize(("samples", "batch"), [(33, 16), (17, 16), (3, 2), (5, 1)])
def test_a_lone_last_sample_does_not_stop_batch_norm(data: Data, samples: int, batch: int) -> None:
    split = Split(data.train.x[:samples], data.train.y[:samples])
    sizes = [len(y) for _, y in split.batches(batch)]
    assert sum(sizes) == samples and len(sizes) == split.steps(batch)
    assert min(sizes) > 1 or batch == 1
    if batch > 1:
        net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.BatchNorm1d(3))
        fit(net, replace(data, train=split), Training(epochs=2, batch=batch), seed=0)


def test_batches_are_a_permutation(data: Data) -> None:
    split = Split(torch.arange(50.0)[:, None], torch.arange(50))
    shuffle = torch.Generator().manual_seed(4)
    first, second = (torch.cat([y for _, y in split.batches(16, shuffle=shuffle)]) for _ in range(2))
    assert not torch.equal(first, second)
    for order in (first, second):
        assert torch.equal(order.sort().values, torch.arange(50))
    assert all(torch.equal(x[:, 0].long(), y) for x, y in split.batches(16, shuffle=shuffle))
    assert torch.equal(torch.cat([y for _, y in split.batches(16)]), torch.arange(50))


def test_evaluate_counts_and_puts_the_modes_back(data: Data) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.BatchNorm1d(3))
    net.train()
    net[2].eval()  # a frozen norm in a network that trains
    running = net[2].running_mean.clone()
    accuracy = evaluate(net, data.validation, batch=4)
    assert [module.training for module in net] == [True, True, False] and net.training
    assert torch.equal(net[2].running_mean, running)
    right = (net.eval()(data.validation.x).argmax(1) == data.validation.y).sum().item()
    assert accuracy == right / len(data.validation)


def test_a_frozen_network_keeps_its_widths_without_a_width_rate(data: Data) -> None:
    net, _, _ = trained(data, 1.0, replace(QUICK, width_lr=0.0, epochs=2))
    assert widths(net) == widths(priced()[0])


def test_a_score_that_fails_leaves_the_network_in_its_modes(data: Data) -> None:
    def broken(out: Tensor, x: Tensor, y: Tensor) -> Tensor:
        raise RuntimeError("no score")

    net, _, _ = priced()
    net.train()
    with pytest.raises(RuntimeError, match="no score"):
        evaluate(net, data.validation, task=replace(CLASSIFICATION, judge=broken))
    assert all(module.training for module in net.modules())


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("epochs", [0, 2.0, True, NAN]),
        ("batch", [0, 1.5, -3]),
        ("lr", [0.0, -1.0, NAN, INF]),
        ("weight_decay", [-1e-9, NAN]),
        ("width_lr", [-0.1, NAN, INF]),
        ("settle", [1.1, -0.1, NAN]),
        ("warmup", [1.1, -0.1, NAN]),
    ],
)
def test_bad_settings_are_named(name: str, values: list[float]) -> None:
    for value in values:
        with pytest.raises(BadOption, match=f"{name}={value}"):
            Training(**{name: value})


def test_a_refined_perceptron_trains_as_one_call_to_the_same_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    split = Split(x, (x[:, 0] > x[:, 1]).long())
    sample = Data(name="made", train=split, validation=split, test=split, classes=2, fingerprint="made")
    settings = replace(QUICK, epochs=3, width_lr=2e-2, width_rule="adam", schedule="cosine", settle=0.0, land=False)
    histories, asked = [], []

    def noted(net: nn.Module) -> Any:
        asked.append(found := stacked(net))
        return found

    for instead in (noted, lambda _: None):
        monkeypatch.setattr(loop, "stacked", instead)
        torch.manual_seed(0)
        net = nn.Sequential(
            QuantIdentity(const_input(bits=6, max_val=4.0, signed=True)),
            QuantLinear(6, 5, weight_quant=learned_weight(bits=4)),
            QuantReLU(learned_activation(bits=4)),
            QuantLinear(5, 2, weight_quant=learned_weight(bits=4)),
        )
        refine_widths(net, x[:2])
        histories.append([epoch.loss for epoch in fit(net, sample, settings, seed=0)])
    assert len(asked) == 3 and all(one is not None for one in asked)
    assert histories[0] == pytest.approx(histories[1], rel=1e-4)
