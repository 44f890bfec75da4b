"""The remembered cost equals the live one, values and gradients, along a whole training."""

import pytest
import torch
from torch import nn

from hwcost.cost.cached import LiveCost
from hwcost.cost.hardware_cost import hardware_cost
from hwcost.errors import BadOption
from hwcost.graph.spec import LayerSpec, Signal
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import Dataflow, HardwareModel, Unrolled, target_fps
from hwcost.quant import POW2, IntQuantizer, LearnedBits, QuantLinear, QuantReLU, StatScale, abs_max
from hwcost.zoo.lenet import QuantLeNet


@pytest.mark.slow
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


def compared(net: nn.Module, pipeline: Pipeline, model: HardwareModel, live: LiveCost) -> None:
    """Values equal, gradients of a weighted sum too."""
    expected, got = hardware_cost(pipeline, model), live()
    assert {name: value.item() for name, value in got.items()} == {name: expected[name].item() for name in got}
    learned = [offset for offset in widths(net) if offset.requires_grad]
    sums = [sum((rank + 1) * used[name] for rank, name in enumerate(got)) for used in (expected, got)]
    wanted, found = (torch.autograd.grad(total, learned, allow_unused=True) for total in sums)
    for want, find in zip(wanted, found, strict=True):
        assert want is not None or find is None or not find.any()
        if want is not None:
            torch.testing.assert_close(find, want)


def widths(net: nn.Module) -> list[nn.Parameter]:
    return [module.offset for module in net.modules() if isinstance(module, LearnedBits)]


def lenet() -> tuple[QuantLeNet, Pipeline, Dataflow]:
    net = QuantLeNet(weight_bits=5, activation_bits=4)
    pipeline = trace(net, torch.zeros(1, 3, 32, 32), input_bits=8)
    return net, pipeline, Dataflow(device="xc7z020", folding=target_fps(pipeline, 1_000))


def test_offsets_beyond_the_bounds() -> None:
    net, pipeline, model = lenet()
    live = LiveCost(net, pipeline, model)
    for level in (0.0, -1.2, 3.4, 14.0, -60.0):  # the floor, both sides of zero, the ceiling, far beyond it
        with torch.no_grad():
            for offset in widths(net)[::2]:
                offset.fill_(level)
        compared(net, pipeline, model, live)


def test_frozen_widths_thaw() -> None:
    net, pipeline, model = lenet()
    for offset in widths(net)[:5]:
        offset.requires_grad_(False)
    live = LiveCost(net, pipeline, model, ["LUT", "BRAM18"])
    compared(net, pipeline, model, live)
    for offset in widths(net):
        offset.requires_grad_(True)
    compared(net, pipeline, model, live)


def test_without_gradient_mode_it_is_priced_too() -> None:
    net, pipeline, model = lenet()
    live = LiveCost(net, pipeline, model)
    with torch.no_grad():
        assert live()["LUT"].item() == hardware_cost(pipeline, model)["LUT"].item()
    compared(net, pipeline, model, live)


def test_a_layer_that_is_rebuilt_at_some_width_is_priced_in_full() -> None:
    class Vanishing(QuantReLU):
        def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
            spec = super().describe(*signals, shape=shape)
            return spec if int(spec.output.range.bits) != 9 else LayerSpec(output=spec.output)

    net, _, model = lenet()
    net.relu3 = Vanishing(net.relu3.quant)
    pipeline = trace(net, torch.zeros(1, 3, 32, 32), input_bits=8)
    live = LiveCost(net, pipeline, model)
    for level in (2.0, 7.0, 3.0):
        with torch.no_grad():
            net.relu3.quant.bits.offset.fill_(level)  # type: ignore[union-attr]
        compared(net, pipeline, model, live)


def test_a_resource_that_is_not_priced() -> None:
    with pytest.raises(BadOption, match="'MACs' is not priced; this model prices LUT, FF"):
        LiveCost(*lenet(), ["LUT", "MACs"])


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


@pytest.mark.parametrize("assign", [True, False])
def test_a_loaded_checkpoint_is_priced_and_its_widths_get_the_gradient(assign: bool) -> None:
    net, pipeline, model = lenet()
    live = LiveCost(net, pipeline, model)
    live()
    state = {key: value * 0 if key.endswith("offset") else value for key, value in net.state_dict().items()}
    net.load_state_dict(state, assign=assign)
    compared(net, pipeline, model, live)
    live()["LUT"].backward()
    assert all(offset.grad is not None and offset.grad.abs().sum() > 0 for offset in widths(net))


def of_weights() -> tuple[nn.Module, Pipeline, Unrolled]:
    torch.manual_seed(0)
    bits = LearnedBits(4, base=0, shape=(3, 5))
    quantizer = IntQuantizer(bits=bits, scale=StatScale(abs_max, channel_dim=0, domain=POW2), narrow=True)
    net = nn.Sequential(QuantLinear(5, 3, bias=False, weight_quant=quantizer))
    return net, trace(net, torch.zeros(1, 5), input_bits=4), Unrolled(device="xczu3eg", sums="shared")


def test_a_price_that_reads_weights_is_never_remembered() -> None:
    net, pipeline, model = of_weights()
    live = LiveCost(net, pipeline, model, ["LUT"])
    before = live()["LUT"].item()
    with torch.no_grad():
        net[0].weight[:, :3] = 0  # type: ignore[index]
    assert live()["LUT"].item() == hardware_cost(pipeline, model)["LUT"].item() < before


def test_a_price_that_steps_share_keeps_value_and_gradient() -> None:
    net, pipeline, model = of_weights()
    live = LiveCost(net, pipeline, model, ["FF", "LUT"], every=3)
    offset = net[0].weight_quant.bits.offset  # type: ignore[index, union-attr]
    first = hardware_cost(pipeline, model)
    expected = torch.autograd.grad(2 * first["LUT"] + first["FF"], offset)[0]
    found = []
    for _ in range(4):
        used = live()
        found.append(used["LUT"].item())
        (slope,) = torch.autograd.grad(2 * used["LUT"] + used["FF"], offset)
        if len(found) < 4:
            torch.testing.assert_close(slope, expected)
        with torch.no_grad():
            net[0].weight[:, len(found)] = 0  # type: ignore[index]
    assert found[0] == found[1] == found[2] == first["LUT"].item() > found[3]
    with torch.no_grad():
        assert live()["LUT"].item() == hardware_cost(pipeline, model)["LUT"].item()
    with pytest.raises(BadOption, match="every"):
        LiveCost(net, pipeline, model, every=0)
