"""A study from Python: `run_sweep` makes one or adds to it, `open_study` opens one, `Study` is what is in it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, cast

import optuna
import pandas as pd
from matplotlib.figure import Figure
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial
from torch import nn

from hwcost.errors import BadOption
from hwcost.report import Study as StudyTables
from hwcost.report import read_study
from hwcost.report.checks import COSTS
from hwcost.report.front_figures import front_figure
from hwcost.report.score import PUBLISHED
from hwcost.report.study import FRAME
from hwcost.report.style import house_style
from hwcost.search import is_file
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.process_pool import Workers
from hwcost.sweep.progress import watch
from hwcost.sweep.recipe import Recipe, load_recipe
from hwcost.sweep.replay import recall
from hwcost.sweep.run import run
from hwcost.sweep.settings import Settings
from hwcost.sweep.study_files import read_run, read_settings, read_trials
from hwcost.sweep.study_report import publish
from hwcost.sweep.trial import Design
from hwcost.sweep.trust import RECIPES, found_in_a_record, named

_ABOUT = ("fits", "within_budget", "budget_reachable", "on_front", "seconds", "seed", "error")


def run_sweep(
    recipe: Recipe | str,
    *,
    trials: int | None = None,
    time: str | float | None = None,
    out: Path | str | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Study:
    """Add trials to the study of a recipe, making it if needed, as `hwcost sweep` does.

    Every finished trial is on disk at once. Called again, after an error or a restart too, it resumes the study.

    Args:
        recipe: of the study, or its reference, as on the command line.
        trials: to add, at least 1; failed ones count. None for 32, or with `time` as many as it allows.
        time: after which no trial begins, e.g. "10m", or a number of seconds; those that run end.
        out: study folder; by default reports/NAME.
        quiet: print no line for each trial.
        settings: others of `hwcost.sweep.settings.Settings`, e.g. `bits=(2, 8)`, `seed=1` or `jobs=4`; with several
            jobs the recipe must be in a file that another process can import.

    Returns:
        The study.

    Raises:
        BadOption: an unknown setting, or a value that makes no sense.
        BadStudy: the folder holds another study, is in use, corrupt, or cannot be written.
        KeyboardInterrupt: by the user; every finished trial is kept, and the page written.
        HwcostError: what is wrong with recipe, data or part, before anything is trained or written.
    """
    known = {declared.name for declared in fields(Settings)} - {"recipe", "out", "trials", "time"}
    if unknown := sorted(settings.keys() - known):
        raise BadOption(f"setting {unknown[0]!r}: unknown; known are {', '.join(sorted(known))}")
    loaded = named(recipe, RECIPES) if isinstance(recipe, str) else recipe
    reference = recipe if isinstance(recipe, str) else _reference(loaded)
    folder = Path("reports") / loaded.name if out is None else Path(out)
    paths = {name: Path(settings[name]) for name in ("data",) if settings.get(name) is not None}
    named_here = {"recipe": reference or loaded.name, "out": folder, "trials": trials, "time": time}
    chosen = Settings(**{**settings, **paths, **named_here})
    experiment = Experiment(loaded, chosen)
    with ExitStack() as opened:
        epochs = chosen.warm or experiment.training().epochs
        listener = opened.enter_context(watch(chosen.bound, epochs, quiet=quiet, score=experiment.score))
        crew = None
        if chosen.jobs > 1:
            if reference is None:
                raise BadOption(
                    f"jobs={chosen.jobs}: recipe {loaded.name} is in no file that another process can import; write it "
                    "to one, or omit jobs"
                )
            crew = opened.enter_context(Workers(chosen, partial(load_recipe, built_in=RECIPES)))
        interrupted = run(experiment, listener, crew).interrupted
    if interrupted:
        raise KeyboardInterrupt
    return Study(folder, loaded)


def open_study(folder: Path | str, recipe: Recipe | None = None) -> Study:
    """Open a study that exists, to look at it and to load its networks.

    Args:
        folder: that `hwcost sweep` or `run_sweep` wrote.
        recipe: of the study; None finds the one that its record names, if it ships or you have named it before.

    Raises:
        BadStudy: there is no study, or it is broken.
    """
    read_run(Path(folder))
    return Study(Path(folder), recipe)


def _reference(recipe: Recipe) -> str | None:
    """The reference by which another process finds a recipe; None where it is in no module with a file."""
    home = getattr(recipe.network, "__module__", "")
    for module_name, module in sorted(sys.modules.items(), key=lambda item: item[0] != home):
        name = next((name for name, value in list(vars(module).items()) if value is recipe), None)
        file = getattr(module, "__file__", None)
        if name is not None and file is not None:
            by_file = module_name == "__main__" or module_name.startswith("_hwcost_recipe_")
            return f"{Path(file).resolve()}:{name}" if by_file else f"{module_name}:{name}"
    return None


@dataclass(frozen=True)
class Study:
    """A study in its folder, as its files are when they are asked for.

    Attributes:
        folder: of the study.
        recipe: of the study; None finds the one that its record names.
    """

    folder: Path
    recipe: Recipe | None = field(default=None, repr=False)

    @property
    def record(self) -> Mapping[str, Any]:
        """Record of how it was made: the content of run.json."""
        return cast(Mapping[str, Any], read_run(self.folder))

    @property
    def input_step(self) -> float | None:
        """Value of one integer that enters the network, for `hwcost.export`; None where it quantizes its input."""
        step = self.record["data"].get("step")
        return None if step is None else float(step)

    def frame(self) -> pd.DataFrame:
        """All trials: a row each, a column for each parameter, score and cost, by their plain names.

        Returns:
            number, state, the parameters, score, test_score and refit_score, interval_cycles, LUT to energy_uj, figures
            of a training of one's own, fits, on_front and others; a parameter with the name of another column has
            `param:` in front.
        """
        study = self._read()
        table = study.trials
        about = table.assign(on_front=table["number"].isin(study.front["number"])).rename(columns=PUBLISHED)
        figures = dict.fromkeys((*PUBLISHED, *COSTS, *FRAME, *(name for name, _ in study.objectives)))
        rest = [PUBLISHED.get(name, name) for name in figures]
        params, own = (pd.DataFrame(list(table[key]), index=table.index) for key in ("params", "figures"))
        params = params.rename(
            columns={name: f"param:{name}" for name in (*rest, *own.columns, *_ABOUT, "number", "state")}
        )
        return pd.concat([about[["number", "state"]], params, about[rest], own, about[list(_ABOUT)]], axis=1)

    def front(self) -> pd.DataFrame:
        """The trials that no other beats in every objective, cheapest first; columns as of `frame`."""
        order = list(self._read().front["number"])
        found: pd.DataFrame = self.frame().set_index("number", drop=False).loc[order].reset_index(drop=True)
        return found

    def design(self, number: int, *, data: Path | str | None = None, refit: bool = False) -> Design:
        """The network of a finished trial, with its pipeline and its hardware model.

        Args:
            number: of the trial.
            data: path of the data set, where it has moved.
            refit: as `hwcost finish --refit` trained it on.

        Raises:
            BadStudy: no such trial, or recipe and data are not those of the study.
        """
        settings = read_settings(self.folder)
        where = settings.data if data is None else Path(data)
        return recall(self.folder, number, self._find, where, refit=refit)

    def load(self, number: int, *, data: Path | str | None = None, refit: bool = False) -> nn.Module:
        """The network of a finished trial with weights and landed widths, in eval mode; arguments as of `design`."""
        return self.design(number, data=data, refit=refit).net.eval()

    def report(self) -> Path:
        """Write the report again; the path of its page."""
        return publish(self.folder)

    def plot(self) -> Figure:
        """Score against cost: the main figure of the report."""
        with house_style():
            return front_figure(self._read()).figure

    def to_optuna(self, storage: str | None = None) -> optuna.Study:
        """A copy for Optuna's plots and dashboard.

        Its objectives have names, epochs are intermediate values, and costs are user attributes.

        Args:
            storage: URL of a database that Optuna makes, e.g. sqlite:///study.db, or path of a new file that ends in
                .journal; None keeps the copy in memory.
        """
        read = self._read()
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        ways = [StudyDirection.MAXIMIZE if way == "maximize" else StudyDirection.MINIMIZE for _, way in read.objectives]
        place = JournalStorage(JournalFileBackend(storage)) if storage and is_file(storage) else storage
        try:
            copy = optuna.create_study(storage=place, study_name=str(read.run["study"]), directions=ways)
        except optuna.exceptions.DuplicatedStudyError as error:
            raise BadOption(f"{storage}: holds a study {read.run['study']} already; give another place") from error
        finally:
            optuna.logging.set_verbosity(verbosity)
        named = [read.score.name if name == "accuracy" else PUBLISHED.get(name, name) for name, _ in read.objectives]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            copy.set_metric_names(named)
        tried = list(read.complete["params"])
        names = dict.fromkeys(name for params in tried for name in params)
        space = {name: _choices([params[name] for params in tried if name in params]) for name in names}
        for _, row in read.complete.iterrows():
            costs = {PUBLISHED.get(name, name): float(row[name]) for name in (*COSTS, *FRAME) if row[name] == row[name]}
            copy.add_trial(
                create_trial(
                    state=TrialState.COMPLETE,
                    values=[float(row[name]) for name, _ in read.objectives],
                    params=dict(row["params"]),
                    distributions={name: space[name] for name in row["params"]},
                    user_attrs={"number": int(row["number"]), **costs, **row["figures"]},
                    intermediate_values={int(one["epoch"]): float(one["accuracy"]) for one in row["epochs"]},
                )
            )
        return copy

    def _read(self) -> StudyTables:
        return read_study(read_trials(self.folder), read_run(self.folder))

    def _find(self, reference: str) -> Recipe:
        return found_in_a_record(reference, RECIPES) if self.recipe is None else self.recipe


def _choices(known: Sequence[Any]) -> optuna.distributions.BaseDistribution:
    """The range that the values of a parameter span."""
    if all(isinstance(value, int) and not isinstance(value, bool) for value in known):
        return optuna.distributions.IntDistribution(min(known), max(known))
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        return optuna.distributions.FloatDistribution(min(known), max(known))
    return optuna.distributions.CategoricalDistribution(list(dict.fromkeys(known)))
