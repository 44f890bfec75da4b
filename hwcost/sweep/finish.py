"""`hwcost finish`: the front of a study trained further, repeated with other seeds, and refit; no new proposals."""

from hwcost.errors import BadOption, BadStudy
from hwcost.search import Crew
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.finalists import measure_on_test, refit_front, repeat_front, survivors
from hwcost.sweep.float_baseline import measure_baseline_on_test
from hwcost.sweep.further_parts import fronts_on_parts
from hwcost.sweep.listener import Listener
from hwcost.sweep.run import Result, result_of
from hwcost.sweep.session import Session, session
from hwcost.sweep.study_files import read_run, write_json
from hwcost.sweep.trial import FAILURES


def finish(
    experiment: Experiment,
    *,
    polish: int = 0,
    repeat: int = 0,
    refit: int = 0,
    listener: Listener | None = None,
    crew: Crew | None = None,
) -> Result:
    """Finish the front of an existing study, and write its report again.

    The only trials that it adds are those of `polish`, which train on from front trials. A call after Ctrl-C or a kill
    does what is left of `repeat` and `refit`.

    Args:
        experiment: of the study; `hwcost.sweep.study_files.read_settings` reads its settings from the folder.
        polish: rounds in which the front trains on: all of it, then half of it twice as long, and so on.
        repeat: trainings of each front trial with other seeds, for mean and standard deviation.
        refit: epochs that each front trial trains on with the validation samples too, for deployment.
        listener: hears of the progress.
        crew: trains several trials of `polish` at once; None trains one after the other, in this process.

    Returns:
        How it ended.

    Raises:
        BadOption: nothing to do, a negative number, or polish without warm starts.
        BadStudy: no such study, one without a finished trial, or as `hwcost.sweep.run.run`.
    """
    for name, amount in (("polish", polish), ("repeat", repeat), ("refit", refit)):
        if amount < 0:
            raise BadOption(f"{name}={amount}: give a whole number, at least 0")
    if not (polish or repeat or refit):
        raise BadOption("finish: nothing to do; give --polish ROUNDS, --repeat SEEDS or --refit EPOCHS")
    if polish and experiment.settings.warm is None:
        raise BadOption(
            f"polish={polish}: a trial that trains on starts from its own weights; it needs a study with --warm"
        )
    out = experiment.settings.out
    record = read_run(out)
    with session(experiment, listener, crew) as opened:
        if not opened.standing().finished:
            raise BadStudy(f"{out}: no trial finished, so there is no front; call `hwcost sweep` to add some")
        whole = _polished(opened, polish)
        measure_on_test(experiment, opened.data, opened.study)
        whole = whole and _trained_again(opened, repeat, refit)
        parts = fronts_on_parts(experiment, opened.data, opened.study)
        baseline = measure_baseline_on_test(experiment, opened.data)
        write_json(out / "run.json", {**record, "float": baseline, "parts": parts})
        return result_of(opened, parts, interrupted=not whole)


def _polished(opened: Session, rounds: int) -> bool:
    """Train the front on, round by round; False if Ctrl-C ended it."""
    for rung in range(1, rounds + 1):
        chosen = survivors(opened.standing().front, opened.experiment, rung)
        for row in chosen:
            opened.study.enqueue(row["params"], 2 ** (rung - 1))
        opened.listener.trials_added(len(chosen))
        if opened.train(len(chosen)).interrupted:
            return False
    return True


def _trained_again(opened: Session, seeds: int, epochs: int) -> bool:
    """Repeat and refit the front; False if Ctrl-C ended it, which keeps what is done."""
    given = opened.experiment, opened.data, opened.study
    try:
        if seeds:
            opened.listener.phase_started("repetitions, with other seeds")
            repeat_front(*given, seeds, FAILURES, opened.listener.epoch_done)
        if epochs:
            opened.listener.phase_started("refits, with the validation samples")
            refit_front(*given, epochs, FAILURES, opened.listener.epoch_done)
    except KeyboardInterrupt:
        return False
    return True
