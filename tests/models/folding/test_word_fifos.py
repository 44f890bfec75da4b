"""FIFOs of whole pipelines; that they keep the interval is simulated in tests/build."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed; pip install 'hwcost[synth]'")

import torch
from accelerated import folded, traced

from hwcost.graph.ranges import integers
from hwcost.graph.spec import Link, Thresholds
from hwcost.models.folding.word_fifos import depths, key, last_cycle, stages, stream_order, whole, with_depths
from hwcost.models.formulas.formula import Fold, Job
from hwcost.models.links import place


@pytest.mark.parametrize(
    ("channels", "bits", "how", "wanted"),
    [(4, 3, "search", 3), (64, 3, "search", 5), (4, 3, "parallel", 1), (65, 3, "parallel", 2)],
)
def test_registers_of_an_activation(channels: int, bits: int, how: str, wanted: int) -> None:
    """A stage per bit, and one more for each memory that answers a cycle late."""
    output = integers(torch.tensor(float(bits), dtype=torch.float64), signed=False)
    block = Thresholds(channels=channels, vectors=1, input=integers(8, signed=True), output=output)
    assert stages(Job("act", block, Fold(1)), how) == wanted


def test_depths_do_not_depend_on_the_order_in_time_and_are_found_again_by_their_key() -> None:
    pipeline = traced("residual")
    model = folded(pipeline, 200)
    first, second = (model.plan(place(pipeline.layers())) for _ in range(2))
    assert key(first, 200) == key(second, 200) != key(first, 201)
    found = depths(first, 200)
    assert found == depths(second, 200) and any(depth > 8 for depth, _ in found)  # the shorter branch waits
    with_them = [job for job in with_depths(first, found) if isinstance(job.block, Link)]
    assert [(job.adapter.depth, job.adapter.ahead) for job in with_them if job.adapter] == [*found]


def test_only_a_whole_pipeline_has_a_schedule() -> None:
    pipeline = traced("dense")
    jobs = folded(pipeline, 40).plan(place(pipeline.layers()))
    assert whole(jobs) and last_cycle(jobs, "search") == 48 == last_cycle(jobs[::-1], "search")
    assert stream_order(jobs) is jobs and [*stream_order(jobs[::-1])] == [*jobs]
    assert not whole([job for job in jobs if not isinstance(job.block, Link)])
    assert not whole([replace(job, fold=None) for job in jobs])


@pytest.mark.parametrize(("depth", "late"), [(0, 0), (1, 1), (256, 1), (257, 2)])
def test_a_fifo_in_block_ram_takes_a_cycle_more(depth: int, late: int) -> None:
    """It is read into a register of its RAM, as tests/synth simulates."""
    pipeline = traced("dense")
    jobs = folded(pipeline, 40).plan(place(pipeline.layers()))
    none = [(0, False)] * sum(isinstance(job.block, Link) for job in jobs)
    one = [none[0], (depth, False), *none[2:]]
    before, after = (last_cycle(with_depths(jobs, found), "search") for found in (none, one))
    assert after == before + late
