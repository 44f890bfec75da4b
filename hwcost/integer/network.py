"""Traced networks in int64 arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from hwcost.errors import BadOption, BrokenRange, HwcostError, UnknownOperation, together
from hwcost.graph.ranges import Range
from hwcost.graph.rules import Call, RuleKey, entry
from hwcost.graph.trace import Pipeline, Step
from hwcost.integer.encoding import Lowering, Stream
from hwcost.integer.lowering import LOWERINGS
from hwcost.integer.meaning import Meaning
from hwcost.integer.operations import Operation, Wire


@dataclass(frozen=True, eq=False, kw_only=True)
class IntegerStep:
    """Layer on integers.

    Attributes:
        name: as in the pipeline.
        operation: int64 tensors to one; a quantizer at a float input takes floats.
        inputs: positions in the list of streams: first the inputs, then each step's output.
        range: what the layer's description promises.
        meaning: what the integers that leave stand for; None where floats leave, in front of the first quantizer.
    """

    name: str
    operation: Operation
    inputs: tuple[int, ...]
    range: Range
    meaning: Meaning | None


@dataclass(frozen=True, eq=False, kw_only=True)
class IntegerNetwork:
    """Data path of the hardware: integer weights, thresholds, and nothing else.

    It holds the weights, thresholds and ranges at the time of construction; build it again after training.

    Attributes:
        inputs: what enters.
        steps: in stream order.
        outputs: positions of what leaves.
    """

    inputs: tuple[Stream, ...]
    steps: tuple[IntegerStep, ...]
    outputs: tuple[int, ...]

    @classmethod
    def of(
        cls,
        pipeline: Pipeline,
        *,
        input_step: float | None = None,
        lowerings: Mapping[RuleKey, Lowering] = LOWERINGS,
    ) -> IntegerNetwork:
        """Read the integers and thresholds of a traced network in evaluation.

        Thresholds are searched in float64, so the integers equal those of the network in float64 exactly. In float32
        a sum within a rounding error of a threshold may fall on its other side.

        Args:
            pipeline: from `trace`.
            input_step: value of one integer that enters, e.g. 1 / 256; needed where the pipeline has an input range.
            lowerings: how to run foreign modules; extend with `LOWERINGS | {key: lowering}`.

        Raises:
            UnknownOperation, UnknownPrecision: all layers that cannot run on integers, at once.
        """
        known = [signal.range.known for signal in pipeline.inputs]
        if any(known) and not (input_step is not None and 0 < input_step < inf):
            raise BadOption(f"IntegerNetwork: input_step={input_step!r}; give the value of one integer that enters")
        zero = torch.zeros((), dtype=torch.float64)
        pixel = Meaning(step=torch.tensor(input_step or 0.0, dtype=torch.float64), offset=zero)
        streams = [
            Stream(signal=signal, meaning=pixel if is_known else None)
            for signal, is_known in zip(pipeline.inputs, known, strict=True)
        ]
        entered = tuple(streams)
        steps: list[IntegerStep] = []
        faults: list[HwcostError] = []
        failed: set[int] = set()
        for step, layer in zip(pipeline.steps, pipeline.layers(), strict=True):
            operation: Operation = Wire()
            meaning: Meaning | None = None
            try:
                lowering, call = lowering_of(step, lowerings)
                if failed.isdisjoint(step.inputs):
                    operation, meaning = lowering(call, *(streams[place] for place in step.inputs), output=layer.output)
                else:  # the cause stands upstream and is already among the faults
                    failed.add(len(streams))
            except HwcostError as fault:
                faults.append(type(fault)(f"{step.name}: {fault}"))
                failed.add(len(streams))
            streams.append(Stream(signal=layer.output, meaning=meaning))
            steps.append(
                IntegerStep(
                    name=step.name, operation=operation, inputs=step.inputs, range=layer.output.range, meaning=meaning
                )
            )
        if faults:
            raise together(faults)
        return cls(inputs=entered, steps=tuple(steps), outputs=pipeline.outputs)

    def codes(self, x: Tensor, place: int = 0) -> Tensor:
        """Convert values to the integers that enter.

        Args:
            x: values, (batch, ...).
            place: of the input that they enter by, where the network has several.

        Returns:
            int64, like x.

        Raises:
            BadOption: a value that is off the grid by more than the rounding of its own type, or out of range; names
                the worst one.
        """
        stream = self.inputs[place]
        if stream.meaning is None:
            raise BadOption("IntegerNetwork.codes: floats enter this network, and its first layer quantizes them")
        step, wire = stream.meaning.step, stream.signal.range
        scaled = x.double() / step
        whole = torch.round(scaled)
        off = (scaled - whole).abs()
        # a multiple of the step is rounded once or twice: pixels / 255, or pixels * (1 / 255)
        eps = max(torch.finfo(kind).eps for kind in (x.dtype, torch.float64) if kind.is_floating_point)
        rounding = 2 * eps * whole.abs()
        beyond = torch.maximum(wire.low - whole, whole - wire.high).clamp(min=0)
        good = ((off == 0) | ((off <= rounding) & (rounding < 0.5))) & (beyond == 0)
        if not bool(good.all()):
            stray = torch.where(good, -1.0, (off + beyond).nan_to_num(torch.inf)).flatten()
            raise BadOption(
                f"IntegerNetwork.codes: {float(x.flatten()[stray.argmax()])!r} ({x.dtype}) is no multiple of "
                f"input_step={float(step):.9g} from {float(wire.low):g} to {float(wire.high):g} steps; scale the input "
                "to that grid, in a type that resolves it"
            )
        return whole.to(torch.int64)

    def run(self, *inputs: Tensor) -> dict[str, Tensor]:
        """Compute every integer of every layer.

        Args:
            inputs: int64 codes (batch, ...), or floats where a quantizer takes them.

        Returns:
            int64 by name of the step; steps in front of the first quantizer, which pass floats, are left out.

        Raises:
            BrokenRange: an integer outside of what its layer describes.
        """
        streams = list(inputs)
        found: dict[str, Tensor] = {}
        for step in self.steps:
            whole = step.operation(*(streams[place] for place in step.inputs))
            streams.append(whole)
            if step.meaning is not None:
                _inside(whole, step)
                found[step.name] = whole
        return found

    def values(self, *inputs: Tensor) -> Tensor:
        """Compute the float64 values of the (only) output; inputs as in `run`.

        Raises:
            BadOption: several outputs, or one that no layer makes integers of.
        """
        made = [place - len(self.inputs) for place in self.outputs if place >= len(self.inputs)]
        step = self.steps[made[0]] if len(made) == len(self.outputs) == 1 else None
        if step is None or step.meaning is None:
            raise BadOption("IntegerNetwork.values: give a network with one output, made of integers by a layer")
        if step.meaning.order:
            raise BadOption(
                f"IntegerNetwork.values: {step.name} divides by a number of each sample, which no integer tells; "
                "run() gives its integers, whose order is that of the scores"
            )
        return step.meaning.value(self.run(*inputs)[step.name])


def lowering_of(step: Step, lowerings: Mapping[RuleKey, Lowering]) -> tuple[Lowering, Call]:
    """Find the lowering of a step, and its call."""
    if step.call is None:
        raise UnknownOperation("a step built by hand has no call; trace() the network instead")
    remedy = f"pass lowerings=LOWERINGS | {{{step.kind}: lowering}}"
    try:
        lowering = entry(lowerings, step.call)
    except UnknownOperation as fault:
        raise UnknownOperation(f"{fault} on integers; {remedy}") from fault
    if lowering is None:
        raise UnknownOperation(f"{step.kind} does not run on integers; {remedy}")
    return lowering, step.call


def _inside(whole: Tensor, step: IntegerStep) -> None:
    last = step.meaning is not None and step.meaning.last
    shape = (-1, *[1] * (0 if last else whole.ndim - 2))
    low, high = (bound.detach().reshape(shape) for bound in (step.range.low, step.range.high))
    if bool(((whole < low) | (whole > high)).any()):
        raise BrokenRange(
            f"{step.name}: an integer of {int(whole.amin())}..{int(whole.amax())} leaves the described range "
            f"{int(low.amin())}..{int(high.amax())}; its describe() is wrong"
        )
