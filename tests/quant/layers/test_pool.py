"""Average pooling against Python's integers."""

from itertools import product
from math import ceil, floor, log2

import pytest
import torch

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import Range, between, bits_for, integers
from hwcost.graph.spec import Pool, Signal, Window
from hwcost.quant import ConstScale, IntQuantizer, QuantAvgPool2d, QuantTensor

SCALES = [1.0, 0.1, 1 / 3]


def codes(wire: Range, side: int, images: int = 6) -> torch.Tensor:
    """Random codes, and images of nothing but the lowest and the highest."""
    low, high = int(wire.low), int(wire.high)
    values = torch.randint(low, high + 1, (images, 3, side, side))
    values[0], values[1] = low, high
    return values


def windows(values: torch.Tensor, kernel: int, stride: int) -> list[int]:
    """Sums, by hand, in the order of the output."""
    images, channels, side, _ = values.shape
    places = range(0, side - kernel + 1, stride)
    numbers = values.tolist()
    return [
        sum(numbers[n][c][top + i][left + j] for i in range(kernel) for j in range(kernel))
        for n, c, top, left in product(range(images), range(channels), places, places)
    ]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("wire", [integers(4, signed=False), integers(4, signed=True), between(-3, 9), between(0, 1)])
@pytest.mark.parametrize("kernel,stride", [(1, 1), (2, 2), (2, 1), (3, 2), (5, 1), (7, 7)])
def test_truncated(kernel: int, stride: int, wire: Range, scale: float) -> None:
    side = 8
    values = codes(wire, side)
    sums = windows(values, kernel, stride)
    step = torch.tensor(scale)
    x = QuantTensor(values * step, step, wire)
    layer, fixed = QuantAvgPool2d(kernel, stride), QuantAvgPool2d(kernel, stride, corrected=True)
    out, mended = layer(x), fixed(x)
    assert isinstance(out, QuantTensor) and isinstance(mended, QuantTensor)
    full = int(bits_for(wire.low * kernel**2, wire.high * kernel**2))
    shift = max(0, min(ceil(log2(kernel**2)), full - 2))  # nothing is cut that would leave fewer than 2 bits
    expected = [floor(total / 2**shift) for total in sums]
    assert out.codes().flatten().tolist() == mended.codes().flatten().tolist() == expected
    assert float(out.scale) == pytest.approx(scale)
    assert float(mended.scale) == pytest.approx(scale * 2**shift / kernel**2)
    # the images of lowest and highest codes are among them, so the range is not a bit too wide
    assert (min(expected), max(expected)) == (float(out.range.low), float(out.range.high))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kernel,stride", [(2, 2), (3, 1)])
def test_the_whole_sum_is_the_mean(kernel: int, stride: int, scale: float) -> None:
    wire = integers(4, signed=True)
    values = codes(wire, 6)
    step = torch.tensor(scale)
    layer = QuantAvgPool2d(kernel, stride, truncate=False)
    out = layer(QuantTensor(values * step, step, wire))
    assert isinstance(out, QuantTensor)
    sums = windows(values, kernel, stride)
    assert out.codes().flatten().tolist() == sums
    assert (min(sums), max(sums)) == (float(out.range.low), float(out.range.high))
    mean = torch.nn.functional.avg_pool2d(values * step, kernel, stride)
    torch.testing.assert_close(out.value, mean)
    torch.testing.assert_close(layer(values * step), mean)


@pytest.mark.parametrize("least,most", [(2, 32), (4, 4), (2, 3), (7, 9), (6, 32)])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_bounds_of_the_width(bits: int, least: int, most: int) -> None:
    wire = integers(bits, signed=False)
    for kernel in (2, 3, 7):
        layer = QuantAvgPool2d(kernel, least=least, most=most)
        full = int(bits_for(0, int(wire.high) * kernel**2))
        shift = layer.shift(wire)
        # the wanted shift, unless the width would leave its bounds: then as near to it as they allow; a sum that is
        # narrower than the least width keeps all of its bits
        allowed = [cut for cut in range(64) if least <= full - cut <= most] or [0]
        assert shift == min(allowed, key=lambda cut: abs(cut - ceil(log2(kernel**2))))


