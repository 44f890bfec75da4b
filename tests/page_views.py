"""How tests look at a page: sizes of windows, light and dark, and what all of them wait for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

VIEWS = [(width, scheme) for width in (1400, 800, 390) for scheme in ("light", "dark")]

Opened = Callable[..., Any]


def settled(page: Any) -> None:
    """Wait until what was asked for is drawn."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
