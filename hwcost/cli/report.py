"""hwcost report: the page of a study again."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hwcost.errors import BadOption
from hwcost.sweep.study_report import compare, publish


@click.command("report")
@click.argument("studies", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="With several: folder of the page.  [default: comparison]")
@click.option(
    "--published", type=click.Path(path_type=Path), help="With several: CSV of name, accuracy, LUT of others."
)
@click.option("--force", is_flag=True, help="With several: also where data or prices differ.")
@click.option("--figures", is_flag=True, help="Also every figure by itself: figures/NAME.svg and .png.")
@click.option("--json", "as_json", is_flag=True, help="For machines: the files written.")
def report_command(
    studies: tuple[Path, ...], out: Path | None, published: Path | None, force: bool, figures: bool, as_json: bool
) -> None:
    """Write the report of a study folder again, or compare several STUDIES on one page.

    Studies that differ in nothing but their seeds are drawn as one method: the median of their fronts, and the range.

    \b
    Example:
      hwcost report reports/digits --figures
      hwcost report seed0 seed1 other0 other1 --out comparison
    """
    if len(studies) > 1 and figures:
        raise BadOption("report: --figures is for one study; name one, or leave it out")
    if len(studies) > 1:
        _say(compare(studies, out or Path("comparison"), published, force=force), (), as_json)
        return
    if out is not None or published is not None or force:
        raise BadOption("report: --out, --published and --force are for several studies; name more than one")
    _say(publish(studies[0], figures=figures), ("front.json", "trials.csv"), as_json)


def _say(page: Path, tables: tuple[str, ...], as_json: bool) -> None:
    """The page; for machines, with the tables of figures that were written beside it."""
    if not as_json:
        click.echo(page)
        return
    click.echo(json.dumps({"page": str(page), "tables": [str(page.with_name(name)) for name in tables]}, indent=2))
