"""A study held open for one call: checked, founded or resumed, with its data and its known prices."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwcost.errors import BadStudy
from hwcost.search import MARK, Crew, Prices, RunEnd, Study, StudySpec, check_limits, lead_study, open_study
from hwcost.sweep.entering import check_input
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.fingerprint import Fingerprint, fingerprint_of, spec_of
from hwcost.sweep.further_parts import further
from hwcost.sweep.listener import Listener
from hwcost.sweep.live_page import LivePage
from hwcost.sweep.noted import check_trainings
from hwcost.sweep.rehearsal import rehearse
from hwcost.sweep.spelling import Role
from hwcost.sweep.standing import Standing, standing
from hwcost.sweep.study_files import TRIALS, checkpoint, read_trials
from hwcost.sweep.study_report import report, write_table
from hwcost.sweep.torch_device import one_thread
from hwcost.sweep.trial import FAILURES, evaluated, priced_space
from hwcost.train.data import Data


@dataclass
class Session:
    """An open study and all that its trials need.

    Attributes:
        experiment: what is explored.
        data: its data set.
        prices: with `bits`, the costs that are known before training.
        fingerprint: of the experiment.
        study: open.
        listener: hears of the progress.
        crew: trains several trials at once; None trains one after the other, in this process.
        input_step: value of one integer that enters the network; None where it quantizes what enters.
        page: while trials are still to come; None where nobody watches.
        done: trials that this call has finished.
    """

    experiment: Experiment
    data: Data
    prices: Prices | None
    fingerprint: Fingerprint
    study: Study
    listener: Listener
    crew: Crew | None
    input_step: float | None
    page: LivePage | None = None
    done: int = 0

    def train(self, trials: int, until: float | None = None) -> RunEnd:
        """Add trials to the study; after `until` on the monotonic clock none begins, but the first of the call."""
        before = self.done
        stands = self.standing()
        trained: list[Mapping[str, Any]] = []
        self._check_read(trained, stands)

        def heard(done: int) -> None:
            nonlocal stands
            self.done = before + done
            stands = standing(self.study, self.experiment, stands)
            self.listener.trial_done(self.done, stands)
            self._check_read(trained, stands)
            if self.page is not None and self.page.due():
                write_table(self.experiment, self.study)
                self.page.draw()

        return self.study.run(
            lambda suggestion: evaluated(self.experiment, self.data, suggestion, self.listener),
            trials=trials,
            on_trial=heard,
            stop=None if until is None else lambda: self.done > before and time.monotonic() >= until,
            failures=FAILURES,
            crew=self.crew,
        )

    def _check_read(self, trained: list[Mapping[str, Any]], stands: Standing) -> None:
        """Refuse parameters that no trial read; `trained` notes of all trials what they left."""
        if self.experiment.settings.bits is None:
            trained += ({"unread": row.get("unread")} for row in stands.ended if row["state"] == "COMPLETE")
            check_trainings(self.experiment.recipe.name, trained)

    def standing(self) -> Standing:
        """The front so far."""
        return standing(self.study, self.experiment)

    def report(self, *, running: bool = False) -> Path:
        """Write table and page of the study; the path of the page."""
        if self.page is not None:
            self.page.close()
        return report(self.experiment, self.study, running=running)


@contextmanager
def session(experiment: Experiment, listener: Listener | None, crew: Crew | None) -> Iterator[Session]:
    """Open the study of an experiment, or found it; PyTorch computes on one thread meanwhile.

    Args:
        experiment: what is explored.
        listener: hears of the progress.
        crew: trains several trials at once.

    Raises:
        BadStudy: the folder holds another study, is in use, corrupt, or cannot be written.
        HwcostError: what is wrong with recipe, data or part, before anything is trained or written.
    """
    with one_thread():
        _ = further(experiment), experiment.objectives  # a wrong name shows before the data are read
        data = experiment.load()
        recipe = experiment.recipe
        step = check_input(f"recipe {recipe.name}", data, recipe.input, recipe.input_step)
        rehearse(experiment, data)
        prices = priced_space(experiment, data)
        if prices is not None and experiment.settings.method == "greybox":
            check_limits(prices, None if recipe.constraints is None else recipe.excess)
        fingerprint = fingerprint_of(experiment, data)
        with _open(experiment, spec_of(experiment, fingerprint, prices)) as study:
            _check_published(experiment.settings.out, study)
            page = LivePage(experiment.settings.out) if experiment.settings.watch else None
            try:
                yield Session(experiment, data, prices, fingerprint, study, listener or Listener(), crew, step, page)
            finally:
                if page is not None:
                    page.close()


def _check_published(folder: Path, study: Study) -> None:
    """Refuse to write over the table of a study with more trials: its journal is missing, or an older copy.

    Raises:
        BadStudy: the folder has such a table.
    """
    if not (folder / TRIALS).is_file():
        return
    try:
        published = read_trials(folder)["number"].max()
    except BadStudy:
        return  # torn, or of nobody: it is written again
    if published == published and published >= study.size():
        raise BadStudy(
            f"{folder}: its report has trials up to {int(published)}, its journal only {study.size()} trials; restore "
            f"the journal, or move the report away or give another --out to start over"
        )


def _open(experiment: Experiment, spec: StudySpec) -> AbstractContextManager[Study]:
    settings = experiment.settings
    if settings.share is not None:
        needed = {"recipe": settings.recipe, **settings.to_dict(Role.STUDY, Role.RESOLVED)}
        return lead_study(settings.share, settings.out, spec, files=weights_of(settings.out), settings=needed)
    if (settings.out / MARK).exists():
        raise BadStudy(
            f"{settings.out}: its study is in a database; set HWCOST_STORAGE and HWCOST_ARTIFACTS, or give another "
            "--out"
        )
    return open_study(settings.out, spec)


def weights_of(folder: Path) -> Callable[[int | None], Path]:
    """Number of a trial, None for the float network -> its checkpoint in the folder."""
    return lambda number: checkpoint(folder, number)
