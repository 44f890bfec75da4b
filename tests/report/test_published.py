"""Published designs from a CSV of the user."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwcost.errors import BadStudy
from hwcost.report.published import read_published
from hwcost.report.score import Score


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,accuracy\na,1\n", "no column LUT"),
        ("name,accuracy,LUT\na,x,1\n", "cannot be read"),
        ("name,accuracy,LUT\na,0.9,-1\n", "above 0"),
        ("name,accuracy,LUT\na,,5\n", "ratios or percent"),
    ],
)
def test_published_rows_that_make_no_sense(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(BadStudy, match=words):
        read_published(path, "LUT", Score())
    with pytest.raises(BadStudy, match="cannot be read"):
        read_published(tmp_path / "none.csv", "LUT", Score())
