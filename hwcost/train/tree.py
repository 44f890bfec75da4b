"""Trees of tensors: inputs, outputs and targets as one tensor, or as a tuple, a list or a dict of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


def each(function: Callable[[Tensor], Any], tree: Any) -> Any:
    """Apply a function to every tensor of a tensor, a tuple, a list or a dict of them, in their form."""
    if isinstance(tree, Mapping):
        return {name: each(function, one) for name, one in tree.items()}
    if isinstance(tree, tuple | list):
        return tuple(each(function, one) for one in tree)
    return function(tree)


def leaves(tree: Any) -> list[Tensor]:
    """The tensors of a tensor, a tuple or a dict of them, in their order."""
    found: list[Tensor] = []
    each(found.append, tree)
    return found


def called(net: nn.Module, x: Any) -> Any:
    """Outputs of a network for a batch: inputs of a tuple by place, those of a dict by the names of `forward`."""
    if isinstance(x, Mapping):
        return net(**x)
    return net(*x) if isinstance(x, tuple) else net(x)


def shapes(tree: Any) -> Any:
    """Shape of a sample: of its tensor, or of each in a tuple or a dict."""
    return each(lambda one: tuple(one.shape[1:]), tree)


def joined(parts: list[Any]) -> Any:
    """Concatenate trees of one form, sample after sample."""
    if isinstance(parts[0], Mapping):
        return {name: joined([part[name] for part in parts]) for name in parts[0]}
    if isinstance(parts[0], tuple | list):
        return tuple(joined(list(several)) for several in zip(*parts, strict=True))
    return torch.cat(parts)
