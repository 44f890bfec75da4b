"""Graph and shapes once; ranges live; every fault at once, each with its place and its remedy."""

import inspect

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.errors import BadOption, UnknownOperation, UnknownPrecision, UntraceableNetwork
from hwcost.graph import ranges
from hwcost.graph.rules import RULES, wire
from hwcost.graph.spec import MatVec, Pool, Thresholds, Window
from hwcost.graph.trace import trace
from hwcost.quant import (
    QuantAdd,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    learned_activation,
    learned_weight,
)
from hwcost.zoo.lenet import QuantLeNet

IMAGE = torch.zeros(2, 3, 32, 32)


def test_the_seeds_lenet_is_traced_as_it_is_written() -> None:
    layers = {layer.name: layer for layer in trace(QuantLeNet(), IMAGE, input_bits=8).layers()}
    assert list(layers) == [
        "conv1", "relu1", "max_pool2d", "conv2", "relu2", "max_pool2d_1", "flatten",
        "fc1", "relu3", "fc2", "relu4", "fc3",
    ]  # fmt: skip
    assert layers["conv2"].output.shape == (16, 10, 10)
    assert layers["flatten"].output.shape == (400,) and not layers["flatten"].blocks
    window, unit = layers["conv2"].blocks
    assert isinstance(window, Window) and (window.image, window.kernel) == ((14, 14), (5, 5))
    assert isinstance(unit, MatVec) and (unit.rows, unit.cols, unit.vectors) == (16, 150, 100)
    pool = layers["max_pool2d"].blocks[1]
    assert isinstance(pool, Pool) and pool.kind == "max" and pool.vectors == 14 * 14
    assert isinstance(layers["relu1"].blocks[0], Thresholds)
    # 150 products of an unsigned and a signed narrow 8-bit integer: 150 * 255 * 127 = 4,857,750 < 2^23
    assert layers["conv2"].output.range.bits == 24


def test_widths_are_live() -> None:
    net = QuantLeNet()
    pipeline = trace(net, IMAGE, input_bits=8)
    with torch.no_grad():
        net.relu1.quant.bits.offset.fill_(1.0)
    layers = {layer.name: layer for layer in pipeline.layers()}
    assert layers["relu1"].output.range.bits == 3
    assert layers["conv2"].inputs[0].range.high == 7


def test_modes_are_put_back_and_nothing_is_trained() -> None:
    net = nn.Sequential(
        QuantConv2d(3, 4, 3, weight_quant=learned_weight(bits=4)), nn.BatchNorm2d(4), QuantReLU(learned_activation())
    )
    net[1].eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    trace(net, torch.randn(2, 3, 8, 8), input_bits=8)
    assert (net.training, net[0].training, net[1].training) == (True, True, False)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_an_input_without_a_width_names_layer_and_remedy() -> None:
    with pytest.raises(UnknownPrecision, match=r"conv1: .*\(3, 32, 32\) has no bit-width; .*input_bits="):
        trace(QuantLeNet(), IMAGE)


def test_an_input_quantizer_gives_the_width() -> None:
    net = nn.Sequential(
        QuantIdentity(learned_activation(bits=5)), QuantLinear(4, 2, bias=False, weight_quant=learned_weight())
    )
    layers = trace(net, torch.zeros(1, 4)).layers()
    assert not layers[0].blocks  # it runs where the data comes from
    assert layers[1].inputs[0].range.bits == 5


def test_all_faults_come_at_once() -> None:
    net = nn.Sequential(
        nn.Linear(4, 4),
        QuantReLU(learned_activation()),
        QuantLinear(4, 4, bias=False, weight_quant=None),
        QuantReLU(learned_activation()),
        nn.Tanh(),
    )
    # faults of their own are named behind another one, and nothing is blamed for what stands in front of it
    with pytest.raises(UnknownOperation, match="0: Linear has no rule") as caught:
        trace(net, torch.zeros(1, 4), input_bits=8)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["0", "2", "4"]

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Tanh()

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.a(x), self.b(x)

    with pytest.raises(UnknownOperation) as caught:
        trace(Branches(), torch.zeros(1, 4), input_bits=8)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["a", "b"]


