"""The price of a network whose channels learn follows those that live."""

import pytest
import torch
from torch import nn

import hwcost
from hwcost.cost.channel_pipeline import ChannelPipeline
from hwcost.errors import BadOption
from hwcost.graph.ranges import between
from hwcost.graph.spec import MatVec
from hwcost.integer import IntegerNetwork
from hwcost.models import Fold, Generic, HardwareModel, place
from hwcost.models.resources import HasLayers
from hwcost.models.unrolled.model import Unrolled
from hwcost.quant import Channels, LearnedBits, QuantConv2d, QuantLinear, learn_channels, learned_weight
from hwcost.train.penalties import WeightedCost
from hwcost.zoo.cnn import SmallCNN, Widths
from hwcost.zoo.data import digits

X = torch.zeros(2, 1, 8, 8)
INPUT = between(0, 16)
FPGA = hwcost.Refolding(100_000, device="PYNQ-Z1")


def network(first: int = 8) -> SmallCNN:
    torch.manual_seed(0)
    widths = Widths(conv=2, dense=2, activation=2)
    return SmallCNN(image=(1, 8, 8), channels=(first, 2 * first), hidden=4 * first, classes=10, widths=widths)


def traced(**options: object) -> tuple[Channels, ChannelPipeline]:
    channels = learn_channels(network(), X, **options)  # type: ignore[arg-type] # its own
    return channels, hwcost.trace_channels(channels, input_range=INPUT)


def weaken(channels: Channels, seed: int) -> None:
    with torch.no_grad():
        channels.gates.strength.copy_(torch.rand(len(channels.gates.strength), generator=torch.manual_seed(seed)))


def amounts(pipeline: HasLayers, model: HardwareModel) -> dict[str, float]:
    with torch.no_grad():
        return {name: float(amount) for name, amount in hwcost.hardware_cost(pipeline, model).items()}


def compacted(channels: Channels) -> hwcost.Pipeline:
    return hwcost.trace(channels.compacted(), X, input_range=INPUT)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("model", [FPGA, Generic()])
def test_amounts_are_those_of_the_compacted_network(model: HardwareModel, seed: int) -> None:
    channels, pipeline = traced()
    assert amounts(pipeline, model) == amounts(hwcost.trace(network(), X, input_range=INPUT), model)
    weaken(channels, seed)
    assert amounts(pipeline, model) == amounts(compacted(channels), model)
    channels.net.get_submodule("conv2.weight_quant.bits").offset.data.fill_(2.0)  # type: ignore[union-attr,operator]
    assert amounts(pipeline, model) == amounts(compacted(channels), model)


def test_a_fixed_folding_keeps_its_groups_and_loses_cycles() -> None:
    folding = {
        "conv1": Fold(pe=2, simd=9),
        "conv2": Fold(pe=4, simd=18),
        "fc1": Fold(pe=4, simd=8),
        "fc2": Fold(simd=4),
    }
    channels, pipeline = traced(folding=folding)
    fpga = hwcost.Dataflow(device="PYNQ-Z1", folding=folding)
    before = amounts(pipeline, fpga)
    weaken(channels, 0)
    assert amounts(pipeline, fpga) == amounts(compacted(channels), fpga)
    live = {name: count for name, (count, _) in channels.live().items()}
    assert [live["conv1"] % 2, live["conv2"] % 4, live["fc1"] % 4, live["conv2"] * 4 % 8] == [0] * 4
    assert amounts(pipeline, fpga)["cycles"] < before["cycles"]


def test_the_slope_of_a_channel_is_its_share_of_what_it_passes() -> None:
    channels, pipeline = traced()
    weaken(channels, 1)
    hwcost.hardware_cost(pipeline, FPGA)["LUT"].backward()
    live = {name: count for name, (count, _) in channels.live().items()}
    layers = pipeline.layers()
    placed = place(layers)
    with torch.no_grad():
        luts = FPGA.price(placed)["LUT"].tolist()
    first = 0.0  # a channel of conv1 passes its rows, norm, activation and pooling, and the columns of conv2
    behind = False
    for item, lut in zip(placed, luts, strict=True):
        if item.layer == "conv1":
            first += lut / live["conv1"] * isinstance(item.block, MatVec)
        elif item.layer in ("norm1", "relu1", "pool1") or (item.layer == "conv2" and not behind):
            first += lut / live["conv1"]
        behind = behind or (item.layer == "conv2" and isinstance(item.block, MatVec))
    grad = channels.gates.strength.grad
    assert grad is not None
    strength = channels.gates.strength.detach()
    torch.testing.assert_close(grad[:8], torch.full((8,), first, dtype=grad.dtype))
    assert (strength < 0.5).any()  # those too that are dead
    assert grad.min() > 0


