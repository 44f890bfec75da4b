"""Listeners of a sweep: none hears of what is never told."""

from __future__ import annotations

from hwcost.sweep import process_pool, progress
from hwcost.sweep.listener import Listener


def hooks(kind: type) -> set[str]:
    return {name for name, value in vars(kind).items() if callable(value) and not name.startswith("_")}


def test_a_hook_that_a_listener_overrides_is_one_that_is_told() -> None:
    """A renamed one would go silent."""
    heard = {
        name
        for module in (progress, process_pool)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Listener) and kind is not Listener
        for name in hooks(kind)
    }
    assert heard and heard <= hooks(Listener)
    assert hooks(Listener) - heard == set(), "nobody in the package listens to these"
