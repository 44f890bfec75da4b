"""Channels that may die while a network trains, and the smaller network that is left."""

from collections.abc import Mapping
from math import gcd, lcm
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hwcost.errors import BadOption
from hwcost.graph.rules import RULES, Rule, RuleKey
from hwcost.graph.ste import held, with_gradient_of
from hwcost.quant.channel_ties import Ties, Use, find_ties
from hwcost.quant.compaction import compacted
from hwcost.quant.precision import FullPrecision

DEAD = 0.5
"""The strength below which a channel does not live; it starts at 1 and is held between 0 and 1."""
LARGE = 16.0
"""Inputs on which both are tried, from 0; those of an example may all be zeros."""
CLOSE = 1e-3
"""Distance of the scores of a network and of its compacted copy, as a share of theirs, that sums in another order may
explain."""


class Parallel(Protocol):
    """The parallelism of a unit, as `hwcost.Fold` has it."""

    @property
    def pe(self) -> int: ...

    @property
    def simd(self) -> int: ...


class ChannelGates(FullPrecision):
    """Gates of the channels of a network: 1 for each class of tied channels that lives, and 0 for the others.

    Args:
        ties: the classes.
        multiple: number that the live output channels of a layer are a multiple of.
        folding: layer -> its parallelism; whole groups of PE outputs and SIMD inputs live.

    Attributes:
        strength: the Parameter, (classes - 1,). It trains like a width: keep weight decay away from it.
    """

    def __init__(self, ties: Ties, multiple: int, folding: Mapping[str, Parallel]) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.ones(ties.count - 1))
        self._wholes = [whole for use in ties.uses for whole in _wholes(use, multiple, folding.get(use.name))]
        self._sides = torch.zeros(len(self._wholes), ties.count)
        for row, (classes, _) in zip(self._sides, self._wholes, strict=True):
            row.index_add_(0, classes, torch.ones(len(classes)))
        self._number = torch.tensor([float(number) for _, number in self._wholes])

    def alive(self) -> Tensor:
        """Whether each class lives, bool (classes,) on the CPU; class 0 does, and one output of every layer."""
        with torch.no_grad():
            strength = torch.cat([torch.ones(1), self.strength.to("cpu", torch.float32)])
            alive = strength >= DEAD
            while not self._fits(alive):
                for classes, number in self._wholes:
                    _complete(alive, strength, classes, number)
        return alive

    def _fits(self, alive: Tensor) -> bool:
        """Whether each side of every layer has whole groups of channels, or all."""
        live = self._sides @ alive.float()
        return bool((((live > 0) & (live % self._number == 0)) | (live == self._sides.sum(1))).all())

    def counts(self) -> tuple[float, ...]:
        """Live channels on each side of every layer: all that a price depends on."""
        return tuple((self._sides @ self.alive().float()).tolist())

    def forward(self) -> Tensor:
        """(classes,) of 0 and 1. Gradient to the strengths: as if it were the strength; it never vanishes at 0."""
        live = torch.cat([self.strength.new_ones(1), held(self.strength, least=0.0, most=1.0)])
        return with_gradient_of(self.alive().to(live), live)

    def extra_repr(self) -> str:
        return f"{int(self.alive()[1:].sum())} of {len(self.strength)} live"


class _LiveWeights(nn.Module):
    """The weights of a layer, zero where a channel that enters does not live.

    Where all outputs share a measured scale, those that do not live are zero as well: the scale must not count what
    will be removed.
    """

    columns: Tensor
    rows: Tensor

    def __init__(self, gates: ChannelGates, use: Use) -> None:
        super().__init__()
        self.gates, self.reads, self.joint = gates, not use.alone, use.joint
        ndim, row_dim = use.layer.weight.ndim, use.layer.row_dim
        self.register_buffer("columns", _along(use.columns, 1 - row_dim, ndim), persistent=False)
        self.register_buffer("rows", _along(use.rows, row_dim, ndim), persistent=False)

    def forward(self, weight: Tensor) -> Tensor:
        live: Tensor = self.gates()
        if self.reads:
            weight = weight * live[self.columns].to(weight.dtype)
        # no gradient: a channel is worth what its readers make of it, and counts once
        return weight * live.detach()[self.rows].to(weight.dtype) if self.joint else weight


def _along(classes: Tensor, dim: int, ndim: int) -> Tensor:
    return classes.reshape([-1 if one == dim else 1 for one in range(ndim)])


class Channels:
    """The channels of a network that learn whether they live; see `learn_channels`.

    Attributes:
        net: the network.
        example: input(s) that it accepts, a tuple.
        ties: the classes of its channels: those of a class live or die together.
        gates: which of them live.
    """

    def __init__(self, net: nn.Module, example: tuple[Tensor, ...], ties: Ties, gates: ChannelGates) -> None:
        self.net, self.example, self.ties, self.gates = net, example, ties, gates

    def __repr__(self) -> str:
        return f"Channels({', '.join(f'{name}: {live} of {most}' for name, (live, most) in self.live().items())})"

    def live(self) -> dict[str, tuple[int, int]]:
        """Layer with weights -> output channels that live, and all."""
        alive = self.gates.alive()
        return {use.name: (int(alive[use.rows].sum()), len(use.rows)) for use in self.ties.uses}

    def compacted(self) -> nn.Module:
        """Copy the network without its dead channels; the copy is an ordinary network of the same function.

        A layer loses the rows, biases, scales and widths of its dead outputs, its batch norm and activation those
        channels, and every layer that reads them the columns.

        Raises:
            BadOption: numbers per channel that cannot be removed.
        """
        return compacted(self.net, self.ties, self.gates.alive())


