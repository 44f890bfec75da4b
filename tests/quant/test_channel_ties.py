"""Channels that can only be removed together."""

import torch
from torch import Tensor, nn

from hwcost.quant import (
    IntQuantizer,
    LearnedScale,
    QuantAdd,
    QuantConcat,
    QuantConv2d,
    QuantConvTranspose2d,
    QuantIdentity,
    QuantLinear,
    QuantMean,
    QuantReLU,
    TernaryQuantizer,
    abs_mean,
    binary_weight,
    const_activation,
    const_weight,
    ternary_weight,
)
from hwcost.quant.channel_ties import Ties, find_ties


def conv(before: int, after: int, *, groups: int = 1, kernel: int = 3) -> QuantConv2d:
    return QuantConv2d(
        before, after, kernel, padding=kernel // 2, groups=groups, bias=False, weight_quant=const_weight(bits=4)
    )


def dense(before: int, after: int) -> QuantLinear:
    return QuantLinear(before, after, bias=False, weight_quant=const_weight(bits=4))


def relu() -> QuantReLU:
    return QuantReLU(const_activation(bits=4, max_val=4.0))


def uses(net: nn.Module, *shape: int) -> dict[str, tuple[list[int], list[int]]]:
    found = find_ties(net, (torch.zeros(2, *shape),))
    return {use.name: (use.rows.tolist(), use.columns.tolist()) for use in found.uses}


def test_a_chain_has_a_class_for_each_inner_channel() -> None:
    net = nn.Sequential(conv(1, 3), nn.BatchNorm2d(3), relu(), nn.MaxPool2d(2), nn.Flatten(), dense(12, 2))
    found = uses(net, 1, 4, 4)
    assert found["0"] == ([1, 2, 3], [0])
    assert found["5"] == ([0, 0], [1] * 4 + [2] * 4 + [3] * 4)  # the pixels of a channel stand together


def test_a_sum_ties_its_streams() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.last = conv(1, 3), conv(3, 3), conv(3, 2)
            grid = const_activation(bits=4, signed=True, max_val=4.0)
            self.grid, self.add = QuantIdentity(grid), QuantAdd(grid, ready=(0, 1))
            self.relu = relu()

        def forward(self, x: Tensor) -> Tensor:
            y = self.grid(self.first(x))
            return self.last(self.relu(self.add(y, self.grid(self.second(y)))))

    found = uses(Net(), 1, 4, 4)
    assert found["first"][0] == found["second"][0] == found["second"][1] == found["last"][1] == [1, 2, 3]
    assert found["last"][0] == [0, 0]


def test_a_depthwise_convolution_ties_its_sides() -> None:
    net = nn.Sequential(conv(1, 3), relu(), conv(3, 6, groups=3), relu(), conv(6, 2, kernel=1))
    ties = find_ties(net, (torch.zeros(1, 1, 4, 4),))
    by_name = {use.name: use for use in ties.uses}
    assert by_name["2"].alone
    assert by_name["2"].columns.tolist() == [1, 2, 3]
    assert by_name["2"].rows.tolist() == by_name["4"].columns.tolist() == [1, 1, 2, 2, 3, 3]


def test_a_concatenation_keeps_its_streams_apart() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right, self.last = conv(1, 2), conv(1, 3), conv(5, 2)
            self.cat = QuantConcat(const_activation(bits=4, max_val=4.0))

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.cat(self.left(x), self.right(x)))

    found = uses(Net(), 1, 4, 4)
    assert found["last"][1] == found["left"][0] + found["right"][0]
    assert len(set(found["last"][1])) == 5


def test_a_slice_and_a_transposition_are_followed() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.left, self.right = conv(1, 4), conv(2, 1), dense(2, 1)

        def forward(self, x: Tensor) -> Tensor:
            left, right = self.first(x).chunk(2, 1)
            return self.left(left).flatten(1) + self.right(right.flatten(2).transpose(1, 2)).flatten(1)

    found = uses(Net(), 1, 4, 4)
    assert found["left"][1] == found["first"][0][:2]
    assert found["right"][1] == found["first"][0][2:]


def test_what_enters_and_leaves_stays_and_so_does_what_unknown_layers_read() -> None:
    shuffled = uses(nn.Sequential(conv(1, 4), nn.ChannelShuffle(2), relu(), conv(4, 2)), 1, 4, 4)
    assert shuffled == {"0": ([0] * 4, [0]), "3": ([0, 0], [0] * 4)}
    grouped = uses(nn.Sequential(conv(1, 4), relu(), conv(4, 4, groups=2), relu(), conv(4, 2)), 1, 4, 4)
    assert "2" not in grouped
    assert grouped["0"][0] == grouped["4"][1] == [0] * 4


def test_weights_without_a_zero_or_with_a_mean_as_scale_read_all_channels() -> None:
    learned = TernaryQuantizer(scale=LearnedScale.from_stat(abs_mean, channel_dim=0))
    for weight, classes in ((binary_weight(), [0, 0, 0]), (ternary_weight(), [0, 0, 0]), (learned, [1, 2, 3])):
        net = nn.Sequential(dense(4, 3), relu(), QuantLinear(3, 2, bias=False, weight_quant=weight))
        assert uses(net, 4)["2"][1] == classes


def test_outputs_with_one_measured_scale_are_joint() -> None:
    def joint(weight: IntQuantizer) -> bool:
        net = nn.Sequential(QuantLinear(4, 3, bias=False, weight_quant=weight), relu(), dense(3, 2))
        return find_ties(net, (torch.zeros(1, 4),)).uses[0].joint

    assert joint(const_weight(bits=4, per_channel=False))
    assert not joint(const_weight(bits=4))
    assert not joint(IntQuantizer(bits=4, scale=LearnedScale(1.0)))


def test_a_layer_that_is_called_twice_has_one_set_of_channels() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.again, self.last = dense(4, 3), dense(3, 3), dense(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.again(self.again(self.first(x))))

    found = uses(Net(), 4)
    assert found["first"][0] == found["again"][0] == found["again"][1] == found["last"][1] == [1, 2, 3]


def test_a_sequence_and_its_mean() -> None:
    net = nn.Sequential(dense(4, 3), relu(), dense(3, 3), relu(), QuantMean((1,)), dense(3, 2))
    found = uses(net, 5, 4)
    assert found["0"][0] == found["2"][1] == [1, 2, 3]


def test_a_transposed_convolution_has_rows_in_its_second_dimension() -> None:
    up = QuantConvTranspose2d(3, 2, 2, stride=2, bias=False, weight_quant=const_weight(bits=4, per_channel=False))
    found = uses(nn.Sequential(conv(1, 3), relu(), up, relu(), conv(2, 1)), 1, 4, 4)
    assert found["2"] == ([4, 5], [1, 2, 3])


def test_steps_have_the_classes_of_what_enters_and_leaves() -> None:
    ties: Ties = find_ties(nn.Sequential(dense(4, 3), relu(), dense(3, 2)), (torch.zeros(1, 4),))
    assert [one.tolist() for one in ties.steps["0"]] == [[0] * 4, [1, 2, 3]]
    assert [one.tolist() for one in ties.steps["1"]] == [[1, 2, 3], [1, 2, 3]]
    assert ties.count == 4
