"""`hwcost finish`: the front of a study trained further, repeated with new seeds, or refit."""

from contextlib import ExitStack
from pathlib import Path

import click

from hwcost.cli.network import RECIPES
from hwcost.cli.options import COUNT, COUNT_OR_NONE, PLACE, Verbosity, of_recipe, with_verbosity
from hwcost.cli.sweep import ARTIFACTS, STORAGE, crew_of, show_result
from hwcost.errors import BadStudy
from hwcost.search import masked
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.finish import finish
from hwcost.sweep.progress import watch
from hwcost.sweep.study_files import read_settings
from hwcost.sweep.trust import finder


@click.command("finish")
@click.argument("study", type=PLACE)
@click.option(
    "--polish",
    type=COUNT_OR_NONE,
    default=0,
    metavar="ROUNDS",
    help="Train the front further, then half of it twice as long, and so on; for a study with --warm.",
)
@click.option(
    "--repeat",
    type=COUNT_OR_NONE,
    default=0,
    metavar="SEEDS",
    help="Retrain the front with SEEDS new seeds; report mean and standard deviation.",
)
@click.option(
    "--refit",
    type=COUNT_OR_NONE,
    default=0,
    metavar="EPOCHS",
    help="Train the front for EPOCHS epochs on the validation samples too, for deployment.",
)
@click.option("--data", type=PLACE, help="Data set on this machine.  [default: the sweep's]")
@of_recipe
@click.option(
    "--jobs",
    type=COUNT,
    default=1,
    show_default=True,
    help="Trials of --polish at once, each in its own process.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@with_verbosity("epoch")
@STORAGE
@ARTIFACTS
def finish_command(
    study: Path,
    polish: int,
    repeat: int,
    refit: int,
    data: Path | None,
    recipe: str | None,
    jobs: int,
    as_json: bool,
    verbosity: Verbosity,
    storage: str | None,
    artifacts: str | None,
) -> None:
    """Finish the front of STUDY, a folder that `hwcost sweep` wrote, and write its report again.

    No trial is proposed; only --polish adds trials, at the widths of front trials. Called again after Ctrl-C, it does
    what is missing of --repeat and --refit.

    \b
    Example:
      hwcost finish reports/digits --repeat 4 --refit 8
    """  # fmt: skip
    recorded = read_settings(study).storage
    if recorded is None:
        storage = artifacts = None  # the environment is that of other studies
    elif storage is None or artifacts is None:
        raise BadStudy(
            f"{study}: its study is in a database, {masked(recorded)} by its record; name it yourself: set "
            "HWCOST_STORAGE and HWCOST_ARTIFACTS"
        )
    where = None if data is None else str(data)
    settings = read_settings(study, data=where, recipe=recipe, jobs=jobs, storage=storage, artifacts=artifacts)
    experiment = Experiment.find(settings, finder(recipe, RECIPES))
    epochs = settings.warm or experiment.training().epochs
    with ExitStack() as opened:
        shown = watch(0, epochs, quiet=verbosity.quiet, verbose=verbosity.verbose, score=experiment.score)
        listener = opened.enter_context(shown)
        crew = opened.enter_context(crew_of(settings, verbosity))
        result = finish(experiment, polish=polish, repeat=repeat, refit=refit, listener=listener, crew=crew)
    show_result(result, as_json=as_json)
