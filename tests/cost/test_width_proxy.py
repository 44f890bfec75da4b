"""The stand-in of a network: its widths wander, the network stays where it is."""

from __future__ import annotations

import torch
from described_networks import EXAMPLE, Residual

from hwcost.cost.autograd_leaves import Trail
from hwcost.cost.width_proxy import StandIn, learned_widths
from hwcost.graph.trace import trace
from hwcost.quant import LearnedBits, QuantLinear, learned_weight


def test_a_shared_width_has_one_name() -> None:
    net = Residual()
    widths = learned_widths(net)
    assert len(widths) == len({id(width) for width in widths.values()}) == 8
    assert "grid.bits" in widths and "act.quant.bits" not in widths


def test_names_and_bounds_by_element() -> None:
    net = QuantLinear(4, 3, bias=False, weight_quant=learned_weight(bits=4))
    net.weight_quant.bits = LearnedBits(4, base=2, most=6, shape=(3, 1))  # type: ignore[attr-defined, union-attr]
    stand = StandIn(net, trace(net, torch.zeros(1, 4), input_bits=4))
    assert [name.rpartition("[")[2] for name in stand.names] == ["0]", "1]", "2]"]
    assert stand.bounds == [(2, 6)] * 3 and stand.groups == (0, 0, 0) and stand.whole
    stand.set([3.0, 5.0, 2.0], [1])
    (layer,) = stand.pipeline.layers()
    assert layer.blocks[0].weight.bits.flatten().tolist() == [3, 5, 2]  # type: ignore[attr-defined] # a MatVec
    assert set(learned_widths(net)["weight_quant.bits"]().flatten().tolist()) == {4}


def test_descriptions_at_any_widths_equal_those_of_the_network() -> None:
    net = Residual()
    pipeline = trace(net, EXAMPLE, input_bits=8)
    stand = StandIn(net, pipeline)
    assert stand.learn(stand.pipeline.layers(), Trail()) is not None
    random = torch.Generator().manual_seed(0)
    for _ in range(3):
        levels = torch.randint(2, 9, (len(stand.names),), generator=random).float().tolist()
        with torch.no_grad():
            for bits, level in zip(learned_widths(net).values(), levels, strict=True):
                bits.offset.fill_(level - bits.base)
        for at, wanted in enumerate(pipeline.layers()):
            found = stand.describe(at, levels, {})
            assert torch.equal(found.output.range.bits.detach(), wanted.output.range.bits.detach()), wanted.name
            assert [type(block) for block in found.blocks] == [type(block) for block in wanted.blocks]


def test_gradients_and_parameters_by_width() -> None:
    net = Residual()
    stand = StandIn(net, trace(net, EXAMPLE, input_bits=8))
    first, second = stand.offsets([0]), stand.offsets([1])
    assert stand.offsets([0, 0, 1]) == [*first, *second]
    assert stand.gradients([1, 0], {id(first[0]): torch.tensor(2.5)}) == [0.0, 2.5]
    assert stand.widths_of([id(second[0])]) == (1,)
    assert stand.widths_of([id(second[0]), 0]) is None  # something else matters too
