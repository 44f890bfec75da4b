"""Progress of what is synthesized."""

from __future__ import annotations

import pytest

from hwcost.cli.laboratory import progress_bar
from hwcost.cli.options import Verbosity


def test_units_are_told_as_asked(capsys: pytest.CaptureFixture[str]) -> None:
    for verbosity, lines in ((Verbosity(), 0), (Verbosity(quiet=True), 0), (Verbosity(verbose=True), 3)):
        with progress_bar("units", verbosity) as report:
            for done in range(1, 4):
                report(done, 3)
        assert capsys.readouterr().err.count("units ") == lines
