"""A measured scale measures once in a forward pass, on float data; every reader gets the step of that measurement."""

import copy
import gc
import pickle
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant import (
    Accumulator,
    BiasQuantizer,
    BinaryQuantizer,
    IntQuantizer,
    LearnedSigma,
    QuantAdd,
    QuantAvgPool2d,
    QuantConcat,
    QuantLinear,
    QuantReLU,
    QuantScaleBias,
    RunningScale,
    StatScale,
    abs_max,
    const_weight,
    mean_sigma,
)


def running(stat: Any = abs_max, bits: int = 4, **options: Any) -> IntQuantizer:
    return IntQuantizer(bits=bits, scale=RunningScale(stat, **options), signed=False)


def behind(quantizer: IntQuantizer) -> QuantLinear:
    """A layer that reads the step of its input twice: for its bias and for its accumulator."""
    return QuantLinear(
        8,
        4,
        weight_quant=const_weight(bits=4, per_channel=False),
        bias_quant=BiasQuantizer(bits=8),
        accumulator=Accumulator(bits=9, mode="saturate"),
        source=quantizer,
    )


def test_the_running_mean_is_that_of_float_data_with_a_reader_behind() -> None:
    stat = mean_sigma(3.0)
    quantizer, alone = running(stat), RunningScale(stat)
    net = nn.Sequential(QuantReLU(quantizer), behind(quantizer))
    expected = torch.tensor(0.0)
    for batch in range(100):
        x = torch.relu(torch.randn(64, 8)) ** 2
        net(x).sum().backward()
        alone(x)
        found = stat(x)  # type: ignore[call-arg]
        expected = found if batch == 0 else expected + 0.1 * (found - expected)
    assert int(quantizer.scale.batches) == 100
    torch.testing.assert_close(quantizer.scale.running, expected)
    assert torch.equal(quantizer.scale.running, alone.running)


def test_readers_behind_see_the_step_of_the_batch_with_its_gradient() -> None:
    quantizer = running()
    x = torch.rand(5, 8, requires_grad=True)
    quantizer(x)
    step = quantizer.step(torch.zeros(5, 8))
    assert torch.equal(step.detach(), x.detach().max() / 15)
    step.backward()
    assert x.grad is not None
    assert x.grad.flatten()[x.argmax()].item() == pytest.approx(1 / 15) and int((x.grad != 0).sum()) == 1


def test_training_and_evaluation_differ_by_the_running_mean_alone() -> None:
    quantizer = running(momentum=1.0)  # so that the mean is the last batch
    net = nn.Sequential(QuantReLU(quantizer), behind(quantizer))
    x = torch.randn(6, 8)
    trained = net(x)
    assert torch.equal(net.eval()(x), trained)


@pytest.mark.parametrize("reader", ["product", "scale and bias", "pool"])
def test_every_layer_with_a_source_reads_and_does_not_measure(reader: str) -> None:
    quantizer = running(momentum=1.0)
    readers: dict[str, nn.Module] = {
        "product": behind(quantizer),
        "scale and bias": QuantScaleBias(
            8, weight_quant=const_weight(bits=4, per_channel=False), bias_quant=BiasQuantizer(bits=8), source=quantizer
        ),
        "pool": QuantAvgPool2d(2, source=quantizer),
    }
    net = nn.Sequential(QuantReLU(quantizer), readers[reader])
    x = torch.rand(3, 8, 4, 4) if reader == "pool" else torch.rand(3, 8)
    trained = net(x)
    assert int(quantizer.scale.batches) == 1
    assert torch.equal(net.eval()(x), trained)


@pytest.mark.parametrize("make", [running, lambda: BinaryQuantizer(scale=RunningScale(abs_max))])
def test_codes_values_and_step_are_of_one_measurement(make: Any) -> None:
    quantizer, x = make(), torch.rand(4, 6)
    whole = quantizer.tensor(x)
    assert int(quantizer.scale.batches) == 1
    assert torch.equal(whole.codes() * whole.scale, whole.value)


def test_a_weight_with_a_running_scale_is_measured_once() -> None:
    weight = IntQuantizer(bits=4, scale=RunningScale(abs_max), narrow=True)
    layer = QuantLinear(8, 4, weight_quant=weight, bias_quant=BiasQuantizer(bits=8), input_quant=running())
    layer(torch.rand(2, 8))
    assert int(weight.scale.batches) == 1


