"""Calibration: one pass sets every threshold of an activation, and nothing else; corrections do the rest."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant import (
    POW2,
    Accumulator,
    BiasQuantizer,
    BinaryQuantizer,
    ConstScale,
    IntQuantizer,
    LearnedScale,
    QuantAdd,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    RunningScale,
    abs_max,
    calibrate,
    calibrate_scales,
    const_activation,
    const_weight,
    convert,
)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    float_net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
    quantized = convert(float_net, "int8")
    assert isinstance(quantized, nn.Sequential)
    return quantized


def data(count: int = 4) -> list[Tensor]:
    return list(torch.randn(count, 32, 6, generator=torch.Generator().manual_seed(1)))


class Counting:
    """A loader that counts how often it is gone through."""

    def __init__(self) -> None:
        self.passes = 0

    def __iter__(self) -> Any:
        self.passes += 1
        return iter([(x, torch.zeros(32)) for x in data()])


def test_one_pass_sets_the_largest_value_of_every_activation() -> None:
    quantized, loader = net(), Counting()
    found = calibrate_scales(quantized, loader, method="max")
    assert loader.passes == 1 and list(found) == ["1.quant", "3.quant"]
    x = torch.cat(data())
    first = torch.relu(quantized[0](x)).detach()
    assert float(found["1.quant"]) == pytest.approx(float(first.max()), rel=1e-6)
    # the second one sees what the first one would have passed on unclipped and unrounded
    assert float(found["3.quant"]) == pytest.approx(float(torch.relu(quantized[2](first)).max().detach()), rel=1e-6)


def test_modes_and_weights_stay() -> None:
    quantized = net()
    before = deepcopy(quantized[0].weight)
    quantized[2].eval()
    calibrate_scales(quantized, data())
    assert quantized.training and not quantized[2].training and torch.equal(quantized[0].weight, before)
    assert "quantize" not in quantized[1].quant.__dict__


def test_a_method_per_quantizer() -> None:
    plain, mixed = net(), net()
    largest = calibrate_scales(plain, data(), method="max")
    found = calibrate_scales(mixed, data(), method={"1.quant": "max", "": "percentile"}, percent=90)
    assert found["1.quant"] == largest["1.quant"] and found["3.quant"] < largest["3.quant"]


def test_only_so_many_batches() -> None:
    few = calibrate_scales(net(), data()[:1], method="max")
    cut = calibrate_scales(net(), data(), method="max", batches=1)
    assert few == cut


def test_a_measured_scale_gets_its_running_mean() -> None:
    layer = QuantReLU(IntQuantizer(bits=4, scale=RunningScale(abs_max), signed=False))
    calibrate_scales(layer, [torch.tensor([[-3.0, 0.5, 2.0]])], method="max")
    assert float(layer.quant.scale().detach()) == 2.0  # type: ignore[union-attr]
    layer.eval()
    assert float(layer(torch.tensor(5.0))) == 2.0


def test_channels_have_thresholds_of_their_own() -> None:
    running = RunningScale(abs_max, channel_dim=1, channels=2)
    learned = LearnedScale(torch.ones(2, 1, 1))
    started = LearnedScale.from_stat(abs_max, channel_dim=1)
    x = torch.randn(8, 2, 3, 3) * torch.tensor([1.0, 50.0])[:, None, None]
    for scale in (running, learned, started):
        layer = QuantIdentity(IntQuantizer(bits=4, scale=scale))
        found = calibrate_scales(layer, [x], method="max")["quant"]
        assert torch.allclose(found.flatten(), x.abs().amax((0, 2, 3)))
        layer.eval()
        assert layer(x).shape == x.shape


def test_a_scale_that_several_share_suits_all() -> None:
    scale = LearnedScale(1.0)
    layers = [QuantIdentity(IntQuantizer(bits=8, scale=scale)) for _ in range(2)]
    found = calibrate_scales(nn.Sequential(layers[0], nn.Linear(6, 4), layers[1]), data(), method="max")
    assert found["0.quant"] == found["2.quant"] == max(x.abs().max() for x in data())


def test_a_power_of_two_lies_in_the_middle_of_what_rounds_up_to_it() -> None:
    scale = LearnedScale(1.0, domain=POW2)
    scale.set_threshold(torch.tensor(4.0))
    assert float(scale().detach()) == 4 and scale.value.tolist() == 1.5


def test_binary_activations_stay_binary_in_the_pass() -> None:
    quantizer = BinaryQuantizer(scale=LearnedScale(9.0))
    x = torch.randn(64, 6)
    found = calibrate_scales(nn.Sequential(QuantIdentity(quantizer)), [x])
    assert float(found["0.quant"]) == pytest.approx(float(x.abs().mean()), abs=0.03)


def test_layers_that_read_the_step_in_front_are_passed() -> None:
    act = const_activation(bits=6, signed=True)
    layer = QuantLinear(
        6, 4, weight_quant=const_weight(bits=4, per_channel=False), source=act,
        bias_quant=BiasQuantizer(bits=8), accumulator=Accumulator(bits=12, mode="saturate"),
    )  # fmt: skip
    found = calibrate_scales(nn.Sequential(QuantIdentity(act), layer), data(), method="max")
    assert list(found) == ["0.quant"]


def test_a_quantizer_of_several_streams_sees_all_of_them() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add = QuantAdd(const_activation(bits=4, signed=True))

        def forward(self, x: Tensor) -> Tensor:
            total: Tensor = self.add(x, 3 * x)
            return total

    found = calibrate_scales(Residual(), data(1), method="max")
    assert float(found["add.quants.0"]) == pytest.approx(3 * float(data(1)[0].abs().max()), rel=1e-6)


@pytest.mark.parametrize(
    ("loader", "options", "told"),
    [
        ([], {}, "no batch"),
        ([{"x": 1}], {}, "yields dict"),
        (None, {"method": "median"}, "one of mse, percentile, max"),
        (None, {"method": {"7.quant": "mse"}}, "names no quantizer"),
        (None, {"percent": 0}, "percent=0"),
        ([torch.zeros(2, 6), torch.zeros(2, 5)], {}, "shapes cannot be multiplied"),
    ],
)
def test_what_cannot_be_calibrated_is_refused_and_changes_nothing(loader: Any, options: Any, told: str) -> None:
    quantized = net()
    before = deepcopy(quantized.state_dict())
    with pytest.raises((BadOption, RuntimeError), match=told):
        calibrate_scales(quantized, data() if loader is None else loader, **options)
    assert all(torch.equal(value, before[key]) for key, value in quantized.state_dict().items())


def test_thresholds_that_cannot_move_are_named() -> None:
    layer = QuantReLU(IntQuantizer(bits=4, scale=ConstScale(1.0), signed=False))
    with pytest.raises(BadOption, match="LearnedScale or RunningScale"):
        calibrate_scales(layer, data())


def test_what_sees_only_zeros_keeps_its_threshold() -> None:
    layers = nn.Sequential(QuantReLU(const_activation(bits=4)), nn.Flatten(), QuantReLU(const_activation(bits=4)))
    found = calibrate_scales(nn.Sequential(layers[0], _Zero(), layers[2]), data())
    assert list(found) == ["0.quant"] and float(layers[2].quant.scale().detach()) == pytest.approx(6)  # type: ignore[union-attr]


class _Zero(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 0 * x


def test_convert_with_data_is_close_to_the_float_network() -> None:
    torch.manual_seed(0)
    float_net = nn.Sequential(
        *(nn.Linear(6, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU()),
        *(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3)),
    )
    for x in data(20):
        float_net(x)
    float_net.eval()
    x = torch.cat(data(20))
    with torch.no_grad():
        wanted = float_net(x)
        errors = {}
        for way in (None, data(20)):
            quantized = convert(deepcopy(float_net), "int4", data=way)
            quantized.eval()
            errors[way is None] = float((quantized(x) - wanted).square().mean() / wanted.square().mean())
    assert errors[False] < 0.05 and errors[False] < errors[True] / 3


def test_an_iterator_is_refused_because_it_ends() -> None:
    with pytest.raises(BadOption, match="iterator"):
        calibrate(net(), iter(data()))
