"""`hwcost sweep`: search bit-widths and budgets, train, report."""

import json
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import click

from hwcost.cli.network import RECIPES, find_recipe, parse_shape
from hwcost.cli.options import COUNT, DEVICES, FPS, PLACE, SEED, Moved, Setting, Verbosity, positive, with_verbosity
from hwcost.cli.settings import keys
from hwcost.errors import BadOption
from hwcost.search import LONGEST_BEAT_S
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.process_pool import Workers
from hwcost.sweep.progress import watch
from hwcost.sweep.provenance import command_line
from hwcost.sweep.recipe import Recipe, checked
from hwcost.sweep.recipe_draft import FILE, drafted, study_name
from hwcost.sweep.run import Result, run
from hwcost.sweep.settings import TRIALS, Settings
from hwcost.sweep.study_files import withdrawn_unless_begun
from hwcost.sweep.trust import named_object

STORAGE = click.option("--storage", cls=Setting, hidden=True, envvar="HWCOST_STORAGE")
ARTIFACTS = click.option("--artifacts", cls=Setting, hidden=True, envvar="HWCOST_ARTIFACTS")
HEARTBEAT = click.option(
    "--heartbeat",
    cls=Setting,
    hidden=True,
    type=click.IntRange(1, LONGEST_BEAT_S),
    default=15,
    envvar="HWCOST_HEARTBEAT",
)


