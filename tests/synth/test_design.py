"""The designed corpus: some of every group, the same each time, no unit twice."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")


from hwcost.models.calibration.corpus import KINDS
from hwcost.synth.design import COUNTS, GROUPS, corpus


def test_groups_are_mixed_and_a_longer_corpus_begins_with_the_shorter() -> None:
    few, more = corpus(dict.fromkeys(GROUPS, 2)), corpus(dict.fromkeys(GROUPS, 3))
    assert len(few) == len(set(few)) == 2 * len(GROUPS) and set(few) < set(more)
    assert {unit.kind for unit in few[: len(GROUPS)]} == set(KINDS) - {"unit"}
    assert corpus(dict.fromkeys(GROUPS, 2)) == few != corpus(dict.fromkeys(GROUPS, 2), seed=7)


def test_every_group_has_a_count() -> None:
    assert set(COUNTS) == set(GROUPS) and min(COUNTS.values()) > 0
