"""Another study than the stored one is refused, with both values of each entry that differs."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.distributions import IntDistribution
from optuna_study import OBJECTIVES, SPACE, opened, uninterrupted

from hwcost.errors import BadStudy
from hwcost.search import JOURNAL


def test_another_fingerprint_is_refused(tmp_path: Path) -> None:
    uninterrupted(tmp_path, 1)
    content = (tmp_path / JOURNAL).read_bytes()
    network = "\n".join(f"layer {number}" for number in range(40))
    for changes, part in (
        ({"fingerprint": {"recipe": "letter", "epochs": 3}}, r"recipe was 'toy', now 'letter'"),
        ({"fingerprint": {"recipe": "toy", "epochs": 4}}, r"epochs was 3, now 4"),
        ({"fingerprint": {"recipe": "toy"}}, r"epochs was 3, now absent"),
        ({"fingerprint": {"recipe": "toy", "epochs": 3, "network": network}}, r"network was absent, now 'layer 0"),
        ({"seed": 8}, r"seed was 7, now 8"),
        ({"sampler": "random"}, r"sampler was 'tpe', now 'random'"),
        ({"objectives": OBJECTIVES[:1]}, r"objectives was 'maximize accuracy, minimize LUT', now 'maximize accuracy'"),
        ({"space": SPACE | {"bits": IntDistribution(2, 7)}}, r'space was \.\.\..*"high": 8.*"high": 7'),
        ({"anchors": [{"bits": 2}]}, r"anchors was '\[\]', now"),
    ):
        with pytest.raises(BadStudy, match=part) as raised, opened(tmp_path, **changes):
            pass
        assert "another --out" in str(raised.value)
        assert "\n" not in str(raised.value)
        assert (tmp_path / JOURNAL).read_bytes() == content
    with opened(tmp_path, fingerprint={"epochs": 3, "recipe": "toy"}, space=dict(reversed(SPACE.items()))) as study:
        assert len(study.frame()) == 1  # order is no difference
