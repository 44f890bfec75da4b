"""hwcost sweep: search, train, report."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from hwcost.cli.network import find_recipe
from hwcost.cli.options import Telling, on_a_part, that_tells
from hwcost.cli.settings import resolved
from hwcost.errors import BadOption
from hwcost.search import Share
from hwcost.sweep.process_pool import Workers
from hwcost.sweep.progress import watch
from hwcost.sweep.run import run
from hwcost.sweep.settings import Sweep


def _bits(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    try:
        low, high = (int(part) for part in value.split(":"))
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r}: give the smallest and the largest width, e.g. 2:8.", ctx, param
        ) from error
    return low, high


def _limits(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    try:
        return {name: float(most) for name, most in (value.split("=") for value in values)}
    except ValueError as error:
        raise click.BadParameter(f"{', '.join(values)}: give RESOURCE=MOST, e.g. LUT=20000.", ctx, param) from error


@click.command("sweep")
@click.argument("recipe", default="digits")
@click.option("--trials", type=click.IntRange(min=1), default=32, show_default=True, help="Trials to add.")
@click.option("--out", type=click.Path(path_type=Path), help="Study folder.  [default: reports/NAME]")
@click.option("--data", type=click.Path(path_type=Path), help="Folder or file of the recipe's data set.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of search and training.")
@click.option(
    "--sampler", help="greybox (with --bits), tpe, nsga2, gp, random or grid.  [default: greybox with --bits, else tpe]"
)
@click.option("--bits", callback=_bits, metavar="LOW:HIGH", help="Search every width by itself, e.g. 2:8.")
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
@click.option(
    "--limit", "limits", multiple=True, callback=_limits, metavar="RESOURCE=MOST", help="With --bits, e.g. LUT=20000."
)
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
@click.option("--watch", "growing", is_flag=True, help="Write the page after every trial; it loads itself again.")
@click.option("--json", "as_json", is_flag=True, help="For machines: how it ended, as JSON.")
@that_tells("epoch")
def sweep_command(
    recipe: str,
    trials: int,
    out: Path | None,
    data: Path | None,
    seed: int,
    sampler: str | None,
    bits: tuple[int, int] | None,
    warm: int | None,
    ramp: int | None,
    polish: int,
    repeat: int,
    refit: int,
    limits: dict[str, float],
    part: str | None,
    fps: float | None,
    clock_mhz: float | None,
    jobs: int,
    storage: str | None,
    artifacts: str | None,
    heartbeat: int,
    accelerator: str,
    growing: bool,
    as_json: bool,
    telling: Telling,
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
    if (storage is None) != (artifacts is None):
        raise BadOption("sweep: --storage and --artifacts go together: figures into the one, weights into the other")
    if telling.verbose and jobs > 1:
        raise BadOption("sweep: --verbose shows the epochs of this process; leave --jobs out")
    loaded = find_recipe(recipe)
    plan = Sweep(
        recipe=loaded,
        reference=recipe,
        out=out or Path("reports") / loaded.name,
        data=data,
        seed=seed,
        sampler=sampler,
        bits=bits,
        warm=warm,
        ramp=ramp,
        limits=limits,
        device=part,
        fps=fps,
        clock_mhz=clock_mhz,
        accelerator=accelerator,
        share=None if storage is None else Share(storage, str(artifacts), heartbeat),
        configuration=resolved(click.get_current_context()),
    )
    with watch(trials, warm or loaded.training.epochs, quiet=telling.quiet, verbose=telling.verbose) as listener:
        add = partial(run, plan, trials, listener, polish=polish, repeat=repeat, refit=refit, watch=growing)
        if jobs == 1:
            outcome = add()
        else:
            with Workers(jobs, plan, find_recipe) as crew:
                outcome = add(crew=crew)
    if as_json:
        click.echo(json.dumps({**asdict(outcome), "page": str(outcome.page)}, indent=2))
    else:
        click.echo(f"{outcome.finished} trials, {outcome.front} on the front -> {outcome.page}")
    if outcome.interrupted:
        click.echo(f"interrupted; everything finished is kept, continue with: {plan.command}", err=True)
        sys.exit(130)