def test_a_plain_tensor_needs_its_quantizer() -> None:
    source = IntQuantizer(bits=4, scale=ConstScale(3.0), signed=False)
    x = source(torch.rand(2, 3, 4, 4) * 4)
    out = QuantAvgPool2d(2, source=source)(x)
    expected = QuantAvgPool2d(2)(source.tensor(x))
    assert isinstance(expected, QuantTensor) and torch.equal(out, expected.value)  # type: ignore[arg-type] # plain
    with pytest.raises(UnknownPrecision, match="source="):
        QuantAvgPool2d(2)(x)


def test_gradients_pass_and_a_source_is_not_registered_again() -> None:
    source = IntQuantizer(bits=4, scale=ConstScale(1.0), signed=False)
    layer = QuantAvgPool2d(2, corrected=True, source=source)
    assert list(layer.modules()) == [layer] and layer.state_dict() == {}
    x = source(torch.rand(1, 1, 4, 4)).requires_grad_()
    layer(x).sum().backward()  # type: ignore[union-attr] # plain
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.full((1, 1, 4, 4), 0.25))


@pytest.mark.parametrize("truncate", [True, False])
def test_description(truncate: bool) -> None:
    wire = integers(4, signed=False)
    layer = QuantAvgPool2d(3, 2, truncate=truncate)
    spec = layer.describe(Signal(range=wire, shape=(5, 7, 9)), shape=(5, 3, 4))
    window, pool = spec.blocks
    assert isinstance(window, Window) and isinstance(pool, Pool)
    assert (window.kernel, window.stride, window.output, window.depthwise) == ((3, 3), (2, 2), (3, 4), True)
    assert (pool.kind, pool.channels, pool.vectors) == ("sum", 5, 12)
    assert (int(pool.output.high), int(pool.output.bits)) == (135, 8)
    assert int(spec.output.range.high) == (135 >> 4 if truncate else 135) and spec.output.shape == (5, 3, 4)
    affine = Signal(range=wire, shape=(5, 7, 9), affine="a float bias")
    if truncate:
        with pytest.raises(UnknownPrecision, match="float bias"):
            layer.describe(affine, shape=(5, 3, 4))
    else:
        assert layer.describe(affine, shape=(5, 3, 4)).output.affine == "a float bias"  # a mean commutes with it


def test_refusals() -> None:
    wrong: list[dict[str, object]] = [
        {"kernel_size": 0},
        {"kernel_size": 2, "stride": 0},
        {"kernel_size": 2, "least": 0},
        {"kernel_size": 2, "least": 5, "most": 4},
        {"kernel_size": 2, "truncate": False, "corrected": True},
        {"kernel_size": 2, "truncate": False, "most": 8},
        {"kernel_size": 2, "source": 8},
    ]
    for options in wrong:
        with pytest.raises(BadOption, match="QuantAvgPool2d"):
            QuantAvgPool2d(**options)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        QuantAvgPool2d(2, padding=1)  # type: ignore[call-arg]


def test_a_sum_narrower_than_the_least_width_is_not_shifted_left() -> None:
    layer, wire = QuantAvgPool2d(1, least=2, corrected=True), integers(1, signed=False)
    assert layer.shift(wire) == 0
    x = QuantTensor(torch.tensor([[[[0.0, 0.5]]]]), torch.tensor(0.5), wire)
    found = layer(x)
    assert isinstance(found, QuantTensor) and torch.equal(found.value, x.value) and int(found.range.high) == 1


def test_a_sample_that_is_no_image_is_refused() -> None:
    with pytest.raises(BadOption, match="takes 3 dimension"):
        QuantAvgPool2d(2, truncate=False).describe(Signal(range=integers(4, signed=False), shape=(6, 6)), shape=(3, 3))
