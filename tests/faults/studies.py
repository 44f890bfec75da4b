"""Studies for the fault harness: small enough that a fault costs less than a second, and held against whole ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import Any

import optuna
import tiny_recipe
from optuna.trial import FrozenTrial, TrialState

from hwcost.search import JOURNAL
from hwcost.search.storage.journal import load_journal
from hwcost.search.trial_plan import interrupted, plan_of, record_of
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.finalists import key_of
from hwcost.sweep.study_files import checkpoint, read_json, read_net, read_settings
from hwcost.sweep.trial import design
from hwcost.train.loop import Training, evaluate

QUICK = Training(epochs=1, batch=16, lr=2e-2, width_lr=2.0, budget_strength=20.0)
recipe = replace(tiny_recipe.recipe, training=QUICK)
roomy = replace(tiny_recipe.roomy, training=QUICK)
RECIPES = {"recipe": recipe, "roomy": roomy}


class Lost(AssertionError):
    """A trial is lost, counted twice, unreadable, or has figures of other weights."""


def trials_of(folder: Path, url: str | None = None) -> list[FrozenTrial]:
    """The trials of a study, whatever their state; none before it is founded."""
    if url is not None:
        storage = optuna.storages.RDBStorage(url)
        try:
            names = [one.study_name for one in optuna.get_all_study_summaries(storage)]
            return optuna.load_study(study_name=names[0], storage=storage).get_trials() if names else []
        finally:
            storage.engine.dispose()
    return load_journal(folder / JOURNAL).get_trials() if (folder / JOURNAL).exists() else []


def settled(trials: Sequence[FrozenTrial]) -> dict[int, FrozenTrial]:
    """Place -> the trial that settled it.

    Raises:
        Lost: two did.
    """
    found: dict[int, FrozenTrial] = {}
    for trial in trials:
        if trial.state.is_finished() and not interrupted(trial):
            if found.setdefault(plan_of(trial).place, trial) is not trial:
                raise Lost(f"place {plan_of(trial).place} counts twice")
    return found


def given_up(trials: Sequence[FrozenTrial]) -> set[int]:
    """Places that three processes died on, and those that wait for a sweep to try them again after `finish`."""
    latest = {plan_of(trial).place: trial for trial in trials}
    return {place for place, trial in latest.items() if trial.state == TrialState.FAIL and interrupted(trial)}


def figures(trial: FrozenTrial) -> dict[str, Any]:
    """What a trial must come out as, however often its sweep was killed."""
    attributes = {name: value for name, value in record_of(trial).get("attributes", {}).items() if name != "parent"}
    return {"state": trial.state, "values": trial.values, "params": trial.params, **attributes}


class Auditor:
    """Holds studies against a whole one; what it has evaluated, it remembers."""

    def __init__(self) -> None:
        self._known: dict[str, float] = {}

    def check(
        self,
        folder: Path,
        goal: int | None,
        whole: Path | None,
        told: Mapping[int, Any],
        url: str | None = None,
        *,
        repaired: bool = False,
    ) -> None:
        """Hold a study after its resume: as `check_trials`, all places are settled, and all files say the same.

        Args:
            folder: of the study.
            goal: trials that it was to have; None: any number.
            whole, told, url: as for `check_trials`.
            repaired: whether its journal was; trials that it lost then leave entries that nothing shows.

        Raises:
            Lost: names what is wrong.
        """
        self.check_trials(folder, whole, told, url)
        trials = trials_of(folder, url)
        places = settled(trials)
        missing = {*range(max(places, default=0))} - places.keys() - given_up(trials)
        if missing or goal not in (None, len(places)):
            raise Lost(f"places {sorted(places)} are settled; goal {goal}")
        self._check_records(folder, trials, whole, repaired=repaired)
        if drafts := list(folder.rglob(".*.part")):
            raise Lost(f"drafts left behind: {drafts}")

    def check_trials(self, folder: Path, whole: Path | None, told: Mapping[int, Any], url: str | None = None) -> None:
        """Hold the trials of a study right after a fault: none lost, none twice, every figure belongs to its weights.

        Args:
            folder: of the study.
            whole: the same study without faults; None where the order of its trials is free.
            told: number -> values of trials that were settled, as the faulty process knew.
            url: of its database.

        Raises:
            Lost: names what is wrong.
        """
        trials = trials_of(folder, url)
        places = settled(trials)
        for number, values in told.items():
            if number >= len(trials) or interrupted(trials[number]) or trials[number].values != values:
                raise Lost(f"trial {number} was settled with {values}, now {trials[number : number + 1]}")
        if whole is not None:
            # what comes after a place that three processes died on was proposed from fewer results
            first = min(given_up(trials), default=inf)
            same = {place: trial for place, trial in settled(trials_of(whole)).items() if place < first}
            for place, trial in places.items():
                if place in same and figures(trial) != figures(same[place]):
                    raise Lost(f"place {place}: {figures(trial)} instead of {figures(same[place])}")
        if places:
            self._check_weights(folder, list(places.values()))

    def _check_weights(self, folder: Path, trials: list[FrozenTrial]) -> None:
        settings = read_settings(folder)
        experiment = Experiment(RECIPES[settings.recipe.rpartition(":")[2]], settings)
        data = experiment.load()
        for trial in trials:
            if trial.state != TrialState.COMPLETE:
                continue
            attributes = record_of(trial)["attributes"]
            path = checkpoint(folder, trial.number)
            if path.exists():  # of a shared study, weights that another process trained are in its artifacts
                known = attributes["checkpoint"]
                if known not in self._known:
                    net = design(experiment, trial.params, data, experiment.settings.seed).net
                    net.load_state_dict(read_net(path, known))
                    self._known[known] = evaluate(net, data.validation, task=experiment.recipe.task)
                if sha256(path.read_bytes()).hexdigest() != known:
                    raise Lost(f"{path.name}: other weights than in its record")
                if self._known[known] != attributes["accuracy"]:
                    raise Lost(f"{path.name} has accuracy {self._known[known]}, its record {attributes['accuracy']}")
            elif settings.storage is None:
                raise Lost(f"{path.name} is missing")

    def _check_records(self, folder: Path, trials: list[FrozenTrial], whole: Path | None, *, repaired: bool) -> None:
        """Table and records of finalists say what the journal says."""
        rows = read_json(folder / "trials.json")["trials"]
        numbers = [trial.number for trial in trials if trial.state != TrialState.WAITING]
        if [row["number"] for row in rows] != numbers:
            raise Lost(f"trials.json has {[row['number'] for row in rows]}, the journal {numbers}")
        for row in rows:
            trial = trials[row["number"]]
            if trial.state == TrialState.COMPLETE and row["accuracy"] != record_of(trial)["attributes"]["accuracy"]:
                raise Lost(f"trials.json: trial {trial.number} has accuracy {row['accuracy']}")
        keys = {key_of(row) for row in rows if row["state"] == "COMPLETE"}
        for name in ("test.json", "repeats.json", "refit.json"):
            if not (folder / name).exists():
                continue
            records = read_json(folder / name)
            if not repaired and (strange := records.keys() - keys):
                raise Lost(f"{name}: {strange} are of no trial")
            if whole is not None and (whole / name).exists():
                same = {key.partition("-")[2]: value for key, value in read_json(whole / name).items()}
                for key, value in records.items():
                    if key.partition("-")[2] in same and value != same[key.partition("-")[2]]:
                        raise Lost(f"{name}: {key} is {value} instead of {same[key.partition('-')[2]]}")


def front_of(folder: Path) -> Any:
    """The front as it is published, without times and places."""
    points = json.loads((folder / "front.json").read_text())["points"]
    return [{name: value for name, value in point.items() if name not in ("seconds", "command")} for point in points]
