"""Channels that learn whether they live."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.models import Fold
from hwcost.quant import (
    Channels,
    QuantConv2d,
    QuantLinear,
    QuantReLU,
    binary_weight,
    const_activation,
    const_weight,
    freeze_widths,
    learn_channels,
    parameter_groups,
    ternary_weight,
    thaw_widths,
)
from hwcost.quant.channels import ChannelGates

X = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        QuantConv2d(1, 6, 3, padding=1, weight_quant=const_weight(bits=4)),
        QuantReLU(const_activation(bits=4)),
        QuantConv2d(6, 8, 3, padding=1, weight_quant=const_weight(bits=4)),
        QuantReLU(const_activation(bits=4)),
        nn.Flatten(),
        QuantLinear(128, 3, weight_quant=const_weight(bits=4)),
    )


def kill(channels: Channels, *classes: int) -> None:
    with torch.no_grad():
        channels.gates.strength[[one - 1 for one in classes]] = 0.0


def test_all_live_at_the_start_and_the_network_computes_what_it_did() -> None:
    net = network()
    before = net(X)
    channels = learn_channels(net, X)
    assert torch.equal(net(X), before)
    assert channels.live() == {"0": (6, 6), "2": (8, 8), "5": (3, 3)}
    assert repr(channels) == "Channels(0: 6 of 6, 2: 8 of 8, 5: 3 of 3)"
    assert net.training
    assert torch.equal(channels.gates.strength, torch.ones(14))


def test_a_dead_channel_is_not_read() -> None:
    net = network()
    channels = learn_channels(net, X)
    kill(channels, 2, 7)
    weight = net[2].weight
    assert isinstance(weight, Tensor)
    assert not weight[:, 1].any()
    assert weight[:, [0, 2, 3, 4, 5]].all()
    last = net[5].weight
    assert isinstance(last, Tensor)
    assert not last[:, :16].any()
    assert last[:, 16:].all()


def test_a_dead_channel_hears_of_the_loss_and_can_come_back() -> None:
    net = network()
    nn.init.ones_(net.get_parameter("0.bias"))  # no activation of it is at rest
    channels = learn_channels(net, X)
    kill(channels, 2)
    weight = net.get_parameter("2.parametrizations.weight.original")
    net(X).square().sum().backward()
    assert channels.gates.strength.grad is not None
    assert channels.gates.strength.grad[1] != 0
    assert weight.grad is not None
    assert not weight.grad[:, 1].any()  # its weights wait
    with torch.no_grad():
        channels.gates.strength[1] = 0.6
    assert channels.live()["0"] == (6, 6)


def test_the_gradient_of_a_channel_is_that_of_its_share_in_the_weights() -> None:
    net = network()
    channels = learn_channels(net, X)
    net(X).square().sum().backward()
    weight = net.get_parameter("2.parametrizations.weight.original")
    assert weight.grad is not None
    assert channels.gates.strength.grad is not None
    torch.testing.assert_close(channels.gates.strength.grad[:6], (weight * weight.grad).sum((0, 2, 3)))


def test_a_strength_is_held_between_dead_and_alive() -> None:
    channels = learn_channels(network(), X)
    with torch.no_grad():
        channels.gates.strength[:4] = torch.tensor([1.2, 1.2, -0.2, -0.2])
    (channels.gates()[1:5] * torch.tensor([1.0, -1.0, 1.0, -1.0])).sum().backward()
    grad = channels.gates.strength.grad
    assert grad is not None
    assert grad[:4].tolist() == [1.0, 0.0, 0.0, -1.0]


def test_the_strongest_channel_of_a_layer_lives() -> None:
    channels = learn_channels(network(), X)
    with torch.no_grad():
        channels.gates.strength.fill_(0.1)
        channels.gates.strength[4] = 0.2
    assert channels.live() == {"0": (1, 6), "2": (1, 8), "5": (3, 3)}
    assert channels.gates.alive()[5]


def test_a_multiple_of_channels_lives() -> None:
    channels = learn_channels(network(), X, multiple=4)
    kill(channels, 1, 7)
    assert channels.live() == {"0": (6, 6), "2": (8, 8), "5": (3, 3)}  # 4 of 6 at the next step
    kill(channels, 2, 8, 9, 10)
    assert channels.live() == {"0": (4, 6), "2": (4, 8), "5": (3, 3)}
    kill(channels, 3)
    assert channels.live()["0"] == (4, 6)


def test_whole_groups_of_a_folding_live() -> None:
    folding = {"0": Fold(pe=2), "2": Fold(pe=4, simd=27), "5": Fold(simd=16)}
    channels = learn_channels(network(), X, folding=folding)
    kill(channels, 1, 2)
    assert channels.live()["0"] == (6, 6)  # 27 of 54 inputs are 3 channels
    kill(channels, 3, 4)
    assert channels.live()["0"] == (6, 6)  # 3 are no multiple of PE=2
    kill(channels, 7, 8, 9)
    assert channels.live()["2"] == (8, 8)
    kill(channels, 10)
    assert channels.live()["2"] == (4, 8)


def test_strengths_train_and_freeze_like_widths() -> None:
    net = network()
    channels = learn_channels(net, X)
    groups = parameter_groups(net, lr=1e-3, width_lr=0.1, weight_decay=1e-4)
    strength = channels.gates.strength
    assert any(one is strength for one in groups.widths["params"])
    assert sum(one is strength for group in groups for one in group["params"]) == 1
    decayed = {id(one) for one in groups.weights["params"]}
    assert id(net.get_parameter("2.parametrizations.weight.original")) in decayed
    freeze_widths(net)
    assert not strength.requires_grad
    thaw_widths(net)
    assert strength.requires_grad


def test_a_copy_has_channels_of_its_own() -> None:
    net = network()
    channels = learn_channels(net, X)
    copy = deepcopy(net)
    before = copy(X)
    kill(channels, 1, 2, 3)
    assert torch.equal(copy(X), before)
    copy.load_state_dict(net.state_dict())
    assert torch.equal(copy(X), net(X))


def test_precision_of_the_strengths_stays() -> None:
    net = network()
    channels = learn_channels(net, X)
    with torch.no_grad():
        channels.gates.strength[0] = 0.4999
    net.bfloat16()
    assert channels.gates.strength.dtype is torch.float32
    assert not channels.gates.alive()[1]


class Written(nn.Module):
    """A network with a size written into its forward."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = QuantConv2d(1, 6, 3, padding=1, weight_quant=const_weight(bits=4))
        self.fc = QuantLinear(96, 3, weight_quant=const_weight(bits=4))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc(self.conv(x).view(-1, 96))
        return y


