"""Hypervolume, trial by trial."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_study import made_up_run, made_up_trials
from optuna._hypervolume import compute_hypervolume

from hwcost.report import read_study
from hwcost.report.progress_figures import hypervolume_course
from hwcost.report.volume_scale import VolumeScale


def test_hypervolume_course_agrees_with_optuna_at_every_trial() -> None:
    study = read_study(made_up_trials(), made_up_run())
    losses, course = 1 - VolumeScale.of([study]).scaled(study.complete), hypervolume_course(study)
    assert losses.min() == 0
    assert losses.max() == 1
    for count in range(1, len(losses) + 1):
        assert course[count - 1] == pytest.approx(compute_hypervolume(losses[:count], np.ones(3)), abs=1e-12)