@pytest.mark.parametrize("merge", [QuantAdd, QuantConcat])
@pytest.mark.parametrize("scale", [lambda: RunningScale(abs_max), lambda: StatScale(abs_max)])
def test_streams_that_meet_have_one_measurement_and_one_grid(merge: Any, scale: Any) -> None:
    quantizer = IntQuantizer(bits=4, scale=scale(), signed=False)
    layer, a, b = merge(quantizer), torch.rand(20, 3), torch.rand(20, 3) * 3
    y = layer(a, b)
    step = float(torch.maximum(a.max(), b.max())) / 15
    expected = torch.round(torch.cat([a, b], 1) / step) * step
    expected = expected if merge is QuantConcat else expected[:, :3] + expected[:, 3:]
    torch.testing.assert_close(y, expected)
    if isinstance(quantizer.scale, RunningScale):
        assert int(quantizer.scale.batches) == 1
        assert float(quantizer.scale.running) == float(torch.maximum(a.max(), b.max()))


def test_streams_of_unequal_channels_and_of_a_scale_per_channel() -> None:
    a, b = torch.rand(5, 2, 3), torch.rand(5, 4, 3) * 2
    joined = QuantConcat(running())(a, b)
    assert isinstance(joined, Tensor) and joined.shape == (5, 6, 3)
    quantizer = running(channel_dim=1, channels=2)
    QuantAdd(quantizer)(a, a * 3)
    torch.testing.assert_close(quantizer.scale.running, a.movedim(1, 0).flatten(1).amax(1) * 3)


def test_what_cannot_have_one_measurement_is_refused() -> None:
    with pytest.raises(BadOption, match=r"QuantAdd.*measured.*one quantizer"):
        QuantAdd([running(), running()])
    with pytest.raises(BadOption, match=r"QuantConcat.*measured.*ready="):
        QuantConcat(running(), ready=(0,))
    with pytest.raises(BadOption, match=r"source=.*RunningScale"):
        behind(IntQuantizer(bits=4, scale=StatScale(abs_max), signed=False))
    with pytest.raises(BadOption, match=r"nothing was measured.*eval"):
        behind(running())(torch.rand(2, 8))


def test_a_measurement_does_not_outlive_its_step() -> None:
    quantizer = running()
    net = nn.Sequential(QuantReLU(quantizer), behind(quantizer))
    x = torch.rand(3, 8, requires_grad=True)
    net(x).sum().backward()
    with pytest.raises(BadOption, match="nothing was measured"):
        quantizer.step(x)
    for change in (net.eval, net.train):
        net(x)
        change()
        quantizer.train()
        with pytest.raises(BadOption, match="nothing was measured"):
            quantizer.step(x)
        net.train()


def test_an_earlier_backward_pass_does_not_forget_a_later_measurement() -> None:
    quantizer = running()
    first, second = (torch.rand(3, 8, requires_grad=True) for _ in range(2))
    y = quantizer(first)
    quantizer(second)
    y.sum().backward()
    assert torch.equal(quantizer.step(second).detach(), second.detach().max() / 15)


def test_copies_and_pickles_carry_no_measurement_and_nothing_leaks() -> None:
    quantizer = running()
    quantizer(torch.rand(3, 8, requires_grad=True))
    for twin in (copy.deepcopy(quantizer), pickle.loads(pickle.dumps(quantizer))):
        assert torch.equal(twin.scale.running, quantizer.scale.running)
        with pytest.raises(BadOption, match="nothing was measured"):
            twin.step(torch.rand(3, 8))
    assert "latest" not in str(quantizer.state_dict().keys())
    gone = weakref.ref(quantizer.scale)
    del quantizer, twin
    gc.collect()
    assert gone() is None


def test_a_learned_sigma_comes_back_from_below_the_least_threshold() -> None:
    sigma = LearnedSigma(-3.0)
    quantizer = running(sigma, bits=6)
    optimizer = torch.optim.Adam(sigma.parameters(), lr=0.1)
    for _ in range(150):
        x = torch.rand(256)
        optimizer.zero_grad()
        loss = (quantizer(x) - x).square().mean()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 1e-3


def test_torch_func_is_refused_in_training_and_works_in_evaluation() -> None:
    quantizer = running(init=1.0)
    with pytest.raises(BadOption, match=r"torch.func.*eval"):
        torch.func.vmap(quantizer)(torch.rand(2, 3))
    x = torch.rand(2, 3)
    assert torch.equal(torch.func.vmap(quantizer.eval())(x), quantizer(x))
