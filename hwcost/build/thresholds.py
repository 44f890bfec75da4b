"""Quantized activations: a pipeline of comparators with constant thresholds, channel by channel."""

import torch
from amaranth.hdl import Cat
from torch import Tensor

from hwcost.build.frame import Frame, still
from hwcost.graph.ranges import Range
from hwcost.graph.spec import Thresholds
from hwcost.integer.operations import Comparators
from hwcost.models.formulas.formula import Job, Setting
from hwcost.models.formulas.stages import OPERANDS
from hwcost.synth.circuit import shape_of
from hwcost.synth.threshold_tables import Line, Steps


def steps_of(found: Comparators, low: int, high: int, output: Range, gain: int = 1, offset: Tensor | int = 0) -> Steps:
    """Thresholds on a code whose integer is gain * code + offset, gain above 0.

    Args:
        found: thresholds on the integer.
        low, high: of the code.
        output: range of the result, of all channels.
        gain, offset: as above; an offset per channel.
    """
    shape = shape_of(output)
    levels = 2**shape.width - 1
    least = 2 ** (shape.width - 1) if shape.signed else 0  # two's complement counts from its lowest code
    start = (found.lowest + 1) // 2 if output.bipolar else found.lowest + least
    channels, given = found.thresholds.shape
    below = torch.full((channels, levels), low)
    place = torch.arange(levels) - start[:, None]
    rising = found.sign[:, None] > 0
    steps = found.thresholds.gather(1, place.clamp(0, given - 1)) if given else below
    steps = torch.where(rising, steps, 1 - steps)
    steps = -torch.div(torch.as_tensor(offset).reshape(-1, 1) - steps, gain, rounding_mode="floor")
    always, never = (torch.where(rising, low, high + 1), torch.where(rising, high + 1, low))
    steps = torch.where(place < 0, always, torch.where(place >= given, never, steps)).clamp(low, high + 1)
    return Steps(torch.where(rising, steps, steps.flip(1)), found.sign < 0, shape.width)


def build(job: Job, trained: Steps, inputs: Range, setting: Setting) -> Frame:
    """One unit.

    Args:
        job: the block with its fold.
        trained: its thresholds, channel by channel in the order of the stream.
        inputs: range of the codes that are compared.
        setting: what all units share.
    """
    block, pe = job.block, job.parallel.pe
    assert isinstance(block, Thresholds)
    frame = Frame()
    output = still(block.output)
    source, sink = frame.enter(pe, inputs), frame.leave(pe, output)
    line = Line(frame.circuit, source.valid, sink.ready, block.channels // pe, cut=OPERANDS in job.cuts)
    found = line.codes(trained, source.elements(), (int(inputs.low), int(inputs.high)), setting.thresholds)
    top = trained.bits - 1
    signed = shape_of(output).signed
    frame.drive((source.ready, line.step), (sink.valid, line.valid))
    frame.drive((sink.data, Cat(Cat(code[:top], ~code[top]) if signed else code for code in found)))
    return frame
