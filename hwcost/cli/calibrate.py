"""hwcost calibrate: constants of the laws from synthesized units, and how wrong the laws are on any units."""

from __future__ import annotations

import json
from math import ceil
from pathlib import Path
from typing import Any

import click
import pandas as pd

from hwcost.cli.laboratory import in_the_laboratory, laboratory, progress_bar
from hwcost.cli.options import Telling, that_tells
from hwcost.cli.table import console, table
from hwcost.errors import BadOption
from hwcost.models.calibration.corpus import Measured, read, write
from hwcost.models.calibration.fit import errors, fit, priced
from hwcost.models.formulas.coefficients import with_values

SEED = 2026

EVERY = 8
"""Of so many units one is measured on the older family too: its carry chains and LUTs are the same."""

SYNTHESIZED = "Yosys"
"""How the source of a row begins that this command measured itself."""


@click.command("calibrate")
@click.option(
    "--corpus",
    type=click.Path(path_type=Path),
    default=Path("reports/calibration/corpus.csv"),
    show_default=True,
    help="Measured units.",
)
@click.option("--synthesize", is_flag=True, help="Measure the designed units anew; rows of other sources are kept.")
@click.option("--seed", type=int, default=SEED, show_default=True, help="Of the draw of the designed units.")
@click.option(
    "--share", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True, help="Of the designed units."
)
@click.option("--constants", type=click.Path(path_type=Path), help="JSON file that the constants are written to.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder of error.md and its pictures.")
@click.option("--check", type=click.Path(path_type=Path), help="Price the units of this file, fit nothing.")
@click.option("--json", "as_json", is_flag=True, help="For machines: constants and errors.")
@that_tells("unit")
@in_the_laboratory
def calibrate_command(
    corpus: Path,
    synthesize: bool,
    seed: int,
    share: float,
    constants: Path | None,
    report: Path | None,
    check: Path | None,
    as_json: bool,
    telling: Telling,
    **tools: Any,
) -> None:
    """Fit the constants of the hardware models to a corpus of synthesized units.

    The columns of a corpus are documented in hwcost/models/calibration/corpus.py. Nothing is changed without
    --constants.

    \b
    Example:
      hwcost calibrate --check my_units.csv
      hwcost calibrate --synthesize --corpus other.csv --seed 7 --share 0.25
    """
    if check is not None:
        if synthesize or constants is not None or report is not None:
            raise BadOption("--check fits nothing; leave --synthesize, --constants and --report out")
        _say({}, errors(priced(_rows(check))), as_json)
        return
    rows = _measure(corpus, seed, share, tools, telling) if synthesize else _rows(corpus)
    found = fit(rows)
    fitted = {flow: dict(with_values(found, flow)) for flow in ("rtl", "hls")}
    names = sorted(set(found.get("rtl", {})) | set(found.get("hls", {})))
    chosen = {name: {flow: fitted[flow][name] for flow in ("rtl", "hls")} for name in names}
    _say(chosen, errors(priced(rows, fitted)), as_json)
    if constants is not None:
        _write_constants(constants, found)
    if report is not None:
        from hwcost.cli.calibration import write_calibration

        click.echo(write_calibration(report, rows), err=as_json)


def _rows(path: Path) -> list[Measured]:
    rows = read(path)
    if not rows:
        raise BadOption(f"{path}: no units in it; hwcost calibrate --synthesize measures some")
    return rows


def _measure(corpus: Path, seed: int, share: float, tools: dict[str, Any], telling: Telling) -> list[Measured]:
    """The designed units, and what the file held of other sources."""
    lab, older = (laboratory(family=family, **tools) for family in ("xcup", "xc7"))
    from hwcost.synth.design import COUNTS
    from hwcost.synth.design import corpus as designed

    kept = [row for row in read(corpus) if not row.source.startswith(SYNTHESIZED)] if corpus.exists() else []
    units = designed({name: ceil(share * count) for name, count in COUNTS.items()}, seed)
    with progress_bar("units", telling) as told:
        found = lab.measure(units, told)
    with progress_bar(f"units of {older.family}", telling) as told:
        again = older.measure([unit for unit in units[::EVERY] if unit.structure != "uram"], told)  # it has none
    rows = [*(found[unit] for unit in units), *again.values(), *kept]
    try:
        corpus.parent.mkdir(parents=True, exist_ok=True)
        write(corpus, rows)
    except OSError as error:
        raise BadOption(f"--corpus {corpus}: cannot be written ({error.strerror})") from error
    return rows


def _say(constants: dict[str, dict[str, float]], found: pd.DataFrame, as_json: bool) -> None:
    """Fitted constants, if any, and the errors."""
    if as_json:
        rows = json.loads(found.to_json(orient="records"))  # NaN, which JSON lacks, as null
        click.echo(json.dumps({"constants": constants, "errors": rows}, indent=2))
        return
    if constants:
        shown = table("constant", "rtl", "hls")
        for name, flows in constants.items():
            shown.add_row(name, *(f"{flows[flow]:.4g}" for flow in ("rtl", "hls")))
        console().print(shown)
    _show(found)


def _show(found: pd.DataFrame) -> None:
    shown = table("units", "resource", "number", "median", "MAPE", "worst", "Spearman", "exact")
    for column in shown.columns[2:]:
        column.justify = "right"
    for _, row in found.iterrows():
        cells = [f"{row['median']:.2f}", f"{row['MAPE']:.1%}", f"{row['worst']:.0%}", f"{row['Spearman']:.3f}"]
        cells = ["-" if "nan" in cell else cell for cell in cells]
        shown.add_row(row["group"], row["resource"], f"{row['units']:.0f}", *cells, f"{row['exact']:.0%}")
    console().print(shown)


def _write_constants(path: Path, found: dict[str, dict[str, float]]) -> None:
    """Values into a table of constants that has the form of hwcost/models/coefficients.json."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        for flow, constants in found.items():
            for name, value in constants.items():
                rows[name][flow] = value
                rows[name]["source"] = "hwcost calibrate on reports/calibration/corpus.csv"
                rows[name]["error"] = "reports/calibration/error.md"
        lines = [f"  {json.dumps(name)}: {_row(row)}" for name, row in rows.items()]
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadOption(f"--constants {path}: no table of constants ({error}); give coefficients.json") from error


def _row(row: dict[str, object]) -> str:
    """One constant in two lines: what it is, and where it comes from."""
    text = json.dumps(row, ensure_ascii=False)
    return text.replace(', "source"', ',\n    "source"', 1)
