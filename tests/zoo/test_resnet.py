"""ResNet-8 of MLPerf Tiny: its published size, and sums on one grid."""

from __future__ import annotations

import torch

import hwcost
from hwcost.graph.spec import Adder, MatVec
from hwcost.zoo.precision import Precision
from hwcost.zoo.resnet import ResNet8


def test_the_published_number_of_weights() -> None:
    """77,360 of convolutions and the dense layer: mlcommons/tiny, keras_model.py, without biases."""
    pipeline = hwcost.trace(ResNet8(Precision(4, 4)), torch.zeros(1, 3, 32, 32), input_bits=8)
    blocks = [block for layer in pipeline.layers() for block in layer.blocks]
    assert sum(block.weights for block in blocks if isinstance(block, MatVec)) == 77_360
    assert sum(isinstance(block, Adder) for block in blocks) == 3


def test_both_branches_are_on_one_signed_grid_before_they_are_added() -> None:
    net = ResNet8(Precision(4, 4)).eval()
    seen: dict[str, torch.Tensor] = {}
    stack = net.stacks.stack2
    stack.add.register_forward_hook(lambda module, inputs, output: seen.update(left=inputs[0], right=inputs[1]))
    with torch.no_grad():
        net(torch.rand(2, 3, 32, 32))
    step = stack.grid.quant.step().detach()
    for branch in seen.values():
        codes = branch / step
        torch.testing.assert_close(codes, codes.round())
        assert codes.min() >= -8 and codes.max() <= 7
    assert stack.matched and not net.stacks.stack1.matched


def test_in_float_a_stack_is_a_plain_residual() -> None:
    stack = ResNet8(None).eval().stacks.stack1
    x = torch.rand(1, 16, 8, 8)
    inner = stack.norm2(stack.conv2(torch.relu(stack.norm1(stack.conv1(x)))))
    torch.testing.assert_close(stack(x), torch.relu(inner + x))
