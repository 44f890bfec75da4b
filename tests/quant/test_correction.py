"""Corrections: means of outputs become those of the float network, statistics of norms those of quantized data."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant import calibrate_scales, convert, correct_biases, renew_norms
from hwcost.quant.correction import in_float


def float_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(2, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(32, 8), nn.ReLU(), nn.Linear(8, 3)),
    )


def data() -> list[Tensor]:
    return list(torch.randn(3, 64, 2, 6, 6, generator=torch.Generator().manual_seed(1)) + 0.5)


def quantized() -> tuple[nn.Module, nn.Module]:
    net = float_net()
    for x in data():
        net(x)
    made = convert(deepcopy(net), "int4")
    calibrate_scales(made, data())
    return net.eval(), made.eval()


@torch.no_grad()
def shift(net: nn.Module, made: nn.Module) -> float:
    return float(sum((made(x) - net(x)).mean(0) for x in data()).abs().max())  # type: ignore[union-attr]


def test_biases_remove_the_mean_error_of_the_output() -> None:
    net, made = quantized()
    before = shift(net, made)
    found = correct_biases(made, data())
    assert list(found) == ["0", "6", "8"] and found["0"].shape == (8,)
    assert shift(net, made) < before / 10


def test_every_layer_has_the_mean_of_the_float_network() -> None:
    net, made = quantized()
    correct_biases(made, data()[:1])
    means: dict[str, list[Tensor]] = {}
    for each in (net, made):
        for name in ("0", "6", "8"):
            each.get_submodule(name).register_forward_hook(
                lambda layer, x, y, name=name: means.setdefault(name, []).append(y.transpose(0, 1).flatten(1).mean(1))
            )
        with torch.no_grad():
            each(data()[0])
    for before, after in means.values():
        assert torch.allclose(before, after, atol=1e-5)


def test_in_float_is_the_float_network() -> None:
    net, made = quantized()
    with in_float(made), torch.no_grad():
        assert torch.allclose(made(data()[0]), net(data()[0]), atol=1e-6)
    assert not torch.allclose(made(data()[0]), net(data()[0]), atol=1e-6)


def test_norms_get_the_statistics_of_quantized_values() -> None:
    _, made = quantized()
    made.train()
    assert renew_norms(made, data()) == 1
    norm = made[3]  # type: ignore[index]
    with torch.no_grad():
        made.eval()
        seen = [made[:3](x) for x in data()]  # type: ignore[index]
    mean = torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0)
    variance = torch.stack([x.var((0, 2, 3)) for x in seen]).mean(0)
    assert torch.allclose(norm.running_mean, mean, atol=1e-6) and torch.allclose(norm.running_var, variance, rtol=1e-5)
    assert norm.momentum == 0.1 and int(norm.num_batches_tracked) == 3


def test_without_data_the_norms_stay() -> None:
    _, made = quantized()
    before = deepcopy(made.state_dict())
    with pytest.raises(BadOption, match="no batch"):
        renew_norms(made, [])
    assert all(torch.equal(value, before[key]) for key, value in made.state_dict().items())
