"""Pieces add up to the network at any widths, without touching it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from described_networks import EXAMPLE, Residual, offsets
from torch import Tensor, nn

from hwcost.cost.per_layer import Pieces
from hwcost.errors import BadOption
from hwcost.graph.spec import LayerSpec, MatVec, Signal
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import Dataflow, Generic, HardwareModel, target_fps
from hwcost.quant import LearnedBits, QuantReLU, Restrict


def network() -> tuple[Residual, Pipeline]:
    net = Residual()
    return net, trace(net, EXAMPLE, input_bits=8)


def models(pipeline: Pipeline) -> dict[str, HardwareModel]:
    folding = target_fps(pipeline, 10_000)
    return {
        "dataflow": Dataflow(device="xc7z020", folding=folding),
        "dsp": Dataflow(device="ZCU104", folding=folding, multipliers="dsp", thresholds="parallel", flow="hls"),
        "generic": Generic(),
    }


def test_a_piece_depends_on_its_own_widths_and_on_those_in_front() -> None:
    net, pipeline = network()
    pieces = Pieces(net, pipeline, models(pipeline)["dataflow"])
    assert pieces.names == (
        "stem.weight_quant.bits", "grid.bits", "depthwise.weight_quant.bits", "act1.quant.bits",
        "pointwise.weight_quant.bits", "act3.quant.bits", "head.weight_quant.bits", "head.bias_quant.bits",
    )  # fmt: skip
    needs = {pipeline.steps[piece.step].name: piece.widths for piece in pieces.pieces}
    assert needs == {
        "stem": (0,), "act": (0, 1), "depthwise": (1, 2), "act1": (1, 2, 3), "pointwise": (3, 4),
        "act2": (1, 3, 4), "add": (1,), "pool": (1,), "act3": (1, 5), "head": (5, 6, 7),
    }  # fmt: skip


def test_the_network_stays_as_it_is() -> None:
    net, pipeline = network()
    before = {name: (tensor.clone(), tensor._version) for name, tensor in net.state_dict(keep_vars=True).items()}
    offsets(net)[0].requires_grad_(False)
    pieces = Pieces(net, pipeline, models(pipeline)["dataflow"])
    pieces.costs([(piece, [9.0] * 8) for piece in pieces.pieces], slopes=True)
    for name, tensor in net.state_dict(keep_vars=True).items():
        assert torch.equal(tensor, before[name][0]) and tensor._version == before[name][1], name
        assert tensor.grad is None
    assert not offsets(net)[0].requires_grad


def test_weights_are_shared_and_not_copied() -> None:
    net, pipeline = network()
    pieces = Pieces(net, pipeline, models(pipeline)["dataflow"])
    (stem,) = [step.describe.__self__ for step in pieces._net.pipeline.steps if step.name == "stem"]  # type: ignore[attr-defined] # bound
    assert stem is not net.stem and stem.weight is net.stem.weight
    assert stem.weight_quant.bits.offset is not net.stem.weight_quant.bits.offset  # type: ignore[union-attr]


def test_fractional_widths_are_no_pieces() -> None:
    net, _ = network()
    assert net.stem.weight_quant is not None
    net.stem.weight_quant.bits = LearnedBits(4, restrict=Restrict.FLOAT)  # type: ignore[attr-defined]
    pipeline = trace(net, EXAMPLE, input_bits=8)
    assert not Pieces(net, pipeline, models(pipeline)["dataflow"]).complete


def test_a_parameter_that_moves_the_cost_makes_pieces_incomplete() -> None:
    net, pipeline = network()
    fpga = models(pipeline)["dataflow"]

    class Strange:
        resources = fpga.resources

        def price(self, placed: Any) -> dict[str, Tensor]:
            bill = fpga.price(placed)
            return {**bill, "LUT": bill["LUT"] + net.head.weight.sum()}

    assert not Pieces(net, pipeline, Strange()).complete


@pytest.mark.parametrize("reads", [False, True])
def test_a_model_that_reads_the_weights_makes_pieces_incomplete(reads: bool) -> None:
    net, pipeline = network()

    class Ones:
        resources = ("ones",)

        def price(self, placed: Any) -> dict[str, Tensor]:
            units = [item.block for item in placed if isinstance(item.block, MatVec)]
            values = [unit.constants() if reads else unit.weight.bits for unit in units]
            if any(value is None for value in values):
                raise BadOption("no integers")
            return {"ones": torch.stack([value.abs().sum().double() for value in values if value is not None])}

    assert Pieces(net, pipeline, Ones()).complete is not reads


class Hidden(nn.Module):
    """Reads the width of another layer, as a number."""

    def __init__(self, bits: LearnedBits, act: QuantReLU) -> None:
        super().__init__()
        self.other = (bits,)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x)

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        spec = self.act.describe(*signals, shape=shape)
        return spec if int(self.other[0]()) != 3 else LayerSpec(output=spec.output)


def test_a_dependence_without_gradient_makes_pieces_incomplete() -> None:
    net, _ = network()
    assert net.head.weight_quant is not None
    net.act1 = Hidden(net.head.weight_quant.bits, net.act1)  # type: ignore[assignment, attr-defined]
    pipeline = trace(net, EXAMPLE, input_bits=8)
    assert not Pieces(net, pipeline, models(pipeline)["dataflow"]).complete


def test_a_width_per_channel_is_a_width_per_element() -> None:
    net = nn.Sequential(Residual().stem, Residual().act)
    net[0].weight_quant.bits = LearnedBits(4, shape=(8, 1, 1, 1))
    pipeline = trace(net, EXAMPLE, input_bits=8)
    model = Dataflow(device="xc7z020", folding=target_fps(pipeline, 1_000))
    pieces = Pieces(net, pipeline, model)
    assert pieces.complete and pieces.names[7:] == ("0.weight_quant.bits[7]", "1.quant.bits")
    assert pieces.groups == (0,) * 8 + (8,)
