"""Picture of a routed design: where the cells of each unit lie, how full the part is, its clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hwcost.build.route.flow import JOINT, Routed
from hwcost.models.device import Device
from hwcost.report.style import FAINT, INK, MUTED, PAPER, SERIES, Drawing, house_style, picture, quiet, sheet

COLORS = tuple(color for color in SERIES if color != "#8a8f98")
"""Colours of the largest units; grey is for the others."""

WIDTH, HEIGHT = 7.2, 5.0
"""Size in inches."""


def floorplan(routed: Routed, device: Device, order: Sequence[str], *, kind: str = "png") -> bytes:
    """Draw a routed design.

    Args:
        routed: the design.
        device: the part.
        order: its units, in the order of the legend.
        kind: "png", "svg" or "pdf".

    Returns:
        The content of the file.
    """
    with house_style():
        figure, axes = sheet(WIDTH, HEIGHT)
        colors = colors_of(routed, order)
        _die(axes, routed, colors)
        _names(figure, routed, colors)
        fills = ", ".join(
            f"{routed.used[area]:,} {words} ({routed.used[area] / device.capacity[area]:.0%})"
            for area, words in (("LUT", "LUT4"), ("FF", "FF"), ("BRAM18", "block RAM"), ("DSP", "DSP"))
        )
        axes.set_title(f"{device.name}: {fills}; {routed.fmax_mhz:.1f} MHz", color=INK)
        drawing = Drawing(name="floorplan", figure=figure, alternative=f"Floorplan on {device.name}")
        return picture(drawing, kind)


def colors_of(routed: Routed, order: Sequence[str]) -> dict[str, str]:
    """Unit -> colour: the units with most LUTs, in the order given; all others are grey."""
    luts = Counter({unit: amounts["LUT"] for unit, amounts in routed.units.items() if unit != JOINT})
    largest = {unit for unit, _ in luts.most_common(len(COLORS))}
    named = [unit for unit in order if unit in largest]
    return dict(zip(named, COLORS, strict=False))


def _die(axes: Axes, routed: Routed, colors: dict[str, str]) -> None:
    """One square for each tile with logic, in the colour of the unit that has most of it; block RAM and DSP framed."""
    tiles: dict[tuple[int, int], Counter[str]] = {}
    blocks: dict[tuple[int, int], str] = {}
    for cell in routed.cells:
        if cell.kind in ("LUT", "FF"):
            tiles.setdefault((cell.x, cell.y), Counter())[cell.unit] += 1
        elif cell.kind in ("BRAM18", "DSP"):
            blocks[cell.x, cell.y] = cell.unit
    for (x, y), units in tiles.items():
        ((unit, _),) = units.most_common(1)
        density = 0.35 + 0.65 * min(1.0, units.total() / 16)  # a tile has eight LUTs and eight flip-flops
        axes.add_patch(Rectangle((x, y), 1, 1, color=colors.get(unit, MUTED), alpha=density, linewidth=0))
    for (x, y), unit in blocks.items():
        axes.add_patch(
            Rectangle((x, y), 1, 1, facecolor=colors.get(unit, MUTED), edgecolor=INK, linewidth=0.8, zorder=3)
        )
    columns, rows = max(cell.x for cell in routed.cells) + 1, max(cell.y for cell in routed.cells) + 1
    axes.add_patch(Rectangle((0, 0), columns, rows, fill=False, edgecolor=FAINT, linewidth=0.8))
    axes.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal", xticks=(), yticks=(), facecolor=PAPER)
    quiet(axes)


def _names(figure: Figure, routed: Routed, colors: dict[str, str]) -> None:
    """The legend: units with their LUTs, and what they add to the slowest path."""
    path = routed.path_by_unit
    units = routed.units
    handles, labels = [], []
    for unit, color in colors.items():
        ns = sum(path.get(unit, {}).values())
        labels.append(f"{unit}: {units[unit]['LUT']:,} LUT4" + (f", {ns:.1f} ns of the slowest path" if ns else ""))
        handles.append(Rectangle((0, 0), 1, 1, color=color))
    rest = sum(amounts["LUT"] for unit, amounts in units.items() if unit not in colors)
    if rest:
        labels.append(f"all other units: {rest:,} LUT4")
        handles.append(Rectangle((0, 0), 1, 1, color=MUTED))
    handles.append(Rectangle((0, 0), 1, 1, facecolor="none", edgecolor=INK))
    labels.append("framed: block RAM or DSP")
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
