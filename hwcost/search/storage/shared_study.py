"""A study in a database, trained by processes on any machine.

One process leads it: `hwcost sweep` alone plans trials, so that none is planned twice. Every process claims planned
trials, which the database gives to one of them only, and gives signs of life while it trains. A trial whose process
fell silent is failed and planned again by the leader; if that process lives after all, its result comes too late and
is dropped. So each planned place of the study is settled once.
"""

import time
import uuid
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import fail_stale_trials
from optuna.trial import FrozenTrial, Trial, TrialState

from hwcost.errors import BadStudy, DivergedTraining, HwcostError
from hwcost.search.protocol import Crew, Outcome, RunEnd, Suggestion
from hwcost.search.storage.artifacts import Weights
from hwcost.search.storage.database import SILENT_BEATS, Storage
from hwcost.search.storage.heartbeat import Heart
from hwcost.search.study import Study, check_count
from hwcost.search.study_spec import StudySpec
from hwcost.search.trial_plan import plan_of

POLL_S = 0.5
"""Seconds between two looks of a process that has no trial."""


class SharedStudy(Study):
    """An open shared study; made by `lead_study` and `join_study`.

    Args:
        study: in its database. storage: the same database. weights: of its trials.
        files: number of a trial, None for the float network -> where its weights are on this machine.
        heartbeat_s: seconds between two signs of life.
        spec: of the study.
    """

    def __init__(
        self,
        study: optuna.Study,
        storage: Storage,
        weights: Weights,
        files: Callable[[int | None], Path],
        heartbeat_s: int,
        spec: StudySpec,
    ) -> None:
        self._storage, self._weights, self._files, self._heartbeat_s = storage, weights, files, heartbeat_s
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._ids: dict[int, int] = {}
        self._alive: set[int] = set()
        self._token = uuid.uuid4().hex
        self._beats = 0
        self._seen: tuple[object, float] = (None, time.monotonic())
        super().__init__(lambda: study, spec)

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
        """Lead the study until all processes together have added `trials`; as `Study.run`."""
        check_count(trials)
        self._offer_float()
        before = told = self._settled()
        stopped, running = False, dict[int, tuple[Trial, float]]()
        self._lead()
        self._study.set_user_attr("open", True)
        try:
            with Heart(self._beat_as_leader, self._heartbeat_s):
                while True:
                    self._plan(before + trials)
                    done = self._settled() - before
                    if on_trial is not None and done > told - before:
                        on_trial(done)
                    told = before + done
                    if done >= trials:
                        return RunEnd(done, stopped=stopped)
                    if stop is not None and not stopped and (stopped := stop()):
                        trials = self._begun() - before
                        continue
                    if not self._train(objective, failures, crew, running):
                        time.sleep(POLL_S)
        except KeyboardInterrupt:
            if crew is not None:
                crew.stop()
            self._give_back()
            return RunEnd(self._settled() - before, interrupted=True)
        except BadStudy:
            with suppress(Exception):  # the database may be what is lost
                self._give_back()
            raise
        finally:
            self._study.set_user_attr("open", False)

    def work(
        self,
        objective: Callable[[Suggestion], Outcome],
        *,
        on_trial: Callable[[int], None] | None = None,
        failures: tuple[type[HwcostError], ...] = (DivergedTraining,),
    ) -> RunEnd:
        """Train what is planned, until the leader has as many trials as it wanted, or is gone; as `Study.run`."""
        done = 0
        try:
            with Heart(self._beat, self._heartbeat_s):
                while True:
                    if self._train(objective, failures, None, {}):
                        done += 1
                        if on_trial is not None:
                            on_trial(done)
                    elif not self._led():
                        return RunEnd(done)
                    else:
                        time.sleep(POLL_S)
        except KeyboardInterrupt:
            self._give_back(waiting=False)
            return RunEnd(done, interrupted=True)
        except BadStudy:
            with suppress(Exception):  # as in `run`
                self._give_back(waiting=False)
            raise

    def fetch(self, number: int | None) -> None:
        """Bring the weights of a trial, or of the float network, to this machine, if they are not here."""
        path = self._files(number)
        if path.exists():
            return
        known = self._study.user_attrs if number is None else self._trials()[number].user_attrs
        if "weights" not in known:
            raise BadStudy(
                f"{path.name}: its weights were never kept; call `hwcost sweep` first, with HWCOST_ARTIFACTS set"
            )
        self._weights.fetch(known["weights"], path)

    def check_not_led(self) -> None:
        """Refuse a second leader: wait to see whether a leader that has not signed off still gives signs of life."""
        known = self._study.user_attrs
        if not known.get("open"):
            return
        until = time.monotonic() + (SILENT_BEATS - 1) * self._heartbeat_s
        while time.monotonic() < until:
            if self._study.user_attrs.get("beat") != known.get("beat"):
                raise BadStudy(
                    f"study {self._study.study_name}: another `hwcost sweep` leads it; join it with `hwcost worker`, "
                    "or wait for its end"
                )
            time.sleep(POLL_S)

    def _lead(self) -> None:
        self.check_not_led()
        self._beat_as_leader()

    def _beat(self) -> None:
        for number in tuple(self._alive):
            self._storage.record_heartbeat(self._id(number))

    def _beat_as_leader(self) -> None:
        self._beats += 1
        self._study.set_user_attr("beat", [self._token, self._beats])
        self._beat()

    def _led(self) -> bool:
        """Whether a leader may still plan trials; by our own clock, since those of machines differ."""
        known = self._study.user_attrs
        if not known.get("open"):
            return False
        if known.get("beat") != self._seen[0]:
            self._seen = known.get("beat"), time.monotonic()
        return time.monotonic() - self._seen[1] < SILENT_BEATS * self._heartbeat_s

    def _plan(self, goal: int) -> None:
        """Have as many trials open as are wanted: silent ones again, then fresh ones; more than that are withdrawn."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            fail_stale_trials(self._study)
        trials = self._trials()
        unfinished = [trial for trial in trials if not trial.state.is_finished()]
        settled = sum(map(self._ended, trials))
        lacking = goal - settled - len(unfinished)
        for _ in range(lacking):
            plan = self._retry(trials) or self._fresh(trials)
            self._study.enqueue_trial(dict(plan.fixed), user_attrs=plan._asdict())
            trials = self._trials()
        waiting = [trial for trial in unfinished if trial.state == TrialState.WAITING]
        for trial in waiting[::-1][: max(0, -lacking)]:
            self._withdraw(trial)

    def _begun(self) -> int:
        """Trials that are settled, or that some process trains."""
        return sum(self._ended(trial) or trial.state == TrialState.RUNNING for trial in self._trials())

    def _withdraw(self, trial: FrozenTrial) -> None:
        if self._storage.set_trial_state_values(self._id(trial.number), TrialState.RUNNING):
            self._release(trial.number)

    def _id(self, number: int) -> int:
        """The key of a trial in the database."""
        if number not in self._ids:
            self._ids[number] = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        return self._ids[number]

    def _release(self, number: int) -> None:
        """Give a trial back; no sign that it is deadly."""
        try:
            self._storage.set_trial_user_attr(self._id(number), "released", True)
            self._storage.set_trial_state_values(self._id(number), TrialState.FAIL)
        except UpdateFinishedTrialError:
            pass  # it was settled a moment ago

    def _give_back(self, *, waiting: bool = True) -> None:
        """Give back the trials of this process; the leader also takes back what it planned."""
        self._storage.remove_session()  # Ctrl-C may have struck inside it
        for number in tuple(self._alive):
            self._release(number)
        self._alive.clear()
        for trial in self._trials() if waiting else ():
            if trial.state == TrialState.WAITING:
                self._withdraw(trial)

    def _claim(self) -> tuple[Trial, Suggestion] | None:
        """A planned trial that nobody else has, if there is one."""
        for waiting in self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            trial_id = self._id(waiting.number)
            try:
                self._storage.record_heartbeat(trial_id)  # first: without one it could never be found silent
                if not self._storage.set_trial_state_values(trial_id, TrialState.RUNNING):
                    continue
                self._alive.add(waiting.number)
                return self._drawn(plan_of(waiting).place, partial(Trial, self._study, trial_id))
            except UpdateFinishedTrialError:  # withdrawn, or found silent while it was drawn: it is planned again
                self._alive.discard(waiting.number)
        return None

    def _train(
        self,
        objective: Callable[[Suggestion], Outcome],
        failures: tuple[type[HwcostError], ...],
        crew: Crew | None,
        running: dict[int, tuple[Trial, float]],
    ) -> bool:
        """Settle one trial, with the crew the one that ends first; False where there is none to train."""
        if crew is None:
            if (claimed := self._claim()) is None:
                return False
            self._evaluate(objective, *claimed, failures)
            return True
        while len(running) < crew.size and (claimed := self._claim()) is not None:
            running[claimed[1].number] = claimed[0], time.perf_counter()
            crew.start(claimed[1])
        if not running:
            return False
        self._collect(crew, running, failures)
        return True

    def _drawn(self, place: int, ask: Callable[[], Trial]) -> tuple[Trial, Suggestion]:
        trial, suggestion = super()._drawn(place, ask)
        if self._spec.warm:
            self.fetch(suggestion.parent)
        return trial, suggestion

    def _settle(
        self, trial: Trial, started: float, result: Outcome | Exception, failures: tuple[type[HwcostError], ...]
    ) -> None:
        """Store the weights first, so that a finished trial always has them."""
        try:
            if isinstance(result, Outcome) and self._files(trial.number).exists():
                trial.set_user_attr("weights", self._weights.keep(self._files(trial.number), trial))
            super()._settle(trial, started, result, failures)
        except UpdateFinishedTrialError:
            pass  # this process was silent for too long, and somebody else trains it
        finally:
            if not isinstance(result, BadStudy):
                self._alive.discard(trial.number)

    def _kept(self, number: int) -> dict[str, str]:
        return {"weights": self._weights.keep(self._files(number), self._study)}

    def _died(self, trial: Trial) -> None:
        self._alive.discard(trial.number)
        try:
            self._storage.set_trial_state_values(self._id(trial.number), TrialState.FAIL)
        except UpdateFinishedTrialError:
            pass  # found silent before

    def _offer_float(self) -> None:
        if "weights" not in self._study.user_attrs and self._files(None).exists():
            self._study.set_user_attr("weights", self._weights.keep(self._files(None), self._study))
