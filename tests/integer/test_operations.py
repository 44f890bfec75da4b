"""Integer operations equal a count by hand, or torch's own in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hwcost.integer.operations import Comparators, IndexOfLargest, Largest, Meet, Register, Sums, Total, Wire


def integers(*shape: int) -> Tensor:
    return torch.randint(-9, 10, shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("groups", [1, 2])
def test_sums_are_a_convolution(groups: int) -> None:
    x, weight, bias = integers(2, 4, 7, 6), integers(6, 4 // groups, 3, 2), integers(6)
    sums = Sums(
        weight=weight,
        bias=bias,
        stride=(2, 1),
        dilation=(1, 2),
        pads=((1, 1), (2, 2)),
        spread=(1, 1),
        groups=groups,
    )
    wanted = F.conv2d(x.double(), weight.double(), bias.double(), (2, 1), (1, 2), (1, 2), groups)
    assert torch.equal(sums(x), wanted.long())


def test_a_negative_pad_cuts_pixels_off() -> None:
    x = torch.arange(5).reshape(1, 1, 5)
    sums = Sums(weight=torch.ones(1, 1, 1).long(), bias=None, stride=(1,), dilation=(1,), pads=((-1, -2),), spread=(1,))
    assert sums(x).tolist() == [[[1, 2]]]


def test_comparators_count_thresholds_also_upside_down() -> None:
    each = Comparators(
        thresholds=torch.tensor([[-2, 0, 3], [-1, 1, 2]]),
        sign=torch.tensor([1, -1]),
        lowest=torch.tensor([-1, 0]),
        gap=1,
    )
    x = torch.arange(-4, 5).reshape(-1, 1).expand(-1, 2)
    wanted = [[-1 + sum(v >= t for t in (-2, 0, 3)), sum(-v >= t for t in (-1, 1, 2))] for v in range(-4, 5)]
    assert each(x).tolist() == wanted


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_of_a_window_by_value(sign: int) -> None:
    x = integers(2, 3, 6, 6)
    pool = Largest(
        kernel=(3, 3),
        stride=(2, 2),
        dilation=(1, 1),
        pads=((1, 1), (1, 1)),
        sign=torch.tensor([sign]),
        floor=-10,
    )
    assert torch.equal(pool(x), (F.max_pool2d((x * sign).double(), 3, 2, 1) * sign).long())


def test_a_total_rounds_down() -> None:
    x = integers(2, 3, 4, 4)
    wanted = torch.floor(F.avg_pool2d(x.double(), 2) * 4 / 4).long()
    assert torch.equal(Total(kernel=(2, 2), stride=(2, 2), shift=2)(x), wanted)


def test_an_accumulator_saturates_wraps_or_truncates() -> None:
    x = torch.arange(-20, 21).reshape(-1, 1)
    low, high = torch.tensor([-8]), torch.tensor([7])
    modes = {mode: Register(mode=mode, low=low, high=high, shift=2)(x).flatten().tolist() for mode in MODES}
    assert modes["saturate"] == [min(max(value, -8), 7) for value in range(-20, 21)]
    assert modes["wrap"] == [(value + 8) % 16 - 8 for value in range(-20, 21)]
    assert modes["truncate"] == [value // 4 for value in range(-20, 21)]


MODES = ("saturate", "wrap", "truncate")


def test_streams_meet_and_labels_are_first_of_equals() -> None:
    x = integers(3, 2, 2)
    assert torch.equal(Meet(grids=(Wire(), Wire()), chained=False)(x, x), 2 * x)
    assert Meet(grids=(Wire(), Wire()), chained=True)(x, x).shape == (3, 4, 2)
    assert IndexOfLargest()(torch.tensor([[1, 5, 5], [7, 7, 0]])).tolist() == [1, 0]
