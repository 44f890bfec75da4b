"""Tables on standard output, as wide as the terminal and not wider."""

from collections.abc import Collection, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table


def print_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: Collection[str] = (),
    spare: Sequence[str] = (),
    styles: Mapping[int, str] | None = None,
) -> list[str]:
    """Print a table whose rows are one line each.

    Where it is still too wide without the columns that can be spared, names in the first column lose their starts, as
    long as all stay different. No other cell is ever cut off.

    Args:
        headers: names of the columns.
        rows: a cell per column.
        left: columns of words; the others are numbers, aligned right.
        spare: columns that are left out, the first of them first, where the terminal is too narrow for all.
        styles: number of a row -> its style.

    Returns:
        Names of the columns that were left out.
    """
    width, boundless = Console().width, Console(width=10**6)
    left_out: list[str] = []
    while True:
        shown = [name for name in headers if name not in left_out]
        made = _table(headers, shown, rows, left, styles or {})
        needed = boundless.measure(made).maximum
        spared = [name for name in spare if name in shown]
        if needed <= width or not spared:
            break
        left_out.append(spared[0])
    if needed > width and (shorter := _shortened([row[0] for row in rows], needed - width)) is not None:
        short = [[name, *row[1:]] for name, row in zip(shorter, rows, strict=True)]
        made = _table(headers, shown, short, left, styles or {})
        needed = width
    Console(width=max(needed, width)).print(made)
    return left_out


def _shortened(names: Sequence[str], by: int) -> list[str] | None:
    """Leave the starts of the longest names out; None where two names would read the same."""
    most = max(map(len, names)) - by
    short = [name if len(name) <= most else f"…{name[len(name) + 1 - most :]}" for name in names]
    return short if most > 1 and len(set(short)) == len(set(names)) else None


def _table(
    headers: Sequence[str],
    shown: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: Collection[str],
    styles: Mapping[int, str],
) -> Table:
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in shown:
        made.add_column(name, no_wrap=True, justify="left" if name in left else "right")
    for number, row in enumerate(rows):
        made.add_row(
            *(cell for name, cell in zip(headers, row, strict=True) if name in shown), style=styles.get(number)
        )
    return made


def say(line: str) -> None:
    """Print a line of text; the terminal breaks it where it must, a pipe gets it whole."""
    Console().print(line, highlight=False, soft_wrap=True, markup=False)


def say_left_out(names: Sequence[str], where: str) -> None:
    """Print which columns a narrow terminal had no room for, and where they are."""
    if names:
        say(f"Left out at {Console().width} characters: {', '.join(names)}; {where}.")
