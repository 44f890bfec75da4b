"""Rules are found by exact meaning, and refuse what they do not describe."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hwcost.errors import BadOption, UnknownOperation, UnknownPrecision
from hwcost.graph.ranges import integers
from hwcost.graph.rules import RULES, Call, entry, norm, relu
from hwcost.graph.spec import Form, Pool, Signal, Window
from hwcost.graph.trace import trace
from hwcost.quant import (
    BiasQuantizer,
    ConstScale,
    IntQuantizer,
    QuantAdd,
    QuantAvgPool2d,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    QuantScaleBias,
    StatScale,
    abs_max,
    const_weight,
    learned_activation,
    learned_weight,
)


def of(module: nn.Module) -> Call:
    return Call(module=module, args=(), kwargs={})


def test_a_subclass_that_only_adds_is_the_same_operation() -> None:
    class Named(nn.ReLU):
        def extra_repr(self) -> str:
            return "mine"

        def describe_me(self) -> str:
            return "more"

    assert entry(RULES, of(Named())) is relu
    assert entry(RULES, of(nn.GELU())) is None
    assert entry(RULES, Call(module=None, target=torch.relu, args=(), kwargs={})) is relu


def test_a_forward_of_one_object_alone_is_another_operation() -> None:
    layer, norm = QuantLinear(4, 3, weight_quant=const_weight(bits=4)), nn.BatchNorm1d(3)
    for changed in (layer, norm):
        changed.forward = changed.forward  # type: ignore[method-assign] # as tools that wrap it do
        with pytest.raises(UnknownOperation, match=f"replaced on this very {type(changed).__name__}, so it cannot"):
            trace(nn.Sequential(layer, norm), torch.zeros(2, 4), input_bits=8)
        del changed.forward


@pytest.mark.parametrize("method", ["forward", "__call__", "_check_input_dim"])
def test_a_subclass_that_replaces_a_method_is_another_operation(method: str) -> None:
    def replaced(self: Any, input: Tensor) -> Tensor:
        return input

    other: Any = type("Other", (nn.BatchNorm2d,), {method: replaced})
    with pytest.raises(UnknownOperation, match=f"Other replaces {method} of BatchNorm2d"):
        entry(RULES, of(other(4)))


def test_a_batch_norm_without_running_statistics_is_no_constant_map() -> None:
    signal = Signal(range=integers(4, signed=True), shape=(4,))
    assert norm(of(nn.BatchNorm1d(4)), signal, shape=(4,)).output.form is Form.AFFINE
    with pytest.raises(UnknownOperation, match="track_running_stats=True"):
        norm(of(nn.BatchNorm1d(4, track_running_stats=False)), signal, shape=(4,))


def test_a_batch_norm_behind_a_relu_is_still_only_monotone() -> None:
    signal = Signal(range=integers(4, signed=True), shape=(4,))
    behind = relu(of(nn.ReLU()), signal, shape=(4,)).output
    assert norm(of(nn.BatchNorm1d(4)), behind, shape=(4,)).output.form is Form.MONOTONE


@pytest.mark.parametrize(("pool", "shape"), [(nn.MaxPool1d(2), (4,)), (nn.MaxPool2d(2), (4, 4))])
def test_pooling_over_the_wrong_rank_is_refused(pool: nn.Module, shape: tuple[int, ...]) -> None:
    """PyTorch takes a batch of vectors for one unbatched image."""
    with pytest.raises(UnknownOperation, match=r"max pooling over \d dimension"):
        trace(nn.Sequential(pool), torch.zeros(1, *shape), input_bits=4)


def test_rows_that_only_ceil_mode_reaches_are_padding() -> None:
    net = nn.Sequential(nn.MaxPool2d(2, ceil_mode=True))
    (layer,) = trace(net, torch.zeros(1, 3, 5, 6), input_bits=4).layers()
    window, pool = layer.blocks
    assert isinstance(window, Window) and isinstance(pool, Pool)
    assert window.padding == ((0, 1), (0, 0)) and window.output == (3, 3)


@pytest.mark.parametrize(
    ("pool", "shape"), [(nn.AdaptiveMaxPool2d((2, 1)), (3, 4, 6)), (nn.AdaptiveMaxPool1d(2), (3, 6))]
)
def test_an_adaptive_pooling_has_one_window_for_all(pool: nn.Module, shape: tuple[int, ...]) -> None:
    (layer,) = trace(nn.Sequential(pool), torch.zeros(1, *shape), input_bits=4).layers()
    window = layer.blocks[0]
    assert isinstance(window, Window) and window.kernel == window.stride == {2: (2, 6), 1: (3,)}[len(shape) - 1]
    with pytest.raises(UnknownOperation, match=r"windows of several sizes; give an output size that divides them"):
        trace(nn.Sequential(pool), torch.zeros(1, 3, *(side + 1 for side in shape[1:])), input_bits=4)


def per_channel(channels: int = 4) -> IntQuantizer:
    steps = torch.linspace(0.5, 2.0, channels).reshape(1, -1, 1, 1)
    return IntQuantizer(bits=4, scale=ConstScale(steps), signed=False)


def conv(inputs: int, outputs: int, **options: Any) -> QuantConv2d:
    return QuantConv2d(inputs, outputs, 1, bias=False, weight_quant=learned_weight(), **options)


IMAGE = torch.zeros(1, 4, 6, 6)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([nn.ReLU(), QuantAvgPool2d(2, truncate=False)], r"1: averages a stream whose ReLU"),
        ([conv(4, 4), nn.ReLU(), nn.BatchNorm2d(4), QuantAvgPool2d(2, truncate=False)], r"3: averages .* BatchNorm2d"),
        ([QuantReLU(per_channel()), conv(4, 2)], r"1: the input has one scale per channel .*QuantIdentity"),
        ([QuantReLU(per_channel()), nn.MaxPool2d(2), nn.Flatten(), QuantLinear(36, 2, weight_quant=learned_weight())],
         r"3: the input has one scale per channel"),
        ([conv(4, 4, input_quant=per_channel())], r"0: the input has one scale per channel"),
        ([conv(4, 4, groups=4), conv(4, 2)], r"1: the input has one weight scale per channel"),
        ([QuantReLU(per_channel()), conv(4, 4, groups=4), conv(4, 2)], r"2: the input has one weight scale per"),
        ([QuantReLU(per_channel()), conv(4, 4, groups=2)], r"1: the input has one scale per channel"),
        ([QuantReLU(per_channel()), QuantAvgPool2d(2, source=per_channel())], r"1: the input has one scale per"),
        ([QuantReLU(IntQuantizer(bits=4, scale=StatScale(abs_max), signed=False))], r"0: its scale is a statistic"),
    ],
)  # fmt: skip
def test_what_integers_cannot_do_is_refused_by_trace(layers: list[nn.Module], message: str) -> None:
    with pytest.raises(UnknownPrecision, match=message):
        trace(nn.Sequential(*layers).eval(), IMAGE, input_bits=4)


def test_streams_meet_on_one_scale_for_all_channels() -> None:
    class Adding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add = QuantAdd(per_channel())

        def forward(self, x: Tensor) -> Tensor:
            return self.add(x, x)

    with pytest.raises(UnknownPrecision, match=r"add: QuantAdd: the quantizer of stream 0 has one scale per channel"):
        trace(Adding(), IMAGE, input_bits=4)


def test_channels_that_stay_apart_may_have_scales_of_their_own() -> None:
    net = nn.Sequential(
        QuantReLU(per_channel()),
        conv(4, 8, groups=4),
        QuantScaleBias(8, bias=False, weight_quant=learned_weight(per_channel=False)),
        QuantIdentity(learned_activation(signed=True)),
        conv(8, 2),
    )
    layers = trace(net, IMAGE, input_bits=4).layers()
    assert [layer.output.affine is None for layer in layers] == [False, False, False, True, False]
    assert all(layer.output.form is Form.SCALE for layer in layers[:3])
    on_grid = QuantScaleBias(4, weight_quant=learned_weight(), bias_quant=BiasQuantizer(), source=per_channel())
    with pytest.raises(BadOption, match=r"1: .*bias_quant needs one step for all channels"):
        trace(nn.Sequential(QuantReLU(per_channel()), on_grid), IMAGE, input_bits=4)
