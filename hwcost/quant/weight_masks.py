"""Zeros in the weights of a layer: whether a quantizer keeps them, and whether they change the weights next to them."""

from typing import Any

import torch
from torch import Tensor, nn

from hwcost.quant.layers.product import Product

LARGER = 8.0
"""Factor on a half of the weights that shows whether the others have a scale of their own."""


def takes_zeros(layer: Product, dim: int) -> bool:
    """Whether zeros along a dimension of the weights are zeros in the product, and the rest is as if they were away.

    Binary weights have no zero, and a scale that is a mean counts zeros, too.

    Args:
        layer: as it is now.
        dim: of its weight.
    """
    quantizer: Any = layer.weight_quant
    if quantizer is None:
        return True
    weight, dead = _lines(layer, dim)
    weight[:dead] = 0
    with torch.no_grad():
        found = quantizer(weight.movedim(0, dim)).movedim(dim, 0)
        if bool(found[:dead].any()):
            return False
        if dead == len(weight) or len(weight) in _sizes(quantizer, layer, dim):
            return True  # numbers for each line: only the lines of this length fit
        alone = quantizer(weight[dead:].movedim(0, dim)).movedim(dim, 0)
    return bool(torch.allclose(found[dead:], alone))


def one_scale(layer: Product, dim: int) -> bool:
    """Whether weights along a dimension share a scale that is measured, so that one of them changes the others."""
    quantizer: Any = layer.weight_quant
    if quantizer is None:
        return False
    weight, dead = _lines(layer, dim)
    with torch.no_grad():
        before = quantizer(weight.movedim(0, dim)).movedim(dim, 0)[dead:]
        weight[:dead] *= LARGER
        after = quantizer(weight.movedim(0, dim)).movedim(dim, 0)[dead:]
    return not bool(torch.allclose(before, after))


def _lines(layer: Product, dim: int) -> tuple[Tensor, int]:
    """A copy of the weight with a dimension in front, and a half of its length."""
    weight = layer.weight.detach().movedim(dim, 0).clone()
    return weight, max(1, len(weight) // 2)


def _sizes(quantizer: nn.Module, layer: Product, dim: int) -> list[int]:
    """Lengths along a dimension of the weight of the numbers that a quantizer has."""
    numbers = [*quantizer.parameters(), *quantizer.buffers()]
    return [number.shape[dim] for number in numbers if number.ndim == layer.weight.ndim and number.shape[dim] > 1]
