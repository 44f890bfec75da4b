"""The parent of a warm trial: the nearest by quantization steps, the latest of equals, or the float network."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from hwcost.errors import BadOption
from hwcost.search.nearest_trial import check_ordered, nearest

SPACE = {"a": IntDistribution(2, 8), "b": IntDistribution(2, 8)}


def trial(number: int, a: int, b: int, state: TrialState = TrialState.COMPLETE) -> Any:
    done = create_trial(
        params={"a": a, "b": b},
        distributions=SPACE,
        values=[0.0] if state == TrialState.COMPLETE else None,
        state=state,
    )
    done.number = number
    return done


def test_the_parent_is_the_nearest_finished_trial_the_latest_of_equals_or_the_float_network() -> None:
    trials = [
        trial(0, 4, 4),
        trial(1, 2, 6),
        trial(2, 3, 3, TrialState.FAIL),
        trial(3, 4, 4),
        trial(4, 3, 3, TrialState.RUNNING),
    ]
    assert nearest({"a": 3, "b": 3}, trials, SPACE) == (3, 1 / 16)  # steps of 1/8 after 1/16
    assert nearest({"a": 2, "b": 7}, trials, SPACE) == (1, 0.0)  # finer is no way to go
    assert nearest({"a": 8, "b": 7}, trials, SPACE) == (None, 1 / 512)  # 1/128 after 1/256, of two widths
    assert nearest({"a": 2, "b": 2}, [], SPACE) == (None, 1 / 4 - 1 / 256)
    assert nearest({"a": 7, "b": 3}, trials, SPACE) == (3, 1 / 32)
    # By bits trial 0 would be as near; by steps there is nearly nothing between five bits and the float network.
    assert nearest({"a": 6, "b": 6}, trials, SPACE) == (None, 1 / 64 - 1 / 256)
    # As near as the float network: what is quantized goes first.
    assert nearest({"a": 8, "b": 8}, [trial(0, 8, 8)], SPACE) == (0, 0.0)


def test_distances_need_whole_numbers() -> None:
    check_ordered(SPACE)
    with pytest.raises(BadOption, match="parameter budget is no whole number; give --bits"):
        check_ordered(SPACE | {"budget": FloatDistribution(1, 2)})
