"""The three forms of fake quantization against a composition of plain torch operations, in float64."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hwcost.errors import BadOption, DivergedTraining
from hwcost.graph.ste import ceil_ste, round_ste, whole_bits
from hwcost.quant import (
    FLOAT,
    LOG,
    POW2,
    BinaryQuantizer,
    ConstScale,
    Domain,
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    Restrict,
    StatScale,
    abs_max,
    const_input,
    const_weight,
)
from hwcost.quant.kernels.rows import Rows, row_quant
from hwcost.quant.kernels.scalar import SMALL, scalar_quant
from hwcost.quant.kernels.tensor import Kind, fake_quant
from hwcost.quant.scale import LEAST

KINDS = [Kind(*flags) for flags in itertools.product([True, False], repeat=3) if flags[0] or not flags[1]]


def composed(x: Tensor, threshold: Tensor, bits: Tensor, kind: Kind) -> Tensor:
    """The seed's formula, operation by operation; autograd finds the gradients."""
    span = torch.exp2(bits - 1) if kind.signed else torch.exp2(bits)
    low = -span + int(kind.narrow) if kind.signed else torch.zeros_like(span)
    high = span - 1
    reach = span if kind.power or (kind.signed and not kind.narrow) else span - 1
    scaled = x / (threshold / reach)
    clamped = torch.where(scaled < low, low, torch.where(scaled > high, high, scaled))
    return round_ste(clamped) * (threshold / reach)


def fused(x: Tensor, threshold: Tensor, bits: Tensor, kind: Kind) -> Tensor:
    return fake_quant(x, threshold, bits, signed=kind.signed, narrow=kind.narrow, power=kind.power)


def gradients(function, leaves, g):  # type: ignore[no-untyped-def]
    leaves = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    y = function(*leaves)
    return y.detach(), torch.autograd.grad(y, leaves, g)


def same(found, expected, **tolerance):  # type: ignore[no-untyped-def]
    assert torch.equal(found[0], expected[0].to(found[0].dtype))
    for a, b in zip(found[1], expected[1], strict=True):
        torch.testing.assert_close(a, b.to(a.dtype), **tolerance)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [2, 3, 5, 8, 16])
@pytest.mark.parametrize("shape", [(), (3, 1, 1, 1), (3, 4, 5, 2)])
def test_tensors_equal_the_composition(kind: Kind, bits: int, shape: tuple[int, ...]) -> None:
    x = torch.randn(3, 4, 5, 2, dtype=torch.float64) * 2
    leaves = (x, torch.rand(shape, dtype=torch.float64) + 0.5, torch.full(shape, float(bits), dtype=torch.float64))
    g = torch.randn_like(x)
    expected = gradients(lambda *tensors: composed(*tensors, kind), leaves, g)
    same(gradients(lambda *tensors: fused(*tensors, kind), leaves, g), expected, rtol=1e-9, atol=1e-9)


def numbers(log: bool, whole: bool, kind: Kind, base: int, most: int):  # type: ignore[no-untyped-def]
    """(scalar path, composition of the same parameters)."""

    def scalar(x: Tensor, value: Tensor, offset: Tensor) -> Tensor:
        return scalar_quant(x, value, offset, (log, whole, LEAST, base, most, kind))

    def plain(x: Tensor, value: Tensor, offset: Tensor) -> Tensor:
        exponent = ceil_ste(value) if whole else value
        threshold = (torch.exp2(exponent.double()).float() if log else value).clamp(min=LEAST)
        return composed(x, threshold, whole_bits(offset, base=base, most=most), kind)

    return scalar, plain


@given(
    kind=st.sampled_from(KINDS),
    offset=st.floats(-9, 9, width=32),
    seed=st.integers(0, 10_000),
    exponent=st.floats(-8, 8, width=32),
    domain=st.sampled_from([(False, False), (True, False), (True, True)]),
)
def test_numbers_equal_the_composition(
    kind: Kind, offset: float, seed: int, exponent: float, domain: tuple[bool, bool]
) -> None:
    torch.manual_seed(seed)
    value = torch.tensor(exponent if domain[0] else 2.0**exponent)
    size = 2.0**exponent * 1.5
    x, g = torch.randn(4, 33) * size, torch.randn(4, 33)
    scalar, plain = numbers(*domain, kind, base=2, most=10)
    found = gradients(scalar, (x, value, torch.tensor(offset)), g)
    expected = gradients(plain, (x, value, torch.tensor(offset)), g)
    assert torch.equal(found[0], expected[0])
    for a, b, reach in zip(found[1], expected[1], (1.0, 40.0, 40 * size), strict=True):
        torch.testing.assert_close(a, b, rtol=2e-3, atol=reach * 1e-5)


