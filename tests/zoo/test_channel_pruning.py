"""Networks of the zoo lose channels and compute the same."""

import pytest
import torch

import hwcost
from hwcost.cli.network import RECIPES, find_recipe
from hwcost.quant import learn_channels


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_channels_of_a_network_can_die(name: str) -> None:
    recipe = find_recipe(name)
    assert isinstance(recipe.example, tuple)
    torch.manual_seed(0)
    net = recipe.network(recipe.plain or recipe.first_tries[0]).eval().double()
    x = 16 * torch.rand(1, *recipe.example, dtype=torch.float64)  # type: ignore[arg-type] # of one input
    channels = learn_channels(net, x, multiple=2)
    with torch.no_grad():
        channels.gates.strength.copy_(torch.rand(len(channels.gates.strength)))
    small = channels.compacted()
    torch.testing.assert_close(small(x), net(x), rtol=0, atol=1e-9)
    assert sum(one.numel() for one in small.parameters()) < 0.8 * sum(one.numel() for one in net.parameters())
    found = hwcost.trace_channels(channels, input_range=recipe.input).layers()
    plain = hwcost.trace(small, x, input_range=recipe.input).layers()
    assert [layer.output.shape for layer in found] == [layer.output.shape for layer in plain]
