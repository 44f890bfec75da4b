"""The style of figures: colours that follow the page, text that can be read, the same bytes each time."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import matplotlib
import pytest
from matplotlib.colors import to_rgb

from hwcost.report.style import (
    _VARIABLES,
    INK,
    RAMP,
    SERIES,
    Drawing,
    house_style,
    inline_svg,
    picture,
    quiet,
    readable_on,
    sheet,
)


def luminance(color: str) -> float:
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("color", [*RAMP, *SERIES, "#ffffff", "#000000"])
def test_text_on_a_colour_can_be_read_or_has_the_better_contrast(color: str) -> None:
    chosen = readable_on(color)
    light, dark = sorted((luminance(chosen), luminance(color)), reverse=True)
    other = readable_on("#000000" if chosen == readable_on("#ffffff") else "#ffffff")
    high, low = sorted((luminance(other), luminance(color)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= min(4.3, (high + 0.05) / (low + 0.05))


def test_colours_that_the_page_swaps_are_unique() -> None:
    assert len({color.lower() for color in (*_VARIABLES, *SERIES, *RAMP)}) == len(_VARIABLES) + len(SERIES) + len(RAMP)


def drawing(name: str = "pareto") -> Drawing:
    with house_style():
        figure, axes = sheet(3, 2)
        (line,) = axes.plot([1, 2], [3, 4], color=INK)
        line.set_gid("point-7")
        axes.set_title("A < B & C")
        return Drawing(name=name, figure=figure, alternative='trials "a" < b', points={"7": (7, "trial 7: 9 & more")})


def test_a_notebook_shows_a_figure_in_its_style() -> None:
    figure = drawing().figure
    shown = figure._repr_png_()  # type: ignore[attr-defined] # what notebooks look for
    assert shown.startswith(b"\x89PNG") and int.from_bytes(shown[16:20], "big") == 330
    assert matplotlib.rcParams["savefig.facecolor"] == "auto"


def test_an_inline_figure_has_the_colours_of_the_page_and_ids_of_its_own() -> None:
    with house_style():
        text = inline_svg(drawing())
    root = ET.fromstring(text)
    assert root.get("aria-label") == 'trials "a" < b' and root.get("role") == "img"
    assert INK not in text and "var(--ink)" in text and "DejaVu" not in text and "var(--font)" in text
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert ids and all(str(each).startswith("pareto-") for each in ids)
    (point,) = (element for element in root.iter() if element.get("data-trial"))
    assert point.get("data-trial") == "7" and point[0].text == "trial 7: 9 & more"


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_same_study_gives_the_same_bytes(kind: str) -> None:
    with house_style():
        assert picture(drawing(), kind) == picture(drawing(), kind)


def test_the_settings_of_matplotlib_are_put_back() -> None:
    before = dict(matplotlib.rcParams)
    with house_style():
        assert matplotlib.rcParams["svg.fonttype"] == "none"
        _, axes = sheet(1, 1)
        quiet(axes)
        assert not any(spine.get_visible() for spine in axes.spines.values())
    assert dict(matplotlib.rcParams) == before
