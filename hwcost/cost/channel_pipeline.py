"""The pipeline of a network whose channels learn: that of the channels that live, with a slope to all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph.ranges import Range
from hwcost.graph.rules import RULES, Rule, RuleKey
from hwcost.graph.spec import Layer, MatVec
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import HardwareModel, Placed, Refolding
from hwcost.models.memo import Memo
from hwcost.models.resources import ReadsWeights
from hwcost.quant import Channels, LearnedBits, NarrowedBits
from hwcost.quant.compaction import compacted

MOST_KEPT = 64
"""Numbers of live channels whose pipelines are remembered, each with a copy of the network."""

AT_A_FOLDING = ("cycles", "BRAM18", "URAM", "LUTRAM")
"""Resources that fall with the channels of a unit whose PE and SIMD stay: its lanes are there in any case."""


@dataclass(frozen=True, kw_only=True)
class ChannelPipeline:
    """A pipeline that describes only what lives, to be priced while it trains; see `trace_channels`.

    Attributes:
        channels: of the network.
        input_bits, input_range, rules: as for `trace`.
    """

    channels: Channels
    input_bits: int | None
    input_range: Range | None
    rules: Mapping[RuleKey, Rule]
    _memo: Memo[tuple[float, ...], Pipeline] = field(default_factory=lambda: Memo(MOST_KEPT), repr=False)

    def layers(self) -> tuple[Layer, ...]:
        """Describe the layers of the network without its dead channels, at its live widths."""
        return self._memo.of([self.channels.gates.counts()], lambda _: [self._compacted()])[0].layers()

    def _compacted(self) -> Pipeline:
        """The pipeline of a compacted copy, which reads the widths of the network itself."""
        net = self.channels.net
        shared = {id(module): module for module in net.modules() if isinstance(module, LearnedBits | NarrowedBits)}
        small = compacted(net, self.channels.ties, self.channels.gates.alive(), shared)
        example, ranges = self.channels.example, {"input_bits": self.input_bits, "input_range": self.input_range}
        return trace(small, example, rules=self.rules, **ranges)  # type: ignore[arg-type] # each its own

    def shared(
        self,
        placed: Sequence[Placed],
        amounts: Mapping[str, Tensor],
        model: HardwareModel,
        live: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Amounts of the blocks, with a slope to every channel that passes them.

        Each of the live channels on a side of a block has an equal share of it, and a unit has two sides. Values stay.

        Args:
            placed, amounts: the blocks, and what the model prices them at.
            model: that does.
            live: 1 for each class that lives, and 0 for the others; None asks the gates.

        Raises:
            BadOption: a model that reads the weights.
        """
        if isinstance(model, ReadsWeights) and model.reads_weights:
            raise BadOption(
                f"a {type(model).__name__} that reads the weights cannot price channels that learn; price "
                "trace(channels.compacted(), ...)"
            )
        shares = self._shares(placed, self.channels.gates() if live is None else live)
        falling = _falling(model)
        return {name: amount * shares if name in falling else amount for name, amount in amounts.items()}

    def _shares(self, placed: Sequence[Placed], gates: Tensor) -> Tensor:
        """1 for each block, (blocks,), with the slope of the share of its channels that live."""
        ties = self.channels.ties
        live = gates.to("cpu", torch.float64)
        alone = {use.name for use in ties.uses if use.alone}
        found: dict[tuple[str, int], Tensor] = {}

        def share(layer: str, side: int) -> Tensor:
            if (layer, side) not in found:
                count = live[ties.steps[layer][side]].sum()
                found[layer, side] = count / count.detach()
            return found[layer, side]

        units = {item.layer: at for at, item in enumerate(placed) if isinstance(item.block, MatVec)}
        one = live.new_ones(())
        factors = []
        for at, item in enumerate(placed):
            unit = units.get(item.layer)
            if item.layer not in ties.steps:
                factors.append(one)
            elif unit is None or at > unit or item.layer.partition("@")[0] in alone:
                factors.append(share(item.layer, 1))
            else:
                entering = share(item.layer, 0)
                factors.append(entering * share(item.layer, 1) if at == unit else entering)
        return torch.stack(factors)


def _falling(model: HardwareModel) -> tuple[str, ...]:
    if getattr(model, "folding", None) is not None:
        return AT_A_FOLDING
    if isinstance(model, Refolding):  # it keeps the frame rate
        return tuple(name for name in model.resources if name != "cycles")
    return model.resources


def trace_channels(
    channels: Channels,
    *,
    input_bits: int | None = None,
    input_range: Range | None = None,
    rules: Mapping[RuleKey, Rule] = RULES,
) -> ChannelPipeline:
    """Trace a network whose channels learn; the price of the pipeline follows those that live.

    Amounts are those of the compacted network, to the last bit. Their slope to a channel is its equal share of each
    block that it passes: of a matrix-vector unit the price over the live rows, or over the live columns; of a window,
    an activation, a pooling or a stream the price over its channels. So the slope does not end where a channel is dead,
    and it does not see that hardware is saved in steps. Price with `Refolding`, which folds what lives to a frame rate;
    or with the folding that `learn_channels` was given, of which cycles and memories follow the channels.

    Args:
        channels: from `learn_channels`.
        input_bits, input_range, rules: as for `trace`.

    Raises:
        BadOption: learned widths of several elements in a layer: those prune on their own. Else as `trace`.
    """
    for name, module in channels.net.named_modules():
        if isinstance(module, LearnedBits) and module.offset.numel() > 1:
            raise BadOption(
                f"trace_channels: {name} has {module.offset.numel()} widths; channels that learn need one for a layer, "
                "for widths of each channel or weight prune on their own"
            )
    found = ChannelPipeline(channels=channels, input_bits=input_bits, input_range=input_range, rules=rules)
    found.layers()  # refuse now, not at the first training step
    return found
