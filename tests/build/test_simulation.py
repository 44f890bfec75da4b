"""A wrong word, a lost end of a frame and a deadlock are errors that say where."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from accelerated import STEP, built, folded, priced, traced

from hwcost.build.accelerator import accelerator
from hwcost.build.draft import layout
from hwcost.build.golden import Golden, drawn, golden
from hwcost.build.simulation import Deadlock, Pauses, Trace, WrongHardware, check, patience, simulate


def test_cycles_at_full_pace_are_those_that_were_priced() -> None:
    pipeline = traced("dense")
    model = folded(pipeline, 40)
    made, wanted = built(pipeline, model), priced(pipeline, model)
    seen = simulate(made, golden(made, drawn(made, 8)), Pauses(), patience(wanted.latency_cycles))
    assert seen.interval_cycles == wanted.interval_cycles
    assert all(seen.levels[probe.name] <= probe.depth for probe in made.probes if probe.level is not None)


def test_words_come_at_even_distances_and_every_frame_alike() -> None:
    pipeline = traced("dense")
    made, wanted = built(pipeline, model := folded(pipeline, 40)), priced(pipeline, model)
    every = 10 * wanted.latency_cycles
    seen = simulate(made, golden(made, drawn(made, 3)), Pauses(every=every), 2 * every)
    assert [first for first, _ in seen.frames] == [0, every, 2 * every]
    words = made.words[0]
    assert {last - first for first, last in seen.frames} == {seen.frames[0][1]}
    assert seen.frames[0][1] >= (words - 1) * every // words


def test_a_wrong_word_is_named() -> None:
    made = built(pipeline := traced("dense"), folded(pipeline, 40))
    good = golden(made, drawn(made, 2))
    wanted = [*good.wanted[:-1], good.wanted[-1] ^ 1]
    with pytest.raises(WrongHardware, match=f"frame 1, word {made.words[1] - 1}: 0x"):
        simulate(made, Golden(sent=good.sent, wanted=wanted, frames=2), Pauses(), 500)
    with pytest.raises(WrongHardware, match="its last word is not marked"):
        check(good, made.words[1] - 1, good.wanted[made.words[1] - 1], False, made.words[1])


def test_a_deadlock_names_the_stream_that_blocks() -> None:
    pipeline = traced("residual")
    found = layout(pipeline, folded(pipeline, 200), input_step=STEP)
    for edge in found.edges:
        if edge.sink is not None and edge.sink.name == "add_adder" and edge.port == 0:
            edge.adapter = replace(edge.adapter, depth=2)
    made = accelerator(found)
    with pytest.raises(Deadlock, match="add_adder_0: its FIFO of 2 words holds 2, and its reader waits for another"):
        simulate(made, golden(made, drawn(made, 1)), Pauses(), 400)


def test_an_interval_is_that_of_the_later_frames() -> None:
    seen = Trace(frames=((0, 50), (5, 90), (30, 110), (50, 130)), levels={}, words=4)
    assert (seen.latency_cycles, seen.interval_cycles) == (51, 20.0)
