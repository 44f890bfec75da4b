"""Dead code, both ways: what is constant, and what nobody uses."""

from typing import Any

import torch

from hwcost.graph.ranges import Range, integers, unknown
from hwcost.graph.spec import MatVec, Thresholds
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import Unrolled, place
from hwcost.models.unrolled.liveness import live, trimmed
from hwcost.quant import (
    POW2,
    ConstScale,
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    StatScale,
    abs_max,
)


def weights(*shape: int) -> IntQuantizer:
    bits = LearnedBits(3, base=0, most=8, shape=shape)
    return IntQuantizer(bits=bits, scale=StatScale(abs_max, channel_dim=0, domain=POW2), signed=True, narrow=True)


def network() -> tuple[Any, Pipeline]:
    """Three inputs, two hidden neurons, two outputs; every weight is a code that is not 0."""
    activation = IntQuantizer(
        bits=LearnedBits(2, base=0, shape=(2,)), scale=LearnedScale(1.0, domain=POW2), signed=False
    )
    entering = IntQuantizer(bits=LearnedBits(4, base=0, shape=(3,)), scale=ConstScale(1.0, domain=POW2), signed=False)
    net: Any = torch.nn.Sequential(
        QuantIdentity(entering),
        QuantLinear(3, 2, weight_quant=weights(2, 3)),
        QuantReLU(activation),
        QuantLinear(2, 2, weight_quant=weights(2, 2)),
    )
    with torch.no_grad():
        for layer in (net[1], net[3]):
            layer.weight.fill_(0.5)
    return net, trace(net, torch.zeros(1, 3), input_range=unknown())


def built(pipeline: Pipeline) -> list[list[list[int]]]:
    """Codes that are left, product by product."""
    placed = place(pipeline.layers())
    codes = {at: one.block.constants() for at, one in enumerate(placed) if isinstance(one.block, MatVec)}
    found = live(placed, {at: code for at, code in codes.items() if code is not None})
    return [found.codes[at].tolist() for at in sorted(found.codes)]


def test_a_whole_network_lives() -> None:
    _, pipeline = network()
    assert built(pipeline) == [[[3, 3, 3]] * 2, [[3, 3]] * 2]


def test_an_input_of_no_bits_is_a_constant() -> None:
    net, pipeline = network()
    with torch.no_grad():
        net[0].quant.bits.offset[1] = 0
    assert built(pipeline)[0] == [[3, 0, 3]] * 2


def test_an_output_without_weights_is_a_constant_for_whoever_reads_it() -> None:
    net, pipeline = network()
    with torch.no_grad():
        net[1].weight_quant.bits.offset[0] = 0
    assert built(pipeline) == [[[0, 0, 0], [3, 3, 3]], [[0, 3]] * 2]


def test_an_activation_of_no_bits_needs_no_weights() -> None:
    net, pipeline = network()
    with torch.no_grad():
        net[2].quant.bits.offset[1] = 0
    assert built(pipeline) == [[[3, 3, 3], [0, 0, 0]], [[3, 0]] * 2]


def test_an_output_that_nobody_uses_is_not_built() -> None:
    net, pipeline = network()
    with torch.no_grad():
        net[3].weight_quant.bits.offset[:, 0] = 0
    assert built(pipeline) == [[[0, 0, 0], [3, 3, 3]], [[0, 3]] * 2]


def test_thresholds_of_dead_channels_cost_nothing_and_still_feel_their_price() -> None:
    net, pipeline = network()
    model = Unrolled(device="xczu3eg", sums="shared")
    with torch.no_grad():
        net[3].weight_quant.bits.offset[:, 0] = 0
    placed = place(pipeline.layers())
    at = next(i for i, one in enumerate(placed) if isinstance(one.block, Thresholds))
    lut = model.price(placed)["LUT"][at]
    assert abs(float(lut.detach()) - (2 * 2.884 + 1.631)) < 1e-9  # one channel of two bits
    lut.backward()
    assert net[2].quant.bits.offset.grad is not None
    assert bool((net[2].quant.bits.offset.grad > 0).all())


def test_only_thresholds_are_trimmed() -> None:
    block = MatVec(
        rows=1, cols=1, weight=integers(4, signed=True), input=integers(4, signed=True), acc=integers(8, signed=True)
    )
    assert trimmed(block, torch.tensor([False])) is block
    code = Range(torch.zeros(2), torch.ones(2), torch.ones(2))
    one = Thresholds(channels=2, vectors=1, input=integers(8, signed=True), output=code)
    cut = trimmed(one, torch.tensor([True, False]))
    assert isinstance(cut, Thresholds)
    assert cut.output.bits.tolist() == [1, 0]
