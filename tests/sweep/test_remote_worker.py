"""The settings of a worker: those of its leader, at the places of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwcost.errors import BadStudy
from hwcost.sweep.remote_worker import _settings
from hwcost.sweep.settings import Settings
from hwcost.sweep.spelling import Role

SENT = Settings(out=Path("/there/s"), recipe="mine.py:recipe", seed=7, bits=(2, 5), data=Path("/there/sets"))


def sent() -> dict[str, object]:
    return {"recipe": SENT.recipe, **SENT.to_dict(Role.STUDY, Role.RESOLVED)}


def test_the_study_is_the_leaders_and_the_places_are_ours(tmp_path: Path) -> None:
    found = _settings(sent(), "s", None, tmp_path, Path("/here/sets"))
    assert (found.recipe, found.seed, found.bits) == ("mine.py:recipe", 7, (2, 5))
    assert (found.out, found.data) == (tmp_path, Path("/here/sets"))
    assert _settings(sent(), "s", "other.py:recipe", tmp_path, None).recipe == "other.py:recipe"
    assert _settings(sent(), "s", None, tmp_path, None).data is None


@pytest.mark.parametrize("changes", [{"colour": "red"}, {"seed": "many"}, {"bits": [9, 2]}])
def test_settings_of_another_version_are_one_error(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(BadStudy, match="study s: led by another version of hwcost"):
        _settings(sent() | changes, "s", None, tmp_path, None)