@pytest.mark.parametrize("multiple", [0, -1, 1.5, True])
def test_a_multiple_that_is_no_number_of_channels_is_refused(multiple: int) -> None:
    with pytest.raises(BadOption, match="give a whole number of at least 1"):
        learn_channels(network(), X, multiple=multiple)


def test_what_cannot_learn_is_refused() -> None:
    with pytest.raises(BadOption, match="folding names conv9"):
        learn_channels(network(), X, folding={"conv9": Fold()})
    written = Written()
    names = [name for name, _ in written.named_parameters()]
    with pytest.raises(BadOption, match="writes sizes out"):
        learn_channels(written, X)
    assert sorted(name for name, _ in written.named_parameters()) == sorted(names)
    for weight in (binary_weight(), ternary_weight()):
        net = nn.Sequential(QuantLinear(4, 3, weight_quant=weight), QuantLinear(3, 2, weight_quant=weight))
        with pytest.raises(BadOption, match="no channel can die"):
            learn_channels(net, X.flatten(1)[:, :4])
    net = network()
    learn_channels(net, X)
    with pytest.raises(BadOption, match="has a parametrization already"):
        learn_channels(net, X)


def test_gates_are_shared_by_all_layers() -> None:
    net = network()
    channels = learn_channels(net, X)
    found = [module for module in net.modules() if isinstance(module, ChannelGates)]
    assert found == [channels.gates]
    assert "14 of 14 live" in repr(channels.gates)
