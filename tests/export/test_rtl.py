"""RTL of networks on integers: accumulators, branches and codes, clocked, and what cannot be built."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("amaranth", reason="amaranth is not installed: no Verilog was written; pip install 'hwcost[synth]'")

from verilog_bench import STEP, agrees, extreme, trained

import hwcost
from hwcost.cost.width_proxy import learned_widths
from hwcost.errors import UnknownOperation
from hwcost.export import rtl
from hwcost.export.verilog import verilog
from hwcost.graph.spec import MatVec
from hwcost.integer import IntegerNetwork
from hwcost.quant import (
    Accumulator,
    BiasQuantizer,
    BinaryQuantizer,
    ConstScale,
    QuantAdd,
    QuantConcat,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    const_activation,
    const_input,
    const_weight,
)
from hwcost.quant.granularity import fold_norms, refine_widths
from hwcost.zoo.mlp import MLP
from hwcost.zoo.precision import Precision


@pytest.mark.parametrize("mode", ["saturate", "wrap", "truncate"])
def test_accumulators_and_an_integer_bias(mode: str) -> None:
    entering, between = const_input(bits=4, max_val=1.0), const_activation(bits=3, max_val=1.0)
    first = QuantLinear(
        5, 6, weight_quant=const_weight(bits=4, per_channel=False), bias_quant=BiasQuantizer(bits=6),
        accumulator=Accumulator(bits=6, mode=mode), source=entering,
    )  # fmt: skip
    last = QuantLinear(
        6, 3, weight_quant=const_weight(bits=3, per_channel=False), bias_quant=BiasQuantizer(bits=5), source=between
    )
    net = nn.Sequential(QuantIdentity(entering), first, QuantReLU(between), last).eval()
    codes = extreme(0, 15, 5, 100)
    agrees(hwcost.trace(net, torch.zeros(1, 5)), codes, floats=codes / 15)


class _Branches(nn.Module):
    """A residual and a concatenation of branches of different length."""

    def __init__(self) -> None:
        super().__init__()
        self.first = QuantLinear(6, 5, bias=False, weight_quant=const_weight(bits=3))
        self.act = QuantIdentity(const_activation(bits=3, max_val=2.0, signed=True))
        self.second = QuantLinear(5, 5, bias=False, weight_quant=const_weight(bits=3))
        self.add, self.cat = QuantAdd(const_activation(bits=4, max_val=2.0, signed=True)), QuantConcat(
            const_activation(bits=4, max_val=2.0, signed=True))  # fmt: skip
        self.last = QuantLinear(10, 3, bias=False, weight_quant=const_weight(bits=3, per_channel=False))

    def forward(self, x: Tensor) -> Tensor:
        one = self.act(self.first(x))
        total = self.add(one, self.second(one))
        scores: Tensor = self.last(self.cat(total, one))
        return scores


def test_branches_meet_at_the_same_clock() -> None:
    agrees(hwcost.trace(_Branches().eval(), torch.zeros(1, 6), input_bits=4), extreme(0, 15, 6, 100))


@pytest.mark.parametrize(
    "quant", [const_input(bits=5, max_val=4.0, signed=True), BinaryQuantizer(scale=ConstScale(1.0))]
)
def test_a_float_input_enters_as_codes(quant: nn.Module) -> None:
    net = trained(nn.Sequential(QuantIdentity(quant), *MLP((6, 5, 3), Precision(3, 2))))
    x = torch.randn(100, 2, 3) * 3
    pipeline = hwcost.trace(net, x[:1])
    made = agrees(pipeline, IntegerNetwork.of(pipeline).run(x)["0"].flatten(1), floats=x)
    assert made.interface["input"]["step"] == pytest.approx(float(quant.step(x).squeeze()))


@pytest.mark.parametrize("sums", ["apart", "shared"])
def test_a_network_of_widths_per_weight(sums: str) -> None:
    """Of weights without bits, and of sums that rows share or not, the integers are those of the network."""
    torch.manual_seed(5)
    net, codes = MLP((5, 8, 6, 3), Precision(3, 3, learned=True)), extreme(0, 15, 5, 60)
    trained(net, codes * STEP)
    fold_norms(net, codes * STEP)
    refine_widths(net, codes * STEP, per="weight")
    with torch.no_grad():
        for width in learned_widths(net).values():
            width.offset -= width() * (torch.rand(width.offset.shape) < 0.3) * (width.offset.ndim == 2)
    pipeline = hwcost.trace(net.eval(), torch.zeros(1, 5), input_bits=4)
    blocks = [block for layer in pipeline.layers() for block in layer.blocks if isinstance(block, MatVec)]
    assert any(bool((block.constants() == 0).any()) for block in blocks)
    agrees(pipeline, codes, sums=sums)


def test_what_cannot_be_built_is_listed_at_once() -> None:
    conv = QuantConv2d(1, 2, 3, bias=False, weight_quant=const_weight(bits=2))
    net = nn.Sequential(conv, QuantReLU(const_activation(bits=2)), nn.MaxPool2d(2), nn.Flatten(), QuantLinear(
        18, 3, bias=False, weight_quant=const_weight(bits=2)))  # fmt: skip
    with pytest.raises(UnknownOperation, match=r"0: QuantConv2d.*--to finn.*\n2: MaxPool2d.*--to finn"):
        verilog(hwcost.trace(net, torch.zeros(1, 1, 8, 8), input_bits=4), input_step=STEP)


def test_a_wrong_weight_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail."""
    right = rtl.product
    monkeypatch.setattr(rtl, "product", lambda c, row, x, bias=0: right(c, [row[0] + 1, *row[1:]], x, bias))
    pipeline = hwcost.trace(trained(MLP((4, 6, 3), Precision(3, 3))), torch.zeros(1, 4), input_bits=4)
    with pytest.raises(AssertionError):
        agrees(pipeline, extreme(0, 15, 4, 20))
