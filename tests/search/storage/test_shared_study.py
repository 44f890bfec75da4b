"""A shared study, one process at a time: what it plans, and weights that were never kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.distributions import IntDistribution

from hwcost.errors import BadStudy
from hwcost.search import Objective, Outcome, Share, StudySpec, Suggestion, lead_study

SPEC = StudySpec(
    objectives=(Objective("loss", "minimize"),), seed=3, sampler="random", space={"x": IntDistribution(0, 1000)}
)


@pytest.mark.slow
def test_it_settles_as_many_as_were_asked_for_and_names_weights_that_nobody_kept(tmp_path: Path) -> None:
    done: list[int] = []
    place = Share(f"sqlite:///{tmp_path / 'studies.db'}", str(tmp_path / "weights"), 1)
    files = lambda number: tmp_path / f"{number}.pt"  # noqa: E731
    with lead_study(place, tmp_path / "study", SPEC, files=files, settings={}) as study:
        end = study.run(outcome, trials=2, on_trial=done.append)
        assert (end.done, end.stopped, end.interrupted) == (2, False, False) and done == [1, 2]
        assert study.run(outcome, trials=5, stop=lambda: True).stopped
        end = study.run(outcome, trials=5, on_trial=done.append, stop=lambda: len(done) == 3)
        assert (end.done, end.stopped) == (1, True)
        assert sorted(study.frame()["state"]) == [*["COMPLETE"] * 3, *["FAIL"] * (len(study.frame()) - 3)]
        study.check_not_led()  # it was left in order
        for number in (None, 1):
            with pytest.raises(BadStudy, match=rf"{number}\.pt: its weights were never kept"):
                study.fetch(number)
        files(1).write_text("weights")
        study.fetch(1)  # they are here


def outcome(suggestion: Suggestion) -> Outcome:
    return Outcome((float(suggestion.params["x"]),))