def test_which_resources_fall() -> None:
    def slopes(channels: Channels, pipeline: ChannelPipeline, model: HardwareModel) -> set[str]:
        used = hwcost.hardware_cost(pipeline, model)
        found = set()
        for name, amount in used.items():
            (grad,) = torch.autograd.grad(amount, channels.gates.strength, retain_graph=True, allow_unused=True)
            if grad is not None and grad.any():
                found.add(name)
        return found

    assert slopes(*traced(), FPGA) >= {"LUT", "FF"}
    assert "cycles" not in slopes(*traced(), FPGA)
    folding = {name: Fold() for name in ("conv1", "conv2", "fc1", "fc2")}
    fixed = slopes(*traced(folding=folding), hwcost.Dataflow(device="PYNQ-Z1", folding=folding))
    assert "cycles" in fixed
    assert "LUT" not in fixed


def test_widths_of_the_network_get_the_slope() -> None:
    channels, pipeline = traced()
    weaken(channels, 0)
    hwcost.hardware_cost(pipeline, FPGA)["LUT"].backward()
    found = {name for name, one in channels.net.named_parameters() if one.grad is not None}
    assert "conv2.weight_quant.bits.offset" in found
    assert "relu.quant.bits.offset" in found


def test_live_cost_and_estimate_agree() -> None:
    channels, pipeline = traced()
    weaken(channels, 2)
    live = hwcost.LiveCost(channels.net, pipeline, FPGA)
    assert {name: float(amount.detach()) for name, amount in live().items()} == amounts(pipeline, FPGA)
    total = hwcost.estimate(pipeline, FPGA).total
    assert {name: total[name] for name in live()} == amounts(pipeline, FPGA)
    live()["LUT"].backward()
    assert channels.gates.strength.grad is not None


def test_depthwise_channels_are_shared_once() -> None:
    def conv(before: int, after: int, groups: int = 1) -> QuantConv2d:
        return QuantConv2d(
            before, after, 3, bias=False, groups=groups, weight_quant=learned_weight(bits=4, per_channel=False)
        )

    def relu() -> nn.Module:
        return hwcost.quant.QuantReLU(hwcost.quant.learned_activation(bits=4))

    net = nn.Sequential(conv(1, 4), relu(), conv(4, 4, 4), relu(), conv(4, 1))
    channels = learn_channels(net, X)
    pipeline = hwcost.trace_channels(channels, input_range=INPUT)
    macs = hwcost.hardware_cost(pipeline, Generic())["MACs"]
    macs.backward()
    grad = channels.gates.strength.grad
    assert grad is not None
    assert macs.item() == 36 * 4 * 9 + 16 * 4 * 9 + 4 * 4 * 9
    assert grad.tolist() == [36 * 9 + 16 * 9 + 4 * 9] * 4


def test_what_is_priced_otherwise_is_refused() -> None:
    channels, pipeline = traced()
    with pytest.raises(BadOption, match="reads the weights cannot price channels that learn"):
        hwcost.hardware_cost(pipeline, Unrolled(device="PYNQ-Z1", value_aware=True))
    with pytest.raises(BadOption, match=r"trace channels.compacted\(\) instead"):
        hwcost.WidthPrices(channels.net, pipeline, FPGA)
    net = nn.Sequential(*(QuantLinear(8, 8, bias=False, weight_quant=learned_weight(per_channel=False)) for _ in "ab"))
    net[0].weight_quant.bits = LearnedBits(4, shape=(8, 1))  # type: ignore[union-attr]
    with pytest.raises(BadOption, match=r"0\.weight_quant\.bits has 8 widths"):
        hwcost.trace_channels(learn_channels(net, torch.zeros(2, 8)), input_bits=4)


@pytest.mark.slow
def test_a_training_prunes_and_the_rest_is_an_ordinary_network() -> None:
    data = digits()
    channels, pipeline = traced()
    start = amounts(pipeline, FPGA)["LUT"]
    settings = hwcost.Training(epochs=6, width_rule="adam", width_lr=0.05, keep="weighted", land=False)
    keeper = WeightedCost({"LUT": start}, 0.5)
    epochs = hwcost.fit(channels.net, data, settings, seed=0, hardware=hwcost.Hardware(pipeline, FPGA, keeper))
    small = channels.compacted()
    assert all(live < most for name, (live, most) in channels.live().items() if name != "fc2")
    assert epochs[-1].cost["LUT"] == amounts(compacted(channels), FPGA)["LUT"] < 0.5 * start
    assert hwcost.evaluate(small, data.test) == hwcost.evaluate(channels.net, data.test)
    integer = IntegerNetwork.of(compacted(channels), input_step=1.0)
    samples = torch.randint(17, (20, 1, 8, 8), generator=torch.manual_seed(0)).double()
    assert torch.equal(integer.values(integer.codes(samples)).argmax(1), small.double().eval()(samples).argmax(1))
