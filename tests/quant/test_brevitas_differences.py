"""Where ours and brevitas 0.13.4 differ on purpose: each entry of `DIFFERENCES` has a test that shows both figures."""

import pytest
import torch
from brevitas_pairs import (
    ACTIVATIONS,
    LEARNED,
    CeilSte,
    QuantType,
    RestrictValueType,
    RoundSte,
    ScalingImplType,
    StatsOp,
    activation_injector,
    activation_pair,
    close,
    qnn,
    weight_injector,
)

from hwcost.errors import BadOption
from hwcost.graph.ranges import dot, integers
from hwcost.quant import (
    POW2,
    ConstScale,
    IntQuantizer,
    LearnedBits,
    StatScale,
    TernaryQuantizer,
    abs_max,
)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Brevitas is installed for the slow tier

DIFFERENCES = {
    "gradient_between_the_bound_and_half_a_step": "ours clamps, then rounds: gradient 0 beyond the bound. brevitas "
    "rounds first: 1 up to half a step beyond it",
    "clipped_weights_of_constant_width": "brevitas passes the gradient through clipped weights when their width is "
    "constant, and so gets the gradient of the scale wrong; ours is exact whatever the width is",
    "affine_statistics": "brevitas multiplies the logarithm's result and has no absolute value; with an offset, which "
    "is not there by default, a threshold can turn negative. Ours is |gain * statistic + bias|",
    "edge_of_the_dead_band": "|x| = threshold * scale is outside of ours (as in early brevitas), inside of theirs",
    "largest_of_equals": "of several equal largest weights of a tensor, brevitas shares the gradient of the statistic "
    "among them; ours goes to the first, as that of channels does in both",
    "accumulator_width": "brevitas is a bit too wide for most narrow weights, and too narrow for some of full range: "
    "3 products of 2 bits reach -18, which takes 6 bits",
    "one_bit_signed_integers": "brevitas divides by zero; ours says what to use instead",
    "powers_of_two": "brevitas rounds the threshold's logarithm, so that the largest weight may be clipped, unless it "
    "is told `restrict_value_float_to_int_impl=CeilSte` (as its own presets do, and all tests here); ours rounds up",
    "learned_sigma": "brevitas 0.13.4 cannot construct it for weights; ours is in tests/test_contracts.py",
    "width_at_its_floor": "both let a width leave its floor (gradient +1 at offset 0); early brevitas froze it",
}
"""What differs, and why."""


def test_differences_are_all_shown() -> None:
    shown = {name.removeprefix("test_difference_") for name in globals() if name.startswith("test_difference_")}
    assert shown == set(DIFFERENCES)


def test_difference_gradient_between_the_bound_and_half_a_step() -> None:
    here, there = activation_pair(ACTIVATIONS["constant scale"])
    x = torch.tensor([1.7 * (1 + 0.4 / 15)], dtype=torch.float64)
    mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, z = here(mine), there(other).value
    close(y.detach(), z.detach(), "value")
    y.sum().backward()
    z.sum().backward()
    assert mine.grad is not None and other.grad is not None
    assert (float(mine.grad), float(other.grad)) == (0.0, 1.0)


def test_difference_clipped_weights_of_constant_width() -> None:
    options = {"scaling_impl_type": ScalingImplType.CONST, "scaling_init": 0.5}
    theirs = qnn.QuantLinear(2, 1, bias=False, weight_quant=weight_injector(**options)).double()
    theirs.weight.data = torch.tensor([[0.2, 3.0]], dtype=torch.float64)
    mine = theirs.weight.detach().clone().requires_grad_()
    y = IntQuantizer(bits=4, scale=ConstScale(0.5), narrow=True).double()(mine)
    close(y.detach(), theirs.quant_weight().value.detach(), "value")
    y.sum().backward()
    theirs.quant_weight().value.sum().backward()
    assert mine.grad is not None
    assert (mine.grad.tolist(), theirs.weight.grad.tolist()) == ([[1.0, 0.0]], [[1.0, 1.0]])


def test_difference_affine_statistics() -> None:
    options = {"scaling_impl_type": ScalingImplType.AFFINE_STATS, "scaling_stats_op": StatsOp.MAX}
    theirs = qnn.QuantLinear(
        2, 1, bias=False, weight_quant=weight_injector(**options, scaling_affine_rescaling_init=1.0)
    )
    names = [name.rsplit(".", 1)[-1] for name, _ in theirs.named_parameters()]
    assert names == ["weight", "affine_weight"]
    ours = StatScale(abs_max, affine=True)
    assert {name for name, _ in ours.named_parameters()} == {"gain", "bias"}
    assert ours.bias is not None
    ours.bias.data.fill_(-3.0)
    assert float(ours(torch.ones(2, 1))) == 2.0


