"""hwcost sweep: search, train, report."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import click

from hwcost.cli.network import find_recipe
from hwcost.cli.options import Telling, on_a_part, that_tells
from hwcost.cli.settings import keys
from hwcost.errors import BadOption
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.finish import finish
from hwcost.sweep.process_pool import Workers
from hwcost.sweep.progress import watch
from hwcost.sweep.provenance import command_line
from hwcost.sweep.run import run
from hwcost.sweep.settings import Settings


@click.command("sweep")
@click.argument("recipe", default="digits")
@click.option("--trials", type=click.IntRange(min=1), default=32, show_default=True, help="Trials to add.")
@click.option("--out", type=click.Path(path_type=Path), help="Study folder.  [default: reports/NAME]")
@click.option("--data", type=click.Path(path_type=Path), help="Folder or file of the recipe's data set.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of search and training.")
@click.option(
    "--sampler", help="greybox (with --bits), tpe, nsga2, gp, random or grid.  [default: greybox with --bits, else tpe]"
)
@click.option("--bits", metavar="LOW:HIGH", help="Search every width by itself, e.g. 2:8.")
@click.option(
    "--warm",
    type=click.IntRange(min=1),
    metavar="EPOCHS",
    help="With --bits: go on from the nearest finished trial, for so many epochs.",
)
@click.option(
    "--ramp",
    type=click.IntRange(min=1),
    metavar="EPOCHS",
    help="With --bits: first a training of so many epochs that passes the front.",
)
@click.option(
    "--polish",
    type=click.IntRange(min=0),
    default=0,
    metavar="ROUNDS",
    help="With --warm: at the end the front trains on; then half of it twice as long, and so on.",
)
@click.option(
    "--repeat",
    type=click.IntRange(min=0),
    default=0,
    metavar="SEEDS",
    help="Train the front again with so many other seeds, for mean and spread.",
)
@click.option(
    "--refit",
    type=click.IntRange(min=0),
    default=0,
    metavar="EPOCHS",
    help="At the very end the front trains on with the validation samples too, for what is deployed.",
)
@click.option("--limit", multiple=True, metavar="RESOURCE=MOST", help="With --bits, e.g. LUT=20000.")
@on_a_part
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Trials at once, a process for each."
)
@click.option(
    "--storage",
    envvar="HWCOST_STORAGE",
    metavar="URL",
    help="Database for the study, so that `hwcost worker` can join.",
)
@click.option("--artifacts", metavar="WHERE", help="With --storage: folder or s3://BUCKET for the weights.")
@click.option(
    "--heartbeat",
    type=click.IntRange(min=1),
    default=15,
    show_default=True,
    metavar="SECONDS",
    help="With --storage: between two signs of life; a process counts as dead after four.",
)
@click.option(
    "--accelerator", default="cpu", show_default=True, metavar="NAME", help="Where to train: cpu, cuda, cuda:1, mps."
)
@click.option("--watch", is_flag=True, help="Write the page after every trial; it loads itself again.")
@click.option("--json", "as_json", is_flag=True, help="For machines: how it ended, as JSON.")
@that_tells("epoch")
def sweep_command(
    recipe: str,
    out: Path | None,
    polish: int,
    repeat: int,
    refit: int,
    as_json: bool,
    telling: Telling,
    **settings: object,
) -> None:
    """Search bit-widths and budgets for RECIPE; write a Pareto report.

    RECIPE is digits (default), fashion-mnist, package.module:recipe or file.py:recipe. Called again it resumes the
    study and adds trials; Ctrl-C keeps everything finished.

    With --bits, what a trial costs is known before it is trained: the grey-box sampler prices 100,000 candidates for
    each trial, and trains none that exceeds a --limit or the part.

    With --warm, a trial takes a fraction of a training: it starts from the weights of the finished trial whose widths
    are nearest, the first from those of the float network; the coarser it is than these, the longer it trains.

    With --ramp, one training comes before the trials: from the float network on, all widths learn while their cost
    weighs more and more, and each of its epochs that no other beats joins the study as a finished trial. They teach the
    sampler, and --warm trials go on from them.

    With --jobs, which trial is proposed depends on which ended first; each can still be trained again from its record.

    With --storage, the study lives in a database (PostgreSQL, MySQL, or what Optuna takes) by the name of its folder,
    and `hwcost worker` joins it from any machine; this command trains, too, and writes the report at the end.

    \b
    Example:
      hwcost sweep --jobs 4
      hwcost sweep digits --bits 2:8 --warm 4 --limit LUT=8000
      hwcost sweep fashion-mnist --data ~/fashion-mnist --trials 40 --device ZCU104
    """
    loaded = find_recipe(recipe)
    plan = chosen({**settings, "recipe": recipe, "out": out or Path("reports") / loaded.name})
    if telling.verbose and plan.jobs > 1:
        raise BadOption("sweep: --verbose shows the epochs of this process; leave --jobs out")
    experiment = Experiment(loaded, plan)
    epochs = plan.warm or loaded.training.epochs
    with ExitStack() as open_until_done:
        listener = open_until_done.enter_context(
            watch(plan.trials, epochs, quiet=telling.quiet, verbose=telling.verbose)
        )
        crew = open_until_done.enter_context(Workers(plan, find_recipe)) if plan.jobs > 1 else None
        outcome = run(experiment, listener, crew)
        if (polish or repeat or refit) and not outcome.interrupted:
            outcome = finish(experiment, polish=polish, repeat=repeat, refit=refit, listener=listener, crew=crew)
    if as_json:
        click.echo(json.dumps({**asdict(outcome), "page": str(outcome.page)}, indent=2))
    else:
        click.echo(f"{outcome.finished} trials, {outcome.front} on the front -> {outcome.page}")
    if outcome.interrupted:
        click.echo(f"interrupted; everything finished is kept, continue with: {command_line()}", err=True)
        sys.exit(130)


def chosen(given: Mapping[str, object]) -> Settings:
    """The settings of a sweep from the parameters of its command.

    Raises:
        BadOption: a value that makes no sense.
    """
    others = ("polish", "repeat", "refit", "json", "quiet", "verbose")
    options = {key: str(option.name) for key, option in keys(sweep_command).items() if key not in others}
    return Settings.from_dict({key: _plain(given[name]) for key, name in options.items()})


def _plain(value: object) -> object:
    """A value of an option as `Settings.from_dict` takes it."""
    return (list(value) or None) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
