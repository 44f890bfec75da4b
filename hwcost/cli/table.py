"""Tables on standard output, for people."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

WIDEST_TABLE = 132  # characters


def table(*headers: str) -> Table:
    """A table that loses nothing: its columns are as wide as what they hold."""
    made = Table(*headers, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in made.columns:
        column.no_wrap = True
    return made


def console() -> Console:
    """Standard output; never narrower than our widest table, on a terminal or in a pipe."""
    found = Console()
    return found if found.width >= WIDEST_TABLE else Console(width=WIDEST_TABLE)
