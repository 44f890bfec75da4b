"""Any one line of a journal is damaged: repaired and resumed, it is the study that it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_study import finished, grown, opened

from hwcost.errors import BadStudy
from hwcost.search import JOURNAL, RETRIES
from hwcost.search.storage.lines import decode
from hwcost.search.storage.repair import LOST, repair_journal

TRIALS = 4


@pytest.mark.slow
def test_any_damaged_line_costs_one_training_at_most(tmp_path: Path) -> None:
    grown(tmp_path / "whole", TRIALS)
    whole, content = finished(tmp_path / "whole"), (tmp_path / "whole" / JOURNAL).read_bytes()
    lines = content.splitlines(keepends=True)
    for number in range(len(lines)):
        folder = tmp_path / f"line-{number}"
        folder.mkdir()
        path = folder / JOURNAL
        damaged = b"".join(
            [*lines[:number], lines[number].replace(b"o", b"0").replace(b":", b";"), *lines[number + 1 :]]
        )
        path.write_bytes(damaged)
        with pytest.raises(BadStudy, match=f"line {number + 1} is corrupt; `hwcost doctor"), opened(folder):
            pass
        assert path.read_bytes() == damaged
        repair = repair_journal(folder)
        assert repair is not None and repair.dropped[0] == f"line {number + 1}: damaged"
        assert repair.backup.read_bytes() == damaged
        kept = finished(folder)
        assert len(kept) >= TRIALS - 1 and all(row in whole for row in kept)
        grown(folder, TRIALS)
        assert sorted(map(str, finished(folder))) == sorted(map(str, whole)), repair.dropped
        assert repair_journal(folder) is None


@pytest.mark.slow
def test_several_damaged_lines(tmp_path: Path) -> None:
    grown(tmp_path / "whole", TRIALS)
    whole, content = finished(tmp_path / "whole"), (tmp_path / "whole" / JOURNAL).read_bytes()
    lines = content.splitlines(keepends=True)
    for first in range(3, len(lines) - 5, 2):
        folder = tmp_path / f"lines-{first}"
        folder.mkdir()
        (folder / JOURNAL).write_bytes(b"".join([*lines[:first], b"\0\0\n" * 5, *lines[first + 5 :], b"{torn"]))
        repair = repair_journal(folder)
        assert repair is not None and repair.dropped[0] == "the torn last line (5 bytes)"
        grown(folder, TRIALS)
        assert all(row in finished(folder) for row in whole), repair.dropped


def test_a_lost_beginning_of_a_retry_takes_no_other_trials_number(tmp_path: Path) -> None:
    def interrupted(suggestion: object) -> object:
        raise KeyboardInterrupt

    grown(tmp_path, 2)
    with opened(tmp_path) as study:
        assert study.run(interrupted, trials=1).interrupted  # type: ignore[arg-type]
    grown(tmp_path, 4)
    whole, path = finished(tmp_path), tmp_path / JOURNAL
    lines = path.read_bytes().splitlines(keepends=True)
    beginnings = [at for at, log in enumerate(decode(b"".join(lines))) if log is not None and log["op_code"] == 4]
    assert RETRIES >= 1 and len(beginnings) == 5  # trial 3 is trial 2 once more
    path.write_bytes(b"".join(line for at, line in enumerate(lines) if at != beginnings[3]) + b"{torn")
    assert repair_journal(tmp_path) is not None
    with opened(tmp_path) as study:
        frame = study.frame().set_index("number")
    assert frame["reason"][3] == LOST
    assert [row for row in whole if row in finished(tmp_path)] == [whole[0], whole[1], whole[3]]


def test_what_cannot_be_repaired_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(BadStudy, match="hwcost sweep"):
        repair_journal(tmp_path)
    path = tmp_path / JOURNAL
    for content in (b"", b"hello\n", b"\0" * 100, b'{"op_code":0}\n{torn'):
        path.write_bytes(content)
        with pytest.raises(BadStudy):
            repair_journal(tmp_path)
        assert path.read_bytes() == content
    assert {entry.name for entry in tmp_path.iterdir()} <= {JOURNAL, "study.lock"}
    path.unlink()
    grown(tmp_path, 1)
    with opened(tmp_path), pytest.raises(BadStudy, match="in use"):
        repair_journal(tmp_path)
