"""The remembered price of a network whose channels learn is that of `hardware_cost`, with its gradients."""

import pytest
import torch
from torch import Tensor, nn

import hwcost
from hwcost.cost.channel_cost import ChannelCost
from hwcost.graph.ranges import between
from hwcost.models import Generic, HardwareModel
from hwcost.quant import (
    Accumulator,
    BiasQuantizer,
    LearnedBits,
    NarrowedBits,
    QuantLinear,
    QuantReLU,
    Restrict,
    const_activation,
    learn_channels,
    learned_activation,
    learned_weight,
)

X = torch.zeros(2, 8)
FPGA = hwcost.Refolding(2_000_000, device="PYNQ-Z1")


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        QuantLinear(8, 12, bias=False, weight_quant=learned_weight(bits=4, most=6)),
        QuantReLU(learned_activation(bits=4, most=6)),
        QuantLinear(12, 6, bias=False, weight_quant=learned_weight(bits=4, most=6)),
        QuantReLU(learned_activation(bits=4, most=6)),
        QuantLinear(6, 3, bias=False, weight_quant=learned_weight(bits=4, most=6, per_channel=False)),
    )


def gradients(net: nn.Module, used: dict[str, Tensor]) -> list[Tensor | None]:
    net.zero_grad()
    (used["LUT"] + 3 * used["FF"]).backward() if "LUT" in used else used["BOPs"].backward()
    return [one.grad for one in net.parameters()]


@pytest.mark.parametrize("model", [FPGA, Generic()])
def test_amounts_and_gradients_are_those_of_hardware_cost(model: HardwareModel) -> None:
    net = network()
    channels = learn_channels(net, X)
    pipeline = hwcost.trace_channels(channels, input_range=between(0, 15))
    live = hwcost.LiveCost(net, pipeline, model)
    known = ChannelCost(net, pipeline, model, model.resources)
    assert known.complete
    draw = torch.Generator().manual_seed(0)
    bits = [module for module in net.modules() if isinstance(module, LearnedBits)]
    for step in range(12):
        with torch.no_grad():
            for one in bits:
                one.offset.copy_(12 * torch.rand((), generator=draw) - 6)  # also below 0, and beyond the most
            channels.gates.strength.copy_(1.4 * torch.rand(18, generator=draw) - 0.2)
        bits[0].offset.requires_grad_(step % 3 > 0)
        expected = hwcost.hardware_cost(pipeline, model)
        wanted = gradients(net, expected)
        for call in (live, known, known):  # the second time from memory
            found = call()
            assert {name: amount.item() for name, amount in found.items()} == {
                name: amount.item() for name, amount in expected.items()
            }
            for mine, theirs in zip(gradients(net, found), wanted, strict=True):
                zero = torch.zeros(())
                torch.testing.assert_close(zero if mine is None else mine, zero if theirs is None else theirs)


def test_a_price_may_be_shared_by_a_few_steps() -> None:
    net = network()
    channels = learn_channels(net, X)
    pipeline = hwcost.trace_channels(channels, input_range=between(0, 15))
    live = hwcost.LiveCost(net, pipeline, FPGA, ["LUT"], every=3)
    seen = []
    for _ in range(7):
        seen.append(live()["LUT"].item())
        with torch.no_grad():
            channels.gates.strength[: len(seen)] = 0.0
    assert len({*seen[:3]}) == len({*seen[3:6]}) == 1
    assert len({*seen}) == 3
    with torch.no_grad():
        channels.gates.strength[:10] = 0.0
        assert live()["LUT"] == hwcost.hardware_cost(pipeline, FPGA)["LUT"] != seen[6]


def test_widths_that_are_not_whole_and_accumulators_are_priced_in_full() -> None:
    real = network()
    for module in real.modules():
        if isinstance(module, LearnedBits):
            module.restrict = Restrict.FLOAT
            module.offset.data += 0.3
    source = const_activation(bits=4)
    narrowed = nn.Sequential(
        QuantReLU(source),
        QuantLinear(
            8, 6, weight_quant=learned_weight(per_channel=False), bias_quant=BiasQuantizer(bits=8), source=source,
            accumulator=Accumulator(bits=NarrowedBits(2), mode="saturate"),
        ),
        QuantReLU(const_activation(bits=4)),
        QuantLinear(6, 3, bias=False, weight_quant=learned_weight(per_channel=False)),
    )  # fmt: skip
    for net in (real, narrowed):
        channels = learn_channels(net, X)
        pipeline = hwcost.trace_channels(channels, input_range=between(0, 15))
        assert not ChannelCost(net, pipeline, FPGA, ("LUT",)).complete
        live, expected = hwcost.LiveCost(net, pipeline, FPGA)(), hwcost.hardware_cost(pipeline, FPGA)
        assert live["LUT"].item() == expected["LUT"].item()
        live["LUT"].backward()
        assert channels.gates.strength.grad is not None
    p = narrowed.get_parameter("1.accumulator.bits.p")
    assert p.grad is not None and p.grad != 0
