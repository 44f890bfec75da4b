"""Dense layers one behind the other, each with a quantizer of its inputs and one of its weights, in one autograd node.

Small networks wait for Python, so the weights of all layers lie in one array here, and so do the widths of all
channels: each is read, and its gradient computed, by one call for the whole network. Channels are rows, samples
columns: the step of a channel is one number for a long row.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hwcost.graph.ste import Context
from hwcost.quant.kernels.dense import Array, Dense, Rules, split_matrices
from hwcost.quant.kernels.scalar import engine_apply
from hwcost.quant.kernels.stack_channels import Sums, flat_levels, input_slopes
from hwcost.quant.kernels.stack_weights import flat_weights, matrix_slopes
from hwcost.quant.kernels.tensor import once


def dense_stack(x: Tensor, rules: Rules, layers: Sequence[Dense]) -> Tensor:
    """Output of the last layer, of a stack in which each layer quantizes what the one before gives.

    Args:
        x: float32 on the CPU, (samples, inputs).
        rules: settings of the quantizers.
        layers: from the first to the last.

    Returns:
        (samples, outputs). Values as those of `fake_quant` and a product, as far as its sums are exact; gradients to
        all tensors of the layers, and to x.

    Raises:
        DivergedTraining: a width is NaN. BadOption: a second derivative.
    """
    return _apply_stack(rules, x, *(one for layer in layers for one in layer))


class _Passed(NamedTuple):
    """Inputs of a layer as they came, clipped, and rounded; (channels, samples) each."""

    x: Array
    clipped: Array
    y: Array


class _Stack(torch.autograd.Function):
    """Autograd node of a whole stack; sums as in `_ScalarQuant`, of each channel."""

    @staticmethod
    def forward(ctx: Context, rules: Rules, x: Tensor, *flat: Tensor | None) -> Tensor:
        layers = _layers(flat)
        levels, made = flat_levels(layers, rules.inputs), flat_weights(layers, rules)
        low, high, magic = (column[:, None] for column in levels[:3])
        values, passed, start = _turned(x.detach()), [], 0
        matrices = [torch.from_numpy(one) for one in split_matrices(made.y, layers)]
        for layer, matrix in zip(layers, matrices, strict=True):
            part = slice(start, start := start + len(values))
            clipped = np.maximum(values, low[part])
            np.minimum(clipped, high[part], out=clipped)
            y = clipped + magic[part]
            y -= magic[part]
            passed.append(_Passed(values, clipped, y))
            values = torch.mm(matrix, torch.from_numpy(y)).numpy()
            if layer.bias is not None:
                values += layer.bias.detach().numpy()[:, None]
        ctx.made = (rules, levels, made, matrices, passed)
        ctx.save_for_backward(*flat)
        return torch.from_numpy(np.ascontiguousarray(values.T))

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> tuple[Tensor | None, ...]:
        once()
        layers, needs = _layers(ctx.saved_tensors), _layers(ctx.needs_input_grad[2:])
        rules, levels, made, matrices, passed = ctx.made
        entered, g = ctx.needs_input_grad[1], _turned(grads[0])
        slopes = np.empty_like(made.y)
        parts = split_matrices(slopes, layers)
        sums = Sums(*np.zeros((4, len(levels.low)), np.float32))
        biases: list[Tensor | None] = []
        for at in reversed(range(len(layers))):
            one, leaving = passed[at], torch.from_numpy(g)
            torch.mm(leaving, torch.from_numpy(one.y).t(), out=torch.from_numpy(parts[at]))
            biases.insert(0, torch.from_numpy(np.add.reduce(g, 1)) if needs[at].bias else None)
            if at or entered or needs[at].value or needs[at].offset:
                start = levels.settings.starts[at]
                slope = torch.mm(matrices[at].t(), leaving).numpy()
                g = _of_values(one, slope, sums, start, rules.inputs[at].kind.signed)
        inputs = input_slopes(layers, levels, sums, rules.inputs, needs)
        weights = matrix_slopes(layers, made, slopes, rules.weights, needs)
        ctx.made = None
        gathered = (
            one for found in zip(inputs, weights, biases, strict=True) for one in (*found[0], *found[1], found[2])
        )
        return None, torch.from_numpy(g.T) if entered else None, *gathered


def _layers(flat: Sequence[Any]) -> list[Dense]:
    size = len(Dense._fields)
    return [Dense(*flat[at : at + size]) for at in range(0, len(flat), size)]


def _turned(x: Tensor) -> Array:
    """(samples, channels) -> (channels, samples), contiguous."""
    return np.ascontiguousarray(x.numpy().T)


def _of_values(one: _Passed, g: Array, sums: Sums, start: int, signed: bool) -> Array:
    """Slope by the inputs of a layer, from that by its values; the sums are noted."""
    x, clipped, y = one
    dx = g * (x == clipped)
    part = slice(start, start + len(x))
    np.vecdot(dx, x, out=sums.dx_x[part])
    np.vecdot(g, y, out=sums.g_y[part])
    np.vecdot(dx, y, out=sums.dx_y[part])
    if signed:
        np.subtract(np.add.reduce(g, 1), np.add.reduce(dx, 1), out=sums.outside[part])
    return dx


_apply_stack = engine_apply(_Stack)
