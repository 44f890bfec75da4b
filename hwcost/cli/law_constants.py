"""`hwcost calibrate`: constants of the laws, fitted to synthesized units, and the errors of the laws."""

import json
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import click
import pandas as pd

from hwcost.cli.laboratory import Tools, progress_bar, with_tools
from hwcost.cli.options import PLACE, SEED, Verbosity, positive, with_verbosity
from hwcost.cli.table import print_table
from hwcost.errors import BadOption
from hwcost.files import parse_json
from hwcost.models.calibration.corpus import FAMILIES, Measured, read, write
from hwcost.models.calibration.fit import constants_of, errors, fit, priced
from hwcost.models.formulas.coefficients import flows, with_values

DEFAULT_SEED = 2026

EVERY = 8
"""Every how many units one is also measured on the older family, whose carry chains and LUTs are the same."""

SYNTHESIZED = "Yosys"
"""Prefix of the source of rows that this command measured."""


@click.command("calibrate")
@click.option(
    "--corpus",
    type=PLACE,
    default=Path("reports/calibration/corpus.csv"),
    show_default=True,
    help="CSV file of measured units.",
)
@click.option("--synthesize", is_flag=True, help="Measure the designed units again; keep the rows of other sources.")
@click.option(
    "--family",
    type=click.Choice([family for family in FAMILIES if family != "xc7"]),
    default="xcup",
    show_default=True,
    help="Family to synthesize for: UltraScale+, with some of the units on 7 series, or Lattice ECP5.",
)
@click.option("--seed", type=SEED, default=DEFAULT_SEED, show_default=True, help="Seed of the designed units.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    callback=positive,
    default=1.0,
    show_default=True,
    help="Share of the designed units to measure.",
)
@click.option("--constants", type=PLACE, help="JSON file to write the constants to.")
@click.option("--check", type=PLACE, help="Price the units of this file without fitting.")
@click.option("--json", "as_json", is_flag=True, help="Print constants and errors as JSON.")
@with_verbosity("unit")
@with_tools
def calibrate_command(
    corpus: Path,
    synthesize: bool,
    family: str,
    seed: int,
    share: float,
    constants: Path | None,
    check: Path | None,
    as_json: bool,
    verbosity: Verbosity,
    tools: Tools,
) -> None:
    """Fit the constants of the hardware models to a corpus of synthesized units.

    The columns of a corpus are documented in hwcost/models/calibration/corpus.py. No constants are written
    without --constants.

    \b
    Example:
      hwcost calibrate --check my_units.csv
      hwcost calibrate --synthesize --corpus other.csv --seed 7 --share 0.25
    """
    if check is not None:
        if synthesize or constants is not None:
            raise BadOption("--check fits nothing; omit --synthesize and --constants")
        _say({}, errors(priced(_rows(check))), as_json)
        return
    rows = _measure(corpus, _Draw(family, seed, share), tools, verbosity) if synthesize else _rows(corpus)
    found, own = fit(rows), constants_of(rows)
    fitted = {flow: dict(with_values(found, flow, own)) for flow in flows(own)}
    names = sorted({name for constants in found.values() for name in constants})
    chosen = {name: {flow: table[name] for flow, table in fitted.items()} for name in names}
    _say(chosen, errors(priced(rows, fitted)), as_json)
    if constants is not None:
        _write_constants(constants, found, corpus)


def _rows(path: Path) -> list[Measured]:
    rows = read(path)
    if not rows:
        raise BadOption(f"{path}: it holds no units; hwcost calibrate --synthesize measures some")
    return rows


@dataclass(frozen=True)
class _Draw:
    """Choice of the designed units that are measured, and their family."""

    family: str
    seed: int
    share: float


def _measure(corpus: Path, draw: _Draw, tools: Tools, verbosity: Verbosity) -> list[Measured]:
    """Measure the designed units; rows of other sources that the file holds are kept."""
    lab, older = (tools.laboratory(family) for family in (draw.family, "xc7"))
    from hwcost.synth.design import COUNTS
    from hwcost.synth.design import corpus as designed

    kept = [row for row in read(corpus) if not row.source.startswith(SYNTHESIZED)] if corpus.exists() else []
    units = designed({name: ceil(draw.share * count) for name, count in COUNTS.items()}, draw.seed)
    units = [unit for unit in units if draw.family == "xcup" or unit.structure != "uram"]
    with progress_bar("units", verbosity) as report:
        found = lab.measure(units, report)
    with progress_bar(f"units of {older.family}", verbosity) as report:
        some = units[::EVERY] if draw.family == "xcup" else []
        again = older.measure([unit for unit in some if unit.structure != "uram"], report)  # it has none
    rows = [*(found[unit] for unit in units), *again.values(), *kept]
    try:
        corpus.parent.mkdir(parents=True, exist_ok=True)
        write(corpus, rows)
    except OSError as error:
        raise BadOption(f"--corpus {corpus}: cannot be written ({error.strerror})") from error
    return rows


def _say(constants: dict[str, dict[str, float]], found: pd.DataFrame, as_json: bool) -> None:
    """Print the fitted constants, if any, and the errors."""
    if as_json:
        rows = json.loads(found.to_json(orient="records"))  # NaN, which JSON lacks, as null
        click.echo(json.dumps({"constants": constants, "errors": rows}, indent=2))
        return
    if constants:
        shown = list(next(iter(constants.values())))
        fitted = [[name, *(f"{values[flow]:.4g}" for flow in shown)] for name, values in constants.items()]
        print_table(["constant", *shown], fitted, left=("constant",))
    _show(found)


def _show(found: pd.DataFrame) -> None:
    rows = []
    for _, row in found.iterrows():
        cells = [f"{row['median']:.2f}", f"{row['MAPE']:.1%}", f"{row['worst']:.0%}", f"{row['Spearman']:.3f}"]
        cells = ["-" if "nan" in cell else cell for cell in cells]
        rows.append([row["group"], row["resource"], f"{row['units']:.0f}", *cells, f"{row['exact']:.0%}"])
    headers = ["units", "resource", "number", "median", "MAPE", "worst", "Spearman", "exact"]
    print_table(headers, rows, left=("units", "resource"), spare=("number", "exact", "worst"))


def _write_constants(path: Path, found: dict[str, dict[str, float]], corpus: Path) -> None:
    """Write values into a table of constants in the form of hwcost/models/coefficients.json."""
    page = "error.md" if corpus.stem == "corpus" else f"{corpus.stem}.md"
    try:
        rows = parse_json(path.read_text(encoding="utf-8-sig"))
        for flow, constants in found.items():
            for name, value in constants.items():
                rows[name][flow] = value
                rows[name]["source"] = f"hwcost calibrate on reports/calibration/{corpus.name}"
                rows[name]["error"] = f"reports/calibration/{page}"
        lines = [f"  {json.dumps(name)}: {_row(row)}" for name, row in rows.items()]
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadOption(f"--constants {path}: not a table of constants ({error}); give coefficients.json") from error


def _row(row: dict[str, object]) -> str:
    """Format one constant in two lines: its values, and its source."""
    text = json.dumps(row, ensure_ascii=False)
    return text.replace(', "source"', ',\n    "source"', 1)