SHAPES = [(3,), (1, 5), (4, 3, 2, 2), (2, 1), (3, 700)]
ROWS = [Kind(True, narrow, power) for narrow in (True, False) for power in (True, False)]


def rows_and_tensors(kind: Kind, per_row: bool, base: int):  # type: ignore[no-untyped-def]
    """(the path by rows, the same by tensors)."""
    domain = POW2 if kind.power else FLOAT
    scale = StatScale(abs_max, channel_dim=0 if per_row else None, domain=domain)
    rows = Rows(kind, per_row, LEAST, base, 10)

    def tensors(x: Tensor, offset: Tensor) -> Tensor:
        bits = whole_bits(offset, base=base, most=10)
        return fake_quant(x, scale(x), bits, signed=True, narrow=kind.narrow, power=kind.power, prune=base == 0)

    return lambda x, offset: row_quant(x, offset, rows), tensors


@given(
    kind=st.sampled_from(ROWS),
    base=st.sampled_from([0, 2]),
    spread=st.sampled_from(["one", "row", "weight", "column"]),
    seed=st.integers(0, 10_000),
    shape=st.sampled_from(SHAPES),
    per_row=st.booleans(),
)
def test_rows_equal_tensors(
    kind: Kind, base: int, spread: str, seed: int, shape: tuple[int, ...], per_row: bool
) -> None:
    torch.manual_seed(seed)
    x, g = torch.randn(shape), torch.randn(shape)
    x[0] *= torch.randint(0, 2, ()) * 1e-6 * torch.randint(0, 2, ())  # a row of zeros, or below the least threshold
    sizes = {"one": (), "row": (shape[0], *[1] * (len(shape) - 1)), "weight": shape, "column": (1, *shape[1:])}
    leaves = (x, torch.randint(-60, 61, sizes[spread]) / 6.1)
    rows, tensors = rows_and_tensors(kind, per_row, base)
    found, expected = gradients(rows, leaves, g), gradients(tensors, leaves, g)
    assert torch.equal(found[0], expected[0])
    for a, b in zip(found[1], expected[1], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("per_row", [True, False])
def test_equal_largest_weights_the_first_one_gets_the_gradient_of_the_scale(kind: Kind, per_row: bool) -> None:
    x, g = torch.tensor([[0.3, -0.5, 0.5], [0.5, 0.1, -0.5]]), torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    rows, tensors = rows_and_tensors(kind, per_row, 2)
    leaves = (x, torch.tensor(2.0))
    same(gradients(rows, leaves, g), gradients(tensors, leaves, g))


def test_a_width_per_weight_that_became_nan_is_a_diverged_training() -> None:
    offset = torch.tensor([[1.0, float("nan")]])
    with pytest.raises(DivergedTraining):
        row_quant(torch.randn(1, 2), offset, Rows(Kind(True, True, False), True, LEAST, 2, 10))


def test_bounds_are_inside() -> None:
    x = torch.tensor([-8.5, -8.0, 7.0, 7.5], requires_grad=True)
    y = IntQuantizer(bits=4, scale=ConstScale(8.0))(x)
    y.sum().backward()
    assert y.tolist() == [-8, -8, 7, 7]
    assert x.grad is not None and x.grad.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("threshold", [0.1, 0.3, 1.0, 1 / 3, 6.0])
@pytest.mark.parametrize("bits", [2, 5, 8])
def test_the_very_largest_value_is_inside_and_the_next_float_but_one_is_not(threshold: float, bits: int) -> None:
    q = IntQuantizer(bits=bits, scale=ConstScale(threshold), signed=False)
    edge = q.step() * (2**bits - 1)
    beyond = edge
    for _ in range(2):
        beyond = torch.nextafter(beyond, torch.tensor(float("inf")))
    x = torch.stack([edge, beyond, torch.tensor(0.0), torch.tensor(-1e-30)]).requires_grad_()
    q(x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [1, 0, 1, 0]


QUANTIZERS = {
    "numbers": lambda: IntQuantizer(bits=LearnedBits(3), scale=LearnedScale(1.3)),
    "rows": lambda: IntQuantizer(bits=LearnedBits(3), scale=StatScale(abs_max, channel_dim=0), narrow=True),
    "rows pow2": lambda: IntQuantizer(bits=LearnedBits(3), scale=StatScale(abs_max, channel_dim=0, domain=POW2)),
    "tensors": lambda: IntQuantizer(
        bits=LearnedBits(3, restrict=Restrict.FLOAT), scale=StatScale(abs_max, channel_dim=0)
    ),
}


def parameter_gradients(make, x: Tensor, g: Tensor) -> list[Tensor]:  # type: ignore[no-untyped-def]
    q, leaf = make(), x.clone(memory_format=torch.preserve_format).requires_grad_()
    q(leaf).backward(g)
    return [leaf.grad, *(parameter.grad for parameter in q.parameters())]  # type: ignore[list-item]


@pytest.mark.parametrize("name", QUANTIZERS)
@pytest.mark.parametrize("last", ["x", "gradient", "both"])
@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (2, 2, 2, 2)])
def test_channels_last_gives_the_same_gradients(name: str, last: str, shape: tuple[int, ...]) -> None:
    x, g = torch.randn(shape), torch.randn(shape)
    expected = parameter_gradients(QUANTIZERS[name], x, g)
    x2 = x.contiguous(memory_format=torch.channels_last) if last != "gradient" else x
    g2 = g.contiguous(memory_format=torch.channels_last) if last != "x" else g
    for a, b in zip(parameter_gradients(QUANTIZERS[name], x2, g2), expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", QUANTIZERS)
def test_views_and_expanded_gradients(name: str) -> None:
    whole = torch.randn(6, 8)
    view, g = whole.t()[::2], torch.ones(()).expand(4, 6)
    q, twin = QUANTIZERS[name](), QUANTIZERS[name]()
    q(view).backward(g) if view.requires_grad else torch.autograd.backward(q(view), g)
    torch.autograd.backward(twin(view.contiguous()), g.contiguous())
    for a, b in zip(q.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize("name", QUANTIZERS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_codes_are_those_of_float32(name: str, dtype: torch.dtype) -> None:
    q, x = QUANTIZERS[name](), torch.randn(10, 100).to(dtype)
    assert q(x).dtype == dtype
    assert torch.equal(q(x), q(x.float()).to(dtype))


@pytest.mark.parametrize("name", QUANTIZERS)
def test_nan_stays_nan(name: str) -> None:
    x = torch.tensor([[float("nan"), 1.0], [0.5, 1.0]])
    y = QUANTIZERS[name]()(x)
    assert y[0, 0].isnan() and bool(y[1].isfinite().all())


def test_infinity_saturates() -> None:
    x = torch.tensor([float("inf"), -float("inf")])
    assert IntQuantizer(bits=3, scale=ConstScale(1.0), narrow=True)(x).tolist() == [1.0, -1.0]


@pytest.mark.parametrize("name", ["numbers"])
def test_empty_input(name: str) -> None:
    x = torch.zeros(0, 3, requires_grad=True)
    y = QUANTIZERS[name]()(x)
    y.sum().backward()
    assert y.shape == (0, 3)


def test_a_width_that_became_nan_is_a_diverged_training() -> None:
    q = QUANTIZERS["numbers"]()
    q.bits.offset.data.fill_(float("nan"))
    with pytest.raises(DivergedTraining, match="learning rate"):
        q(torch.randn(4))


@pytest.mark.parametrize("name", ["numbers", "rows"])
def test_second_derivatives_are_refused(name: str) -> None:
    x = torch.randn(3, 4, requires_grad=True)
    with pytest.raises(BadOption, match="second derivative"):
        torch.autograd.grad(QUANTIZERS[name]()(x).sum(), x, create_graph=True)


@pytest.mark.parametrize("transform", [torch.func.vmap, lambda f: torch.func.grad(lambda x: f(x).sum())])
def test_functorch_is_refused_and_never_silently_wrong(transform) -> None:  # type: ignore[no-untyped-def]
    for quantizer in (const_input(bits=4, signed=True), const_weight(bits=4)):
        with pytest.raises(RuntimeError):
            transform(quantizer)(torch.randn(2, 3))


@pytest.mark.parametrize("domain", [LOG, POW2])
def test_a_threshold_that_ran_away_is_not_hidden(domain: Domain) -> None:
    quantizer = IntQuantizer(bits=4, scale=LearnedScale(1.0, domain=domain))
    quantizer.scale.value.data.fill_(1e4)
    assert not quantizer(torch.tensor([1.0])).isfinite().all()
    quantizer.scale.value.data.fill_(float("nan"))
    assert quantizer(torch.tensor([1.0])).isnan().all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_tensor_equals_its_halves(kind: Kind) -> None:
    """Of many elements, sums of rows are added in float64."""
    x, g = torch.randn(2, SMALL), torch.randn(2, SMALL)
    scalar, _ = numbers(False, False, kind, base=2, most=10)
    value, offset = torch.tensor(1.3), torch.tensor(3.0)
    whole = gradients(scalar, (x, value, offset), g)
    halves = [gradients(scalar, (part, value, offset), gradient) for part, gradient in zip(x, g, strict=True)]
    assert torch.equal(whole[0], torch.stack([half[0] for half in halves]))
    assert torch.equal(whole[1][0], torch.stack([half[1][0] for half in halves]))
    for place in (1, 2):
        torch.testing.assert_close(whole[1][place], halves[0][1][place] + halves[1][1][place], rtol=1e-3, atol=0.1)


@pytest.mark.parametrize("kind", ROWS)
def test_a_transposed_weight_has_the_same_gradients(kind: Kind) -> None:
    rows, _ = rows_and_tensors(kind, True, 2)
    w, g, offset = torch.randn(4, 6), torch.randn(4, 6), torch.tensor(1.0)
    plain = gradients(rows, (w, offset), g)
    turned = w.t().contiguous().t().requires_grad_()
    leaf = offset.clone().requires_grad_()
    found = torch.autograd.grad(rows(turned, leaf), (turned, leaf), g)
    same((plain[0], found), plain)


def test_what_is_changed_in_place_is_refused() -> None:
    w = torch.randn(3, 4, requires_grad=True)
    y = const_weight(bits=4)(w)
    y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_widths_per_column_of_a_square_weight_are_not_taken_for_widths_per_row() -> None:
    bits = LearnedBits(4, shape=(4,))
    bits.offset.data = torch.tensor([0.0, 2.0, 4.0, 6.0])
    quantizer = IntQuantizer(bits=bits, scale=StatScale(abs_max, channel_dim=0, domain=POW2))
    w = torch.randn(4, 4)
    assert torch.equal(quantizer(w), quantizer(w.double()).float())


def test_integers_are_no_input_of_a_quantizer() -> None:
    for quantizer in (const_input(bits=4, signed=True), BinaryQuantizer(scale=ConstScale(1.0))):
        with pytest.raises(BadOption, match=r"int64.*float"):
            quantizer(torch.tensor([0, 1, 3]))


def test_a_scale_or_width_of_ones_own_is_asked() -> None:
    class Doubled(LearnedScale):
        def forward(self, x: Tensor | None = None) -> Tensor:
            return 2 * super().forward(x)

    class Wider(LearnedBits):
        def forward(self) -> Tensor:
            return super().forward() + 1

    x = torch.randn(20)
    plain = IntQuantizer(bits=LearnedBits(5), scale=LearnedScale(2.0))
    assert torch.equal(IntQuantizer(bits=LearnedBits(5), scale=Doubled(1.0))(x), plain(x))
    assert torch.equal(IntQuantizer(bits=Wider(4), scale=LearnedScale(2.0))(x), plain(x))


def test_sums_that_nearly_cancel_are_exact_enough() -> None:
    x = torch.rand(2**20) * 5.9
    quantizer = IntQuantizer(bits=LearnedBits(8), scale=LearnedScale(6.0), signed=False)
    quantizer(x).sum().backward()
    fast = quantizer.bits.offset.grad.clone()  # type: ignore[union-attr] # learned
    quantizer.zero_grad()
    quantizer(x.double()).sum().backward()
    assert abs(fast - quantizer.bits.offset.grad) < 0.5  # type: ignore[union-attr] # of a million elements


def test_a_row_of_zeros_beside_a_row_of_nan_stays_zero() -> None:
    y = const_weight(bits=4)(torch.tensor([[0.0, 0.0], [float("nan"), 1.0]]))
    assert y[0].tolist() == [0, 0] and y[1].isnan().any()
