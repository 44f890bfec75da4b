"""All widths of a network at once: optimizer groups, freezing, hysteresis against oscillation.

Annealing needs no tool of its own: the widths are a parameter group, so any scheduler of torch.optim lowers their
learning rate.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite, log2
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant.bits import LearnedBits, Restrict
from hwcost.quant.channels import ChannelGates
from hwcost.quant.layers.accumulator import NarrowedBits
from hwcost.quant.precision import FullPrecision
from hwcost.quant.quantizers import Quantizer

Group = dict[str, Any]
"""A parameter group of torch.optim: {"params": [...], "lr": ..., "weight_decay": ..., "name": ...}."""

NORMS = (nn.LayerNorm, nn.RMSNorm)
"""Norms whose parameters can have several dimensions."""


class ParameterGroups(NamedTuple):
    """Groups for torch.optim: all for one optimizer, or some for each of several.

    Attributes:
        weights: matrices and kernels; only these decay.
        rest: scales, biases, norms, and the p of `NarrowedBits`, whose gradient is too steep for `width_lr`.
        widths: offsets of learned widths, and the strengths of channels that learn whether they live.
    """

    weights: Group
    rest: Group
    widths: Group


def parameter_groups(net: nn.Module, *, lr: float, width_lr: float, weight_decay: float) -> ParameterGroups:
    """Every parameter of a network, once, in the group that suits it; frozen ones too, so that they can be thawed.

    A width under Adam moves by about `width_lr` bits a step whatever its gradient; under plain SGD a layer that costs
    more moves more, which is what a hardware budget wants: give `widths` an SGD of their own there.

    Args:
        net: with or without quantized layers.
        lr: learning rate of `weights` and `rest`, above 0.
        width_lr: of `widths`, at least 0.
        weight_decay: of `weights`, at least 0; the others have none. Decay would narrow widths and pull scales to 1.

    Returns:
        The three groups; a group without parameters is empty, and an optimizer takes it.

    >>> groups = parameter_groups(nn.Linear(3, 2), lr=1e-3, width_lr=0.3, weight_decay=1e-4)
    >>> [len(group["params"]) for group in groups]
    [1, 1, 0]
    """
    for name, value, least in (("lr", lr, 0.0), ("width_lr", width_lr, 0.0), ("weight_decay", weight_decay, 0.0)):
        if not isfinite(value) or value < least or (name == "lr" and value == 0):
            raise BadOption(
                f"parameter_groups: {name}={value!r}; give a number {'above' if name == 'lr' else 'of at least'} 0"
            )
    widths = {id(learning): learning for learning in _learning(net)}
    spared = {
        id(parameter)
        for module in net.modules()
        if isinstance(module, (*NORMS, FullPrecision, Quantizer))
        for parameter in module.parameters()
    }
    others = [parameter for parameter in net.parameters() if id(parameter) not in widths]
    decayed = {id(parameter) for parameter in others if parameter.ndim > 1 and id(parameter) not in spared}
    return ParameterGroups(
        weights=_group("weights", [p for p in others if id(p) in decayed], lr, weight_decay),
        rest=_group("rest", [p for p in others if id(p) not in decayed], lr, 0.0),
        widths=_group("widths", list(widths.values()), width_lr, 0.0),
    )


def _group(name: str, parameters: list[nn.Parameter], lr: float, weight_decay: float) -> Group:
    return {"params": parameters, "lr": lr, "weight_decay": weight_decay, "name": name}


def _learned(net: nn.Module) -> list[LearnedBits]:
    return [module for module in net.modules() if isinstance(module, LearnedBits)]


def _learning(net: nn.Module) -> list[nn.Parameter]:
    """The Parameters of widths and of channels."""
    gates = [module.strength for module in net.modules() if isinstance(module, ChannelGates)]
    return [*(bits.offset for bits in _learned(net)), *gates]


def freeze_widths(net: nn.Module) -> None:
    """Stop all learned widths and channels of a network, or of one layer: they keep their value and get no gradient.

    A gradient that is already there is dropped, so that no optimizer moves a frozen width, with momentum or decay.
    Under DistributedDataParallel freeze before wrapping, or wrap again.

    Args:
        net: any module; the widths below it, also those it shares with others.
    """
    _set_learning(net, False)


def thaw_widths(net: nn.Module) -> None:
    """Let all learned widths and channels of a network, or of one layer, continue from their present values.

    Args:
        net: any module; the widths below it.
    """
    _set_learning(net, True)


def _set_learning(net: nn.Module, learning: bool) -> None:
    removals = [module.p for module in net.modules() if isinstance(module, NarrowedBits)]
    for parameter in (*_learning(net), *removals):
        parameter.requires_grad_(learning)
        if not learning:
            parameter.grad = None


@contextmanager
def steady_widths(net: nn.Module, *, margin: float = 0.25) -> Iterator[None]:
    """Hysteresis: widths that flip inside this block do not flip back before their offset has returned by `margin`.

        with steady_widths(net):
            optimizer.step()

    A width that flips has its offset moved to at least `margin` inside its new step. That is rounding with two
    thresholds, `margin` apart: up through the upper one, down through the lower. The offset itself remembers which
    side it is on, so there is no state to save, copy or reset; forward and hardware cost see an ordinary width.
    Widths of `Restrict.FLOAT` have no steps and are left alone.

    Args:
        net: any module; the learned widths below it.
        margin: distance of the two thresholds, in steps (bits; doublings with `Restrict.POW2`), above 0, at most 0.5.
            A wanted move over several steps becomes faster: each takes 1 - margin.
    """
    if not 0 < margin <= 0.5:
        raise BadOption(f"steady_widths: margin={margin!r}; give a number above 0, at most 0.5")
    stepped = [bits for bits in _learned(net) if bits.restrict is not Restrict.FLOAT]
    before = [_place(bits) for bits in stepped]
    yield
    for bits, old in zip(stepped, before, strict=True):
        _settle(bits, old, margin)


@torch.no_grad()
def _place(bits: LearnedBits) -> Tensor:
    """Steps above the base: the |offset| in whose middle the width stands."""
    width: Tensor = bits()
    return width.log2() - log2(bits.base) if bits.restrict is Restrict.POW2 else width - bits.base


@torch.no_grad()
def _settle(bits: LearnedBits, old: Tensor, margin: float) -> None:
    new, distance = _place(bits), bits.offset.abs()
    entered_above = torch.maximum(distance, new - 0.5 + margin)
    entered_below = torch.minimum(distance, new + 0.5 - margin)
    settled = torch.where(new > old, entered_above, torch.where(new < old, entered_below, distance))
    # copysign keeps the side of zero; at zero itself there is nothing to keep
    bits.offset.copy_(torch.copysign(settled, bits.offset))
