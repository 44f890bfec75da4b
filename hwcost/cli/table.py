"""Tables on standard output."""

from rich import box
from rich.console import Console
from rich.table import Table

WIDEST_TABLE = 132  # characters


def table(*headers: str) -> Table:
    """Table whose columns are as wide as their content, so that nothing is cut off."""
    made = Table(*headers, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in made.columns:
        column.no_wrap = True
    return made


def console() -> Console:
    """Standard output, at least as wide as the widest table, on a terminal and in a pipe."""
    found = Console()
    return found if found.width >= WIDEST_TABLE else Console(width=WIDEST_TABLE)
