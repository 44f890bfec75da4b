"""Many units in a laboratory: each once, remembered whole, failures with the name of the unit."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip(
    "amaranth", reason="amaranth is not installed: nothing was synthesized; pip install 'hwcost[synth]'"
)

from hwcost.errors import BadOption
from hwcost.models.calibration.corpus import Unit
from hwcost.models.resources import COUNTED
from hwcost.synth.measure import LARGEST_BATCH, Design, Laboratory, _batches, _remember, _remembered, label
from hwcost.synth.yosys import SynthesisFailed, Yosys

ADDER = Unit(kind="adder", input="UINT4", output="UINT4")


def amounts(laboratory: Laboratory, unit: Unit) -> dict[str, int]:
    return laboratory.measure([unit])[unit].amounts


def _fake(tmp_path: Path, code: str) -> Laboratory:
    command = (sys.executable, "-c", code)
    return Laboratory(synthesizer=Yosys("yosys", "0.0", command), cache=tmp_path, jobs=1, limit_s=2)


def test_a_cache_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    lab = replace(_fake(tmp_path, "print('started')"), cache=tmp_path / "file" / "cache")
    with pytest.raises(BadOption, match=r"cannot be written .*--cache"):
        lab.measure([ADDER])


def test_a_crash_is_one_line_with_the_unit(tmp_path: Path) -> None:
    crashing = _fake(tmp_path, "print('ERROR: no such cell'); raise SystemExit(1)")
    with pytest.raises(SynthesisFailed, match=r"adder UINT4 .* Yosys 0.0 crashed: ERROR: no such cell"):
        amounts(crashing, ADDER)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_time_limit(tmp_path: Path) -> None:
    with pytest.raises(SynthesisFailed, match="not done after 2 s"):
        amounts(_fake(tmp_path, "import time; time.sleep(60)"), ADDER)


class Counter(Yosys):
    """Counts runs instead of cells; one kind of circuit never ends well."""

    def count(self, designs: list[str], **options: object) -> list[dict[str, int]]:  # type: ignore[override]
        RUNS.append(len(designs))
        if any("saturate" in design or "x2" in design for design in designs):
            raise SynthesisFailed("crashed")
        return [dict.fromkeys(COUNTED, len(RUNS)) for _ in designs]


RUNS: list[int] = []


def test_each_unit_is_synthesized_once_and_what_is_done_before_a_failure_stays(tmp_path: Path) -> None:
    RUNS.clear()
    laboratory = Laboratory(synthesizer=Counter("yosys", "0.0", ("none",)), cache=tmp_path, jobs=1)
    adders = [Unit(kind="adder", input=f"UINT{bits}", output="UINT4") for bits in (3, 5, 3)]
    told: list[tuple[int, int]] = []
    found = laboratory.measure(adders, lambda done, of: told.append((done, of)))
    assert list(found) == adders[:2] and RUNS == [2] and told == [(2, 2)]
    clip = Unit(kind="saturate", input="INT9", output="INT4", pe=3)
    with pytest.raises(SynthesisFailed, match=r"^saturate INT9 -> INT4 PE 3 SIMD 1: crashed"):
        laboratory.measure([*adders, Unit(kind="adder", input="UINT7", output="UINT4"), clip])
    assert RUNS == [2, 2, 1, 1]  # both, then one by one
    laboratory.measure([*adders, Unit(kind="adder", input="UINT7", output="UINT4")])
    assert RUNS == [2, 2, 1, 1]
    laboratory.measure([replace(adders[0], output="UINT5")])
    assert RUNS[-1] == 1


def test_designs_of_one_content_are_counted_once(tmp_path: Path) -> None:
    RUNS.clear()
    laboratory = Laboratory(synthesizer=Counter("yosys", "0.0", ("none",)), cache=tmp_path, jobs=1)
    designs = [Design("a", "module one"), Design("b", "module one"), Design("c", "module one", dsp=True)]
    counts = laboratory.count(designs)
    assert RUNS == [1, 1] and counts[0] == counts[1] != counts[2]
    assert laboratory.count(designs) == counts and RUNS == [1, 1]
    with pytest.raises(SynthesisFailed, match=r"^late: crashed"):
        laboratory.count([Design("late", "module x2")])


def test_batches_are_even_and_not_too_large() -> None:
    assert [len(batch) for batch in _batches([None] * 10, 4)] == [3, 3, 3, 1]  # type: ignore[list-item]
    assert max(len(batch) for batch in _batches([None] * 500, 2)) == LARGEST_BATCH  # type: ignore[list-item]
    assert _batches([], 3) == []


def test_a_result_that_is_damaged_is_none(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "one.json"
    _remember(path, {"amounts": dict.fromkeys(COUNTED, 3)})
    assert _remembered(path) == dict.fromkeys(COUNTED, 3)
    for text in ("{", "[]", "{}", '{"amounts": {"LUT": 3}}', '{"amounts": {"LUT": "x"}}'):
        path.write_text(text)
        assert _remembered(path) is None
    assert _remembered(tmp_path / "absent.json") is None


def test_a_unit_in_one_line() -> None:
    assert label(ADDER) == "adder UINT4 -> UINT4 PE 1 SIMD 1"
    memory = Unit(kind="memory", structure="rom", geometry="8x4")
    assert label(memory) == "memory rom 8x4 PE 1 SIMD 1"


def test_a_question_asked_before_builds_no_rtl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laboratory = Laboratory(synthesizer=Counter("yosys", "0.0", ("none",)), cache=tmp_path, jobs=1)
    first = amounts(laboratory, ADDER)
    monkeypatch.setattr("hwcost.synth.units.build", lambda *args: pytest.fail("RTL was built again"))
    assert amounts(laboratory, ADDER) == first
    monkeypatch.setattr("hwcost.synth.measure._source", lambda: "another source")
    with pytest.raises(pytest.fail.Exception):
        amounts(laboratory, ADDER)
