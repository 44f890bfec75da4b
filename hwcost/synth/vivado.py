"""Reads Vivado's utilisation report: flat totals, or one line per instance."""

import re
from pathlib import Path

from hwcost.errors import BadData

FLAT = {
    "CLB LUTs": "LUT", "Slice LUTs": "LUT", "CLB Registers": "FF", "Slice Registers": "FF",
    "Block RAM Tile": "BRAM18", "URAM": "URAM", "DSPs": "DSP", "DSP Slices": "DSP",
}  # fmt: skip
"""Line of a flat report -> resource. A tile is two BRAM18."""

COLUMNS = {
    "Total LUTs": ("LUT", 1), "FFs": ("FF", 1), "RAMB36": ("BRAM18", 2), "RAMB18": ("BRAM18", 1), "URAM": ("URAM", 1),
    "DSP Blocks": ("DSP", 1), "DSP48 Blocks": ("DSP", 1), "DSP Slices": ("DSP", 1),
}  # fmt: skip
"""Column of a hierarchical report -> (resource, how many)."""


def read_report(path: Path) -> dict[str, dict[str, float]]:
    """The text that `report_utilization` or `report_utilization -hierarchical` writes.

    Args:
        path: of the report.

    Returns:
        Instance -> resource -> amount; "" is the whole design.

    Raises:
        BadData: not a utilisation report.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise BadData(f"{path}: cannot be read: {error}") from None
    tables = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines if line.startswith("|")]
    found = _hierarchy(tables) or _flat(tables)
    if not found or "LUT" not in next(iter(found.values())):
        raise BadData(f"{path}: no utilisation report of Vivado; write one with report_utilization -file")
    return found


def _hierarchy(rows: list[list[str]]) -> dict[str, dict[str, float]]:
    """Instances by name; the first line is the whole design."""
    head = next((row for row in rows if "Instance" in row and "Total LUTs" in row), None)
    if head is None:
        return {}
    found: dict[str, dict[str, float]] = {}
    for row in rows[rows.index(head) + 1 :]:
        if len(row) != len(head) or not row[head.index("Total LUTs")].isdigit():
            continue
        amounts: dict[str, float] = {}
        for column, value in zip(head, row, strict=True):
            if column in COLUMNS:
                resource, times = COLUMNS[column]
                amounts[resource] = amounts.get(resource, 0.0) + times * float(value)
        name = row[head.index("Instance")]
        found["" if not found else name.strip("() ")] = amounts
    return found


def _flat(rows: list[list[str]]) -> dict[str, dict[str, float]]:
    amounts: dict[str, float] = {}
    for row in rows:
        name = row[0].rstrip("* ")
        resource = FLAT.get(name, "")
        if resource and len(row) > 1 and re.fullmatch(r"[\d.]+", row[1]) and resource not in amounts:
            amounts[resource] = float(row[1]) * (2 if resource == "BRAM18" else 1)
    return {"": amounts} if amounts else {}