class Unsupported(nn.Module):
    """Operations that have no rule; several are modules, several functions, one stands behind the other."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = QuantConv2d(3, 4, 3, padding=1, weight_quant=learned_weight())
        self.act = QuantReLU(learned_activation())
        self.conv, self.norm, self.gelu = nn.Conv2d(4, 4, 1), nn.GroupNorm(2, 4), nn.GELU()
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.enter(x))
        y = self.gelu(self.norm(self.conv(x)))
        z = torch.cat([x + y, x], 1)[:, :4]
        z = self.fc(self.pool(z).flatten(1)) * 2
        return torch.softmax(torch.atan(z), 1)


def test_unsupported_operations_are_as_many_lines_with_remedies() -> None:
    with pytest.raises(UnknownOperation) as caught:
        trace(Unsupported(), torch.zeros(1, 3, 6, 6), input_bits=8)
    lines = dict(line.split(": ", 1) for line in str(caught.value).splitlines())
    assert list(lines) == ["conv", "norm", "gelu", "add", "cat", "pool", "fc", "atan", "softmax"]
    for name, part in {
        "conv": "use QuantConv2d",
        "norm": "use nn.BatchNorm1d or nn.BatchNorm2d",
        "gelu": "use QuantActivation",
        "add": "use QuantAdd",
        "cat": "use QuantConcat",
        "pool": "use QuantAdaptiveAvgPool",
        "fc": "use QuantLinear",
        "atan": "nothing in hwcost.quant does the same",
        "softmax": "leave it out of the network",
    }.items():
        assert part in lines[name], name


def test_an_example_that_fails_names_what_has_no_rule_too() -> None:
    net = nn.Sequential(nn.GELU(), QuantLinear(5, 4, weight_quant=learned_weight()), nn.GELU())
    with pytest.raises(UntraceableNetwork) as caught:
        trace(net, torch.zeros(1, 4), input_bits=8)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["1", "0", "2"]


class Met(nn.Module):
    """Streams that meet in another order than they are named."""

    def __init__(self, twice: bool) -> None:
        super().__init__()
        self.grid = learned_activation(bits=5)
        self.first, self.add = QuantReLU(self.grid), QuantAdd([self.grid, self.grid], ready=(1,))
        self.twice = twice

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        return self.add(y, y) if self.twice else self.add(right=y, left=x)


def test_streams_enter_in_the_order_of_the_arguments() -> None:
    first, add = trace(Met(twice=False), torch.zeros(1, 4), input_bits=8).layers()
    assert [int(signal.range.bits) for signal in add.inputs] == [8, 5]
    first, add = trace(Met(twice=True), torch.zeros(1, 4), input_bits=8).layers()
    assert add.inputs == (first.output, first.output)


def test_a_subclass_with_a_forward_of_its_own_is_not_priced_as_its_parent() -> None:
    class Absolute(QuantReLU):
        def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
            return super().forward(x.abs())

    class Scaled(nn.BatchNorm1d):
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(input * input)

    linear = QuantLinear(4, 4, weight_quant=learned_weight())
    net = nn.Sequential(linear, Scaled(4), Absolute(learned_activation()))
    with pytest.raises(UnknownOperation) as caught:
        trace(net, torch.zeros(2, 4), input_bits=8)
    first, second = str(caught.value).splitlines()
    assert "1: Scaled replaces forward of BatchNorm1d" in first
    assert "2: Absolute has a forward of its own, but inherits the describe() of QuantIdentity" in second


def test_a_foreign_module_joins_with_a_rule() -> None:
    class Shuffle(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flip(1)

    net = nn.Sequential(Shuffle(), QuantLinear(4, 2, bias=False, weight_quant=learned_weight()))
    with pytest.raises(UnknownOperation, match="flip"):
        trace(net, torch.zeros(1, 4), input_bits=8)
    layers = trace(net, torch.zeros(1, 4), input_bits=8, rules={**RULES, Shuffle: wire}).layers()
    assert [layer.kind for layer in layers] == ["Shuffle", "QuantLinear"]


def test_reordering_views_are_refused() -> None:
    class Reorders(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.view(x.size(0), 2, -1)

    with pytest.raises(UnknownOperation, match=r"reshapes a sample from \(4, 2\) to \(2, 4\)"):
        trace(Reorders(), torch.zeros(1, 4, 2), input_bits=8)


def test_batch_norm_needs_an_activation_to_absorb_it() -> None:
    linear = {"bias": False, "weight_quant": learned_weight()}
    good = nn.Sequential(
        QuantLinear(4, 4, **linear), nn.BatchNorm1d(4), QuantReLU(learned_activation()), QuantLinear(4, 2, **linear)
    )
    assert trace(good, torch.zeros(2, 4), input_bits=8).layers()[2].output.affine is None
    bad = nn.Sequential(QuantLinear(4, 4, **linear), nn.BatchNorm1d(4), QuantLinear(4, 2, **linear))
    with pytest.raises(UnknownPrecision, match=r"2: .*BatchNorm1d"):
        trace(bad, torch.zeros(2, 4), input_bits=8)


def test_a_module_called_twice_is_two_layers() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = QuantReLU(learned_activation())
            self.fc = QuantLinear(4, 4, bias=False, weight_quant=learned_weight())

        def forward(self, x: Tensor) -> Tensor:
            return self.relu(self.fc(self.relu(self.fc(x))))

    names = [layer.name for layer in trace(Twice(), torch.zeros(1, 4), input_bits=8).layers()]
    assert names == ["fc", "relu", "fc@2", "relu@2"]


def test_a_single_layer_is_a_network() -> None:
    layers = trace(
        QuantLinear(4, 2, bias=False, weight_quant=learned_weight()), torch.zeros(1, 4), input_bits=8
    ).layers()
    assert len(layers) == 1


def test_max_pool_with_padding_and_stride() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.max_pool2d(x, kernel_size=3, stride=2, padding=1)

    (layer,) = trace(Net(), torch.zeros(1, 2, 8, 8), input_bits=4).layers()
    window = layer.blocks[0]
    assert isinstance(window, Window)
    assert (window.kernel, window.stride, window.padding, window.output) == ((3, 3), (2, 2), ((1, 1), (1, 1)), (4, 4))


@pytest.mark.parametrize("bits", [0, -1, 2.5, True])
def test_bad_input_widths_are_refused(bits: float) -> None:
    with pytest.raises(BadOption, match="input_bits="):
        trace(QuantLeNet(), IMAGE, input_bits=bits)
    with pytest.raises(BadOption, match="both given"):
        trace(QuantLeNet(), IMAGE, input_bits=8, input_range=ranges.integers(8, signed=True))


def test_a_network_without_numbers_is_refused() -> None:
    with torch.device("meta"):
        net = nn.Sequential(QuantLinear(4, 2, weight_quant=None))
    with pytest.raises(UntraceableNetwork, match=r"0\.weight is on the meta device and has no numbers"):
        trace(net, torch.zeros(1, 4), input_bits=4)


def test_a_pipeline_prints_its_shapes_and_layers() -> None:
    pipeline = trace(QuantLeNet(), IMAGE, input_bits=8)
    assert repr(pipeline).startswith("Pipeline((3, 32, 32) -> (10,), 12 layers: conv1, relu1, max_pool2d, conv2, ")
    assert len(repr(pipeline.steps[0])) < 150 and "tensor(" not in repr(pipeline.layers()[0])
    assert len(str(inspect.signature(trace))) < 600, "a table of rules is no part of a signature"
