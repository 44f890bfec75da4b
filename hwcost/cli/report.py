"""`hwcost report`: the page of a study, written again, or several studies compared."""

import json
from pathlib import Path

import click

from hwcost.cli.options import PLACE
from hwcost.errors import BadOption
from hwcost.sweep.study_report import compare, publish


@click.command("report")
@click.argument("studies", nargs=-1, required=True, type=PLACE)
@click.option("--out", type=PLACE, help="With several studies: folder of the page.  [default: comparison]")
@click.option("--published", type=PLACE, help="With several studies: CSV of published name, score, LUT.")
@click.option("--force", is_flag=True, help="With several studies: compare them even if data or prices differ.")
@click.option("--figures", is_flag=True, help="Also write every figure to its own file: figures/NAME.svg and .png.")
@click.option("--json", "as_json", is_flag=True, help="Print the written files as JSON.")
def report_command(
    studies: tuple[Path, ...], out: Path | None, published: Path | None, force: bool, figures: bool, as_json: bool
) -> None:
    """Write the report of a study folder again, or compare several STUDIES on one page.

    Studies that differ only in their seeds are drawn as one method: the median and the range of their fronts.

    \b
    Example:
      hwcost report reports/digits --figures
      hwcost report seed0 seed1 other0 other1 --out comparison
    """
    if len(studies) > 1 and figures:
        raise BadOption("report: --figures is for one study; name one, or omit it")
    if len(studies) > 1:
        _say(compare(studies, out or Path("comparison"), published, force=force), (), as_json)
        return
    if out is not None or published is not None or force:
        raise BadOption("report: --out, --published and --force apply to several studies; name more than one")
    _say(publish(studies[0], figures=figures), ("front.json", "trials.csv"), as_json)


def _say(page: Path, tables: tuple[str, ...], as_json: bool) -> None:
    """Print the page, or as JSON the page and the tables next to it."""
    if not as_json:
        click.echo(page)
        return
    click.echo(json.dumps({"page": str(page), "tables": [str(page.with_name(name)) for name in tables]}, indent=2))
