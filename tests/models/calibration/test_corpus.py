"""The CSV of measured units: what is written is read, and what is wrong is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwcost.errors import BadData, BadOption
from hwcost.models.calibration.corpus import COLUMNS, Measured, Unit, name_of, read, wire, write

ROWS = [
    Measured(
        unit=Unit(kind="matvec", weight="INT4", input="UINT3", output="INT12", pe=2, simd=8, structure="lut"),
        amounts={"LUT": 300, "FF": 24},
        family="xcup",
        source="Yosys 0.70",
    ),
    Measured(
        unit=Unit(kind="constant", input="INT5", matrix="1 -2;0 7"), amounts={"LUT": 9}, family="xc7", source="Vivado"
    ),
]


def test_written_and_read(tmp_path: Path) -> None:
    write(tmp_path / "corpus.csv", ROWS)
    assert read(tmp_path / "corpus.csv") == ROWS
    assert ROWS[1].unit.constants == [[1, -2], [0, 7]]


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("INT4", "FLOAT4", "line 2: wire 'FLOAT4'"),
        ("matvec", "matrix", "line 2: kind 'matrix'"),
        ("300", "many", "line 2"),
        ("300", "-3", "line 2"),
        ("xc7", "ice40", "line 3: family 'ice40'"),
        (",9,", ",,", "line 3: counts"),
        ("0 7", "0 x", "line 3"),
        ("kind,", "sort,", "no column kind"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, part: str) -> None:
    path = tmp_path / "corpus.csv"
    write(path, ROWS)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(BadData, match=r"corpus\.csv") as error:
        read(path)
    assert part in str(error.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"nowhere\.csv: cannot be read"):
        read(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("name", ["BIPOLAR", "TERNARY", "INT1", "INT16", "UINT1", "UINT8", "NARROW3", "NARROW9"])
def test_wires_by_name(name: str) -> None:
    assert name_of(wire(name)).replace("BIPOLAR", "INT1") == name.replace("BIPOLAR", "INT1")


@pytest.mark.parametrize("name", ["INT0", "INT", "4", "NARROW1", "int4", "UINT100"])
def test_no_wires(name: str) -> None:
    with pytest.raises(BadOption, match="give INT4"):
        wire(name)


def test_the_columns_are_those_of_the_documentation() -> None:
    import hwcost.models.calibration.corpus as corpus

    assert all(f"`{name}`" in (corpus.__doc__ or "") for name in COLUMNS)
