"""The network without its dead channels computes the same function."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant import (
    POW2,
    Accumulator,
    BiasQuantizer,
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    QuantAdd,
    QuantConcat,
    QuantConv2d,
    QuantConvTranspose2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    QuantScaleBias,
    StatScale,
    abs_max,
    const_activation,
    const_weight,
    learn_channels,
)
from hwcost.quant.compaction import kept_along


def conv(before: int, after: int, weight: IntQuantizer | None = None, *, groups: int = 1) -> QuantConv2d:
    return QuantConv2d(before, after, 3, padding=1, groups=groups, weight_quant=weight or const_weight(bits=4))


def relu() -> QuantReLU:
    return QuantReLU(const_activation(bits=4, max_val=2.0))


def plain() -> nn.Module:
    return nn.Sequential(
        conv(1, 4), nn.BatchNorm2d(4), relu(), conv(4, 6), nn.BatchNorm2d(6), relu(), nn.MaxPool2d(2), nn.Flatten(),
        QuantLinear(24, 5, weight_quant=const_weight(bits=4)), nn.BatchNorm1d(5), relu(),
        QuantLinear(5, 3, weight_quant=const_weight(bits=4, per_channel=False)),
    )  # fmt: skip


def one_scale() -> nn.Module:
    """One measured scale for all outputs of a layer; the largest weight may be one of a dead channel."""

    def wide(before: int, after: int, groups: int = 1) -> QuantConv2d:
        return conv(before, after, const_weight(bits=3, per_channel=False), groups=groups)

    return nn.Sequential(wide(1, 4), relu(), wide(4, 8, 4), relu(), wide(8, 6), relu(), wide(6, 2))


def own_numbers() -> nn.Module:
    """Scales, widths and activations with a number for each channel."""
    scale = LearnedScale.from_stat(abs_max, channel_dim=0)
    row = IntQuantizer(bits=4, scale=scale, narrow=True)
    each = IntQuantizer(
        bits=LearnedBits(4, base=0, shape=(6, 4, 3, 3)),
        scale=StatScale(abs_max, channel_dim=0, domain=POW2),
        narrow=True,
    )
    channel = IntQuantizer(
        bits=LearnedBits(4, base=0, shape=(6, 1, 1)), scale=LearnedScale(4.0, domain=POW2), signed=False
    )
    return nn.Sequential(conv(1, 4, row), relu(), conv(4, 6, each), QuantReLU(channel), conv(6, 2))


def on_integers() -> nn.Module:
    """Integer biases, saturating accumulators and input quantizers."""
    source = const_activation(bits=4, max_val=2.0)
    layer = QuantConv2d(
        4, 5, 3, padding=1, weight_quant=const_weight(bits=4), bias_quant=BiasQuantizer(bits=8),
        accumulator=Accumulator(bits=9, mode="saturate"), source=source,
    )  # fmt: skip
    last = QuantConv2d(5, 2, 1, weight_quant=const_weight(bits=4), input_quant=const_activation(bits=3))
    return nn.Sequential(conv(1, 4), QuantReLU(source), layer, nn.ReLU(), last)


def depthwise() -> nn.Module:
    return nn.Sequential(
        conv(1, 4), relu(), conv(4, 8, groups=4), nn.BatchNorm2d(8), relu(),
        QuantScaleBias(8, weight_quant=const_weight(bits=4, per_channel=False)), nn.AvgPool2d(2),
        QuantConvTranspose2d(8, 3, 2, stride=2, weight_quant=const_weight(bits=4, channel_dim=1)), relu(), conv(3, 2),
    )  # fmt: skip


class Branches(nn.Module):
    """A sum, and a concatenation with what enters it."""

    def __init__(self) -> None:
        super().__init__()
        grid = const_activation(bits=4, signed=True, max_val=2.0)
        self.first, self.second, self.last = conv(1, 4), conv(4, 4), conv(7, 2)
        self.side, self.norm = conv(1, 3), nn.BatchNorm2d(4)
        self.grid, self.add, self.cat = QuantIdentity(grid), QuantAdd(grid, ready=(0, 1)), QuantConcat(grid)

    def forward(self, x: Tensor) -> Tensor:
        y = self.grid(self.first(x))
        total = self.add(y, self.grid(self.norm(self.second(y))))
        scores: Tensor = self.last(self.cat(self.side(x), total))
        return scores


@pytest.mark.parametrize("make", [plain, one_scale, own_numbers, on_integers, depthwise, Branches])
@pytest.mark.parametrize("seed", range(3))
def test_the_function_is_the_same(make: Callable[[], nn.Module], seed: int) -> None:
    torch.manual_seed(seed)
    net, x = make().double(), torch.rand(3, 1, 4, 4, dtype=torch.float64)
    for module in net.modules():  # a dead channel is a constant behind them, and no zero
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for number in (module.running_mean, module.bias, module.weight):
                assert number is not None
                nn.init.uniform_(number, 0.5, 1.5)
    channels = learn_channels(net.eval(), x)
    with torch.no_grad():
        channels.gates.strength.copy_(torch.rand(len(channels.gates.strength)))
    small = channels.compacted()
    torch.testing.assert_close(small(x), net(x), rtol=0, atol=1e-12)
    alive = channels.gates.alive()
    for use in channels.ties.uses:
        layer = small.get_submodule(use.name)
        assert isinstance(layer, type(use.layer).__mro__[1])
        rows, columns = int(alive[use.rows].sum()), int(alive[use.columns].sum())
        sides = {use.layer.row_dim: rows, 1 - use.layer.row_dim: 1 if use.alone else columns}
        assert tuple(layer.weight.shape[:2]) == (sides[0], sides[1])
        assert layer.bias.shape == (rows,)
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in net.parameters())
    assert not any("parametrizations" in name for name, _ in small.named_parameters())


def test_the_network_itself_stays() -> None:
    net, x = plain().eval(), torch.rand(2, 1, 4, 4)
    channels = learn_channels(net, x)
    with torch.no_grad():
        channels.gates.strength[0] = 0
    before = net(x)
    channels.compacted()
    torch.testing.assert_close(net(x), before, rtol=0, atol=0)
    assert net.get_parameter("3.parametrizations.weight.original").shape == (6, 4, 3, 3)


def test_frozen_numbers_stay_frozen() -> None:
    net, x = plain().eval(), torch.rand(2, 1, 4, 4)
    net[3].weight.requires_grad_(False)  # type: ignore[index,union-attr]
    channels = learn_channels(net, x)
    small = channels.compacted()
    assert not small.get_parameter("3.weight").requires_grad
    assert small.get_parameter("8.weight").requires_grad


def test_a_quantizer_of_channels_that_two_layers_share_in_part_is_refused() -> None:
    torch.manual_seed(0)
    shared = IntQuantizer(bits=4, scale=LearnedScale(torch.ones(4, 1, 1, 1)), narrow=True)
    net = nn.Sequential(conv(1, 4, shared), relu(), conv(4, 4, shared), relu(), conv(4, 2))
    with pytest.raises(BadOption, match="value is shared by layers of other channels"):
        learn_channels(net, torch.rand(2, 1, 4, 4))


def test_kept_along_finds_the_dimension_of_the_channels() -> None:
    alive = torch.tensor([True, False, True])
    assert kept_along(torch.ones(3, 2, dtype=torch.bool)) is None
    for dim, sample in enumerate((alive[:, None].expand(3, 2), alive.expand(2, 3))):
        found = kept_along(sample)
        assert found is not None
        assert (found[0], found[1].tolist()) == (dim, [0, 2])


def test_a_stream_of_which_no_whole_channels_live_is_refused() -> None:
    with pytest.raises(BadOption, match="no whole channels"):
        kept_along(torch.tensor([[True, False], [False, True]]))
