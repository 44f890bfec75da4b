"""Tools over all widths of a network: groups, freezing, hysteresis."""

import copy
import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hwcost.errors import BadOption
from hwcost.quant import (
    Accumulator,
    BiasQuantizer,
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    LearnedSigma,
    NarrowedBits,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    Restrict,
    StatScale,
    abs_max,
    freeze_widths,
    int8_input,
    learned_activation,
    learned_weight,
    parameter_groups,
    steady_widths,
    thaw_widths,
)

RATES = {"lr": 1e-2, "width_lr": 0.3, "weight_decay": 1e-2}


def everything() -> nn.Sequential:
    """A parameter of every kind; the two layers share one width."""
    shared = LearnedBits(6)
    scale = LearnedScale.from_stat(abs_max, channel_dim=0)
    source = learned_activation(bits=4)
    return nn.Sequential(
        QuantIdentity(int8_input()),
        QuantConv2d(1, 4, 3, weight_quant=IntQuantizer(bits=shared, scale=scale, narrow=True)),
        nn.BatchNorm2d(4),
        QuantReLU(source),
        nn.Flatten(),
        QuantLinear(
            16,
            3,
            weight_quant=IntQuantizer(
                bits=shared, scale=StatScale(LearnedSigma(3.0, shape=(3, 1)), channel_dim=0), narrow=True
            ),
            bias_quant=BiasQuantizer(bits=LearnedBits(8)),
            accumulator=Accumulator(bits=NarrowedBits(1), mode="saturate"),
            source=source,
        ),
        nn.Unflatten(1, (1, 3)),
        nn.LayerNorm((1, 3)),
    )


def test_every_parameter_once_and_in_its_group() -> None:
    net = everything()
    groups = parameter_groups(net, **RATES)
    name_of = {id(parameter): name for name, parameter in net.named_parameters()}
    names = [{name_of[id(parameter)] for parameter in group["params"]} for group in groups]
    assert sum(len(group["params"]) for group in groups) == len(name_of) == len(set.union(*names))
    assert names[0] == {"1.weight", "5.weight"}
    assert names[2] == {"1.weight_quant.bits.offset", "3.quant.bits.offset", "5.bias_quant.bits.offset"}
    assert {"1.weight_quant.scale.value", "5.weight_quant.scale.stat.sigma", "7.weight"} <= names[1]
    assert net[1].weight_quant.scale.value.ndim == 4 and net[7].weight.ndim == 2  # not by the number of dimensions
    assert [(group["lr"], group["weight_decay"], group["name"]) for group in groups] == [
        (1e-2, 1e-2, "weights"),
        (1e-2, 0.0, "rest"),
        (0.3, 0.0, "widths"),
    ]


def test_a_scale_outside_of_any_quantizer_does_not_decay() -> None:
    groups = parameter_groups(nn.Sequential(LearnedScale(torch.ones(3, 1) * 2)), **RATES)
    assert [len(group["params"]) for group in groups] == [0, 1, 0]


def test_groups_train_in_one_optimizer_and_only_weights_decay() -> None:
    net = everything()
    before = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(parameter_groups(net, **RATES))
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for (name, parameter), old in zip(net.named_parameters(), before.parameters(), strict=True):
        assert torch.equal(parameter, old) != (name in {"1.weight", "5.weight"}), name


def test_a_float_network_has_an_empty_group_of_widths() -> None:
    groups = parameter_groups(nn.Linear(2, 2), **RATES)
    assert groups.widths["params"] == []
    torch.optim.SGD([groups.widths]).step()


@pytest.mark.parametrize("wrong", [{"lr": 0.0}, {"width_lr": -1.0}, {"weight_decay": math.inf}, {"lr": math.nan}])
def test_rates_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(BadOption, match=next(iter(wrong))):
        parameter_groups(nn.Linear(2, 2), **{**RATES, **wrong})


def test_frozen_widths_stand_still_and_thawed_ones_learn_again() -> None:
    net, x = everything(), torch.rand(8, 1, 4, 4)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)  # a gradient of zero still decays and keeps its momentum
        net(x).square().mean().backward()
        optimizer.step()

    widths = [*(parameter_groups(net, **RATES).widths["params"]), net[5].accumulator.bits.p]
    step()
    freeze_widths(net)
    frozen = [width.clone() for width in widths]
    weight = net[1].weight.clone()
    step()
    assert all(torch.equal(now, then) for now, then in zip(widths, frozen, strict=True))
    assert not torch.equal(net[1].weight, weight)
    assert all(width.grad is None and not width.requires_grad for width in widths)
    twin = copy.deepcopy(net)
    assert not twin[1].weight_quant.bits.offset.requires_grad
    thaw_widths(net)
    step()
    assert all(not torch.equal(now, then) for now, then in zip(widths, frozen, strict=True))


def test_one_layer_can_be_frozen() -> None:
    net = everything()
    freeze_widths(net[3])
    assert not net[3].quant.bits.offset.requires_grad
    assert net[1].weight_quant.bits.offset.requires_grad


def moved(bits: LearnedBits, to: float, margin: float) -> float:
    with steady_widths(bits, margin=margin):
        bits.offset.data.fill_(to)
    return bits.offset.item()


