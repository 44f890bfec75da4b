"""hwcost worker: join a sweep that another machine leads."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hwcost.cli.network import find_recipe
from hwcost.joining import join


@click.command("worker")
@click.argument("study")
@click.option("--storage", required=True, envvar="HWCOST_STORAGE", metavar="URL", help="Database of the sweep.")
@click.option("--artifacts", metavar="WHERE", help="Weights, as this machine reaches them.  [default: the sweep's]")
@click.option("--out", type=click.Path(path_type=Path), help="Working folder.  [default: workers/STUDY]")
@click.option("--recipe", metavar="RECIPE", help="The recipe, as this machine finds it.  [default: the sweep's]")
@click.option("--data", type=click.Path(path_type=Path), help="Folder or file of the recipe's data set.")
@click.option("--quiet", is_flag=True, help="No line for each trial.")
def worker_command(
    study: str,
    storage: str,
    artifacts: str | None,
    out: Path | None,
    recipe: str | None,
    data: Path | None,
    quiet: bool,
) -> None:
    """Train trials of STUDY, which `hwcost sweep --storage URL` leads from this machine or another.

    STUDY is the name of the sweep's folder. Start as many as there are cores, on any machine, at any time;
    they end with the sweep. Code, packages and data must be those of the sweep. Killed at any time, no trial is lost.

    \b
    Example:
      hwcost worker digits --storage postgresql://me@dbhost/hwcost
    """

    def told(done: int) -> None:
        if not quiet:
            click.echo(f"trained {done}", err=True)

    end = join(
        storage,
        study,
        out or Path("workers") / study,
        find_recipe,
        recipe=recipe,
        data=data,
        artifacts=artifacts,
        on_trial=told,
    )
    click.echo(f"{end.done} trials trained for {study}")
    if end.interrupted:
        click.echo("interrupted; the trial it was at is given back", err=True)
        sys.exit(130)
