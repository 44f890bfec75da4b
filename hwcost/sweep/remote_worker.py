"""`hwcost worker`: trains for a sweep that another machine leads."""

from collections.abc import Callable, Mapping
from pathlib import Path

from hwcost.errors import BadOption, BadStudy
from hwcost.search import REMEDY, RunEnd, join_study
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.fingerprint import fingerprint_of, spec_of
from hwcost.sweep.listener import Listener
from hwcost.sweep.recipe import Recipe
from hwcost.sweep.rehearsal import rehearse
from hwcost.sweep.session import weights_of
from hwcost.sweep.settings import Settings
from hwcost.sweep.torch_device import one_thread
from hwcost.sweep.trial import FAILURES, evaluated, priced_space


def join(
    url: str,
    name: str,
    folder: Path,
    find: Callable[[str], Recipe],
    *,
    artifacts: str,
    recipe: str | None = None,
    data: Path | None = None,
    listen: Callable[[Experiment], Listener] | None = None,
) -> RunEnd:
    """Train planned trials of a shared study until its sweep has as many as it wanted, or has ended.

    Args:
        url: of the database. name: of the study.
        folder: for the weights on this machine; several processes may share it.
        find: reference -> recipe, as the command line does.
        artifacts: folder or bucket of the weights; never one that only the database names.
        recipe, data: as this machine reaches them; None where as the sweep does.
        listen: experiment -> what hears of epochs and of trained trials.

    Raises:
        BadStudy: the study cannot be reached, or code, data or settings here are not those of the experiment.
    """
    with one_thread(), join_study(url, name, folder) as joined:
        experiment = Experiment.find(_settings(joined.settings, name, recipe, folder, data), find)
        heard = Listener() if listen is None else listen(experiment)
        loaded = experiment.load()
        rehearse(experiment, loaded)
        fingerprint = fingerprint_of(experiment, loaded, shared=True)
        spec = spec_of(experiment, fingerprint, priced_space(experiment, loaded))
        study = joined.agree(spec, artifacts=artifacts, files=weights_of(folder))
        return study.work(
            lambda suggestion: evaluated(experiment, loaded, suggestion, heard),
            on_trial=heard.trained,
            failures=FAILURES,
        )


def _settings(sent: Mapping[str, object], study: str, recipe: str | None, folder: Path, data: Path | None) -> Settings:
    """Settings of the leader, with the places of this machine."""
    here = {"out": str(folder), "data": None if data is None else str(data)} | ({"recipe": recipe} if recipe else {})
    try:
        return Settings.from_dict({**sent, **here})
    except BadOption as error:
        raise BadStudy(f"study {study}: led by another version of hwcost ({error}); {REMEDY}") from error
