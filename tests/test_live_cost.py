"""The remembered cost equals the live one, values and gradients, along a whole training."""

import torch

from hwcost.live_cost import LiveCost
from hwcost.loss import hardware_cost
from hwcost.models import Dataflow, target_fps
from hwcost.quant import LearnedBits
from hwcost.trace import trace
from hwcost.zoo.lenet import QuantLeNet


def test_equal_to_the_live_cost_while_widths_wander() -> None:
    net = QuantLeNet(weight_bits=5, activation_bits=4)
    pipeline = trace(net, torch.zeros(1, 3, 32, 32), input_bits=8)
    fpga = Dataflow(device="xc7z020", folding=target_fps(pipeline, 1_000))
    offsets = [module.offset for module in net.modules() if isinstance(module, LearnedBits)]
    remembered = LiveCost(net, pipeline, fpga)
    wander = torch.Generator().manual_seed(1)
    changes = 0
    for _ in range(25):
        live, kept = hardware_cost(pipeline, fpga), remembered()
        for name in live:
            assert kept[name].item() == live[name].item()
        expected = torch.autograd.grad(live["LUT"] + 100 * live["BRAM18"], offsets)
        got = torch.autograd.grad(kept["LUT"] + 100 * kept["BRAM18"], offsets)
        torch.testing.assert_close(got, expected)
        before = [offset.detach().round() for offset in offsets]
        with torch.no_grad():
            for offset in offsets:
                offset += 0.3 * torch.randn((), generator=wander)
        changes += any(old != offset.round() for old, offset in zip(before, offsets, strict=True))
    assert 5 < changes < 25  # both ways were taken


def test_a_cost_that_depends_on_more_is_priced_every_time() -> None:
    net = QuantLeNet(weight_bits=5, activation_bits=4)
    pipeline = trace(net, torch.zeros(1, 3, 32, 32), input_bits=8)
    fpga = Dataflow(device="xc7z020", folding=target_fps(pipeline, 1_000))
    weight = net.fc3.weight

    class Strange:
        resources = fpga.resources

        def price(self, placed):  # type: ignore[no-untyped-def]
            bill = fpga.price(placed)
            return {**bill, "LUT": bill["LUT"] + weight.sum()}

    remembered = LiveCost(net, pipeline, Strange())
    first = remembered()["LUT"].item()
    with torch.no_grad():
        weight += 1
    assert remembered()["LUT"].item() > first
