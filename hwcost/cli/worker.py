"""`hwcost worker`: trials of a sweep that another machine leads."""

import json
import sys
import time
from pathlib import Path

import click

from hwcost.cli.network import RECIPES
from hwcost.cli.options import PLACE, Verbosity, of_recipe, with_verbosity
from hwcost.errors import NotBegun
from hwcost.sweep.progress import Trained
from hwcost.sweep.remote_worker import join
from hwcost.sweep.trust import finder


@click.command("worker")
@click.argument("study")
@click.option(
    "--storage", required=True, envvar="HWCOST_STORAGE", metavar="URL", help="Database or .journal file of the sweep."
)
@click.option(
    "--artifacts", required=True, envvar="HWCOST_ARTIFACTS", metavar="WHERE", help="Folder or bucket of the weights."
)
@click.option("--out", type=PLACE, help="Working folder.  [default: workers/STUDY]")
@of_recipe
@click.option("--data", type=PLACE, help="Folder or file of the recipe's data set.")
@click.option(
    "--wait",
    "wait_s",
    type=click.IntRange(0, 7 * 86_400),
    default=0,
    show_default=True,
    metavar="SECONDS",
    help="Wait so long for a sweep that has not begun.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@with_verbosity("epoch")
def worker_command(
    study: str,
    storage: str,
    artifacts: str,
    out: Path | None,
    recipe: str | None,
    data: Path | None,
    wait_s: int,
    as_json: bool,
    verbosity: Verbosity,
) -> None:
    """Train trials of STUDY for a sweep that shares its study in a database, or in a file ending in .journal.

    STUDY is the name of the sweep's folder. Start one worker per core, on any machine, at any time; all end with the
    sweep. Code, packages and data must be those of the sweep. A worker may be killed at any time: no trial is lost.

    Whoever can write to the database chooses what is trained, but not what runs: a recipe that does not ship with the
    package must be named once on this machine, with --recipe here or as the RECIPE of a sweep.

    \b
    Example:
      hwcost worker digits --storage postgresql://me@dbhost/hwcost --artifacts /mnt/weights
    """
    until = time.monotonic() + wait_s
    end = None
    while end is None:
        try:
            end = join(
                storage,
                study,
                out or Path("workers") / study,
                finder(recipe, RECIPES),
                recipe=recipe,
                data=data,
                artifacts=artifacts,
                listen=lambda sweep: Trained(sweep.score, quiet=verbosity.quiet, verbose=verbosity.verbose),
            )
        except NotBegun:
            if time.monotonic() >= until:
                raise
            time.sleep(1)
    if as_json:
        click.echo(json.dumps({"study": study, "trained": end.done, "interrupted": end.interrupted}, indent=2))
    else:
        click.echo(f"{end.done} trial{'s' * (end.done != 1)} trained for {study}")
    if end.interrupted:
        click.echo("interrupted; its trial is returned to the study", err=True)
        sys.exit(130)
