"""Networks refined for constants: widths of each weight, channel or layer, and norms moved into the weights."""

from typing import Any

import pytest
import torch
from torch import nn

from hwcost.cost.hardware_cost import hardware_cost
from hwcost.errors import BadOption
from hwcost.graph.ranges import integers
from hwcost.graph.trace import trace
from hwcost.models import Unrolled
from hwcost.quant import (
    POW2,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    const_input,
    learned_activation,
    learned_weight,
)
from hwcost.quant.granularity import fold_norms, refine_widths

EXAMPLE = torch.rand(5, 2, 4, 4)


def network() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(
        QuantIdentity(const_input(bits=4, max_val=15 / 16)),
        QuantConv2d(2, 3, 3, padding=1, bias=False, weight_quant=learned_weight()),
        nn.BatchNorm2d(3),
        QuantReLU(learned_activation(max_val=6.0)),
        nn.Flatten(),
        QuantLinear(48, 2, weight_quant=learned_weight()),
    )


@pytest.mark.parametrize(
    ("per", "shapes"),
    [
        ("weight", [(2, 1, 1), (3, 2, 3, 3), (3, 1, 1), (2, 48)]),
        ("channel", [(2, 1, 1), (3, 1, 1, 1), (3, 1, 1), (2, 1)]),
        ("layer", [(), (), (), ()]),
    ],
)
def test_widths_have_the_shape_that_was_asked_for(per: str, shapes: list[tuple[int, ...]]) -> None:
    net = network()
    fold_norms(net, EXAMPLE)
    refine_widths(net, EXAMPLE, per=per)
    quantizers = [net[0].quant, net[1].weight_quant, net[3].quant, net[5].weight_quant]
    assert [tuple(one.bits().shape) for one in quantizers] == shapes
    assert all(one.scale.domain is POW2 and one.bits.base == 0 and one.bits.most == 8 for one in quantizers)
    pipeline = trace(net, EXAMPLE[:1], input_range=integers(4, signed=False))
    assert hardware_cost(pipeline, Unrolled(device="xczu3eg", sums="shared"))["LUT"].item() > 0


def test_a_constant_grid_of_powers_of_two_stays_what_it_is() -> None:
    net = network()
    x = torch.arange(32).reshape(1, 2, 4, 4) / 16 % 1
    before = net[0](x)
    refine_widths(net, EXAMPLE)
    assert torch.equal(net[0](x), before) and torch.equal(before, x)


def test_a_norm_moves_into_the_layer_in_front() -> None:
    net = network()
    for module in net:
        if hasattr(module, "weight_quant"):
            module.weight_quant = None
    net[3].quant = None
    with torch.no_grad():
        for name, start in (("running_mean", 0.3), ("running_var", 2.0), ("weight", 1.5), ("bias", -0.2)):
            getattr(net[2], name).fill_(start)
    expected = net.eval()(EXAMPLE)
    fold_norms(net, EXAMPLE)
    assert isinstance(net[2], nn.Identity) and net[1].bias is not None
    torch.testing.assert_close(net(EXAMPLE), expected, rtol=1e-4, atol=1e-5)


def test_other_norms_stay() -> None:
    net = nn.Sequential(nn.BatchNorm1d(3), nn.ReLU(), nn.BatchNorm1d(3))
    fold_norms(net, torch.rand(4, 3))
    assert sum(isinstance(module, nn.BatchNorm1d) for module in net) == 2


def test_what_is_refused() -> None:
    with pytest.raises(BadOption, match="per='row': give one of weight, channel, layer"):
        refine_widths(network(), EXAMPLE, per="row")
    shared = learned_activation()
    net = nn.Sequential(QuantReLU(shared), nn.Flatten(), QuantReLU(shared))
    with pytest.raises(BadOption, match="shared by streams of other shapes"):
        refine_widths(net, EXAMPLE)