def learn_channels(
    net: nn.Module,
    example: Tensor | tuple[Tensor, ...],
    *,
    multiple: int = 1,
    folding: Mapping[str, Parallel] | None = None,
    rules: Mapping[RuleKey, Rule] = RULES,
) -> Channels:
    """Let the channels between the layers of a network die while it trains, in place.

    A channel is dead when no layer reads it: the weights of those behind it are zero there, so that removing it is
    exact, whatever constant it would carry and whatever is padded. Channels that a sum or a depthwise convolution ties
    die together. Those of samples and scores stay, and so do those that are read by weights without a zero (binary), by
    grouped convolutions, by attention and recurrent layers.

    Args:
        net: with quantized layers. Its weights become `torch.nn.utils.parametrize` parametrizations until `compacted`.
        example: a batch that it accepts; several inputs are a tuple.
        multiple: the live outputs of a layer are a multiple of it (or all), at least 1: prime numbers fold badly.
        folding: of a fixed folding, layer -> `Fold`: only whole groups of PE outputs and SIMD inputs die, because
            nothing less saves hardware.
        rules: as for `trace`.

    Returns:
        What lives. `parameter_groups` has the strengths among the widths; `trace_channels` prices them.

    Raises:
        BadOption: no channel that can die; a multiple below 1; a network whose function would change. The network stays
            what it was.
        UntraceableNetwork: as `trace`.
    """
    if isinstance(multiple, bool) or not isinstance(multiple, int) or multiple < 1:
        raise BadOption(f"learn_channels: multiple={multiple!r}; give a whole number of at least 1")
    examples = example if isinstance(example, tuple) else (example,)
    ties = find_ties(net, examples, rules)
    for use in ties.uses:
        if parametrize.is_parametrized(use.layer):
            raise BadOption(f"learn_channels: {use.name} has a parametrization already; remove it first")
    known = dict(net.named_modules())
    for name in folding or {}:
        if name.partition("[")[0].partition("@")[0] not in known:  # a layer may have several units, or be called twice
            raise BadOption(f"learn_channels: folding names {name}, which the network does not have")
    if ties.count == 1:
        raise BadOption(
            "learn_channels: no channel can die: each is read by something else than quantized layers with integer or "
            "ternary weights, or leaves the network"
        )
    gates = ChannelGates(ties, multiple, folding or {}).to(examples[0].device)
    for use in ties.uses:
        read = not use.alone and bool((use.columns > 0).any())
        if read or (use.joint and bool((use.rows > 0).any())):
            mask = _LiveWeights(gates, use).to(examples[0].device)
            parametrize.register_parametrization(use.layer, "weight", mask)
    channels = Channels(net, examples, ties, gates)
    try:
        _check(channels)
    except BadOption:
        for use in ties.uses:
            if parametrize.is_parametrized(use.layer):
                parametrize.remove_parametrizations(use.layer, "weight", leave_parametrized=False)
        raise
    return channels


def _wholes(use: Use, multiple: int, fold: Parallel | None) -> list[tuple[Tensor, int]]:
    """Classes of the channels on each side of a layer, and the number that those that live are a multiple of."""
    rows, columns = (multiple, 1) if fold is None else (lcm(multiple, fold.pe), fold.simd)
    taps = use.layer.geometry().cols // (1 if use.alone else len(use.columns))
    return [(use.rows, rows), (use.columns, columns // gcd(columns, taps))]


def _complete(alive: Tensor, strength: Tensor, classes: Tensor, number: int) -> None:
    """Let the strongest of the dead channels of a stream live until there are whole groups of them."""
    while not bool((live := alive[classes]).all()) and (int(live.sum()) % number or not bool(live.any())):
        dead = classes[~live]
        alive[dead[strength[dead].argmax()]] = True


def _drawn(like: Tensor, draw: torch.Generator) -> Tensor:
    """An input of the size of pixels; whole numbers, which may be indices, stay."""
    return LARGE * torch.rand(like.shape, generator=draw).to(like) if like.is_floating_point() else like


def _scores(net: nn.Module, example: tuple[Tensor, ...]) -> Tensor:
    """Everything that leaves a network, in a row."""
    left = net(*example)
    return torch.cat([one.flatten() for one in (left if isinstance(left, tuple | list) else [left])])


@torch.no_grad()
def _check(channels: Channels) -> None:
    """Refuse a network whose function changes where channels are removed: try it with a half of them dead."""
    net, strength = channels.net, channels.gates.strength
    modes = {module: module.training for module in net.modules()}
    net.eval()
    draw = torch.Generator().manual_seed(0)
    strength.copy_(torch.rand(strength.shape, generator=draw))
    example = tuple(_drawn(one, draw) for one in channels.example)
    try:
        masked = _scores(net, example)
        try:
            found = _scores(channels.compacted(), example)
        except RuntimeError as error:
            raise BadOption(
                f"learn_channels: without some of its channels the network fails: {error}; its forward() writes sizes "
                "out, as in view(-1, 512); use flatten(1)"
            ) from error
        if not bool((found - masked).norm() <= CLOSE * masked.norm()):
            raise BadOption(
                "learn_channels: without dead channels the network computes something else; a scale that is a mean "
                "over the weights counts them: give a LearnedScale, or StatScale(abs_max)"
            )
    finally:
        strength.fill_(1)
        for module, mode in modes.items():
            module.training = mode
