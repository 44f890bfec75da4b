"""Opening a database: by several processes at once, and what is wrong with it in one line."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hwcost.errors import BadStudy
from hwcost.search.storage.database import connect

AT_ONCE = 8


@pytest.mark.slow
def test_all_that_open_a_fresh_database_at_once_get_it(tmp_path: Path) -> None:
    """Each makes the tables where they are missing; of 8, Optuna alone lets 1 through."""
    for number in range(3):
        url, gate = f"sqlite:///{tmp_path / f'{number}.db'}", threading.Barrier(AT_ONCE)

        def opened(_: int, url: str = url, gate: threading.Barrier = gate) -> str:
            gate.wait()
            storage = connect(url, 1)
            storage.remove_session()
            storage.engine.dispose()
            return "opened"

        with ThreadPoolExecutor(AT_ONCE) as threads:
            assert list(threads.map(opened, range(AT_ONCE))) == ["opened"] * AT_ONCE


def test_a_database_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database, but a text that is long enough for one" * 40)
    for url in (f"sqlite:///{tmp_path}/missing/x.db", f"sqlite:///{tmp_path / 'text.db'}", "sqlite:///\0", "nonsense"):
        with pytest.raises(BadStudy, match="cannot be opened") as raised:
            connect(url, 1)
        assert "\n" not in str(raised.value)
