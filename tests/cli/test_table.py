"""Tables on standard output: nothing of a table is cut off, on a narrow terminal neither."""

from __future__ import annotations

import pytest

from hwcost.cli.table import WIDEST_TABLE, console, table


@pytest.mark.parametrize("columns", [40, 200])
def test_no_cell_is_cut_off(columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert console().width == max(columns, WIDEST_TABLE)
    made = table("layer", "LUT")
    name = "features.stage3.unit2.body." * 3 + "conv"
    made.add_row(name, "12,345")
    console().print(made)
    head, _, row = (line for line in capsys.readouterr().out.splitlines() if line.strip())
    assert head.split() == ["layer", "LUT"] and row.split() == [name, "12,345"]
