"""The folder of a study: a foreign file, a folder that cannot be written, and what was never begun."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna_study import judge, opened

from hwcost.errors import BadStudy
from hwcost.search import JOURNAL, LOCK
from hwcost.search.storage.local import sole_writer


def _sqlite(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table t (x)")
    connection.close()


def _foreign_journal(path: Path) -> None:
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    optuna.create_study(storage=optuna.storages.JournalStorage(backend), study_name="mine")


@pytest.mark.parametrize(
    "make",
    [
        _sqlite,
        _foreign_journal,
        lambda path: path.write_text("hello"),
        lambda path: path.write_text(""),
        lambda path: path.write_text("[1]\n[2]\n"),
        lambda path: path.write_bytes(bytes(range(256)) * 40),
        lambda path: path.write_text('{"op_code":0,"worker_id":"w","study_name":"hwcost-stu'),
    ],
    ids=["sqlite", "optuna", "text", "empty", "json", "binary", "half a first line"],
)
def test_a_foreign_file_is_left_alone(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / JOURNAL)
    content = (tmp_path / JOURNAL).read_bytes()
    with pytest.raises(BadStudy, match="not a study of this version") as raised, opened(tmp_path):
        pass
    assert "\n" not in str(raised.value)
    assert (tmp_path / JOURNAL).read_bytes() == content


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadStudy, match="cannot be written"), opened(tmp_path / "file"):
        pass
    with pytest.raises(BadStudy, match="cannot be written"), opened(tmp_path / "file" / "below"):
        pass
    (tmp_path / "taken" / JOURNAL).mkdir(parents=True)
    with pytest.raises(BadStudy, match="cannot be read"), opened(tmp_path / "taken"):
        pass
    (tmp_path / "locked" / LOCK).mkdir(parents=True)
    with pytest.raises(BadStudy, match="cannot be written"), opened(tmp_path / "locked"):
        pass


def test_a_read_only_folder() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "new").mkdir(mode=0o555)
        with opened(folder / "old") as study:
            study.run(judge, trials=1)
        content = (folder / "old" / JOURNAL).read_bytes()
        for path in (folder / "old" / JOURNAL, folder / "old" / LOCK):
            path.chmod(0o444)
        (folder / "old").chmod(0o555)
        folder.chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)  # permissions do not bind root
        try:
            for case in ("old", "new", "never made"):
                with pytest.raises(BadStudy, match="cannot be written"), opened(folder / case):
                    pass
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)
            (folder / "old").chmod(0o755)
        assert (folder / "old" / JOURNAL).read_bytes() == content


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with sole_writer(tmp_path / "new"):
        with pytest.raises(BadStudy, match="in use by another process"), sole_writer(tmp_path / "new"):
            pass
    with sole_writer(tmp_path / "new"):
        assert (tmp_path / "new").is_dir()


def test_a_study_without_trials_may_start_over(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    with opened(tmp_path, seed=8) as study:  # nothing was tried yet
        study.run(judge, trials=1)
    with pytest.raises(BadStudy, match=r"seed was 8, now 7; give another --out"), opened(tmp_path):
        pass