def test_a_width_that_flips_stands_inside_its_new_step() -> None:
    bits = LearnedBits(6, base=2, most=8)
    assert moved(bits, 4.51, 0.25) == 4.75 and bits().item() == 7
    assert moved(bits, 4.55, 0.25) == pytest.approx(4.55) and bits().item() == 7  # no flip: nothing is moved
    assert moved(bits, 4.45, 0.25) == 4.25 and bits().item() == 6
    assert moved(bits, 1.9, 0.25) == pytest.approx(1.9) and bits().item() == 4  # deep inside already
    assert moved(bits, -2.6, 0.25) == -2.75 and bits().item() == 5  # the side of zero is kept
    assert moved(bits, 9.0, 0.25) == 9.0 and bits().item() == 8  # at its bound
    assert moved(bits, 0.3, 0.5) == 0.0 and bits().item() == 2  # half a step in: the middle


@given(moves=st.lists(st.floats(-0.12, 0.12), min_size=1, max_size=60), margin=st.sampled_from([0.05, 0.25, 0.4, 0.5]))
def test_it_is_rounding_with_two_thresholds(moves: list[float], margin: float) -> None:
    """Against a plain state machine: steps of 1 - margin, up at the upper threshold, down `margin` below it."""
    bits = LearnedBits(8, base=2, most=32).double()
    place, level = 6, 0.0  # level: distance to the middle of the step, as the plain machine counts it
    for move in moves:
        with steady_widths(bits, margin=margin):
            bits.offset.data.add_(move)
        level += move
        if level > 0.5:
            place, level = place + 1, max(level - 1, margin - 0.5)
        elif level < -0.5:
            place, level = place - 1, min(level + 1, 0.5 - margin)
        assert bits().item() == place + 2
        assert bits.offset.item() == pytest.approx(place + level)


def test_widths_of_a_shape_settle_one_by_one() -> None:
    bits = LearnedBits(6, base=2, most=8, shape=(3,))
    with steady_widths(bits, margin=0.25):
        bits.offset.data.copy_(torch.tensor([4.51, 4.2, 3.49]))
    assert bits.offset.tolist() == pytest.approx([4.75, 4.2, 3.25])


def test_powers_of_two_settle_by_their_exponent_and_fractions_do_not() -> None:
    power = LearnedBits(8, base=2, most=16, restrict=Restrict.POW2)
    assert moved(power, 1.4, 0.25) == pytest.approx(1.25) and power().item() == 4
    real = LearnedBits(8.0, restrict=Restrict.FLOAT)
    assert moved(real, 5.45, 0.25) == pytest.approx(5.45)


@pytest.mark.parametrize("margin", [0.0, -0.1, 0.6, math.nan])
def test_margin_is_checked(margin: float) -> None:
    with pytest.raises(BadOption, match="margin"), steady_widths(LearnedBits(4), margin=margin):
        pass


def flips(margin: float | None, steps: int = 400) -> int:
    """A width between two values: its cost pulls down, the error of the value it quantizes pulls up."""
    torch.manual_seed(0)
    layer = QuantLinear(16, 8, bias=False, weight_quant=learned_weight(bits=5, per_channel=False))
    teacher = torch.randn(8, 16)
    layer.weight.data.copy_(teacher)
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-2)
    seen = []
    for _ in range(steps):
        x = torch.randn(64, 16)
        loss = (layer(x) - x @ teacher.T).square().mean() + 0.1 * layer.weight_quant.bits()
        optimizer.zero_grad()
        loss.backward()
        if margin is None:
            optimizer.step()
        else:
            with steady_widths(layer, margin=margin):
                optimizer.step()
        seen.append(layer.weight_quant.bits().item())
    return sum(a != b for a, b in pairwise(seen))


@pytest.mark.slow
def test_hysteresis_calms_a_width_under_adam() -> None:
    restless, calm = flips(None), flips(0.5)
    assert restless >= 10 and calm <= restless / 4


def test_state_dict_and_deepcopy_carry_all_there_is() -> None:
    """The offset is the whole memory: two copies that go the same way flip at the same steps."""
    bits = LearnedBits(6)
    moved(bits, 4.51, 0.25)
    twin, loaded = copy.deepcopy(bits), LearnedBits(6)
    loaded.load_state_dict(bits.state_dict())
    for change in (-0.2, -0.1, 0.2, 0.15, 0.1):
        ends = [moved(each, each.offset.item() + change, 0.25) for each in (bits, twin, loaded)]
        assert ends[0] == ends[1] == ends[2]


@pytest.mark.parametrize("channel_dim", [None, 1])
def test_a_scale_that_has_started_is_loaded_as_started_and_one_that_has_not_as_not(channel_dim: int | None) -> None:
    def activation() -> QuantIdentity:
        return QuantIdentity(IntQuantizer(bits=4, scale=LearnedScale.from_stat(abs_max, channel_dim=channel_dim)))

    x, first, second = torch.randn(5, 3), activation(), activation()
    second.load_state_dict(first.state_dict())
    with pytest.raises(BadOption, match="start"):
        second(x)
    assert first.quant is not None and second.quant is not None
    first.quant.start(x)  # type: ignore[attr-defined] # of an IntQuantizer
    value = second.quant.scale.value  # type: ignore[attr-defined]
    second.load_state_dict(first.state_dict())
    assert torch.equal(second(x), first(x))
    assert second.quant.scale.value is value, "the optimizer holds this Parameter"  # type: ignore[attr-defined]
    second.load_state_dict(activation().state_dict())
    with pytest.raises(BadOption, match="start"):
        second(x)
