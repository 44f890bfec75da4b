"""Sizes of a network as its authors publish them: parameters, multiply-adds, and the widths of each product."""

from __future__ import annotations

import torch
from torch import nn

import hwcost
from hwcost.graph.spec import MatVec


def parameters(net: nn.Module) -> int:
    """Weights, biases and batch norms; no thresholds and widths."""
    inside = [name for name, _ in net.named_parameters() if "quant" not in name]
    return sum(net.get_parameter(name).numel() for name in inside)


def macs(pipeline: hwcost.Pipeline) -> int:
    blocks = [block for layer in pipeline.layers() for block in layer.blocks if isinstance(block, MatVec)]
    return sum(block.rows * block.groups * block.cols * block.vectors for block in blocks)


def traced(net: nn.Module, side: int = 224) -> hwcost.Pipeline:
    return hwcost.trace(net, torch.zeros(1, 3, side, side), input_bits=8)


def widths(pipeline: hwcost.Pipeline) -> dict[str, tuple[float, float]]:
    """Layer -> widths of its weights and of what enters."""
    return {
        layer.name: (float(block.weight.bits.max()), float(block.input.bits.max()))
        for layer in pipeline.layers()
        for block in layer.blocks
        if isinstance(block, MatVec)
    }
