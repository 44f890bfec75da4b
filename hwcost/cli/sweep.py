"""hwcost sweep: search, train, report."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hwcost.cli.network import RECIPES
from hwcost.cli.options import on_a_part
from hwcost.progress import watch
from hwcost.recipe import load_recipe
from hwcost.sweep import run
from hwcost.trial import Sweep


@click.command("sweep")
@click.argument("recipe", default="digits")
@click.option("--trials", type=click.IntRange(min=1), default=32, show_default=True, help="Trials to add.")
@click.option("--out", type=click.Path(path_type=Path), help="Study folder.  [default: reports/NAME]")
@click.option("--data", type=click.Path(path_type=Path), help="Folder or file of the recipe's data set.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of search and training.")
@click.option("--sampler", default="tpe", show_default=True, help="tpe, nsga2 or random.")
@on_a_part
@click.option("--quiet", is_flag=True, help="No progress display.")
def sweep_command(
    recipe: str,
    trials: int,
    out: Path | None,
    data: Path | None,
    seed: int,
    sampler: str,
    part: str | None,
    fps: float | None,
    clock_mhz: float | None,
    quiet: bool,
) -> None:
    """Search bit-widths and budgets for RECIPE; write a Pareto report.

    RECIPE is digits (default), fashion-mnist, package.module:recipe or file.py:recipe. Called again it resumes the
    study and adds trials; Ctrl-C keeps everything finished.

    \b
    Example:
      hwcost sweep fashion-mnist --data ~/fashion-mnist --trials 40 --device ZCU104
    """
    loaded = load_recipe(recipe, RECIPES)
    plan = Sweep(
        recipe=loaded,
        reference=recipe,
        out=out or Path("reports") / loaded.name,
        data=data,
        seed=seed,
        sampler=sampler,
        device=part,
        fps=fps,
        clock_mhz=clock_mhz,
    )
    with watch(trials, loaded.training.epochs, quiet=quiet) as listener:
        outcome = run(plan, trials, listener)
    click.echo(f"{outcome.finished} trials, {outcome.front} on the front -> {outcome.page}")
    if outcome.interrupted:
        click.echo(f"interrupted; everything finished is kept, continue with: {plan.command}", err=True)
        sys.exit(130)
