"""Ports of an accelerator, and the streams between its units."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from accelerated import built, folded, traced

from hwcost.build.accelerator import accelerator
from hwcost.errors import BadOption


def test_ports_are_whole_bytes_and_frames_whole_words() -> None:
    pipeline = traced("residual")
    made = built(pipeline, folded(pipeline, 200))
    assert len(made.entering.data) % 8 == len(made.leaving.data) % 8 == 0
    assert made.words == (72 // made.entering.lanes, 72 // made.leaving.lanes)


def test_every_stream_has_a_probe_and_a_copied_one_a_copy() -> None:
    pipeline = traced("residual")
    made = built(pipeline, folded(pipeline, 200))
    assert "act_thresholds_copy" in made.units
    assert {"add_adder_0", "add_adder_1", "head_matvec"} <= {probe.name for probe in made.probes}
    assert next(probe.fifo for probe in made.probes if probe.name == "add_adder_0") > 2


def test_shift_registers_are_selected_from_as_a_synthesizer_knows_them() -> None:
    pipeline = traced("residual")
    made = built(pipeline, folded(pipeline, 200))
    shallow = [name for name, circuit in made.units.items() if circuit.inside]
    assert shallow
    for text in made.rtlil().split("\nmodule ")[1:]:
        name = text.split("\n")[0].removeprefix("\\top.")
        if name in shallow:
            assert "cell $shiftx " in text and "cell $shift " not in text
        else:
            assert "cell $shiftx " not in text


def test_a_network_without_hardware_is_refused() -> None:
    pipeline = traced("dense")
    empty = built(pipeline, folded(pipeline, 40)).layout
    empty.nodes.clear()
    with pytest.raises(BadOption, match="no hardware in it"):
        accelerator(empty)
