"""One contract for all forms of fake quantization: the same values, gradients, in-place rules and errors.

Every configuration is quantized by numbers (the form that its scale and width declare) and by tensors (the same
quantizer, with a hook that makes torch call its scale), and both are held to a composition of plain torch operations.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hwcost.errors import BadOption, DivergedTraining
from hwcost.graph.ste import round_ste, whole_bits
from hwcost.quant import (
    FLOAT,
    LOG,
    POW2,
    ConstScale,
    Domain,
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    Restrict,
    StatScale,
    abs_max,
)
from hwcost.quant.kernels import Kind, levels
from hwcost.quant.kernels.scalar import SMALL

FLAGS = [(True, False), (True, True), (False, False)]
"""(signed, narrow)."""


def _number(scale: Callable[[], nn.Module], bits: Any = 5, flags: tuple[bool, bool] = FLAGS[0]) -> Callable[[], Any]:
    def build() -> IntQuantizer:
        width = bits() if callable(bits) else bits
        return IntQuantizer(bits=width, scale=scale(), signed=flags[0], narrow=flags[1])  # type: ignore[arg-type]

    return build


def _cases() -> Iterator[tuple[str, Callable[[], Any], str]]:
    learned = lambda: LearnedBits(3)  # noqa: E731 - one line each, to be read as a table
    for flags in FLAGS:
        name = f"signed={flags[0]} narrow={flags[1]}"
        for domain in (FLOAT, LOG, POW2):
            scale = lambda domain=domain: LearnedScale(1.3, domain=domain)  # noqa: E731
            yield f"learned {domain.value} {name}", _number(scale, learned, flags), "_ScalarQuant"
        yield f"constant {name}", _number(lambda: ConstScale(1.3), 4, flags), "_ScalarQuant"
        yield f"constant pow2 {name}", _number(lambda: ConstScale(1.3, domain=POW2), learned, flags), "_ScalarQuant"
        if not flags[0]:
            continue
        for domain in (FLOAT, POW2):
            for channel in (0, None):
                largest = lambda domain=domain, channel=channel: StatScale(abs_max, channel_dim=channel, domain=domain)  # noqa: E731
                yield f"largest {domain.value} {channel} {name}", _number(largest, learned, flags), "_RowQuant"
        rows = lambda: StatScale(abs_max, channel_dim=0, domain=POW2)  # noqa: E731
        pruned = lambda shape: lambda: LearnedBits(3, base=0, shape=shape)  # noqa: E731
        yield f"width per row {name}", _number(rows, pruned((3, 1)), flags), "_RowQuant"
        yield f"width per weight {name}", _number(rows, pruned((3, 5)), flags), "_RowQuant"
        yield f"width per column {name}", _number(rows, pruned((5,)), flags), "_RowQuant"


CASES = {name: (build, form) for name, build, form in _cases()}
EVERY = pytest.mark.parametrize("name", CASES)
BOTH = pytest.mark.parametrize("path", ["numbers", "tensors"])
FEW = pytest.mark.parametrize(
    "name", ["learned log signed=True narrow=False", "largest float 0 signed=True narrow=True"], ids=["number", "rows"]
)


def built(name: str, path: str) -> Any:
    quantizer = CASES[name][0]()
    if path == "tensors":
        quantizer.scale.register_forward_hook(lambda *_: None)
    return quantizer


def composed(quantizer: Any, x: Tensor) -> Tensor:
    """Operation by operation; autograd finds the gradients."""
    kind = Kind(quantizer.signed, quantizer.narrow, quantizer.power)
    width = quantizer.width()
    least = 2 if kind.signed else 1
    live = width >= least
    low, high, reach, _ = levels(width.clamp(min=least), kind)
    step = quantizer.scale(x) / reach
    scaled = x / step
    clamped = torch.where(scaled < low, low, torch.where(scaled > high, high, scaled))
    clamped = torch.where(live, clamped, scaled)  # what is pruned has the gradients of a code that is not clipped
    rounded = round_ste(clamped) * step
    return torch.where(live, rounded, _zero_like(rounded, x, step))


def _zero_like(rounded: Tensor, x: Tensor, step: Tensor) -> Tensor:
    """0, with the gradients of what is rounded to x and to the width, and none to the threshold."""
    return x - x.detach() + (rounded - x) * 0


def gradients(
    function: Callable[[Tensor], Tensor], quantizer: Any, x: Tensor, g: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    leaf = x.clone(memory_format=torch.preserve_format).requires_grad_()
    quantizer.zero_grad()
    y = function(leaf)
    y.backward(g)
    assert leaf.grad is not None
    named = {
        name: parameter.grad.clone() for name, parameter in quantizer.named_parameters() if parameter.grad is not None
    }
    return y.detach(), {"x": leaf.grad, **named}


def sample(shape: tuple[int, ...] = (3, 5)) -> tuple[Tensor, Tensor]:
    return torch.randn(shape) * 1.5, torch.randn(shape)


def same(found: dict[str, Tensor], expected: dict[str, Tensor], rtol: float = 2e-4, atol: float = 2e-4) -> None:
    assert found.keys() == expected.keys()
    for key, gradient in found.items():
        torch.testing.assert_close(
            gradient, expected[key], rtol=rtol, atol=atol, msg=lambda text, key=key: f"{key}: {text}"
        )


@EVERY
def test_a_declared_form_is_the_one_that_runs_and_a_hook_makes_it_the_general_one(name: str) -> None:
    x = torch.randn(3, 5, requires_grad=True)
    assert type(built(name, "numbers")(x).grad_fn).__name__ == f"{CASES[name][1]}Backward"
    assert type(built(name, "tensors")(x).grad_fn).__name__ == "_TensorQuantBackward"


@BOTH
@EVERY
@settings(max_examples=12)
@given(seed=st.integers(0, 10_000), move=st.floats(-4, 9, width=32), size=st.sampled_from([1.0, 1e-3, 300.0]))
def test_values_and_gradients_are_those_of_the_composition(
    path: str, name: str, seed: int, move: float, size: float
) -> None:
    torch.manual_seed(seed)
    quantizer = built(name, path)
    if isinstance(quantizer.bits, LearnedBits):
        offset = quantizer.bits.offset
        offset.data += move + (torch.rand(offset.shape) * 4 if offset.numel() > 1 else 0.0)
    x, g = sample()
    x *= size
    y, found = gradients(quantizer, quantizer, x, g)
    expected, right = gradients(lambda x: composed(quantizer, x), quantizer, x, g)
    assert torch.equal(y, expected)
    if bool((quantizer.width() < 2).any()):  # the composition cannot prune: its gradients are in a test of their own
        return
    for key, gradient in found.items():
        torch.testing.assert_close(gradient, right[key], rtol=2e-3, atol=2e-4 * max(1.0, size))


@EVERY
def test_both_paths_have_the_same_gradients_also_of_what_is_pruned(name: str) -> None:
    for width in (0.0, 1.4, 4.0):
        numbers, tensors = built(name, "numbers"), built(name, "tensors")
        for quantizer in (numbers, tensors):
            if isinstance(quantizer.bits, LearnedBits):
                quantizer.bits.offset.data.fill_(width)
        x, g = sample()
        first, second = gradients(numbers, numbers, x, g), gradients(tensors, tensors, x, g)
        assert torch.equal(first[0], second[0])
        same(first[1], second[1])


@BOTH
def test_bounds_are_inside(path: str) -> None:
    quantizer = IntQuantizer(bits=4, scale=ConstScale(8.0))
    if path == "tensors":
        quantizer.scale.register_forward_hook(lambda *_: None)
    x = torch.tensor([-8.5, -8.0, 7.0, 7.5])
    y, found = gradients(quantizer, quantizer, x, torch.ones(4))
    assert y.tolist() == [-8, -8, 7, 7] and found["x"].tolist() == [0, 1, 1, 0]


@BOTH
@pytest.mark.parametrize("threshold", [0.1, 1.0, 1 / 3, 6.0])
@pytest.mark.parametrize("bits", [2, 5, 8])
def test_the_very_largest_value_is_inside_and_a_few_floats_beyond_are_not(
    path: str, threshold: float, bits: int
) -> None:
    quantizer = IntQuantizer(bits=bits, scale=ConstScale(threshold), signed=False)
    if path == "tensors":
        quantizer.scale.register_forward_hook(lambda *_: None)
    edge = quantizer.step() * (2**bits - 1)
    beyond = edge
    for _ in range(6):
        beyond = torch.nextafter(beyond, torch.tensor(float("inf")))
    x = torch.stack([edge, beyond, torch.tensor(0.0), torch.tensor(-1e-30)])
    assert gradients(quantizer, quantizer, x, torch.ones(4))[1]["x"].tolist() == [1, 0, 1, 0]


@BOTH
@pytest.mark.parametrize("domain", [FLOAT, LOG, POW2])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_below_its_least_a_threshold_receives_only_what_leads_back(path: str, domain: Domain, sign: float) -> None:
    quantizer = IntQuantizer(bits=4, scale=LearnedScale(1.0, domain=domain), signed=False)
    if path == "tensors":
        quantizer.scale.register_forward_hook(lambda *_: None)
    quantizer.scale.value.data.fill_(-0.5 if domain is FLOAT else -20.0)
    y, found = gradients(quantizer, quantizer, torch.tensor([1.0, 2.0]), torch.full((2,), sign))
    least = 2.0**-16
    step = least / (16 if domain is POW2 else 15)
    assert torch.equal(y, torch.full((2,), 15 * step))
    slope = 2 * 15 * step / least * (1.0 if domain is FLOAT else least * 0.6931471805599453)
    assert found["scale.value"].item() == pytest.approx(0.0 if sign > 0 else -slope, rel=1e-5)


@BOTH
@FEW
@pytest.mark.parametrize("last", ["x", "gradient", "both"])
@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (2, 2, 2, 2)])
def test_channels_last_has_the_same_gradients(path: str, name: str, last: str, shape: tuple[int, ...]) -> None:
    x, g = sample(shape)
    expected = gradients(built(name, path), built(name, path), x, g)
    x2 = x.contiguous(memory_format=torch.channels_last) if last != "gradient" else x
    g2 = g.contiguous(memory_format=torch.channels_last) if last != "x" else g
    quantizer = built(name, path)
    y, found = gradients(quantizer, quantizer, x2, g2)
    assert torch.equal(y, expected[0])
    torch.testing.assert_close(found["x"], expected[1]["x"])
    same({key: value for key, value in found.items() if key == "x"}, {"x": expected[1]["x"]})


@BOTH
@EVERY
def test_views_and_expanded_gradients_are_those_of_contiguous_memory(path: str, name: str) -> None:
    whole = torch.randn(10, 3)
    view, g = whole.t()[:, ::2], torch.ones(()).expand(3, 5)
    plain, other = built(name, path), built(name, path)
    y, found = gradients(plain, plain, view, g)
    expected = gradients(other, other, view.contiguous(), g.contiguous())
    assert torch.equal(y, expected[0])
    same(found, expected[1])


@BOTH
@FEW
def test_equal_largest_weights_the_first_one_gets_the_gradient_of_the_scale(path: str, name: str) -> None:
    x, g = torch.tensor([[0.3, -0.5, 0.5], [0.5, 0.1, -0.5]]), torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    quantizer = built(name, path)
    found = gradients(quantizer, quantizer, x, g)
    expected = gradients(lambda x: composed(quantizer, x), quantizer, x, g)
    same(found[1], expected[1])


@BOTH
@EVERY
def test_nan_stays_nan_and_infinity_saturates(path: str, name: str) -> None:
    quantizer = built(name, path)
    x = torch.randn(3, 5)
    x[0, 0] = float("nan")
    y = quantizer(x)
    assert y[0, 0].isnan()
    if not isinstance(quantizer.scale, StatScale):
        x[0, 0], x[0, 1] = float("inf"), -float("inf")
        y, codes = quantizer(x), quantizer.range()
        assert (y[0, :2] / quantizer.step()).round().tolist() == [float(codes.high.detach()), float(codes.low.detach())]


@BOTH
@FEW
def test_a_row_of_zeros_besides_a_row_of_nan_stays_zero(path: str, name: str) -> None:
    y = built(name, path)(torch.tensor([[0.0, 0.0], [float("nan"), 1.0]]))
    assert y[0].tolist() == [0, 0] and y[1].isnan().any()


@BOTH
def test_empty_input(path: str) -> None:
    quantizer = built("learned log signed=True narrow=False", path)
    y, found = gradients(quantizer, quantizer, torch.zeros(0, 3), torch.zeros(0, 3))
    assert y.shape == (0, 3) and all(not gradient.any() for gradient in found.values())


@BOTH
@EVERY
@pytest.mark.parametrize("what", ["x", "y", "offset", "value"])
def test_what_is_changed_in_place_before_the_backward_pass_is_refused(path: str, name: str, what: str) -> None:
    quantizer = built(name, path)
    leaf = torch.randn(3, 5, requires_grad=True)
    x = leaf * 1
    y = quantizer(x)
    changed = {"x": x, "y": y, **{key.rpartition(".")[2]: value for key, value in quantizer.named_parameters()}}
    if what not in changed:
        pytest.skip("a constant")
    with torch.no_grad():
        changed[what].add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@BOTH
@EVERY
def test_a_width_that_became_nan_is_a_diverged_training(path: str, name: str) -> None:
    quantizer = built(name, path)
    if not isinstance(quantizer.bits, LearnedBits):
        pytest.skip("a constant")
    quantizer.bits.offset.data.view(-1)[-1] = float("nan")
    with pytest.raises(DivergedTraining, match="learning rate"):
        quantizer(torch.randn(3, 5))


@BOTH
@EVERY
def test_second_derivatives_are_refused(path: str, name: str) -> None:
    x = torch.randn(3, 5, requires_grad=True)
    with pytest.raises(BadOption, match="second derivative"):
        torch.autograd.grad(built(name, path)(x).sum(), x, create_graph=True)


@BOTH
@EVERY
def test_integers_are_refused(path: str, name: str) -> None:
    with pytest.raises(BadOption, match=r"int64.*float"):
        built(name, path)(torch.ones(3, 5, dtype=torch.int64))


@BOTH
@pytest.mark.parametrize("domain", [LOG, POW2])
def test_a_threshold_that_ran_away_is_not_hidden(path: str, domain: Domain) -> None:
    quantizer = built(f"learned {domain.value} signed=True narrow=False", path)
    quantizer.scale.value.data.fill_(1e4)
    assert not quantizer(torch.tensor([1.0])).isfinite().all()
    quantizer.scale.value.data.fill_(float("nan"))
    assert quantizer(torch.tensor([1.0])).isnan().all()


@pytest.mark.parametrize("flags", FLAGS)
def test_a_large_tensor_equals_its_halves(flags: tuple[bool, bool]) -> None:
    """Sums over many elements are added in float64, row by row."""
    build = _number(lambda: LearnedScale(1.3, domain=FLOAT), lambda: LearnedBits(5), flags)
    x, g = torch.randn(2, SMALL), torch.randn(2, SMALL)
    whole, halves = build(), build()
    y, found = gradients(whole, whole, x, g)
    parts = [gradients(halves, halves, part, gradient) for part, gradient in zip(x, g, strict=True)]
    assert torch.equal(y, torch.stack([part[0] for part in parts]))
    assert torch.equal(found["x"], torch.stack([part[1]["x"] for part in parts]))
    for key in ("bits.offset", "scale.value"):
        torch.testing.assert_close(found[key], parts[0][1][key] + parts[1][1][key], rtol=1e-3, atol=0.1)


@BOTH
def test_sums_that_nearly_cancel_are_exact_enough(path: str) -> None:
    x, g = torch.rand(2**18) * 5.9, torch.ones(2**18)
    build = _number(lambda: LearnedScale(6.0), lambda: LearnedBits(8), FLAGS[2])
    quantizer, exact = build(), build().double()
    if path == "tensors":
        quantizer.scale.register_forward_hook(lambda *_: None)
    found = gradients(quantizer, quantizer, x, g)[1]["bits.offset"]
    assert abs(float(found) - float(gradients(exact, exact, x.double(), g.double())[1]["bits.offset"])) < 0.2


class Wider(IntQuantizer):
    def width(self) -> Tensor:
        return super().width() + 1


class WiderBits(LearnedBits):
    def forward(self) -> Tensor:
        return super().forward() + 1


class Doubled(LearnedScale):
    def forward(self, x: Tensor | None = None) -> Tensor:
        return 2 * super().forward(x)


class Described(LearnedScale):
    """Computes the same, and says so."""

    def forward(self, x: Tensor | None = None) -> Tensor:
        return super().forward(x)

    def plain(self) -> Any:
        return super().plain()


@pytest.mark.parametrize(
    "quantizer,levels_of",
    [
        (Wider(bits=4, scale=LearnedScale(2.0)), (5, 2.0)),
        (IntQuantizer(bits=WiderBits(4), scale=LearnedScale(2.0)), (5, 2.0)),
        (IntQuantizer(bits=LearnedBits(5), scale=Doubled(1.0)), (5, 2.0)),
    ],
    ids=["width", "bits", "scale"],
)
def test_a_subclass_that_computes_something_else_is_asked(quantizer: Any, levels_of: tuple[int, float]) -> None:
    x = torch.linspace(-3, 3, 301)
    plain = IntQuantizer(bits=LearnedBits(levels_of[0]), scale=LearnedScale(levels_of[1]))
    assert torch.equal(quantizer(x), plain(x))
    assert len(quantizer(x).unique()) == 2 ** levels_of[0]


def test_a_subclass_may_declare_of_itself() -> None:
    x = torch.randn(4, requires_grad=True)
    y = IntQuantizer(bits=4, scale=Described(1.0))(x)
    assert type(y.grad_fn).__name__ == "_ScalarQuantBackward"


def test_a_parametrized_number_is_computed() -> None:
    class Double(nn.Module):
        def forward(self, value: Tensor) -> Tensor:
            return value + 1  # of a logarithm

    quantizer = IntQuantizer(bits=LearnedBits(4), scale=LearnedScale(1.0))
    torch.nn.utils.parametrize.register_parametrization(quantizer.scale, "value", Double())
    x = torch.randn(50)
    assert torch.equal(quantizer(x), IntQuantizer(bits=LearnedBits(4), scale=LearnedScale(2.0))(x))


def test_a_forward_set_on_the_object_is_called() -> None:
    quantizer, x = IntQuantizer(bits=LearnedBits(4), scale=LearnedScale(1.0)), torch.randn(50)
    quantizer.scale.forward = lambda x=None: torch.tensor(2.0)
    assert torch.equal(quantizer(x), IntQuantizer(bits=LearnedBits(4), scale=LearnedScale(2.0))(x))


def test_hooks_on_every_module_see_scale_and_width() -> None:
    seen: list[str] = []
    quantizer = IntQuantizer(bits=LearnedBits(4), scale=LearnedScale(1.0))
    handle = nn.modules.module.register_module_forward_hook(lambda module, *_: seen.append(type(module).__name__))
    try:
        quantizer(torch.randn(4))
    finally:
        handle.remove()
    assert seen == ["LearnedBits", "LearnedScale", "IntQuantizer"]


def test_subclasses_of_tensor_take_the_general_path() -> None:
    class Marked(Tensor):
        pass

    quantizer, x = IntQuantizer(bits=LearnedBits(4), scale=LearnedScale(1.0)), torch.randn(20)
    assert torch.equal(quantizer(x.as_subclass(Marked)).as_subclass(Tensor), quantizer(x))  # type: ignore[arg-type]


FUNCTORCH = pytest.mark.parametrize(
    "name", [name for name in CASES if name.endswith("narrow=True") or "False narrow" in name]
)


@FUNCTORCH
def test_torch_func_grad_is_that_of_autograd(name: str) -> None:
    quantizer = built(name, "numbers")
    x, g = sample()
    parameters = dict(quantizer.named_parameters())

    def loss(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return (torch.func.functional_call(quantizer, parameters, (x,)) * g).sum()

    found = torch.func.grad(loss, argnums=(0, 1))(parameters, x)
    expected = gradients(quantizer, quantizer, x, g)[1]
    same({**found[0], "x": found[1]}, expected)


@FUNCTORCH
def test_torch_func_vmap_is_a_loop(name: str) -> None:
    quantizer = built(name, "numbers")
    x = torch.randn(4, 3, 5)
    assert torch.equal(torch.func.vmap(quantizer)(x), torch.stack([quantizer(part) for part in x]))
    slopes = torch.func.vmap(torch.func.grad(lambda x: quantizer(x).square().sum()))(x)
    loop = [gradients(lambda x: quantizer(x).square(), quantizer, part, torch.ones(3, 5))[1]["x"] for part in x]
    torch.testing.assert_close(slopes, torch.stack(loop), rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # which torch's own jvp still calls
@FUNCTORCH
def test_torch_func_jvp_is_the_transposed_gradient(name: str) -> None:
    quantizer = built(name, "numbers")
    (x, g), along = sample(), torch.randn(3, 5)
    parameters = {key: value.detach() for key, value in quantizer.named_parameters()}
    tangents = {key: torch.randn(value.shape) for key, value in parameters.items()}

    def value(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(quantizer, parameters, (x,))  # type: ignore[no-any-return]

    y, moved = torch.func.jvp(value, (parameters, x), (tangents, along))
    expected = gradients(quantizer, quantizer, x, g)
    assert torch.equal(y, expected[0])
    slopes = {**tangents, "x": along}
    right = sum(float((expected[1][key] * slopes[key]).sum()) for key in expected[1])
    assert float((moved * g).sum()) == pytest.approx(right, rel=1e-3, abs=1e-3)


def test_a_width_of_another_restriction_is_called() -> None:
    quantizer = IntQuantizer(bits=LearnedBits(3.2, restrict=Restrict.FLOAT), scale=LearnedScale(1.0))
    y = quantizer(torch.randn(4, requires_grad=True))
    assert type(y.grad_fn).__name__ == "_TensorQuantBackward"


def test_whole_bits_of_the_contract_are_those_of_the_primitive() -> None:
    quantizer = IntQuantizer(bits=LearnedBits(3), scale=LearnedScale(1.0))
    for offset in (-20.0, -2.5, 0.0, 0.5, 1.5, 2.5, 99.0):
        quantizer.bits.offset.data.fill_(offset)  # type: ignore[union-attr] # learned
        assert float(quantizer.width().detach()) == float(whole_bits(torch.tensor(offset), base=2, most=16))


def test_a_torchscript_trace_is_the_same_with_and_without_gradients() -> None:
    """Torch checks a trace without gradients, where the kernels leave autograd's node out."""
    quantizer = IntQuantizer(bits=LearnedBits(3), scale=LearnedScale(1.0)).eval()
    x = torch.randn(4, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and numbers become constants
        assert torch.equal(torch.jit.trace(quantizer, x)(x), quantizer(x))
