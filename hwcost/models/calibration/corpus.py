"""Rows of measured hardware: what was built, and what a synthesizer counted; one CSV format for all kinds.

Columns, one row per unit; what a kind does not know stays empty:

- `kind`: see KINDS.
- `weight`, `input`, `output`: wires, see `wire`; of a constant "shared" the inputs, one for all columns or one for
  each. `output` is the accumulator of a matvec, the right
  operand of an adder; `weight` the right one of a multiplier.
- `pe`, `simd`: parallelism.
- `structure`: constant "shared" (sums that rows have in common are built once) or empty;
  matvec "lut" or "dsp"; unit, a whole matrix-vector unit as published, its flow "rtl" or "hls";
  thresholds "parallel" or "search"; memory "rom", "ram" (LUT RAM), "spram" (with one address), "bram18" or "uram"; pool
  "max" or "sum"; window "serial" or "parallel"; scale_bias "scale" or "bias"; converter "up" (narrow words to a wide
  one) or "down"; fifo "srl" or "bram18"; inverse "reciprocal" or
  "rsqrt"; held, the weights of a matvec that arrive as a stream, "rows" or "cols".
- `geometry`: unit "cols x rows"; thresholds "channels"; memory "depth x bits"; window "channels height x width kernel
  stride dilation padding", each "a x b"; control "words x folds x depth", of a loader "depth x bits x memories",
  passing "bits x bits of addresses x whether held"; pool "a x b"; converter "narrow words in a wide one x their
  bits"; fifo "depth x bits"; copy "readers"; concat "streams"; label "elements"; inverse "lowest x highest index bits
  x bits of an entry"; held "rows x cols x matrices x vectors"; channel_sum "words of a pixel x pixels"; reorder
  "sizes ways" of the loops that read a buffer, the innermost first; pad "sizes before after" in words, the innermost
  side first, below 0 where they are left out. No blanks around an x.
- `matrix`: constants, rows parted by ";", numbers by blanks: weights of a product, thresholds of each channel, words
  of a table in the order of their codes (random ones without it).
- `LUT`, `FF`, `DSP`, `BRAM18`, `URAM`: as counted; empty where the source does not say.
- `family`: "xcup" (UltraScale+), "xc7" or "ecp5". `source`: the tool and its version, or the publication.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from hwcost.errors import BadData, BadOption
from hwcost.graph.ranges import Range, binary, integers, ternary
from hwcost.models.resources import COUNTED

KINDS = (
    "matvec",
    "unit",
    "constant",
    "thresholds",
    "window",
    "memory",
    "control",
    "pool",
    "adder",
    "saturate",
    "scale_bias",
    "converter",
    "fifo",
    "copy",
    "concat",
    "label",
    "inverse",
    "held",
    "multiplier",
    "table",
    "channel_sum",
    "reorder",
    "pad",
)
FAMILIES = ("xcup", "xc7", "ecp5")


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One piece of hardware by its parameters, see the columns above.

    Attributes:
        kind, weight, input, output, pe, simd, structure, geometry, matrix: the columns of the same names.
    """

    kind: str
    weight: str = ""
    input: str = ""
    output: str = ""
    pe: int = 1
    simd: int = 1
    structure: str = ""
    geometry: str = ""
    matrix: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadOption(f"kind {self.kind!r}: unknown; choose one of {', '.join(KINDS)}")

    @property
    def numbers(self) -> tuple[tuple[int, ...], ...]:
        """`geometry` as numbers: "8 16x16" is ((8,), (16, 16))."""
        return tuple(tuple(int(part) for part in group.split("x")) for group in self.geometry.split())

    @property
    def constants(self) -> list[list[int]]:
        """`matrix` as numbers; empty without one."""
        return [[int(value) for value in line.split()] for line in self.matrix.split(";")] if self.matrix else []


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A unit with what was counted.

    Attributes:
        unit: what was built.
        amounts: resource -> count; only those that the source knows.
        family: one of FAMILIES.
        source: who counted.
    """

    unit: Unit
    amounts: dict[str, int]
    family: str
    source: str


COLUMNS = (*(field.name for field in fields(Unit)), *COUNTED, "family", "source")


def wire(text: str) -> Range:
    """A wire by its name: INT4, UINT4, NARROW4 (the lowest code never used), TERNARY or BIPOLAR.

    Raises:
        BadOption: anything else.

    >>> int(wire("NARROW4").low), int(wire("UINT3").high)
    (-7, 7)
    """
    if text == "BIPOLAR":
        return binary()
    if text == "TERNARY":
        return ternary()
    found = re.fullmatch(r"(INT|UINT|NARROW)([1-9][0-9]?)", text)
    if not found or text == "NARROW1":
        raise BadOption(f"wire {text!r}: give INT4, UINT4, NARROW4, TERNARY or BIPOLAR")
    return integers(int(found[2]), signed=found[1] != "UINT", narrow=found[1] == "NARROW")


def name_of(range: Range) -> str:
    """The name of a wire with one width for all channels, see `wire`; widths between two whole ones are rounded up."""
    bits, low, high = (float(bound.detach()) for bound in (range.bits.ceil(), range.low, range.high))
    if range.bipolar:
        return "BIPOLAR"
    if low >= 0:
        return f"UINT{bits:.0f}"
    if bits == 2 and low == -1:
        return "TERNARY"
    return f"NARROW{bits:.0f}" if bits > 1 and low == -high else f"INT{bits:.0f}"


def write(path: Path, rows: Iterable[Measured]) -> None:
    """Write a corpus."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        for row in rows:
            table.writerow(asdict(row.unit) | row.amounts | {"family": row.family, "source": row.source})


def read(path: Path) -> list[Measured]:
    """Read a corpus.

    Raises:
        BadData: what is wrong, with file and line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            missing = set(COLUMNS) - set(table.fieldnames or ())
            if missing:
                raise BadData(f"{path}: no column {', '.join(sorted(missing))}; a corpus has {', '.join(COLUMNS)}")
            return [_row(path, line, row) for line, row in enumerate(table, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{path}: cannot be read: {error}") from None


def _row(path: Path, line: int, row: dict[str, str]) -> Measured:
    try:
        unit = Unit(
            **{name: row[name] for name in ("kind", "weight", "input", "output", "structure", "geometry", "matrix")},
            pe=int(row["pe"]),
            simd=int(row["simd"]),
        )
        for name in ("weight", "input", "output"):
            if row[name]:
                wire(row[name])
        amounts = {name: int(row[name]) for name in COUNTED if row[name] != ""}
        if not amounts or min(amounts.values()) < 0 or unit.pe < 1 or unit.simd < 1:
            raise ValueError("counts are at least 0, pe and simd at least 1, and at least one resource is given")
        if row["family"] not in FAMILIES:
            raise ValueError(f"family {row['family']!r}: choose one of {', '.join(FAMILIES)}")
        _ = unit.numbers, unit.constants
    except (ValueError, TypeError, AttributeError) as error:
        raise BadData(f"{path}, line {line}: {error}") from None
    return Measured(unit=unit, amounts=amounts, family=row["family"], source=row["source"])


def distinct(units: Sequence[Unit]) -> list[Unit]:
    """Drop repetitions, keep the order."""
    return list(dict.fromkeys(units))
