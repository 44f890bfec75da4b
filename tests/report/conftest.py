"""A report of the made-up study, written once."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_study import made_up_run, made_up_trials

from hwcost.report import write_report


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "new" / "study"
    assert write_report(path, made_up_trials(), made_up_run()) == path / "index.html"
    return path
