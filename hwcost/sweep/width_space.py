"""A search of bit-widths: every learned width is a parameter of the trial, and stands still in training."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

import numpy as np
import torch
from immutabledict import immutabledict
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, IntDistribution
from torch import nn

from hwcost.cost.width_proxy import learned_widths
from hwcost.cost.width_table import WidthPrices
from hwcost.errors import BadOption
from hwcost.graph.trace import Pipeline
from hwcost.models import HardwareModel
from hwcost.quant import LearnedBits, freeze_widths, thaw_widths
from hwcost.search.samplers.grid import Candidates

NOTHING: Mapping[str, int] = immutabledict()


class WidthSpace:
    """The widths of one network as a search space with exact prices.

    Args:
        net: with learned widths, and no other part that its cost depends on.
        pipeline, model: as for `hardware_cost`; the folding must not depend on the widths.
        bits: smallest and largest width to search; cut to what each width can be.
        fixed: patterns of widths that are no part of the space, as for `hold_widths`.

    Attributes:
        space: name of a width -> its Optuna distribution.

    Raises:
        BadOption: no learned width, one that cannot be any of these, or a cost that depends on more than widths.
    """

    def __init__(
        self,
        net: nn.Module,
        pipeline: Pipeline,
        model: HardwareModel,
        bits: tuple[int, int],
        fixed: Mapping[str, int] = NOTHING,
    ) -> None:
        low, high = bits
        if not 1 <= low <= high:
            raise BadOption(f"bits {low}:{high}: give the smallest and the largest width, e.g. 2:8")
        self._prices = WidthPrices(net, pipeline, model)
        held = _held(net, fixed)
        self._held = {name: held[width] for name in self._prices.names if (width := name.partition("[")[0]) in held}
        self.space: dict[str, BaseDistribution] = {}
        for name, (least, most) in zip(self._prices.names, self._prices.bounds, strict=True):
            if name in self._held:
                continue
            if max(low, least) > min(high, most):
                raise BadOption(f"bits {low}:{high}: {name} can be {least} to {most} bits; widen the one or the other")
            self.space[name] = IntDistribution(max(low, least), min(high, most))
        if not self.space:
            raise BadOption("bits: the network has no learned width to search")
        most_of_all = max((most for _, most in self._prices.bounds))
        if high > most_of_all:
            raise BadOption(f"bits {low}:{high}: no width can have more than {most_of_all} bits; give that as the most")

    def price(self, candidates: Candidates) -> dict[str, NDArray[np.float64]]:
        """Resource -> its amount for each candidate, as `GreyBoxSampler` asks for it; equal to `hardware_cost`."""
        count = len(next(iter(candidates.values())))
        held = {name: np.full(count, bits) for name, bits in self._held.items()}
        return self._prices.price(np.stack([{**candidates, **held}[name] for name in self._prices.names], axis=1))


def hold_widths(net: nn.Module, fixed: Mapping[str, int]) -> None:
    """Set the learned widths of some layers, and freeze them.

    Args:
        net: the network; changed in place.
        fixed: name of a width, or of the layer or quantizer above it, with * and ? as in file names -> bits; the last
            pattern that a width matches counts.

    Raises:
        BadOption: a pattern that no learned width matches, or a width that cannot have these bits.
    """
    widths = learned_widths(net)
    for name, bits in _held(net, fixed).items():
        width = widths[name]
        if not width.base <= bits <= width.most:
            raise BadOption(f"fixed {name}: {bits} bits; it can be {width.base} to {width.most}")
        with torch.no_grad():
            width.offset.fill_(bits - width.base)
        freeze_widths(width)


def _held(net: nn.Module, fixed: Mapping[str, int]) -> dict[str, int]:
    """Name of a width -> bits that it keeps."""
    names, found = list(learned_widths(net)), {}
    for pattern, bits in fixed.items():
        matched = [name for name in names if fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")]
        if not matched:
            raise BadOption(f"fixed {pattern!r}: no learned width of that name; there are {', '.join(names) or 'none'}")
        found.update(dict.fromkeys(matched, bits))
    return found


def confine_widths(net: nn.Module, space: Mapping[str, BaseDistribution]) -> None:
    """Let learned widths learn inside a space, from its largest on; all others stand still.

    Args:
        net: the network; changed in place, also its widths' smallest and largest.
        space: as in `WidthSpace.space`.
    """
    freeze_widths(net)
    modules = dict(net.named_modules())
    for name, choices in space.items():
        width = modules[name]
        assert isinstance(width, LearnedBits) and isinstance(choices, IntDistribution)
        width.base, width.most = choices.low, choices.high
        with torch.no_grad():
            width.offset.fill_(choices.high - choices.low)
        thaw_widths(width)


def fix_widths(net: nn.Module, widths: Mapping[str, int]) -> None:
    """Set learned widths and freeze all there are.

    Args:
        net: the network; changed in place.
        widths: name of a learned width, as in `WidthSpace.space` -> bits.

    Raises:
        BadOption: no learned width of that name, or a width that it cannot have.
    """
    modules = dict(net.named_modules())
    for name, bits in widths.items():
        width = modules.get(name)
        if not isinstance(width, LearnedBits):
            raise BadOption(f"{name}: no learned width of the network")
        if not width.base <= bits <= width.most:
            raise BadOption(f"{name}: {bits} bits; it can be {width.base} to {width.most}")
        with torch.no_grad():
            width.offset.fill_(bits - width.base)
    freeze_widths(net)
