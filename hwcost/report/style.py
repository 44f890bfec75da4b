"""Style of the figures: colours follow the light or dark page of the reader, and text stays text."""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

# Colours of the light page; in the page each becomes a CSS variable, so that the dark page can swap them. Each is
# unique, because the swap finds it by its value.
INK, MUTED, FAINT, PAPER = "#1b1f24", "#5b6571", "#d5dae0", "#fefefe"
ACCENT, BEYOND = "#0a67b1", "#f6eee6"
# Okabe and Ito's palette, distinguishable with colour blindness; its black and yellow are not legible on both pages.
SERIES = ("#0171b1", "#e59e01", "#019e72", "#cb78a6", "#55b3e8", "#d45d01", "#8a8f98", "#a59a00")
# One hue, light to dark: BRAM18 and bit-widths. Text on it is ink below the middle and paper above.
RAMP = ("#dfe9f5", "#bcd3ea", "#8fb7dc", "#5c96c8", "#2f74ae", "#145390", "#08366b")

_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    FAINT: "--faint",
    PAPER: "--paper",
    ACCENT: "--accent",
    BEYOND: "--beyond",
}

TEXT = 8.0
"""Size of all text in points, at the size of the figure."""

_RC: dict[Any, object] = {
    "svg.fonttype": "none", "pdf.fonttype": 42,
    "svg.hashsalt": "hwcost", "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"],
    "font.size": TEXT, "text.color": INK, "axes.labelcolor": MUTED, "axes.edgecolor": MUTED, "axes.linewidth": 0.6,
    "axes.spines.top": False, "axes.spines.right": False, "xtick.color": MUTED, "ytick.color": MUTED,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.minor.width": 0.4, "ytick.minor.width": 0.4,
    "xtick.labelsize": TEXT, "ytick.labelsize": TEXT, "axes.labelsize": TEXT, "legend.fontsize": TEXT,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none", "savefig.facecolor": PAPER, "axes.titlesize": TEXT, "axes.titlelocation": "left",
    "axes.unicode_minus": True, "text.parse_math": False, "path.simplify": True,
}  # fmt: skip


_CELL_DARK, _CELL_LIGHT = "#12171d", "#fcfdff"  # on a coloured cell, the same on both pages


def readable_on(color: str) -> str:
    """Dark or light text, whichever has more contrast on a colour (WCAG relative luminance).

    >>> readable_on("#ffffff") < readable_on("#08366b")
    True
    """
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color))
    return _CELL_DARK if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 else _CELL_LIGHT


@dataclass(frozen=True, eq=False, kw_only=True)
class Drawing:
    """Figure ready for the page.

    Attributes:
        name: unique on the page.
        figure: the matplotlib figure.
        alternative: text alternative of the figure.
        points: trial number and words of every marker with the group id "point-<key>".
    """

    name: str
    figure: Figure
    alternative: str
    points: Mapping[str, tuple[int, str]] = field(default_factory=dict)


@contextmanager
def house_style() -> Iterator[None]:
    """Apply the style of every figure within the block; matplotlib's settings are restored after it."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


class _Sheet(Figure):
    """A figure that a notebook shows where it is the value of a cell, without the state of pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with house_style():
            self.savefig(buffer, format="png", dpi=_SCREEN_DPI)
        return buffer.getvalue()


_SCREEN_DPI = 110
"""Resolution in a notebook, whose text has about 12 pixels."""


def sheet(width: float, height: float) -> tuple[Figure, Axes]:
    """Create a figure of width x height inches with one axes."""
    figure = _Sheet(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def quiet(axes: Axes) -> None:
    """Remove frame and ticks, for maps and bars that carry their own labels."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def picture(drawing: Drawing, kind: str) -> bytes:
    """The figure as a stand-alone "svg", "pdf" or "png" on white paper, the same bytes for the same study."""
    buffer = io.BytesIO()
    drawing.figure.savefig(buffer, format=kind, dpi=300, metadata=_ANONYMOUS[kind])
    return buffer.getvalue()


# neither the date nor the version of the drawing library may change a file that shows the same study
_ANONYMOUS: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


def inline_svg(drawing: Drawing) -> str:
    """The figure as an <svg> element for the page: CSS colours, the page's font, ids of its own, words for markers."""
    text = picture(drawing, "svg").decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*<g id=\"patch_1\">.*?</g>", "", text, count=1, flags=re.DOTALL)  # the paper behind the figure
    for color, variable in _VARIABLES.items():
        text = text.replace(color, f"var({variable})")
    text = re.sub(r"((?:font: |font-family: )[^;\"]*?)'DejaVu Sans'[^;\"]*", r"\1var(--font)", text)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{drawing.name}-\1"', text)
    text = text.replace("url(#", f"url(#{drawing.name}-").replace('href="#', f'href="#{drawing.name}-')
    for key, (number, words) in drawing.points.items():
        group = f'<g id="{drawing.name}-point-{key}">'
        text = text.replace(group, f'{group[:-1]} class="point" data-trial="{number}"><title>{_escape(words)}</title>')
    head, body = text.split(">", 1)
    size = re.search(r'width="([\d.]+)pt"', head)
    width = float(size[1]) if size else 0.0
    view = re.search(r'viewBox="[^"]+"', head)
    label = _escape(drawing.alternative)
    size_on_page = f"--natural:{width * 1.5:.0f}px;width:100%;height:auto;max-width:var(--natural)"  # 12 px of text
    body = re.sub(r">\s+<", "><", body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'aria-label="{label}" style="{size_on_page}" {view[0] if view else ""}>'
        f"{body}"
    )


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