@click.command("sweep")
@click.argument("recipe", default="digits")
@click.option("--trials", type=COUNT, help=f"Trials to add.  [default: {TRIALS}; with --time, what it allows]")
@click.option(
    "--time",
    metavar="TIME",
    help="Begin no trial after TIME, e.g. 10m, 1h30m; those that run end. Of a lone ramp: CPU time.",
)
@click.option("--out", type=PLACE, help="Study folder.  [default: reports/NAME]")
@click.option("--data", type=PLACE, help="Folder or file of the data set.")
@click.option(
    "--seed",
    type=SEED,
    default=0,
    show_default=True,
    help="Seed of the search and of every training.",
)
@click.option("--input", "shape", hidden=True)
@click.option("--sampler", hidden=True)
@click.option("--bits", metavar="LOW:HIGH", help="Search every width on its own, e.g. 2:8.")
@click.option(
    "--warm",
    type=COUNT,
    metavar="EPOCHS",
    help="With --bits: train for EPOCHS epochs, from the weights of the nearest finished trial.",
)
@click.option("--ramp", type=COUNT, hidden=True)
@click.option(
    "--architecture",
    metavar="NAME",
    help="dataflow (folded units), unrolled (weights as constants) or auto (each layer as it is cheaper).  "
    "[default: the recipe's]",
)
@click.option("--widths", hidden=True)
@click.option("--channels", type=COUNT, hidden=True)
@click.option(
    "--limit",
    multiple=True,
    metavar="FIGURE=BOUND",
    help="latency_us=20: the hardware keeps it; score=0.9: the worst of use; with --bits LUT=20000: nothing above is "
    "trained.",
)
@DEVICES
@FPS
@click.option("--jobs", type=COUNT, default=1, show_default=True, help="Trials at once, each in its own process.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@with_verbosity("epoch")
@click.option("--clock", "clock_mhz", cls=Setting, hidden=True, type=float, callback=positive)
@click.option("--accelerator", cls=Setting, hidden=True, default="cpu", envvar="HWCOST_ACCELERATOR")
@click.option("--prune", cls=Setting, hidden=True, is_flag=True)
@click.option("--watch", cls=Setting, hidden=True, is_flag=True)
@STORAGE
@ARTIFACTS
@HEARTBEAT
@click.option("--polish", cls=Moved, hidden=True, expose_value=False, help="`hwcost finish STUDY --polish ROUNDS`")
@click.option("--repeat", cls=Moved, hidden=True, expose_value=False, help="`hwcost finish STUDY --repeat SEEDS`")
@click.option("--refit", cls=Moved, hidden=True, expose_value=False, help="`hwcost finish STUDY --refit EPOCHS`")
def sweep_command(
    recipe: str, out: Path | None, shape: str | None, as_json: bool, verbosity: Verbosity, **settings: object
) -> None:
    """Search bit-widths and budgets for RECIPE and write a Pareto report.

    RECIPE is digits (default), fashion-mnist, package.module:recipe or file.py:recipe. Called again, the command
    resumes the study and adds trials; Ctrl-C keeps everything finished. `hwcost finish` trains its front further.

    RECIPE may also be a float network, file.py:Net, with --data, an npz file or a folder of samples, and --input, the
    shape of one (--input 3,32,32), where the data have another. Its recipe is drafted as recipe.py in the study folder,
    to be edited.

    With --bits, the cost of a trial is known before it is trained: the grey-box sampler prices 100,000 candidates for
    each trial and trains none that exceeds a --limit or the part.

    With --warm, a trial takes a fraction of a training: it starts from the weights of the finished trial with the
    nearest widths, the first from those of the float network; the coarser it is than its start, the longer it trains.

    With --ramp EPOCHS (with --bits, or unrolled), all widths learn in one training of EPOCHS epochs while the weight
    of their cost rises. Its non-dominated epochs join the study as finished trials: the sampler learns from them, and
    --warm trials start from them.

    With --time, the call ends with the trials that run when TIME is over, counted from its start, float network and
    ramp included; it trains one at least. Called again, it resumes the study.

    With --architecture unrolled, weights are constants in LUTs, each with a width of its own, 0 bits among them; or,
    with --widths channel or layer, each channel or layer. The epochs of its --ramp are all trials; without one, each
    trial trains a network of the recipe's own space.

    With --channels MULTIPLE, the channels between the layers of a trial learn with the widths whether they live, by the
    price of the folded units; what is left is an ordinary network, and a multiple of MULTIPLE wide: 1, 2 or 4, because
    prime numbers fold badly.

    --sampler gives another sampler than greybox (with --bits) or tpe: nsga2, gp, random or grid.

    With --jobs, the order in which trials end decides which trial is proposed next; each can still be trained again
    from its record.

    Settings without a flag belong into the table [sweep] of a file for --config: clock (MHz), accelerator (cpu, cuda,
    cuda:1, mps), prune (end trainings that most cheaper ones were ahead of), watch (a page while it runs), storage (URL
    of a database that `hwcost worker` can join), artifacts (folder or s3://BUCKET for its weights) and heartbeat
    (seconds between two signs of life; a process counts as dead after four). HWCOST_ACCELERATOR, HWCOST_STORAGE,
    HWCOST_ARTIFACTS and HWCOST_HEARTBEAT give them too.

    \b
    Example:
      hwcost sweep --jobs 4
      hwcost sweep digits --bits 2:8 --warm 4 --limit LUT=8000
      hwcost sweep net.py:Net --data samples.npz --input 3,32,32
      hwcost sweep fashion-mnist --data ~/fashion-mnist --trials 40 --device ZCU104
    """  # fmt: skip
    with ExitStack() as opened:
        loaded, plan = _loaded({**settings, "recipe": recipe, "out": out}, shape, opened)
        experiment = Experiment(loaded, plan)
        epochs = plan.warm or experiment.training().epochs
        shown = watch(plan.bound, epochs, quiet=verbosity.quiet, verbose=verbosity.verbose, score=experiment.score)
        listener = opened.enter_context(shown)
        crew = opened.enter_context(crew_of(plan, verbosity))
        result = run(experiment, listener, crew, command=command_line())
    show_result(result, as_json=as_json)


def _loaded(given: dict[str, object], shape: str | None, opened: ExitStack) -> tuple[Recipe, Settings]:
    """The recipe that a command names, or the one that is drafted for its network, and the settings with it."""
    named = str(given["recipe"])
    found = named_object(named, RECIPES)
    if isinstance(found, Recipe) or not callable(found):
        recipe = checked(named, found)
        if shape is not None:
            raise BadOption(f"{named}: a recipe defines its own input; omit --input")
        return recipe, chosen({**given, "out": given["out"] or Path("reports") / recipe.name})
    plan = chosen({**given, "out": given["out"] or Path("reports") / study_name(named)})
    opened.enter_context(withdrawn_unless_begun(plan.out / FILE))
    reference, fresh = drafted(found, plan, None if shape is None else parse_shape(shape))
    words = "drafted, to be edited" if fresh else "there already, and run as it is; removed, it is drafted again"
    click.echo(f"{plan.out / FILE}: {words}", err=True)
    return find_recipe(reference), replace(plan, recipe=reference)


def chosen(given: Mapping[str, object]) -> Settings:
    """Make the settings of a sweep from the parameters of its command.

    Raises:
        BadOption: a value makes no sense.
    """
    others = ("polish", "repeat", "refit", "json", "quiet", "verbose", "input")
    options = {key: str(option.name) for key, option in keys(sweep_command).items() if key not in others}
    return Settings.from_dict({key: _plain(given[name]) for key, name in options.items()})


def _plain(value: object) -> object:
    """Convert the value of an option to the form that `Settings.from_dict` takes."""
    return (list(value) or None) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value


def crew_of(settings: Settings, verbosity: Verbosity) -> AbstractContextManager[Workers | None]:
    """Processes that train several trials at once; None for one after the other in this process.

    Raises:
        BadOption: --verbose with several processes.
    """
    if settings.jobs == 1:
        return nullcontext()
    if verbosity.verbose:
        raise BadOption("--verbose shows the epochs of this process only; omit --jobs")
    return Workers(settings, find_recipe)


def show_result(result: Result, *, as_json: bool) -> None:
    """Print how a call ended; exit with status 130 if it was interrupted, with 1 if no trial of its study finished."""
    if as_json:
        click.echo(json.dumps({**asdict(result), "page": str(result.page)}, indent=2))
    else:
        plural = "" if result.finished == 1 else "s"
        click.echo(f"{result.finished} trial{plural}, {result.front} on the front -> {result.page}")
        for part in result.parts:
            fitting, points = f"{part['fitting']} of {part['finished']} fit", len(part["front"])
            click.echo(f"{part['name']}: {fitting}, {points} on its front")
    if result.interrupted:
        click.echo(f"interrupted; everything finished is kept, continue with: {command_line()}", err=True)
        sys.exit(130)
    if not result.finished:
        click.echo("no trial finished; the page lists what each failed of", err=True)
        sys.exit(1)
