"""A study held open: whose folder it is, and a report that is ahead of its journal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_recipe
from sweeps import experiment

from hwcost.errors import BadStudy
from hwcost.search import MARK
from hwcost.sweep.session import _check_published, session, weights_of


class Sized:
    """A study that has a number of trials."""

    def __init__(self, trials: int) -> None:
        self.size = lambda: trials


def test_a_report_with_more_trials_than_the_journal_is_not_written_over(tmp_path: Path) -> None:
    _check_published(tmp_path, Sized(0))  # type: ignore[arg-type] # its size is all
    rows = [{"number": number, "state": "COMPLETE"} for number in range(4)]
    (tmp_path / "trials.json").write_text(json.dumps({"trials": rows}))
    _check_published(tmp_path, Sized(4))  # type: ignore[arg-type]
    with pytest.raises(BadStudy, match="its report has trials up to 3, its journal only 3 trials; restore the journal"):
        _check_published(tmp_path, Sized(3))  # type: ignore[arg-type]
    (tmp_path / "trials.json").write_text("{")
    _check_published(tmp_path, Sized(0))  # type: ignore[arg-type] # torn: it is written again


def test_the_folder_of_a_shared_study_is_not_opened_alone(tmp_path: Path) -> None:
    (tmp_path / MARK).write_text("{}")
    with (
        pytest.raises(BadStudy, match="its study is in a database; set HWCOST_STORAGE and HWCOST_ARTIFACTS"),
        session(experiment(tiny_recipe.recipe, tmp_path), None, None),
    ):
        pass


def test_a_session_trains_and_tells(tmp_path: Path, undrawn: None) -> None:
    sweep = experiment(tiny_recipe.recipe, tmp_path)
    with session(sweep, None, None) as held:
        assert (held.done, held.standing().finished, held.input_step) == (0, 0, 1 / 16)
        assert held.prices is None and held.data.name == "made"
        assert (tmp_path / "study.journal").exists()


def test_weights_have_a_place_by_number(tmp_path: Path) -> None:
    place = weights_of(tmp_path)
    assert place(7) == tmp_path / "checkpoints" / "trial-0007.pt"
    assert place(None) == tmp_path / "checkpoints" / "float.pt"
