"""Removal of pruned channels: a smaller network that computes the same function."""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hwcost.errors import BadOption
from hwcost.graph.rules import NORMS
from hwcost.quant.channel_ties import Ties, Use
from hwcost.quant.layers.linear import QuantLinear
from hwcost.quant.layers.norm import ScaleBias
from hwcost.quant.layers.product import Product
from hwcost.quant.scale import ConstScale

Kept = dict[int, Tensor]
"""Dimension -> the places that stay along it."""


@torch.no_grad()
def compacted(net: nn.Module, ties: Ties, alive: Tensor, shared: Mapping[int, nn.Module] | None = None) -> nn.Module:
    """Copy a network without the channels that do not live.

    Args:
        net: whose layers read no channel that does not live: its weights there are masked.
        ties: the classes of its channels.
        alive: whether each class lives, bool (classes,); class 0 does.
        shared: id of a module of the network -> what stands for it in the copy.

    Raises:
        BadOption: numbers per channel that cannot be recognized by their shape, or that two layers share in part.
    """
    copy = deepcopy(net, dict(shared or {}))
    cuts = _Cuts()
    for use in ties.uses:
        layer = copy.get_submodule(use.name)
        assert isinstance(layer, Product)
        _bake(layer)
        _cut_product(cuts, layer, use, alive)
    for name, _, classes in ties.streams:
        found = kept_along(alive[classes])
        if found is not None:
            _cut_map(cuts, name, copy.get_submodule(name), tuple(classes.shape), *found)
    return copy


def _bake(layer: Product) -> None:
    """Make the masked weight an ordinary one, in a copy.

    `parametrize.remove_parametrizations` takes the property off the class, which the original still needs.
    """
    if not parametrize.is_parametrized(layer, "weight"):
        return
    learns = layer.get_parameter("parametrizations.weight.original").requires_grad
    weight = layer.weight.detach()
    layer.__class__ = type(layer).__mro__[1]
    del layer.parametrizations
    layer.register_parameter("weight", nn.Parameter(weight, requires_grad=learns))


def kept_along(alive: Tensor) -> tuple[int, Tensor] | None:
    """The dimension of a sample along which channels lie, and the places of those that live.

    Args:
        alive: whether each element of a sample lives, bool.

    Returns:
        None where all live.

    Raises:
        BadOption: those that live are no block of whole channels.
    """
    if bool(alive.all()):
        return None
    for dim in range(alive.ndim):
        line = alive.movedim(dim, 0).reshape(alive.shape[dim], -1)
        if bool((line == line[:, :1]).all()):
            return dim, line[:, 0].nonzero()[:, 0]
    raise BadOption("a stream whose pruned elements are no whole channels; flatten it before a layer reads it")


class _Cuts:
    """Cuts numbers of modules, each once, however many layers hold them."""

    def __init__(self) -> None:
        self._done: dict[tuple[int, str], tuple[torch.Size, list[tuple[int, list[int]]]]] = {}

    def cut(self, where: str, owner: nn.Module, name: str, full: tuple[int, ...], kept: Kept) -> None:
        """Keep some places of a number whose shape broadcasts against `full`."""
        number: Tensor = getattr(owner, name)
        key = (id(owner), name)
        shape = self._done[key][0] if key in self._done else number.shape
        missing = len(full) - len(shape)
        if missing < 0 or any(size not in (1, full[missing + dim]) for dim, size in enumerate(shape)):
            raise BadOption(
                f"{where}: {name} of shape {tuple(shape)} has no number for each channel of a tensor of shape {full}, "
                "so its channels cannot be removed"
            )
        places = [(dim - missing, index) for dim, index in kept.items() if dim >= missing and shape[dim - missing] > 1]
        plan = [(dim, index.tolist()) for dim, index in places]
        if self._done.setdefault(key, (shape, plan))[1] != plan:
            raise BadOption(f"{where}: its {name} is shared by layers of other channels; give each its own")
        if number.shape != shape:  # cut for another layer that shares it
            return
        for dim, index in places:
            number = number.index_select(dim, index.to(number.device))
        if places:
            _put(owner, name, number.contiguous())

    def below(self, where: str, module: object, full: tuple[int, ...], kept: Kept) -> None:
        """Keep some places of every number of a module and of those below it."""
        for owner in module.modules() if isinstance(module, nn.Module) else ():
            for name, number in (*owner._parameters.items(), *owner._buffers.items()):
                if number is not None and (number.numel() > 1 or (id(owner), name) in self._done):
                    self.cut(where, owner, name, full, kept)
            if isinstance(owner, ConstScale) and isinstance(owner.value, Tensor):
                owner.value = owner.threshold


def _put(owner: nn.Module, name: str, number: Tensor) -> None:
    if name in owner._buffers:
        owner._buffers[name] = number
    else:
        learns = bool(getattr(owner, name).requires_grad)
        setattr(owner, name, nn.Parameter(number, requires_grad=learns))


def _cut_product(cuts: _Cuts, layer: Product, use: Use, alive: Tensor) -> None:
    rows, columns = (alive[classes].nonzero()[:, 0] for classes in (use.rows, use.columns))
    shape = tuple(layer.weight.shape)
    kept = {layer.row_dim: rows} if use.alone else {layer.row_dim: rows, 1 - layer.row_dim: columns}
    cuts.below(use.name, layer.weight_quant, shape, kept)
    cuts.cut(use.name, layer, "weight", shape, kept)
    entering = (1, len(use.columns), *[1] * (0 if isinstance(layer, QuantLinear) else len(shape) - 2))
    cuts.below(use.name, layer.input_quant, entering, {1: columns})
    for part in (layer.bias_quant, layer.accumulator):
        cuts.below(use.name, part, (len(use.rows),), {0: rows})
    if layer.bias is not None:
        cuts.cut(use.name, layer, "bias", (len(use.rows),), {0: rows})
    inputs, outputs = (
        ("in_features", "out_features") if isinstance(layer, QuantLinear) else ("in_channels", "out_channels")
    )
    sizes = {inputs: len(columns), outputs: len(rows)} | ({"groups": len(columns)} if use.alone else {})
    for name, size in sizes.items():
        setattr(layer, name, size)


def _cut_map(cuts: _Cuts, where: str, module: nn.Module, sample: tuple[int, ...], dim: int, index: Tensor) -> None:
    """Keep some channels of a module that maps each on its own; its numbers lie along them."""
    if not isinstance(module, (*NORMS, ScaleBias)):
        cuts.below(where, module, (1, *sample), {dim + 1: index})  # a number may also have the dimension of the batch
        return
    cuts.below(where, module, (sample[dim],), {0: index})
    setattr(module, "channels" if isinstance(module, ScaleBias) else "num_features", len(index))
