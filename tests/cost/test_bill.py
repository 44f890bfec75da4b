"""The bill of a network: sums, the slowest block, and widths in whole bits."""

from __future__ import annotations

import copy
import pickle
from math import ceil

import pytest
import torch
from torch import nn

from hwcost.cost.bill import Bill, layer_bits, price
from hwcost.cost.estimate import estimate
from hwcost.errors import BadOption
from hwcost.graph.spec import MatVec
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import AREAS, Dataflow, Generic, target_fps
from hwcost.quant import LearnedBits, QuantLinear, learned_weight
from hwcost.quant.bits import Restrict
from hwcost.quant.int_quantizer import IntQuantizer
from hwcost.zoo.lenet import QuantLeNet


def lenet(weight_bits: int = 8, activation_bits: int = 8) -> Pipeline:
    net = QuantLeNet(weight_bits=weight_bits, activation_bits=activation_bits)
    return trace(net, torch.zeros(1, 3, 32, 32), input_bits=8)


def on(pipeline: Pipeline, part: str = "xc7z020", fps: float = 1_000.0, clock_mhz: float = 100.0) -> Dataflow:
    return Dataflow(device=part, folding=target_fps(pipeline, fps, clock_mhz=clock_mhz), clock_mhz=clock_mhz)


def test_another_model_prices_the_same_pipeline() -> None:
    pipeline = lenet()
    bill = price(pipeline, Generic())
    macs = bill.total()["MACs"].item()
    assert macs == 784 * 75 * 6 + 100 * 150 * 16 + 400 * 120 + 120 * 84 + 84 * 10
    assert bill.of("conv1")["MACs"] == 784 * 75 * 6
    assert bill.of("relu1")["MACs"] == 0


def test_a_bill_is_differentiable_and_an_estimate_leaves_no_graph() -> None:
    pipeline = lenet()
    fpga = on(pipeline)
    assert price(pipeline, fpga).total()["LUT"].requires_grad
    assert all(isinstance(amount, float) for amount in estimate(pipeline, fpga).total.values())


def test_a_real_width_is_built_as_the_next_whole_one() -> None:
    width = LearnedBits(4.3, restrict=Restrict.FLOAT)
    weight = learned_weight(bits=4)
    net = QuantLinear(8, 3, bias=False, weight_quant=IntQuantizer(bits=width, scale=weight.scale, narrow=True))
    pipeline = trace(net, torch.zeros(1, 8), input_bits=4)
    (layer,) = pipeline.layers()
    assert layer_bits(layer)["weight_bits"] == ceil(4.3)


def test_a_network_without_hardware_is_refused() -> None:
    pipeline = trace(nn.Sequential(nn.Flatten()), torch.zeros(1, 2, 2), input_bits=4)
    with pytest.raises(BadOption, match="no hardware in it"):
        price(pipeline, Generic())


def two() -> Pipeline:
    layers = [QuantLinear(8, 4, bias=False, weight_quant=learned_weight(bits=4, per_channel=False)) for _ in "12"]
    layers[1] = QuantLinear(4, 6, bias=False, weight_quant=learned_weight(bits=3, per_channel=False))
    return trace(nn.Sequential(*layers), torch.zeros(1, 8), input_bits=4)


def test_areas_add_up_and_the_slowest_block_sets_the_interval() -> None:
    pipeline = two()
    bill = price(pipeline, on(pipeline, fps=2e7))
    total = bill.total()
    for name in AREAS:
        assert total[name].item() == sum(bill.amounts[name].tolist())
        assert total[name].item() == sum(bill.of(layer)[name] for layer in ("0", "1"))
    units = [cycles for item, cycles in zip(bill.placed, bill.amounts["cycles"].tolist(), strict=True)
             if isinstance(item.block, MatVec)]  # fmt: skip
    assert total["cycles"].item() == max(units) == max(bill.of(layer)["cycles"] for layer in ("0", "1"))
    assert bill.of("none") == dict.fromkeys(total, 0.0)


def test_copies_and_pickles_leave_the_gradient_behind() -> None:
    pipeline = two()
    bill = price(pipeline, on(pipeline))
    assert bill.total()["LUT"].requires_grad and copy.copy(bill).total()["LUT"].requires_grad
    for twin in (copy.deepcopy(bill), pickle.loads(pickle.dumps(bill))):
        assert isinstance(twin, Bill) and not twin.total()["LUT"].requires_grad
        assert twin.total()["LUT"].item() == bill.total()["LUT"].item()


def test_bits_of_a_layer() -> None:
    first, second = two().layers()
    # 8 products of an unsigned 4-bit and a narrow signed 4-bit number: 8 * 15 * 7 = 840 < 2^10
    assert layer_bits(first) == {"input_bits": 4, "weight_bits": 4, "acc_bits": 11, "output_bits": 11}
    assert layer_bits(second)["input_bits"] == 11
