"""A check tells what was measured beside what was priced."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from accelerated import built, folded, priced, traced

from hwcost.build import verilator
from hwcost.build.golden import drawn, golden
from hwcost.build.trial_run import check
from hwcost.errors import BadOption


def test_figures_stand_beside_one_another() -> None:
    pipeline = traced("dense")
    model = folded(pipeline, 40)
    made = built(pipeline, model)
    found = check(made, golden(made, drawn(made, 8)), {}, priced(pipeline, model), simulator="amaranth")
    assert (found.simulator, found.frames, found.words) == ("amaranth", 8, 8 * made.words[1])
    assert found.interval_cycles == found.priced.interval_cycles
    record = found.record()
    assert record["latency_cycles"] == found.latency_cycles and record["fifos"]


def test_a_simulator_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = traced("dense")
    model = folded(pipeline, 40)
    made = built(pipeline, model)
    frames, figures = golden(made, drawn(made, 1)), priced(pipeline, model)
    with pytest.raises(BadOption, match="simulator 'xsim': unknown"):
        check(made, frames, {}, figures, simulator="xsim")
    monkeypatch.setattr(verilator, "find", lambda: None)
    with pytest.raises(BadOption, match="apt-get install verilator"):
        check(made, frames, {}, figures, simulator="verilator")
