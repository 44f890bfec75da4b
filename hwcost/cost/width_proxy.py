"""A stand-in for a network: describes its layers at any widths, and leaves the network as it is."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import chain
from typing import TypeAlias

import torch
from torch import Tensor, nn

from hwcost.cost.autograd_leaves import Trail, of_block, of_range
from hwcost.cost.channel_pipeline import ChannelPipeline
from hwcost.errors import BadOption
from hwcost.graph.spec import Layer, LayerSpec, Signal
from hwcost.graph.trace import Pipeline, Step
from hwcost.quant import LearnedBits, Restrict

Levels: TypeAlias = Sequence[float]
"""One whole width, in bits, per element of every learned width of a network, in the order of `learned_widths`."""

Described: TypeAlias = dict[tuple[int, tuple[float, ...]], LayerSpec]
"""Descriptions by step and by the widths that matter to it; valid for one call."""


def learned_widths(net: nn.Module) -> dict[str, LearnedBits]:
    """Every learned width of a network once, by the name of its first place, in the order of its modules."""
    return {name: module for name, module in net.named_modules() if isinstance(module, LearnedBits)}


class StandIn:
    """The steps of a pipeline with learned widths of their own; all other tensors are those of the network.

    Args:
        net: the network behind the pipeline.
        pipeline: from `trace`.

    Attributes:
        pipeline: the steps that read the widths of the stand-in.
        names: of the widths, one per element, e.g. "conv1.weight_quant.bits".
        bounds: smallest and largest width of each element.
        whole: whether all learned widths are whole numbers.
    """

    def __init__(self, net: nn.Module, pipeline: Pipeline) -> None:
        if isinstance(pipeline, ChannelPipeline):
            raise BadOption("a table of widths holds for fixed channels; trace channels.compacted() instead")
        named = learned_widths(net)
        self._bits, steps = _copied(net, list(named.values()), pipeline.steps)
        self.pipeline = replace(pipeline, steps=steps)
        self._owner = [(one, element) for one in self._bits for element in range(one.offset.numel())]
        self.names = tuple(
            name if one.offset.ndim == 0 else f"{name}[{element}]"
            for name, one in named.items()
            for element in range(one.offset.numel())
        )
        self.bounds = [(one.base, one.most) for one, _ in self._owner]
        self.whole = all(one.restrict is Restrict.WHOLE for one in self._bits)
        self._signals: list[Signal] = []
        self._behind: list[tuple[int, ...]] = []
        self._needs: list[tuple[int, ...]] = []

    def offsets(self, widths: Sequence[int]) -> list[nn.Parameter]:
        """The parameters behind some widths, each once."""
        found = {id(self._owner[width][0]): self._owner[width][0].offset for width in widths}
        return list(found.values())

    def gradients(self, widths: Sequence[int], grads: Mapping[int, Tensor]) -> list[float]:
        """One number per width, from gradients by the identity of their parameters; 0 where there is none."""
        flat = {owner: grad.reshape(-1).tolist() for owner, grad in grads.items()}
        owners = [self._owner[width] for width in widths]
        return [flat[id(one.offset)][element] if id(one.offset) in flat else 0.0 for one, element in owners]

    def widths_of(self, leaves: Iterable[int]) -> tuple[int, ...] | None:
        """The widths among parameters given by identity; None if there are other parameters too."""
        known = {id(one.offset) for one in self._bits}
        asked = set(leaves)
        if not asked <= known:
            return None
        return tuple(width for width, (one, _) in enumerate(self._owner) if id(one.offset) in asked)

    def learn(self, layers: Sequence[Layer], trail: Trail) -> list[tuple[int, ...]] | None:
        """Take note of what each signal depends on.

        Args:
            layers: of `pipeline`, with their gradients.
            trail: of these gradients.

        Returns:
            Per layer the widths that its blocks and signals depend on; None if anything else matters to one.
        """
        signals = [*self.pipeline.inputs, *(layer.output for layer in layers)]
        behind = [self.widths_of(trail.leaves(of_range(signal.range))) for signal in signals]
        needs = []
        for layer in layers:
            wires = [of_range(signal.range) for signal in (layer.output, *layer.inputs)]
            blocks = [of_block(block) for block in layer.blocks]
            needs.append(self.widths_of(trail.leaves(chain.from_iterable((*wires, *blocks)))))
        self._signals, self._behind = signals, [widths or () for widths in behind]
        found = [widths for widths in needs if widths is not None]
        self._needs = found
        return found if len(found) == len(needs) else None

    def set(self, levels: Levels, widths: Iterable[int]) -> None:
        """Give the parameters behind some widths their levels."""
        for first in sorted({width - self._owner[width][1] for width in widths}):
            offset, base = self._owner[first][0].offset, self._owner[first][0].base
            own = torch.tensor(levels[first : first + offset.numel()], dtype=offset.dtype)
            # .data: a kept graph reads only the side of zero of an offset, and that never changes here
            offset.data.copy_(own.reshape(offset.shape) - base)

    @property
    def groups(self) -> tuple[int, ...]:
        """The position of the first width of the same parameter, for each width: channels of one tensor share it."""
        return tuple(width - element for width, (_, element) in enumerate(self._owner))

    def describe(self, step: int, levels: Levels, known: Described) -> Layer:
        """One layer at some widths, with what stands in front of it as far as that matters; after `learn`.

        Args:
            step: position in the pipeline.
            levels: of all widths.
            known: filled, so that a description serves several steps.
        """
        one = self.pipeline.steps[step]
        key = self._key(step, levels)
        inputs = tuple([self._signal(position, levels, known) for position in one.inputs])
        if key not in known:
            known[key] = self._call(step, levels, self._needs[step], inputs)
        return Layer(name=one.name, kind=one.kind, inputs=inputs, spec=known[key])

    def _key(self, step: int, levels: Levels) -> tuple[int, tuple[float, ...]]:
        return step, tuple([levels[width] for width in self._needs[step]])

    def _signal(self, position: int, levels: Levels, known: Described) -> Signal:
        step = position - len(self.pipeline.inputs)
        behind = self._behind[position]
        if not behind:
            return self._signals[position]
        if (full := self._key(step, levels)) in known:
            return known[full].output
        key = ~step, tuple([levels[width] for width in behind])
        if key not in known:
            inputs = [
                # what shares no width with the output has no influence on it: any description serves
                self._signal(source, levels, known)
                if set(self._behind[source]) & set(behind)
                else self._signals[source]
                for source in self.pipeline.steps[step].inputs
            ]
            known[key] = self._call(step, levels, behind, inputs)
        return known[key].output

    def _call(self, step: int, levels: Levels, widths: tuple[int, ...], inputs: Sequence[Signal]) -> LayerSpec:
        self.set(levels, widths)
        one = self.pipeline.steps[step]
        return one.describe(*inputs, shape=one.shape)


def _copied(
    net: nn.Module, bits: list[LearnedBits], steps: tuple[Step, ...]
) -> tuple[list[LearnedBits], tuple[Step, ...]]:
    own = {id(one.offset) for one in bits}
    owners: list[object] = [getattr(step.describe, "__self__", None) for step in steps]
    modules = [net, *(owner for owner in owners if isinstance(owner, nn.Module))]
    tensors = [tensor for module in modules for tensor in chain(module.parameters(), module.buffers())]
    shared: dict[int, object] = {id(tensor): tensor for tensor in tensors if id(tensor) not in own}
    copied_bits, copied_steps = deepcopy((bits, steps), shared)
    for one in copied_bits:
        one.offset.requires_grad_(True)
        one.offset.data = one.offset.data.abs().cpu()
    return copied_bits, copied_steps
