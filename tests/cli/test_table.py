"""Tables on standard output: one line per row, as wide as the terminal, and what is left out is said."""

from __future__ import annotations

import pytest

from hwcost.cli.table import print_table, say, say_left_out

HEADERS = ["layer", "kind", "LUT", "FF"]
ROWS = [["conv1", "QuantConv2d", "12,345", "6,789"], ["a_longer_name", "QuantReLU", "12", "7"]]


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if line.strip()]


@pytest.mark.parametrize(("columns", "left_out"), [(200, []), (40, ["FF"]), (30, ["FF", "kind"])])
def test_a_table_fits_its_terminal(
    columns: int, left_out: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert print_table(HEADERS, ROWS, left=("layer", "kind"), spare=("FF", "kind")) == left_out
    head, _, *rows = printed(capsys)
    kept = [index for index, name in enumerate(HEADERS) if name not in left_out]
    assert head.split() == [HEADERS[index] for index in kept]
    assert [row.split() for row in rows] == [[row[index] for index in kept] for row in ROWS]
    assert max(map(len, (head, *rows))) <= columns


def test_long_names_lose_their_starts_as_long_as_they_differ(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    names = [f"features.stage{stage}.unit1.body.conv" for stage in (1, 2)]
    print_table(["layer", "LUT"], [[name, "12"] for name in names], left=("layer",))
    rows = printed(capsys)[2:]
    assert all(row.strip().startswith("…") and len(row) <= 30 for row in rows)
    assert len({row.split()[0] for row in rows}) == 2
    same_ends = [f"{start}.stage.unit1.body.convolution" for start in ("a", "b")]
    print_table(["layer", "LUT"], [[name, "12"] for name in same_ends], left=("layer",))
    assert [row.split()[0] for row in printed(capsys)[2:]] == same_ends, "cut off, they would read the same"


def test_text_is_never_broken(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    say("verdict: " + "fits " * 20)
    say_left_out(["FF", "kind"], "--csv has all")
    say_left_out([], "nothing was left out")
    first, second = printed(capsys)
    assert first.strip().endswith("fits") and second == "Left out at 20 characters: FF, kind; --csv has all."
