"""`hwcost train`: one trial trained again from its record."""

import json
from pathlib import Path

import click

from hwcost.cli.network import RECIPES
from hwcost.cli.options import PLACE, TRIAL, Verbosity, of_recipe, with_verbosity
from hwcost.cli.table import print_table
from hwcost.errors import BadOption
from hwcost.report.score import Score, published
from hwcost.sweep.progress import watch
from hwcost.sweep.replay import reproduce
from hwcost.sweep.study_files import read_run
from hwcost.sweep.trust import finder


@click.command("train")
@click.option("--from", "study", type=PLACE, required=True, help="Study folder.")
@click.option("--trial", type=TRIAL, required=True, help="Number of the trial.")
@of_recipe
@click.option("--data", type=PLACE, help="Folder or file of the recipe's data set.")
@click.option("--json", "as_json", is_flag=True, help="Print both rows of figures as JSON.")
@with_verbosity("epoch")
def train_command(
    study: Path, trial: int, recipe: str | None, data: Path | None, as_json: bool, verbosity: Verbosity
) -> None:
    """Train one trial of a study again from its record, and compare.

    \b
    Example:
      hwcost train --from reports/digits --trial 7
    """
    score = Score.of(read_run(study).get("score"))
    recorded, again = reproduce(
        study,
        trial,
        finder(recipe, RECIPES),
        data,
        lambda epochs: watch(1, epochs, quiet=verbosity.quiet, verbose=verbosity.verbose, score=score),
    )
    if as_json:
        click.echo(json.dumps({"recorded": published(recorded), "again": published(again)}, indent=2))
    else:
        rows = [
            [score.name if name == "accuracy" else name, f"{recorded[name]:.6g}", f"{again[name]:.6g}"]
            for name in recorded
        ]
        print_table(["", "recorded", "again"], rows, left=("",))
    if recorded != again:
        raise BadOption(
            f"trial {trial}: the figures differ from the record; use the code and the packages that run.json names"
        )
