"""Architectures of a trial: what makes a hardware model of a traced network, by name or by a function of the user."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Unpack

import torch
from immutabledict import immutabledict

from hwcost.cost.bill import price
from hwcost.cost.estimate import latency_of
from hwcost.errors import BadFolding
from hwcost.graph.trace import Pipeline
from hwcost.models import Dataflow, Device, Mixed, Unrolled, place, target_fps
from hwcost.models.mixed import cheapest
from hwcost.models.options import StyleOptions
from hwcost.models.rates import frames_per_second, interval_cycles
from hwcost.models.resources import OnPart

Architecture = Callable[..., OnPart]
"""(pipeline, *, device, clock_mhz, fps, other options of a trial) -> a model with a part and a clock."""


def dataflow(
    pipeline: Pipeline, *, device: Device, clock_mhz: float, fps: float, **styles: Unpack[StyleOptions]
) -> Dataflow:
    """Fold for a frame rate: a unit for each layer, all at work at once.

    Raises:
        BadFolding: a unit cannot be that fast.
    """
    folding = target_fps(pipeline, fps, clock_mhz=clock_mhz, **styles)
    return Dataflow(device=device, folding=folding, clock_mhz=clock_mhz, **styles)


def unrolled(pipeline: Pipeline, *, device: Device, clock_mhz: float, fps: float, **options: Any) -> Unrolled:
    """Build every weight as a constant; layers of several vectors take turns as far as the frame rate allows.

    Raises:
        BadFolding: not even a result in each cycle is that fast.
    """
    longest = interval_cycles(fps, clock_mhz)
    if not longest:
        raise BadFolding(f"{fps:,g} frames/s need more than a frame per cycle at {clock_mhz:g} MHz; raise the clock")
    return Unrolled(device=device, clock_mhz=clock_mhz, **{"reuse": longest, **options})


def auto(pipeline: Pipeline, *, device: Device, clock_mhz: float, fps: float, **styles: Unpack[StyleOptions]) -> Mixed:
    """Build each layer with weights as a folded unit or as constants, whichever takes the smaller share of the part.

    Raises:
        BadFolding: a unit cannot be that fast.
    """
    folded = dataflow(pipeline, device=device, clock_mhz=clock_mhz, fps=fps, **styles)
    constants = unrolled(pipeline, device=device, clock_mhz=clock_mhz, fps=fps, sums="shared")
    return cheapest(place(pipeline.layers()), folded, constants)


ARCHITECTURES: Mapping[str, Architecture] = immutabledict(dataflow=dataflow, unrolled=unrolled, auto=auto)
"""Name of an architecture, as trials and users give it -> what makes its model."""

OPTIONS: Mapping[str, tuple[str, ...]] = immutabledict(
    dataflow=("multipliers", "weight_memory", "weight_banks", "thresholds", "flow", "pipelining"),
    unrolled=("reuse", "value_aware", "sums", "thresholds", "stage_levels"),
    auto=("multipliers", "weight_memory", "weight_banks", "thresholds", "flow", "pipelining"),
)
"""Architecture -> what a trial may choose of it besides part, clock and frame rate."""


def fast_enough(
    make: Callable[[float], OnPart], pipeline: Pipeline, fps: float, clock_mhz: float, most_cycles: float
) -> OnPart:
    """The slowest design from a frame rate on that keeps a latency, by bisection of the interval.

    Args:
        make: frame rate -> design.
        pipeline: that is priced.
        fps: frames per second, the least.
        clock_mhz: of the fabric.
        most_cycles: the latency allowed; where no design keeps it, the fastest is given.

    Raises:
        BadFolding: not even the least rate can be reached.
    """
    found = make(fps)
    if most_cycles == inf or (least := float(latency_cycles(pipeline, found))) <= most_cycles:
        return found
    slow, fast = interval_cycles(fps, clock_mhz), 0  # the one is too slow; the other fast enough, or too fast to build
    while slow - fast > 1:
        middle = (slow + fast) // 2
        try:
            tried = make(frames_per_second(middle, clock_mhz))
        except BadFolding:
            fast = middle
            continue
        latency = latency_cycles(pipeline, tried)
        if latency <= most_cycles or latency <= least:
            found, least = tried, max(latency, most_cycles)
        slow, fast = (slow, middle) if latency <= most_cycles else (middle, fast)
    return found


def latency_cycles(pipeline: Pipeline, model: OnPart) -> int:
    """Latency of a frame at the present widths, clock cycles."""
    with torch.no_grad():
        return latency_of(price(pipeline, model), model)