def test_difference_edge_of_the_dead_band() -> None:
    theirs = qnn.QuantLinear(
        2,
        1,
        bias=False,
        weight_quant=weight_injector(
            quant_type=QuantType.TERNARY,
            bit_width=2,
            threshold=0.5,
            scaling_impl_type=ScalingImplType.CONST,
            scaling_init=1.0,
        ),
    )
    theirs.weight.data = torch.tensor([[0.5, 0.6]])
    assert theirs.quant_weight().value.tolist() == [[0.0, 1.0]]
    assert TernaryQuantizer(scale=ConstScale(1.0))(theirs.weight).tolist() == [[1.0, 1.0]]


def test_difference_largest_of_equals() -> None:
    w = torch.tensor([[1.0, 1.0, 0.3]], dtype=torch.float64)
    theirs = qnn.QuantLinear(3, 1, bias=False, weight_quant=weight_injector(scaling_stats_op=StatsOp.MAX, **LEARNED))
    theirs.double().weight.data = w.clone()
    theirs.quant_weight().value[0, 2].backward()
    mine = w.clone().requires_grad_()
    IntQuantizer(bits=LearnedBits(4), scale=StatScale(abs_max), narrow=True).double()(mine)[0, 2].backward()
    assert mine.grad is not None
    rest = float(mine.grad[0, 0])
    close(theirs.weight.grad, torch.tensor([[rest / 2, rest / 2, 1.0]]), "theirs")
    close(mine.grad, torch.tensor([[rest, 0.0, 1.0]]), "ours")


@pytest.mark.parametrize(
    "taps,bits,narrow,reach,ours,brevitas_bits", [(3, 2, False, (-18, 9), 6, 5), (1, 2, True, (-3, 3), 3, 4)]
)
def test_difference_accumulator_width(
    taps: int, bits: int, narrow: bool, reach: tuple[int, int], ours: int, brevitas_bits: int
) -> None:
    front = qnn.QuantIdentity(act_quant=activation_injector(bit_width=bits, scaling_init=1.0), return_quant_tensor=True)
    injector = weight_injector(bit_width=bits, narrow_range=narrow, scaling_stats_op=StatsOp.MAX)
    theirs = qnn.QuantLinear(taps, 1, bias=False, weight_quant=injector, return_quant_tensor=True)
    wire = dot(integers(bits, signed=False), integers(bits, signed=True, narrow=narrow), taps)
    assert (int(wire.low), int(wire.high), int(wire.bits)) == (*reach, ours)
    assert int(theirs(front(torch.ones(1, taps))).bit_width) == brevitas_bits


def test_difference_one_bit_signed_integers() -> None:
    options = {"bit_width": 1, "scaling_stats_op": StatsOp.MAX}
    value = qnn.QuantLinear(2, 1, bias=False, weight_quant=weight_injector(**options)).quant_weight().value
    assert bool(value.isnan().all())
    with pytest.raises(BadOption, match="BinaryQuantizer"):
        IntQuantizer(bits=1, scale=StatScale(abs_max))


def test_difference_powers_of_two() -> None:
    for rounding, step in ((RoundSte, 0.25 / 8), (CeilSte, 0.5 / 8)):
        options = {
            "scaling_stats_op": StatsOp.MAX,
            "restrict_scaling_type": RestrictValueType.POWER_OF_TWO,
            "restrict_value_float_to_int_impl": rounding,
        }
        theirs = qnn.QuantLinear(2, 1, bias=False, weight_quant=weight_injector(**options))
        theirs.weight.data = torch.tensor([[0.3, -0.2]])
        assert float(theirs.quant_weight().scale) == step
    ours = IntQuantizer(bits=4, scale=StatScale(abs_max, domain=POW2), narrow=True)
    assert float(ours.step(theirs.weight)) == step


def test_difference_learned_sigma() -> None:
    options = {"scaling_stats_op": StatsOp.MEAN_LEARN_SIGMA_STD, "sigma": 2.0}
    with pytest.raises(Exception, match="stats_output_shape"):
        qnn.QuantLinear(3, 1, bias=False, weight_quant=weight_injector(**options)).quant_weight()


def test_difference_width_at_its_floor() -> None:
    here = LearnedBits(2, base=2)
    here().backward()
    there = qnn.QuantReLU(
        act_quant=activation_injector(scaling_init=1.0, bit_width=2, **LEARNED), return_quant_tensor=True
    )
    there(torch.rand(3)).bit_width.backward()
    (offset,) = (value for name, value in there.named_parameters() if name.endswith("offset"))
    assert here.offset.grad is not None and offset.grad is not None
    assert (float(here.offset.grad), float(offset.grad)) == (1.0, 1.0)
