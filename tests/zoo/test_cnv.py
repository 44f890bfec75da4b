"""CNV as FINN and BNN-PYNQ build it: maps without padding, one bit in and one bit through."""

from __future__ import annotations

import torch

import hwcost
from hwcost.graph.spec import MatVec, Window
from hwcost.zoo import cnv
from hwcost.zoo.precision import Precision


def test_its_units_are_those_of_bnn_pynq() -> None:
    """(rows, columns, vectors) of each: 64 padded classes, 9 pixels of a window, maps of 30, 28, 12, 10, 3 and 1."""
    pipeline = hwcost.trace(cnv.w1a1(), torch.zeros(1, 3, 32, 32), input_bits=8)
    blocks = [block for layer in pipeline.layers() for block in layer.blocks]
    units = [(block.rows, block.cols, block.vectors) for block in blocks if isinstance(block, MatVec)]
    assert units == [
        (64, 27, 900), (64, 576, 784), (128, 576, 144), (128, 1152, 100), (256, 1152, 9), (256, 2304, 1),
        (512, 256, 1), (512, 512, 1), (64, 512, 1),
    ]  # fmt: skip
    first, *rest = [block for block in blocks if isinstance(block, MatVec)]
    assert first.weight.bipolar and not first.input.bipolar
    assert all(block.weight.bipolar and block.input.bipolar for block in rest)
    assert all(block.padding == ((0, 0), (0, 0)) for block in blocks if isinstance(block, Window))


def test_networks_of_bnn_pynq_differ_in_their_widths() -> None:
    widths = []
    for build in (cnv.w1a1, cnv.w1a2, cnv.w2a2):
        net = build()
        widths.append((int(net.conv1.weight_quant.range().bits), int(net.conv1_act.quant.range().bits)))
        assert net.fc2.out_features == cnv.PADDED_CLASSES
    assert widths == [(1, 1), (1, 2), (2, 2)]


def test_in_float_it_has_scores_for_its_classes() -> None:
    net = cnv.QuantCNV(None, classes=7).eval()
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 7) and net.conv0.weight_quant is None
    assert cnv.QuantCNV(Precision(2, 2))(torch.rand(2, 3, 32, 32)).shape == (2, 10)
