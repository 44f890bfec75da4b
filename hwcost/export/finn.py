"""FINN's folding configuration: PE, SIMD and memory styles under the names that FINN gives its nodes."""

from collections import Counter
from collections.abc import Iterator

from hwcost.errors import UnknownBlock
from hwcost.graph.spec import Adder, LabelSelect, Link, MatVec, Pool, Thresholds, Window
from hwcost.models import Dataflow, place
from hwcost.models.formulas.formula import Job
from hwcost.models.resources import HasLayers

_STYLES = {"auto": "auto", "lutram": "distributed", "bram18": "block", "uram": "ultra", "external": "auto"}
_PLAIN = {Thresholds: "Thresholding_rtl", Pool: "Pool_hls", Adder: "AddStreams_hls", LabelSelect: "LabelSelect_hls"}

Entry = tuple[str, dict[str, object]]


def finn_folding(pipeline: HasLayers, model: Dataflow) -> dict[str, dict[str, object]]:
    """Convert the folding of a pipeline to the contents of FINN's configuration file.

    Nodes are numbered per operation in stream order, as FINN's GiveUniqueNodeNames does; where streams run in parallel
    FINN's order may differ. A unit on DSPs that FINN's RTL can build is an MVAU_rtl, any other an MVAU_hls. Activations
    are nodes of their own, as FINN has them with standalone_thresholds=True; else it merges them into the units, and a
    Thresholding that is left over, such as the input's, would get another's PE. The names equal those of FINN's own
    files of MobileNetV1, CNV and TFC (tests/export/test_finn.py).

    Args:
        pipeline: from `trace`; read with its live widths.
        model: the folded pipeline.

    Returns:
        Node name -> attribute -> value, with an empty "Defaults" first; ready for JSON.

    Raises:
        UnknownBlock: all blocks that FINN has no node for, at once.

    Source: FINN dev 73ba5ed (2026-04-17).
    """
    jobs = [job for job in model.plan(list(place(pipeline.layers()))) if not isinstance(job.block, Link)]
    found: dict[str, dict[str, object]] = {"Defaults": {}}
    counts: Counter[str] = Counter()
    faults = []
    for job, behind in zip(jobs, [*jobs[1:], None], strict=True):
        try:
            entries = list(_entries(job, behind))
        except UnknownBlock as fault:
            faults.append(str(fault))
            continue
        for operation, attributes in entries:
            found[f"{operation}_{counts[operation]}"] = attributes
            counts[operation] += 1
    if faults:
        raise UnknownBlock("\n".join(faults))
    return found


def _entries(job: Job, behind: Job | None) -> Iterator[Entry]:
    block = job.block
    if isinstance(block, MatVec):
        yield _unit(job, block)
    elif isinstance(block, Window):
        yield from _window(job, block, behind)
    elif type(block) in _PLAIN:
        yield _PLAIN[type(block)], {"PE": min(job.parallel.pe, block.channels)}  # type: ignore[attr-defined]
    else:
        raise UnknownBlock(
            f"{job.layer}: FINN's folding file has no entry for a {type(block).__name__} block; absorb it into "
            "thresholds, or leave the layer out"
        )


def _unit(job: Job, block: MatVec) -> Entry:
    fold = job.parallel
    attributes = {
        "PE": fold.pe,
        "SIMD": fold.simd,
        "resType": job.multipliers,
        "mem_mode": "external" if job.weight_memory == "external" else "internal_decoupled",
        "ram_style": _STYLES[job.weight_memory],
    }
    if block.groups == 1:
        return ("MVAU_rtl" if _on_dsps(job, block) else "MVAU_hls"), attributes
    if block.rows > 1:
        raise UnknownBlock(
            f"{job.layer}: FINN has no unit for {block.groups} groups of {block.rows} outputs; use groups=1 or a "
            "depthwise layer"
        )
    return "VVAU_hls", attributes


def _on_dsps(job: Job, block: MatVec) -> bool:
    """Whether FINN's RTL unit can be built: signed weights of 2 to 8 bits, inputs of 2 to 8, or 9 if signed."""
    weight, inputs = (float(wire.bits.detach().max().ceil()) for wire in (block.weight, block.input))
    return (
        job.multipliers == "dsp"
        and block.weight.signed
        and 2 <= weight <= 8
        and 2 <= inputs <= (9 if block.input.signed else 8)
    )


def _window(job: Job, block: Window, behind: Job | None) -> Iterator[Entry]:
    """Padding and window; FINN builds no window for a kernel of one pixel."""
    simd, parallel = job.parallel.simd, job.parallel.parallel_window
    if block.depthwise and behind is not None:  # channels stay apart only if both take equally many
        simd, parallel = min(behind.parallel.pe, block.channels), behind.parallel.simd > 1
    if any(max(pair) for pair in block.padding):
        yield "FMPadding_rtl", {"SIMD": simd}
    if max(*block.kernel, *block.stride) > 1:
        yield "ConvolutionInputGenerator_rtl", {"SIMD": simd, "parallel_window": int(parallel)}
