"""Float networks into quantized ones: same weights, same keys, refusals all at once."""

import copy
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import hwcost
from hwcost.errors import BadOption, UnknownOperation
from hwcost.quant import (
    PRESETS,
    BiasQuantizer,
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    abs_max,
    const_activation,
    const_weight,
    convert,
    int8_input,
    load_float,
    uniform,
    width_summary,
)


class Block(nn.Module):
    """A module of the user's own, with a parameter of its own and a ReLU that it uses twice."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding="same", groups=channels)
        self.norm = nn.BatchNorm2d(channels)
        self.act = nn.ReLU(inplace=True)
        self.point = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.point(self.act(self.norm(self.conv(x)))))
        return out


def float_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            stem=nn.Conv2d(1, 4, 3, stride=2, padding=1),
            relu=nn.ReLU(),
            block=Block(4),
            pool=nn.AvgPool2d(2),
            drop=nn.Dropout(0.1),
            flat=nn.Flatten(),
            hidden=nn.Linear(16, 8),
            clip=nn.ReLU6(),
            head=nn.Linear(8, 3),
        )
    )


def image(samples: int = 4) -> Tensor:
    return torch.randint(0, 256, (samples, 1, 8, 8)) / 255.0


def wide(name: str, layer: nn.Module) -> Mapping[str, Any] | None:
    """So many bits that next to nothing is lost."""
    return uniform(
        weight=lambda **place: const_weight(bits=20, **place), activation=lambda **_: const_activation(bits=20)
    )(name, layer)


def test_types_modes_and_names() -> None:
    net = float_net()
    net.block.eval()
    converted = convert(net, "learned8")
    assert converted is net
    kinds = {name: type(module).__name__ for name, module in net.named_children()}
    assert kinds == {
        "stem": "QuantConv2d",
        "relu": "QuantReLU",
        "block": "Block",
        "pool": "QuantAvgPool2d",
        "drop": "Dropout",
        "flat": "Flatten",
        "hidden": "QuantLinear",
        "clip": "QuantReLU",
        "head": "QuantLinear",
    }
    assert isinstance(net.block.conv, QuantConv2d) and type(net.block.norm) is nn.BatchNorm2d
    assert net.stem.training and not net.block.act.training


def test_weights_are_the_same_parameters_under_the_same_keys() -> None:
    net = float_net()
    before, keys = dict(net.named_parameters()), list(net.state_dict())
    convert(net, "int8")
    after = dict(net.named_parameters())
    assert all(after[name] is parameter for name, parameter in before.items())
    assert set(keys) <= set(net.state_dict())
    assert set(after) - set(before) == {f"{place}.quant.scale.value" for place in ("relu", "block.act", "clip")}
    stored = {key for key in net.state_dict() if not key.endswith("._extra_state")}  # how a threshold is to be read
    assert stored - set(keys) == set(after) - set(before)


def test_float_policy_computes_the_same_and_random_numbers_are_not_used() -> None:
    net, x = float_net().eval(), image()
    expected = net(x)

    def float_policy(name: str, layer: nn.Module) -> Mapping[str, Any] | None:
        if isinstance(layer, nn.ReLU6):
            return None
        return {"quant": None} if isinstance(layer, nn.ReLU) else {"weight_quant": None} if name != "pool" else {}

    torch.manual_seed(1)
    state = torch.get_rng_state()
    convert(net, lambda name, layer: {"truncate": False} if name == "pool" else float_policy(name, layer))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(net(x), expected)


def test_many_bits_come_close_to_float() -> None:
    net, x = float_net().eval(), image()
    expected = net(x)
    torch.testing.assert_close(convert(net, wide)(x), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_trains_and_is_priced(preset: str) -> None:
    net = convert(float_net(), preset)
    optimizer = torch.optim.AdamW(hwcost.parameter_groups(net, lr=1e-2, width_lr=1e-2, weight_decay=1e-4))
    before = [parameter.clone() for parameter in net.parameters()]
    net(image()).square().sum().backward()
    optimizer.step()
    assert all(parameter.grad is not None for parameter in net.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    pipeline = hwcost.trace(net, image(1), input_bits=8)
    used = hwcost.hardware_cost(pipeline, hwcost.Generic())
    assert all(bool(amount.isfinite()) for amount in used.values())


def test_presets_have_the_widths_of_their_names() -> None:
    expected = {"int8": (8, 8), "int4": (4, 4), "learned8": (8, 8), "learned4": (4, 4), "binary": (1, 8)}
    for preset, (weight, activation) in {**expected, "ternary": (2, 8)}.items():
        rows = width_summary(convert(float_net(), preset))
        assert {row.bits for row in rows if row.kind == "weight"} == {weight}
        assert {row.bits for row in rows if row.kind == "output"} == {activation}
        assert {row.state for row in rows} == {"learned" if "learned" in preset else "constant"}


def test_layers_used_twice_stay_one_layer() -> None:
    shared = nn.Linear(4, 4)
    net = nn.Sequential(shared, nn.ReLU(), shared)
    asked: list[str] = []

    def policy(name: str, layer: nn.Module) -> Mapping[str, Any] | None:
        asked.append(name)
        return PRESETS["int8"](name, layer)

    convert(net, policy)
    assert net[0] is net[2] and asked == ["0", "1"]
    tied = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    tied[1].weight = tied[0].weight
    convert(tied, "int8")
    assert tied[0].weight is tied[1].weight


def test_a_policy_chooses_layer_by_layer() -> None:
    net = float_net()
    width = LearnedBits(5)

    def policy(name: str, layer: nn.Module) -> Mapping[str, Any] | None:
        if name == "head":
            return None
        if name == "hidden":
            return {
                "weight_quant": const_weight(bits=3),
                "input_quant": int8_input(),
                "bias_quant": BiasQuantizer(bits=8),
            }
        if isinstance(layer, nn.Conv2d):
            scale = LearnedScale.from_stat(abs_max, channel_dim=0)
            return {"weight_quant": IntQuantizer(bits=width, scale=scale, narrow=True)}
        return PRESETS["learned4"](name, layer)

    convert(net, policy)
    assert type(net.head) is nn.Linear
    assert net.hidden.weight_quant.range().bits == 3 and net.hidden.bias_quant is not None
    assert net.stem.weight_quant.bits is net.block.conv.weight_quant.bits is width
    # a learned scale starts at the statistic of the weights that were there
    largest = net.stem.weight.detach().abs().amax((1, 2, 3))
    torch.testing.assert_close(net.stem.weight_quant.scale().flatten().detach(), largest)


def test_keep_and_quantized_layers_are_left() -> None:
    net = nn.Sequential(QuantIdentity(int8_input()), float_net())
    convert(net, "int8", keep=("1.stem", "1.block"))
    assert type(net[1].stem) is nn.Conv2d and type(net[1].block.point) is nn.Conv2d
    assert isinstance(net[1].hidden, QuantLinear)
    twice = copy.deepcopy(net)
    convert(twice, "learned4", keep=("1.stem", "1.block"))
    assert [type(module) for module in twice.modules()] == [type(module) for module in net.modules()]
    assert width_summary(twice) == width_summary(net)


def test_what_has_no_counterpart_is_named_all_at_once_and_nothing_changes() -> None:
    class Odd(nn.Linear):
        pass

    net = nn.Sequential(
        OrderedDict(
            fc=nn.Linear(4, 4),
            norm=nn.GroupNorm(2, 4),
            odd=Odd(4, 4),
            attention=nn.MultiheadAttention(4, 2),
            conv=nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"),
        )
    )
    with pytest.raises(UnknownOperation) as caught:
        convert(net, "int8")
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["norm", "odd", "attention", "conv"]
    assert "keep=" in lines[0] and "reflect" in lines[3]
    assert type(net.fc) is nn.Linear
    convert(net, "int8", keep=("norm", "odd", "attention", "conv"))
    assert type(net.fc) is QuantLinear and type(net.odd) is Odd


def test_other_refusals() -> None:
    with pytest.raises(BadOption, match=r"int7.*int8.*learned8"):
        convert(float_net(), "int7")
    with pytest.raises(BadOption, match=r"tail.*stem"):
        convert(float_net(), "int8", keep=("tail",))
    with pytest.raises(BadOption, match="'stem',"):
        convert(float_net(), "int8", keep="stem")
    with pytest.raises(TypeError):
        convert(float_net(), "int8", bits=4)  # type: ignore[call-arg]
    net = float_net()
    net.hidden.register_forward_hook(lambda *_: None)
    with pytest.raises(BadOption, match=r"hidden.*hooks"):
        convert(net, "int8")


def test_a_float_checkpoint_loads_and_the_optimizer_stays_valid() -> None:
    net = convert(float_net(), "learned8")
    trained = float_net()
    for parameter in trained.parameters():
        parameter.data.mul_(1.5)
    trained.block.norm.running_mean.fill_(0.5)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    before = [id(parameter) for parameter in net.parameters()]
    load_float(net, trained.state_dict())
    assert [id(parameter) for parameter in net.parameters()] == before
    assert torch.equal(net.stem.weight, trained.stem.weight) and net.block.norm.running_mean[0] == 0.5
    assert net.relu.quant.bits().item() == 8
    net(image()).sum().backward()
    optimizer.step()
    assert not torch.equal(net.stem.weight, trained.stem.weight)


def test_a_quantized_checkpoint_keeps_identity_too() -> None:
    net, other = convert(float_net(), "learned8"), convert(float_net(), "learned8")
    other.relu.quant.bits.offset.data.fill_(3.0)
    before = [id(parameter) for parameter in net.parameters()]
    net.load_state_dict(other.state_dict())
    assert [id(parameter) for parameter in net.parameters()] == before
    assert net.relu.quant.bits().item() == 5
    net(image())
    load_float(net, other.state_dict())
    other.eval()
    assert torch.equal(net.eval()(image()[:1] * 0), other(image()[:1] * 0))


def test_scales_from_a_statistic_start_again_at_the_loaded_weights() -> None:
    def policy(name: str, layer: nn.Module) -> Mapping[str, Any]:
        return {"weight_quant": IntQuantizer(bits=8, scale=LearnedScale.from_stat(abs_max), narrow=True)}

    net, alone = convert(nn.Sequential(nn.Linear(3, 2)), policy), convert(nn.Linear(3, 2), policy)
    trained = nn.Linear(3, 2)
    trained.weight.data.copy_(torch.tensor([[0.1, -7.0, 3.0], [1.0, 2.0, 3.0]]))
    value = net[0].weight_quant.scale.value
    load_float(net, {f"0.{key}": weight for key, weight in trained.state_dict().items()})
    load_float(alone, trained.state_dict())
    assert net[0].weight_quant.scale.value is value
    torch.testing.assert_close(net[0].weight_quant.scale().detach(), torch.tensor(7.0))
    torch.testing.assert_close(alone.weight_quant.scale().detach(), torch.tensor(7.0))  # type: ignore[operator,union-attr] # converted
    learned = {**net.state_dict(), "0.weight_quant.scale.value": torch.tensor(2.0)}
    load_float(net, learned)  # now the checkpoint has the threshold: 2^2
    assert net[0].weight_quant.scale().item() == 4.0


def test_a_checkpoint_of_another_network_is_refused_whole() -> None:
    net = convert(float_net(), "int8")
    before = copy.deepcopy(net.state_dict())
    wrong = float_net().state_dict()
    wrong["stem.weight"] = wrong["stem.weight"] + 1
    wrong["extra"] = wrong.pop("head.bias")
    wrong["hidden.bias"] = torch.zeros(9)
    with pytest.raises(BadOption, match=r"missing head\.bias; not in the network extra; of another shape hidden\.bias"):
        load_float(net, wrong)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
