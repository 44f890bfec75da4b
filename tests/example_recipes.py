"""The example recipes of many jobs, which a test and `benchmarks/tasks.py` run."""

from pathlib import Path

TASKS = Path(__file__).parents[1] / "examples" / "tasks"
MOST_LINES = 39
"""Lines that an example may take of its own."""


def own_lines(path: Path) -> int:
    """Lines that are neither empty, nor imports, nor documentation."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return sum(bool(line) and not line.startswith(('"""', "import ", "from ", "#")) for line in lines)
