"""The ask/tell loop: Optuna proposes, the caller trains, every finished trial is on disk."""

import json
import math
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

import optuna
import pandas as pd
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from hwcost.errors import BadOption, BadStudy, DivergedTraining, HopelessTrial, HwcostError
from hwcost.search.nearest_trial import nearest
from hwcost.search.protocol import Crew, Outcome, Params, Rival, RunEnd, Suggestion, checked
from hwcost.search.samplers.choose import make_sampler, seeds_of
from hwcost.search.samplers.space import asked_by, fill, is_all
from hwcost.search.study_spec import StudySpec
from hwcost.search.table import table
from hwcost.search.trial_plan import BROKEN, RETRIES, Plan, checkpoint_of, interrupted, plan_of


def check_count(trials: int) -> None:
    """Refuse anything but a whole number of trials, at least 1."""
    if isinstance(trials, bool) or not isinstance(trials, int) or trials < 1:
        raise BadOption(f"trials={trials!r}: ask for a whole number of trials, at least 1")


def _next_place(trials: Sequence[FrozenTrial]) -> int:
    return 1 + max((plan_of(trial).place for trial in trials), default=-1)


class Study:
    """An open study; made by `open_study`."""

    def __init__(self, load: Callable[[], optuna.Study], spec: StudySpec) -> None:
        self._load, self._spec, self._space, self._study = load, spec, spec.space, load()
        self._rivals: dict[int, Rival] = {}

    def run(
        self,
        objective: Callable[[Suggestion], Outcome],
        *,
        trials: int,
        on_trial: Callable[[int], None] | None = None,
        stop: Callable[[], bool] | None = None,
        failures: tuple[type[HwcostError], ...] = (DivergedTraining,),
        crew: Crew | None = None,
    ) -> RunEnd:
        """Add trials, an interrupted one first.

        Args:
            objective: evaluates a suggestion; the same suggestion must give the same outcome.
            crew: evaluates several at once, in the place of `objective`. What is proposed then depends on which trial
                ends first; each trial is still what its parameters and its seed make of it.
            trials: to finish in this call, failed and retried ones included; at least 1.
            on_trial: called after each trial with the number of trials that this call has finished.
            stop: asked before each trial; after True none is proposed, and those that a crew trains end.
            failures: errors of a trial that the study records and survives. Any other is recorded and raised again,
                but `BadStudy`, which is of the machine: the trial is tried again.

        Returns:
            How it ended. Ctrl-C ends it cleanly.

        Raises:
            BadOption: `trials` below 1, or an outcome that fits neither the objectives nor JSON.
            BadStudy: the folder can no longer be written.
        """
        check_count(trials)
        before, stopped = self._settled(), False
        try:
            running: dict[int, tuple[Trial, float]] = {}
            while (done := self._settled() - before) < trials:
                if stop is not None and not stopped and (stopped := stop()):
                    trials = done + len(running)
                    continue
                if crew is None:
                    self._evaluate(objective, *self._ask(), failures)
                else:
                    self._some(crew, running, trials - done, failures)
                if on_trial is not None:
                    on_trial(self._settled() - before)
        except KeyboardInterrupt:
            self._stop(crew)
            return RunEnd(self._settled() - before, interrupted=True)
        except BadStudy:
            with suppress(BadStudy):  # a full disk takes no note of it either
                self._stop(crew)
            raise
        return RunEnd(done, stopped=stopped)

    def _stop(self, crew: Crew | None) -> None:
        """End the trials that run; no sign that they are deadly."""
        if crew is not None:
            crew.stop()
        self._study = self._load()  # Ctrl-C may have struck inside Optuna; what counts is on disk
        self.recover(by_user=True)

    def adopt(self, params: Params, outcome: Outcome, seconds: float) -> int:
        """Add a trial that was finished elsewhere, in one line of the journal.

        Args:
            params: one for each entry of the space.
            outcome: as of any trial; its weights are where those of the trial of the returned number belong.
            seconds: that it took.

        Raises:
            BadOption: parameters outside the space, or an outcome that does not fit.
        """
        trials = self._trials()
        number, place = len(trials), _next_place(trials)
        record = {"attributes": dict(outcome.attributes), "seconds": seconds}
        values = checked(outcome, self._spec.objectives)
        try:
            asked = asked_by(self._space, params)
            finished = create_trial(
                values=values,
                params={name: params[name] for name in asked},
                distributions=asked,
                user_attrs=Plan(place, 0, dict(params))._asdict() | {"record": json.dumps(record)} | self._kept(number),
            )
        except ValueError as error:
            raise BadOption(f"parameters {dict(params)}: not in the space of the study ({error})") from error
        self._study.add_trial(finished)
        return number

    def enqueue(self, params: Params, polish: int) -> None:
        """Queue a trial with the parameters of a finished one, to train further from its weights."""
        plan = Plan(_next_place(self._trials()), 0, dict(params), polish)
        self._study.enqueue_trial(dict(plan.fixed), user_attrs=plan._asdict())

    def size(self) -> int:
        """Trials in any state."""
        return len(self._trials())

    def _kept(self, number: int) -> dict[str, str]:
        """User attributes of a new trial where its weights leave this machine; none here."""
        return {}

    def fetch(self, number: int | None) -> None:
        """Bring the weights of a trial into the study's folder; where one machine trains, they are there already."""

    def frame(self, *, known: Collection[int] = ()) -> pd.DataFrame:
        """The study as a table: see `hwcost.search.table`; without the trials of known numbers."""
        lost = {trial.number for trial in self._trials() if interrupted(trial) and self._deaths(trial) > RETRIES}
        return table(self._trials(), self._spec, lost=lost, known=known)

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _settled(self) -> int:
        return sum(map(self._ended, self._trials()))

    def _ended(self, trial: FrozenTrial) -> bool:
        """Whether a trial is settled, or given up."""
        return trial.state.is_finished() and (not interrupted(trial) or self._deaths(trial) > RETRIES)

    def recover(self, *, by_user: bool = False) -> None:
        """Fail what a dead process left running, without a record, so that it counts as interrupted.

        Args:
            by_user: whether Ctrl-C stopped it, which is no sign of a deadly trial.
        """
        # `tell` notifies it of the failure; `_drawn` draws from samplers of its own
        self._study.sampler = RandomSampler(seed=0)
        for trial in self._trials():
            if trial.state != TrialState.RUNNING:
                continue
            if by_user:
                stopped = self._study.user_attrs.get("stopped_by_user", [])
                self._study.set_user_attr("stopped_by_user", [*stopped, trial.number])
            self._study.tell(trial.number, state=TrialState.FAIL)

    def _deaths(self, trial: FrozenTrial) -> int:
        given_back = "released" in trial.user_attrs or trial.number in self._study.user_attrs.get("stopped_by_user", [])
        return plan_of(trial).died + (not given_back)

    def _next_plan(self) -> Plan:
        """The trial to run next: one already waiting, else a retry, else a fresh one."""
        trials = self._trials()
        for trial in trials:
            if trial.state == TrialState.WAITING:  # a process died between enqueue and ask
                return plan_of(trial)
        plan = self._retry(trials) or self._fresh(trials)
        self._study.enqueue_trial(dict(plan.fixed), user_attrs=plan._asdict())  # born with its plan in one journal line
        return plan

    def _retry(self, trials: Sequence[FrozenTrial]) -> Plan | None:
        latest = {plan_of(trial).place: trial for trial in trials}
        for trial in latest.values():
            if interrupted(trial) and self._deaths(trial) <= RETRIES:
                plan = plan_of(trial)
                complete = is_all(self._space, trial.params)  # else: killed while drawing; draw again
                fixed = dict(trial.params) if complete else plan.fixed
                return Plan(plan.place, self._deaths(trial), fixed, plan.polish)
        return None

    def _fresh(self, trials: Sequence[FrozenTrial]) -> Plan:
        place = _next_place(trials)
        return Plan(place, 0, dict(self._spec.anchors[place]) if place < len(self._spec.anchors) else {})

    def _evaluate(
        self,
        objective: Callable[[Suggestion], Outcome],
        trial: Trial,
        suggestion: Suggestion,
        failures: tuple[type[HwcostError], ...],
    ) -> None:
        started = time.perf_counter()
        result: Outcome | Exception
        try:
            result = objective(suggestion)
        except Exception as error:
            result = error
        self._settle(trial, started, result, failures)

    def _some(
        self,
        crew: Crew,
        running: dict[int, tuple[Trial, float]],
        wanted: int,
        failures: tuple[type[HwcostError], ...],
    ) -> None:
        """Keep the crew busy, and settle the trial that ends first."""
        while len(running) < min(crew.size, wanted):
            trial, suggestion = self._ask()
            running[trial.number] = trial, time.perf_counter()
            crew.start(suggestion)
        self._collect(crew, running, failures)

    def _collect(
        self, crew: Crew, running: dict[int, tuple[Trial, float]], failures: tuple[type[HwcostError], ...]
    ) -> None:
        """Settle the trial of a crew that ends first."""
        number, result = crew.finished()
        trial, started = running.pop(number)
        if result is None:
            self._died(trial)
        else:
            self._settle(trial, started, result, failures)

    def _died(self, trial: Trial) -> None:
        """Fail it without a record, so that it counts as interrupted and is tried again."""
        self._study.tell(trial, state=TrialState.FAIL)

    def _ask(self) -> tuple[Trial, Suggestion]:
        return self._drawn(self._next_plan().place, self._study.ask)

    def _drawn(self, place: int, ask: Callable[[], Trial]) -> tuple[Trial, Suggestion]:
        """The trial of a place, its parameters drawn by the sampler of that place."""
        seed, sampler_seed = seeds_of(self._spec.seed, place)
        spec = self._spec
        self._study.sampler = make_sampler(spec.sampler, sampler_seed, spec.space, spec.prices, spec.wishes)
        trial = ask()
        fill(self._space, trial)
        _ = trial.relative_params  # lazy, and never asked for where all is fixed: NSGA-II marks its generation there
        parent, coarser = nearest(trial.params, self._trials(), spec.space) if spec.warm else (None, 0.0)
        polish = trial.user_attrs.get("polish", 0)  # none in a study from before there was a choice
        weights, rivals = (
            None if parent is None else checkpoint_of(self._trials()[parent]),
            spec.rivals(self._trials(), self._rivals),
        )
        return trial, Suggestion(trial.number, dict(trial.params), seed, parent, polish, coarser, None, weights, rivals)

    def _settle(
        self, trial: Trial, started: float, result: Outcome | Exception, failures: tuple[type[HwcostError], ...]
    ) -> None:
        """Record what came of a trial; an error that is no failure of it is raised, one of the disk unrecorded."""
        if isinstance(result, BadStudy):
            raise result
        ended = TrialState.PRUNED if isinstance(result, HopelessTrial) else TrialState.FAIL

        def settle(values: Sequence[float] | None, **record: object) -> None:
            record["seconds"] = time.perf_counter() - started
            # A JSON string: Optuna copies what it stores again and again, and a string is copied for nothing.
            trial.set_user_attr("record", json.dumps(record))
            if values is not None and self._spec.limited:
                trial.set_user_attr(BROKEN, self._spec.beyond(values))
            self._study.tell(trial, values, ended if values is None else None)

        try:
            if isinstance(result, Exception):
                raise result
            values = checked(result, self._spec.objectives)
        except Exception as error:
            settle(None, reason=f"{type(error).__name__}: {error}")
            if isinstance(error, failures):
                return
            raise
        attributes = dict(result.attributes)
        wrong = [
            f"{entry.name} = {value}"
            for entry, value in zip(self._spec.objectives, values, strict=True)
            if not math.isfinite(value)
        ]
        if wrong:
            settle(None, reason=f"not finite: {', '.join(wrong)}", attributes=attributes)
        else:
            settle(values, attributes=attributes)
