"""The units of a layer: its blocks, each with the integers that the network computes with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor

from hwcost.build import matvec, streams, thresholds, window
from hwcost.build.frame import Frame, still
from hwcost.build.layout import Flow, Site
from hwcost.errors import UnknownOperation, UnknownPrecision
from hwcost.graph import spec
from hwcost.graph.ranges import between
from hwcost.integer import operations as op
from hwcost.integer.elements import Rearranged
from hwcost.integer.encoding import Encode, Outside
from hwcost.models.formulas.formula import Job


@dataclass(frozen=True, eq=False)
class Layer:
    """Units of one layer.

    Attributes:
        site: where they are added.
        at: position of its step.
        layer: as described.
    """

    site: Site
    at: int
    layer: spec.Layer

    def run(self, operation: op.Operation, flows: Sequence[Flow | None]) -> Flow | None:
        """Build the operation; return the stream behind it."""
        blocks = list(self.layer.blocks)
        if isinstance(operation, op.Meet):
            met = self._met(operation, blocks, [_known(flow) for flow in flows])
            return replace(met, shape=self.layer.output.shape)
        (flow,) = flows
        parts = list(operation.parts) if isinstance(operation, op.Chain) else [operation]
        while parts:
            part = parts.pop(0)
            if isinstance(part, Outside):
                continue
            if isinstance(part, Encode):
                flow = self.site.enter(self.at, part.range, self.layer.inputs[0].shape)
                continue
            if flow is None and isinstance(part, op.Wire | op.Flat):
                continue
            flow = self._part(part, _known(flow), blocks, parts)
        if blocks:
            raise UnknownOperation(
                f"no integers for its {type(blocks[0]).__name__}; build it of layers with a lowering"
            )
        return None if flow is None else replace(flow, shape=self.layer.output.shape)

    def _part(self, part: Any, flow: Flow, blocks: list[spec.Block], rest: list[op.Operation]) -> Flow:
        single = self.layer.output.shape == (prod(flow.shape),) == flow.shape[:1]  # a pixel that loses its place
        if isinstance(part, op.Wire) or (single and isinstance(part, Rearranged)):
            return flow
        if isinstance(part, op.Flat):
            return _flattened(flow)
        if isinstance(part, op.Comparators):
            shifted = rest.pop(0) if rest and isinstance(rest[0], op.Multiply) and not self._scales(blocks) else None
            if shifted is not None:
                raise UnknownOperation("widths that differ from channel to channel of a stream are not built; use one")
            return self._compared(part, flow, blocks.pop(0))
        if isinstance(part, op.Sums):
            return self._summed(part, flow, blocks)
        if isinstance(part, op.Register):
            return self._registered(part, flow, blocks)
        if isinstance(part, op.Largest | op.Total):
            return self._pooled(part, flow, blocks)
        if isinstance(part, op.Multiply) and self._scales(blocks):
            if flow.order is not None:
                part = op.Multiply(
                    factor=_ordered(part.factor, flow),
                    addend=None if part.addend is None else _ordered(part.addend, flow),
                )
            block = blocks.pop(0)
            return self._added(block, streams.scale_bias(self._job(block), part), [flow], order=flow.order)
        if isinstance(part, op.IndexOfLargest):
            if flow.order is not None:
                raise UnknownOperation(
                    "the label of a flattened image, whose stream has another order; use a dense layer"
                )
            block = blocks.pop(0)
            return self._added(block, streams.label(self._job(block), flow.wire), [flow])
        raise UnknownOperation(f"{type(part).__name__} has no RTL; build it of layers that have one")

    @staticmethod
    def _scales(blocks: list[spec.Block]) -> bool:
        return bool(blocks) and isinstance(blocks[0], spec.ScaleBias)

    def _job(self, block: spec.Block) -> Job:
        return self.site.jobs[id(block)]

    def _added(
        self, block: spec.Block, frame: Frame, flows: Sequence[Flow], *, order: Tensor | None = None, **more: Any
    ) -> Flow:
        node = self.site.add(self.layer.name, block, frame, flows)
        return Flow(node=node, block=block, wire=frame.leaving[0].wire, shape=flows[0].shape, order=order, **more)

    def _compared(self, part: op.Comparators, flow: Flow, block: spec.Block) -> Flow:
        assert isinstance(block, spec.Thresholds)
        if flow.order is not None:
            rows = (part.thresholds, part.sign, part.lowest)
            thresholds_, sign, lowest = (number[flow.order] for number in rows)
            part = op.Comparators(thresholds=thresholds_, sign=sign, lowest=lowest, gap=part.gap)
        low, high, output = int(flow.wire.low), int(flow.wire.high), still(block.output)
        gain, offset = (1, 0) if flow.offset is None else (2, flow.offset)
        if flow.wire.bipolar:
            low, high, gain, offset = 0, 1, 2, -1
        trained = thresholds.steps_of(part, low, high, output, gain, offset)
        inputs = between(0, 1) if flow.wire.bipolar else flow.wire
        frame = thresholds.build(self._job(block), trained, inputs, self.site.made.setting)
        return self._added(block, frame, [flow], order=flow.order)

    def _summed(self, part: op.Sums, flow: Flow, blocks: list[spec.Block]) -> Flow:
        weight = part.weight
        matrix = weight.movedim(1, -1).flatten(1)  # pixel by pixel, the channels of each side by side
        if flow.order is not None:
            matrix = matrix[:, flow.order]
        if isinstance(blocks[0], spec.Window):
            each = weight.shape[1] if part.groups > 1 else None
            flow = self._windowed(blocks.pop(0), flow, each, [0] * (weight.shape[1] * part.groups))
        block = blocks.pop(0)
        assert isinstance(block, spec.MatVec)
        job, acc, readers = self._job(block), still(block.acc), self.site.readers.get(id(block), [])
        self._check_grouped(job, block, part, flow)
        bipolar = still(block.weight).bipolar and still(block.input).bipolar
        counted = bipolar and bool(readers) and all(isinstance(reader, spec.Thresholds) for reader in readers)
        if counted:
            acc = between(0, block.cols)
        offset = None
        if counted:
            offset = torch.full((len(matrix),), -block.cols) + (0 if part.bias is None else part.bias)
        trained = matvec.Sum(weight=matrix, bias=None if counted else part.bias, counted=counted)
        frame = matvec.build(job, trained, acc, self.site.made.setting, self.site.family)
        return self._added(block, frame, [flow], offset=offset)

    def _check_grouped(self, job: Job, block: spec.MatVec, part: op.Sums, flow: Flow) -> None:
        share = max(1, job.parallel.pe // block.rows)
        if part.groups > 1 and isinstance(flow.block, spec.Window):
            lanes = self._job(flow.block).parallel.simd
            if part.weight.shape[1] == 1 and lanes != share:
                raise UnknownOperation(
                    f"its window gives {lanes} channels at once, its unit takes {share}: choose PE={lanes * block.rows}"
                )
        if share > 1 and part.weight.shape[1] > 1:
            raise UnknownOperation(
                f"PE={job.parallel.pe} takes several groups of {part.weight.shape[1]} channels; choose PE of at "
                f"most {block.rows}"
            )

    def _windowed(self, block: spec.Block, flow: Flow, each: int | None, filling: list[int]) -> Flow:
        assert isinstance(block, spec.Window)
        frame = window.build(self._job(block), each, filling)
        return self._added(block, frame, [flow])

    def _registered(self, part: op.Register, flow: Flow, blocks: list[spec.Block]) -> Flow:
        if part.mode == "wrap":
            return flow
        if part.mode == "truncate":
            return replace(flow, shift=flow.shift + part.shift, wire=still(self.layer.output.range))
        block = blocks.pop(0)
        return self._added(block, streams.saturate(self._job(block)), [flow])

    def _pooled(self, part: op.Largest | op.Total, flow: Flow, blocks: list[spec.Block]) -> Flow:
        slide, block = blocks.pop(0), blocks.pop(0)
        assert isinstance(slide, spec.Window) and isinstance(block, spec.Pool)
        signs = torch.ones(block.channels, dtype=torch.int64)
        filling = [0] * block.channels
        if isinstance(part, op.Largest):
            signs = part.sign.expand(block.channels)
            low, high = (0, 1) if flow.wire.bipolar else (int(flow.wire.low), int(flow.wire.high))
            filling = torch.where(signs < 0, high, low).tolist()
        flow = self._windowed(slide, flow, 1, filling)
        if self._job(slide).parallel.simd != self._job(block).parallel.pe:
            raise UnknownOperation("its window and its pooling take different numbers of channels at once")
        found = self._added(block, streams.pool(self._job(block), signs), [flow])
        return (
            replace(found, shift=part.shift, wire=still(self.layer.output.range))
            if isinstance(part, op.Total)
            else found
        )

    def _met(self, part: op.Meet, blocks: list[spec.Block], flows: Sequence[Flow]) -> Flow:
        ready = []
        for grid, flow in zip(part.grids, flows, strict=True):
            steps = [
                one for one in (grid.parts if isinstance(grid, op.Chain) else (grid,)) if not isinstance(one, op.Wire)
            ]
            for one in steps:
                flow = self._part(one, flow, blocks, [])
            ready.append(flow)
        (block,) = blocks
        job = self._job(block)
        orders = [flow.order for flow in ready]
        if isinstance(block, spec.Concat):
            frame = streams.concat(job, [flow.wire for flow in ready])
            order = None
            if any(one is not None for one in orders):
                sizes = [flow.shape[0] for flow in ready]
                starts = [sum(sizes[:place]) for place in range(len(sizes))]
                order = torch.cat(
                    [start + (torch.arange(n) if one is None else one)
                     for start, n, one in zip(starts, sizes, orders, strict=True)]
                )  # fmt: skip
        else:
            if len(ready) != 2:
                raise UnknownOperation(f"a sum of {len(ready)} streams; add two at a time")
            order, other = orders
            if (order is None) != (other is None) or (
                order is not None and other is not None and not torch.equal(order, other)
            ):
                raise UnknownOperation("its streams are flattened in different orders; flatten behind the sum")
            frame = streams.adder(job)
        return self._added(block, frame, ready, order=order)


def _known(flow: Flow | None) -> Flow:
    if flow is None:
        raise UnknownPrecision("floats enter it; put a QuantIdentity in front, or pass input_bits= to trace()")
    return flow


def _flattened(flow: Flow) -> Flow:
    channels, *image = flow.shape
    size = channels
    for pixels in image:
        size *= pixels
    order = torch.arange(size).reshape(channels, -1).T.flatten()
    trivial = bool((order == torch.arange(size)).all())
    return replace(flow, order=None if trivial else order, shape=(size,))


def _ordered(number: Tensor, flow: Flow) -> Tensor:
    return number if number.numel() == 1 or flow.order is None else number[flow.order]
