"""The latency of a single frame, from its first word in to its last word out."""

from collections.abc import Sequence
from contextlib import suppress
from math import ceil

from hwcost.errors import BadOption
from hwcost.graph.ranges import widest
from hwcost.graph.spec import Layer, Link, MatVec, Thresholds
from hwcost.models.dataflow import Dataflow
from hwcost.models.folding import word_fifos
from hwcost.models.folding.word_schedule import Unbalanced
from hwcost.models.folding.word_timing import SOURCE, STAGE_CYCLES, Stream, joined, through
from hwcost.models.formulas.formula import Formula, Job
from hwcost.models.links import place

ENTRY_CYCLES = 1
"""Cycles from the port to the first unit. Source: as `word_timing.CONVERTER_CYCLES`."""


def latency_cycles(layers: Sequence[Layer], model: Dataflow) -> int:
    """Cycles from the first word of a frame to its last result, in an empty pipeline.

    Every unit starts with its first input and runs at its own pace. It ends when it has done all its work, and not
    before it has done what is left after its last input: all folds but the first of a dot product, the last window.

    Args:
        layers: from `pipeline.layers()`, in one call; see `place`.
        model: the folded pipeline.

    Returns:
        Whole cycles, at least 1. No gradient: at a fixed folding widths move it by threshold stages only.

    Raises:
        BadOption: no hardware in the layers.

    Error: none on the simulated latency of two published dense networks (211 and 229 cycles, finn.md 3.3), which fixed
        two of the constants. A fully unrolled one at 300 MHz takes 26 instead of 18: its units are pipelined deeper.
        Single frames on a board, driver included: 1,746 instead of 1,221 (dense), 151,178 instead of 142,793 (CNV).
        FINN's sum of cycles for these five: 252, 272, 4, 1,288 and 249,362.
    Source: folds of dot products as in finn.md 3.5; overlap of rates derived here.
    """
    jobs = model.plan(place(layers))
    if not jobs:
        raise BadOption("latency: the pipeline has no hardware in it; trace a network with quantized layers")
    if model.setting.flow == "rtl" and word_fifos.whole(jobs):
        with suppress(Unbalanced):
            return word_fifos.last_cycle(jobs, model.setting.thresholds) + 1
    made: dict[int, Stream] = {}
    read: dict[int, list[Stream]] = {}
    fused: set[int] = set()
    for job in jobs:
        if isinstance(job.block, Link):
            if model.setting.fused and isinstance(job.block.source, MatVec) and isinstance(job.block.sink, Thresholds):
                fused.add(id(job.block.sink))
            read.setdefault(id(job.block.sink), []).append(made.get(id(job.block.source), SOURCE))
        else:
            entering = joined(read.get(id(job.block), []))
            stages = 0 if id(job.block) in fused else _stages(job, model)
            made[id(job.block)] = through(entering, job, _busy(job, model), stages)
    return ceil(max(stream.last for stream in made.values())) + 1 + ENTRY_CYCLES


def _busy(job: Job, model: Dataflow) -> float:
    formula = model.formulas[type(job.block)]
    if isinstance(formula, Formula):
        return formula.cycles(job.block, job.parallel)
    return float(model.price_jobs([job])["cycles"])  # of a price by the user only the cycles are known


def _stages(job: Job, model: Dataflow) -> int:
    if isinstance(job.block, Thresholds) and model.setting.thresholds == "search":
        return STAGE_CYCLES * (1 + len(job.cuts)) * ceil(float(widest(job.block.output).bits.detach()))
    return STAGE_CYCLES
