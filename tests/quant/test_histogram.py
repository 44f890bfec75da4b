"""A histogram finds the largest value, percentiles and the best threshold of what it has counted, batch by batch."""

import pytest
import torch

from hwcost.quant import POW2, IntQuantizer, LearnedScale
from hwcost.quant.histogram import BINS, Histogram, least_error


def counted(*batches: torch.Tensor, channel_dim: int | None = None) -> Histogram:
    histogram = Histogram(channel_dim)
    for batch in batches:
        histogram.add(batch)
    return histogram


def test_every_value_is_counted_once_however_far_the_range_grows() -> None:
    torch.manual_seed(0)
    batches = [torch.randn(100, 3) * 7**k for k in range(4)]
    histogram = counted(*batches)
    assert float(histogram.counts.sum()) == 1200
    assert float(histogram.largest) == float(torch.cat(batches).abs().max())
    assert float(histogram.reach) >= float(histogram.largest) > float(histogram.reach) / 2


def test_each_channel_has_a_row_of_its_own() -> None:
    x = torch.randn(50, 2, 4, 4) * torch.tensor([1.0, 100.0])[:, None, None]
    histogram = counted(x[:20], x[20:], channel_dim=1)
    assert torch.equal(histogram.largest.float(), x.abs().amax((0, 2, 3)))
    assert histogram.values().shape == (BINS, 2, 1, 1)
    assert histogram.counts.sum(1).tolist() == [50 * 16] * 2


def test_channels_may_stand_first() -> None:
    histogram = counted(torch.randn(3, 50), channel_dim=0)
    assert histogram.values().shape == (3, BINS)


@pytest.mark.parametrize("percent", [50.0, 99.0, 100.0])
def test_a_percentile_is_met_to_a_bin(percent: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(20_000)
    histogram = counted(*x.split(7_000))
    exact = float(x.abs().sort().values[int(len(x) * percent / 100) - 1])
    assert abs(float(histogram.percentile(percent)) - exact) <= 2 * float(histogram.reach) * 2 / BINS


def test_what_is_not_finite_is_left_out() -> None:
    histogram = counted(torch.tensor([1.0, float("nan"), float("inf"), -2.0]))
    assert float(histogram.largest) == 2 and float(histogram.squared_error(torch.zeros_like)) > 0


@pytest.mark.parametrize("signed", [True, False])
def test_the_best_threshold_is_that_of_a_search_over_the_values_themselves(signed: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(20_000) ** 3
    x = x if signed else x.clamp(min=0)
    quantizer = IntQuantizer(bits=4, scale=LearnedScale(1.0), signed=signed)
    found = float(least_error([(quantizer, counted(x))]))

    def error(threshold: float) -> float:
        quantizer.scale.set_threshold(torch.tensor(threshold))
        return float((quantizer(x) - x).square().sum().detach())

    grid = [float(x.abs().max()) * k / 400 for k in range(1, 401)]
    assert error(found) <= 1.02 * min(error(threshold) for threshold in grid)


def test_a_power_of_two_is_searched_among_powers_of_two() -> None:
    torch.manual_seed(0)
    x = torch.randn(10_000)
    quantizer = IntQuantizer(bits=4, scale=LearnedScale(1.0, domain=POW2))
    found = float(least_error([(quantizer, counted(x))]))

    def error(threshold: float) -> float:
        quantizer.scale.set_threshold(torch.tensor(threshold))
        return float((quantizer(x) - x).square().sum().detach())

    assert found == min((2.0**k for k in range(-5, 5)), key=error)
