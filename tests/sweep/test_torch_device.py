"""Trainings on an accelerator: what cannot be is refused, and what runs there is what runs on the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_recipe
import torch
from sweeps import experiment, run
from torch import Tensor, nn

import hwcost
from hwcost.cli.network import RECIPES
from hwcost.cost.cached import LiveCost
from hwcost.cost.hardware_cost import hardware_cost
from hwcost.errors import BadOption
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import Dataflow, target_fps
from hwcost.quant import (
    POW2,
    Accumulator,
    BiasQuantizer,
    LearnedBits,
    QuantLinear,
    const_activation,
    learned_activation,
    learned_weight,
)
from hwcost.sweep.recipe import load_recipe
from hwcost.sweep.replay import reproduce
from hwcost.sweep.study_files import read_run
from hwcost.sweep.torch_device import accelerator, one_thread
from hwcost.zoo.lenet import QuantLeNet

on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "", "meta"])
def test_a_device_that_is_not_there_is_refused_with_what_to_give(name: str) -> None:
    with pytest.raises(BadOption, match=r"give .*cpu"):
        accelerator(name)


def test_the_processor_is_a_device_by_any_number() -> None:
    assert accelerator("cpu") == accelerator("cpu:0") == torch.device("cpu")


def _lenet(device: str) -> tuple[nn.Module, Pipeline, Dataflow]:
    torch.manual_seed(0)
    net = QuantLeNet().to(device)
    pipeline = trace(net, torch.zeros(1, 3, 32, 32, device=device), input_bits=8)
    return net, pipeline, Dataflow(device="xc7z020", folding=target_fps(pipeline, 1000))


def _gradients(net: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.cpu() for name, p in net.named_parameters() if p.grad is not None}


@on_cuda
@pytest.mark.parametrize("live", [False, True])
def test_cost_and_its_gradient_are_those_of_the_cpu(live: bool) -> None:
    found = []
    for device in ("cpu", "cuda"):
        net, pipeline, model = _lenet(device)
        cost = LiveCost(net, pipeline, model)() if live else hardware_cost(pipeline, model)
        (cost["LUT"] + cost["BRAM18"]).backward()
        found.append(({name: float(amount.detach()) for name, amount in cost.items()}, _gradients(net)))
    (amounts, slopes), (there, slopes_there) = found
    assert there == pytest.approx(amounts, rel=1e-12)
    assert slopes.keys() == slopes_there.keys()
    for name, slope in slopes.items():
        torch.testing.assert_close(slopes_there[name], slope, rtol=1e-6, atol=0)


@on_cuda
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_quantized_values_and_gradients_are_those_of_the_cpu(bits: int) -> None:
    torch.manual_seed(0)
    for make, x in (
        (lambda: learned_weight(bits=bits, domain=POW2), torch.randn(8, 3, 3, 3)),
        (lambda: learned_weight(bits=bits), torch.randn(8, 30)),
        (lambda: learned_activation(bits=bits), torch.rand(16, 8) * 8),
    ):
        found = []
        for device in ("cpu", "cuda"):
            torch.manual_seed(1)
            quant = make().to(device)
            inputs = x.to(device).clone().requires_grad_()
            out = quant(inputs)
            out.square().sum().backward()
            found.append((out.detach().cpu(), inputs.grad, _gradients(quant)))
        (out, d_x, slopes), (there, d_there, slopes_there) = found
        torch.testing.assert_close(there, out, rtol=1e-6, atol=1e-7)
        assert d_x is not None and d_there is not None
        torch.testing.assert_close(d_there.cpu(), d_x, rtol=1e-5, atol=1e-6)
        for name, slope in slopes.items():
            torch.testing.assert_close(slopes_there[name], slope, rtol=1e-4, atol=1e-4)


@on_cuda
def test_a_sweep_there_is_recorded_and_its_trials_come_out_again(tmp_path: Path) -> None:
    where = f"{Path(tiny_recipe.__file__)}:recipe"
    find = lambda _: tiny_recipe.recipe  # noqa: E731
    sweep = experiment(tiny_recipe.recipe, tmp_path / "study", recipe=where, accelerator="cuda")
    assert run(sweep, 2).finished == 2
    record = read_run(tmp_path / "study")
    assert record["settings"]["accelerator"] == "cuda" and torch.cuda.get_device_name(0) in record["machine"]
    recorded, again = reproduce(tmp_path / "study", 0, find, None)
    assert again == pytest.approx(recorded, rel=0.05)
    with pytest.raises(hwcost.HwcostError, match="accelerator"):
        run(experiment(tiny_recipe.recipe, tmp_path / "study", recipe=where), 1)


@on_cuda
def test_accumulators_and_biases_on_integers_are_those_of_the_cpu() -> None:
    for mode in ("saturate", "wrap", "truncate"):
        found = []
        for device in ("cpu", "cuda"):
            torch.manual_seed(0)
            layer = QuantLinear(
                12,
                4,
                weight_quant=learned_weight(bits=4, per_channel=False, domain=POW2),
                input_quant=const_activation(bits=4, max_val=4.0, signed=False),
                bias_quant=BiasQuantizer(),
                accumulator=Accumulator(bits=LearnedBits(7), mode=mode),
            ).to(device)
            x = torch.rand(32, 12).mul(5).to(device)
            out = layer(x)
            out.square().sum().backward()
            found.append((out.detach().cpu(), _gradients(layer), layer.integers()))
        (out, slopes, whole), (there, slopes_there, whole_there) = found
        assert torch.equal(whole, whole_there)
        torch.testing.assert_close(there, out, rtol=1e-6, atol=1e-6)
        for name, slope in slopes.items():
            torch.testing.assert_close(slopes_there[name], slope, rtol=1e-4, atol=1e-4)


@on_cuda
@pytest.mark.parametrize("name", sorted(RECIPES))
def test_each_network_of_the_zoo_is_priced_there_as_here(name: str) -> None:
    recipe = load_recipe(name, RECIPES)
    assert recipe.example is not None
    found = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        net = recipe.network(recipe.first_tries[0]).to(device)
        pipeline = trace(net, torch.zeros(1, *recipe.example, device=device), input_range=recipe.input)
        model = Dataflow(device=recipe.device, folding=target_fps(pipeline, recipe.fps, clock_mhz=recipe.clock_mhz))
        found.append({key: float(value.detach()) for key, value in hardware_cost(pipeline, model).items()})
    assert found[1] == pytest.approx(found[0], rel=1e-12)


def test_the_number_of_threads_is_put_back() -> None:
    torch.set_num_threads(3)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
        with pytest.raises(KeyboardInterrupt), one_thread():
            raise KeyboardInterrupt
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)
