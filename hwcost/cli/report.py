"""`hwcost report`: the page of a study, written again, or several studies compared."""

import json
import re
from pathlib import Path

import click

from hwcost.cli.options import PLACE
from hwcost.errors import BadOption
from hwcost.report.front_figures import WIDE
from hwcost.sweep.study_report import compare, publish


class _Inches(click.ParamType[float]):
    """A width with its unit, in inches."""

    name = "width"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(in|cm|mm|pt)?\s*", str(value))
        inches = float(found[1]) / {"cm": 2.54, "mm": 25.4, "pt": 72.0}.get(found[2] or "in", 1.0) if found else 0.0
        if not 2.5 <= inches <= 20:
            self.fail(f"{value!r}; give 2.5in to 20in, as 3.5in, 89mm, 8.9cm or 252pt", param, ctx)
        return inches


INCHES = _Inches()


@click.command("report")
@click.argument("studies", nargs=-1, required=True, type=PLACE)
@click.option("--out", type=PLACE, help="With several studies: folder of the page.  [default: comparison]")
@click.option("--published", type=PLACE, help="With several studies: CSV of published name, score, LUT.")
@click.option("--force", is_flag=True, help="With several studies: compare them even if data or prices differ.")
@click.option(
    "--figures", is_flag=True, help="Also write every figure to files of its own: figures/NAME.pdf, .svg, .png."
)
@click.option("--width", type=INCHES, help="With --figures: their width, e.g. 3.5in or 89mm.  [default: 7in]")
@click.option("--json", "as_json", is_flag=True, help="Print the written files as JSON.")
def report_command(
    studies: tuple[Path, ...],
    out: Path | None,
    published: Path | None,
    force: bool,
    figures: bool,
    width: float | None,
    as_json: bool,
) -> None:
    """Write the report of a study folder again, or compare several STUDIES on one page.

    Studies that differ only in their seeds are drawn as one method: the median and the range of their fronts.

    \b
    Example:
      hwcost report reports/digits --figures --width 3.5in
      hwcost report seed0 seed1 other0 other1 --out comparison
    """
    if width is not None and not figures:
        raise BadOption("report: --width is that of --figures; give both")
    if len(studies) > 1 and figures:
        raise BadOption("report: --figures is for one study; name one, or omit it")
    if len(studies) > 1:
        _say(compare(studies, out or Path("comparison"), published, force=force), (), as_json)
        return
    if out is not None or published is not None or force:
        raise BadOption("report: --out, --published and --force apply to several studies; name more than one")
    _say(publish(studies[0], figures=(width or WIDE) if figures else None), ("front.json", "trials.csv"), as_json)


def _say(page: Path, tables: tuple[str, ...], as_json: bool) -> None:
    """Print the page, or as JSON the page and the tables next to it."""
    if not as_json:
        click.echo(page)
        return
    click.echo(json.dumps({"page": str(page), "tables": [str(page.with_name(name)) for name in tables]}, indent=2))
