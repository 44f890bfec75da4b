"""Hypervolume, trial by trial."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_study import made_up_run, made_up_trials
from optuna._hypervolume import compute_hypervolume

from hwcost.report import progress_figures, read_study
from hwcost.report.progress_figures import hypervolume_course
from hwcost.report.volume_scale import VolumeScale


def test_hypervolume_course_agrees_with_optuna_at_every_trial() -> None:
    study = read_study(made_up_trials(), made_up_run())
    losses, course = 1 - VolumeScale.of([study]).scaled(study.complete), hypervolume_course(study)
    assert losses.min() == 0
    assert losses.max() == 1
    for count in range(1, len(losses) + 1):
        assert course[count - 1] == pytest.approx(compute_hypervolume(losses[:count], np.ones(3)), abs=1e-12)


def test_of_many_changes_some_are_measured_and_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    study = read_study(made_up_trials(), made_up_run())
    whole = hypervolume_course(study)
    assert len(np.unique(whole)) > 3
    monkeypatch.setattr(progress_figures, "MOST_VOLUMES", 2)
    course = hypervolume_course(study)
    assert course[-1] == whole[-1] and (course <= whole).all() and (np.diff(course) >= 0).all()
    assert 1 < len(np.unique(course[course > 0])) <= 2
