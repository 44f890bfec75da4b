"""hwcost worker: join a sweep that another machine leads."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from hwcost.cli.network import find_recipe
from hwcost.cli.options import Telling, that_tells
from hwcost.sweep.progress import Trained
from hwcost.sweep.remote_worker import join


@click.command("worker")
@click.argument("study")
@click.option("--storage", required=True, envvar="HWCOST_STORAGE", metavar="URL", help="Database of the sweep.")
@click.option("--artifacts", metavar="WHERE", help="Weights, as this machine reaches them.  [default: the sweep's]")
@click.option("--out", type=click.Path(path_type=Path), help="Working folder.  [default: workers/STUDY]")
@click.option("--recipe", metavar="RECIPE", help="The recipe, as this machine finds it.  [default: the sweep's]")
@click.option("--data", type=click.Path(path_type=Path), help="Folder or file of the recipe's data set.")
@click.option("--json", "as_json", is_flag=True, help="For machines: how it ended, as JSON.")
@that_tells("epoch")
def worker_command(
    study: str,
    storage: str,
    artifacts: str | None,
    out: Path | None,
    recipe: str | None,
    data: Path | None,
    as_json: bool,
    telling: Telling,
) -> None:
    """Train trials of STUDY, which `hwcost sweep --storage URL` leads from this machine or another.

    STUDY is the name of the sweep's folder. Start as many as there are cores, on any machine, at any time;
    they end with the sweep. Code, packages and data must be those of the sweep. Killed at any time, no trial is lost.

    \b
    Example:
      hwcost worker digits --storage postgresql://me@dbhost/hwcost
    """
    listener = Trained(quiet=telling.quiet, verbose=telling.verbose)
    end = join(
        storage,
        study,
        out or Path("workers") / study,
        find_recipe,
        recipe=recipe,
        data=data,
        artifacts=artifacts,
        on_trial=listener.trained,
        listener=listener,
    )
    if as_json:
        click.echo(json.dumps({"study": study, "trained": end.done, "interrupted": end.interrupted}, indent=2))
    else:
        click.echo(f"{end.done} trial{'s' * (end.done != 1)} trained for {study}")
    if end.interrupted:
        click.echo("interrupted; the trial it was at is given back", err=True)
        sys.exit(130)
