"""Trials whose channels learn: what prices them while they train, and the network that is left."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hwcost.cost.channel_pipeline import ChannelPipeline, trace_channels
from hwcost.errors import BadOption, BadStudy
from hwcost.graph.ranges import Range
from hwcost.models import Dataflow, Refolding
from hwcost.models.folding.folds import Folding
from hwcost.models.rates import frames_per_second
from hwcost.models.resources import OnPart
from hwcost.quant import Channels, learn_channels


class Learning(NamedTuple):
    """A network whose channels learn, as its training prices it: folded again for those that live."""

    pipeline: ChannelPipeline
    model: Refolding


def learning(net: nn.Module, example: Tensor, wire: Range, model: OnPart, multiple: int) -> Learning:
    """Let the channels of a network learn, in place.

    Args:
        net, example: the network, and a batch that it accepts.
        wire: the integers that enter.
        model: the hardware of the whole network.
        multiple: number that the live channels of a layer are a multiple of.

    Raises:
        BadOption: another architecture than folded units for a frame rate; else as `learn_channels`.
    """
    if not isinstance(model, Dataflow) or not isinstance(model.folding, Folding):
        raise BadOption(
            f"channels={multiple}: the hardware is a {type(model).__name__}, and channels learn in units that are "
            "folded for a frame rate; give architecture dataflow, or omit channels"
        )
    pipeline = trace_channels(learn_channels(net, example, multiple=multiple), input_range=wire)
    fps = frames_per_second(model.folding.interval_cycles, model.clock_mhz)
    return Learning(pipeline, Refolding(fps, device=model.device, clock_mhz=model.clock_mhz, **vars(model.styles)))


def live_of(channels: Channels) -> str:
    """The channels that live, as a text for a record: 1 or 0 for each class."""
    return "".join(str(int(one)) for one in channels.gates.alive()[1:])


def left(channels: Channels, live: str) -> nn.Module:
    """The network without its dead channels.

    Args:
        channels: of a network that is just built.
        live: from `live_of`.

    Raises:
        BadStudy: it is of another network.
    """
    strength = channels.gates.strength
    if len(live) != len(strength):
        raise BadStudy(f"{len(live)} channels are recorded, and the network has {len(strength)}; restore its recipe")
    with torch.no_grad():
        strength.copy_(torch.tensor([float(one) for one in live]))
    return channels.compacted()
