"""The scale of hypervolumes: of one study, and of several together."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_study import made_up_run, made_up_trials

from hwcost.report import Study, read_study
from hwcost.report.progress_figures import hypervolume_course
from hwcost.report.volume_scale import VolumeScale

TWO = made_up_run()["objectives"][:2]


def study(seed: int = 0, **changes: object) -> Study:
    return read_study(made_up_trials(30, seed), made_up_run(seed=seed, **changes))


def test_the_ends_are_the_worst_and_the_best_finished_trial_of_all_studies() -> None:
    studies = [study(seed) for seed in range(3)]
    scale = VolumeScale.of(studies)
    points = np.concatenate([scale.scaled(one.complete) for one in studies])
    np.testing.assert_allclose([points.min(0), points.max(0)], [[0, 0, 0], [1, 1, 1]], atol=1e-12)
    luts = np.log1p(np.concatenate([one.column("LUT") for one in studies]))
    np.testing.assert_allclose(points[:, 1], (luts.max() - luts) / np.ptp(luts), atol=1e-12)


def test_alone_a_front_has_the_volume_that_its_page_ends_with() -> None:
    one = study()
    scale = VolumeScale.of([one])
    assert scale.volume(scale.scaled(one.front)) == pytest.approx(hypervolume_course(one)[-1])


def test_studies_of_other_objectives_are_compared_in_score_and_cost() -> None:
    plain, three = study(0, objectives=TWO), study(1)
    assert VolumeScale.of([plain, three]).objectives == (("accuracy", "maximize"), ("LUT", "minimize"))
    assert VolumeScale.of([three, three]).objectives == three.objectives


def test_what_is_worse_than_every_finished_trial_adds_nothing_and_what_is_unknown_neither() -> None:
    one = study(0, objectives=TWO)
    scale = VolumeScale.of([one])
    worse = one.front.assign(accuracy=one.column("accuracy").min() - 0.1)
    assert scale.volume(scale.scaled(worse)) == 0
    assert scale.volume(scale.scaled(one.front.assign(accuracy=np.nan))) == 0


def test_an_objective_that_never_varies_is_one_throughout() -> None:
    trials = made_up_trials(10).assign(BRAM18=4.0)
    one = read_study(trials, made_up_run())
    assert (VolumeScale.of([one]).scaled(one.complete)[:, 2] == 1).all()


def test_trials_beyond_the_worst_add_nothing() -> None:
    objectives = made_up_run()["objectives"]
    trials = made_up_trials(30)
    found = []
    for worst in (0.0, float(trials["accuracy"].median()), 1.0):
        study = read_study(trials, made_up_run(objectives=[{**objectives[0], "worst": worst}, *objectives[1:]]))
        scale = VolumeScale.of([study])
        found.append(hypervolume_course(study)[-1])
        assert found[-1] == pytest.approx(scale.volume(scale.scaled(study.front)))
    assert found[0] > found[1] > found[2] == 0
