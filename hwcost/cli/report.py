"""hwcost report: the page of a study again."""

from __future__ import annotations

from pathlib import Path

import click

from hwcost.errors import BadOption
from hwcost.sweep import compare, publish


@click.command("report")
@click.argument("studies", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="With several: folder of the page.  [default: comparison]")
@click.option(
    "--published", type=click.Path(path_type=Path), help="With several: CSV of name, accuracy, LUT of others."
)
@click.option("--force", is_flag=True, help="With several: also where data or prices differ.")
def report_command(studies: tuple[Path, ...], out: Path | None, published: Path | None, force: bool) -> None:
    """Write the report of a study folder again, or compare several STUDIES on one page.

    Studies that differ in nothing but their seeds are drawn as one method: the median of their fronts, and the range.

    \b
    Example:
      hwcost report reports/digits
      hwcost report seed0 seed1 other0 other1 --out comparison
    """
    if len(studies) > 1:
        click.echo(compare(studies, out or Path("comparison"), published, force=force))
        return
    if out is not None or published is not None or force:
        raise BadOption("report: --out, --published and --force are for several studies; name more than one")
    click.echo(publish(studies[0]))
