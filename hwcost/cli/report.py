"""hwcost report: the page of a study again."""

from __future__ import annotations

from pathlib import Path

import click

from hwcost.sweep import publish


@click.command("report")
@click.argument("study", type=click.Path(path_type=Path))
def report_command(study: Path) -> None:
    """Write the report of a STUDY folder again.

    \b
    Example:
      hwcost report reports/digits
    """
    click.echo(publish(study))
