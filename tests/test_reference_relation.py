"""Random networks: what `trace` accepts runs on integers, costs and exports as one and the same network."""

import warnings

import pytest
from network_generator import Plan, drawn
from reference_relation import check, minimal

SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("start", "count"), [(0, 25), *(pytest.param(start, 35, marks=SLOW) for start in range(25, 200, 35))]
)
def test_random_networks_are_one_network_in_every_reading(start: int, count: int) -> None:
    """`python benchmarks/random_networks.py` runs as many as you like."""
    accepted = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of "same" padding with even kernels, and of the like
        for seed in range(start, start + count):
            plan = drawn(seed)
            outcome = check(plan)
            if outcome.verdict == "disagrees":
                small = minimal(plan, outcome.reason)
                raise AssertionError(f"{outcome.reason}\n{small}\n{check(small).detail}")
            accepted += outcome.verdict == "accepted" and outcome.samples > 0
    assert accepted >= 0.45 * count, f"{accepted} of {count} networks make sense; the generator draws six of ten"


def test_a_disagreement_is_found_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pooling that forgets one bit is found out, and everything that does not matter is left out."""
    from hwcost.integer.operations import Total

    honest = Total.__call__
    monkeypatch.setattr(Total, "__call__", lambda self, *streams: honest(self, *streams) + 1)
    seeds = [seed for seed in range(300) if any(node.kind == "avg_pool" for node in drawn(seed).nodes)]
    found: list[Plan] = []
    for seed in seeds[:30]:
        outcome = check(drawn(seed))
        if outcome.verdict == "disagrees":
            found.append(minimal(drawn(seed), outcome.reason))
            break
    assert found and len(found[0].nodes) <= 3
    assert any(node.kind == "avg_pool" for node in found[0].nodes)


def test_a_seed_always_gives_the_same_plan() -> None:
    assert str(drawn(17)) == str(drawn(17)) != str(drawn(18))
