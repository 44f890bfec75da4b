"""The page in a real Chromium: no error, no request, every figure drawn, and what can be clicked does what it says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_up_study import made_up_run, made_up_trials

from hwcost.report import read_study, write_comparison, write_report

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: no page was opened; pip install 'hwcost[test]'"
)
pytest.importorskip("axe_playwright_python", reason="axe is not installed: accessibility was not checked")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: no page was opened; apt-get install chromium"),
]
WIDTHS = (1400, 390)
LARGEST_PAGE = 15_000_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def opened(browser: Any, page_file: Path, width: int = 1400, scheme: str = "light") -> Any:
    """A page that fails the test if anything goes wrong in it, or if it asks for anything but itself."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, wrong, asked = context.new_page(), [], []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri(), wait_until="load")
    assert wrong == []
    assert [url for url in asked if not url.startswith("data:")] == [page_file.as_uri()]
    return page


def study(folder: Path, count: int) -> Path:
    return write_report(folder, made_up_trials(count), made_up_run())


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return study(tmp_path_factory.mktemp("page"), 30)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("count", [1, 30])
def test_every_figure_is_drawn_within_the_page(browser: Any, tmp_path: Path, count: int, width: int) -> None:
    page = opened(browser, study(tmp_path, count), width)
    sizes = page.eval_on_selector_all(
        "svg", "all => all.filter(s => s.checkVisibility()).map(s => [s.clientWidth, s.clientHeight])"
    )
    assert sizes and all(min(size) > 40 for size in sizes)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_five_thousand_trials(browser: Any, tmp_path: Path) -> None:
    file = study(tmp_path, 5000)
    assert file.stat().st_size < LARGEST_PAGE
    page = opened(browser, file)
    assert page.locator("#points tbody[data-trial]").count() == len(
        read_study(made_up_trials(5000), made_up_run()).front
    )


def test_sorting_is_by_number_both_ways(browser: Any, thirty: Path) -> None:
    page = opened(browser, thirty)
    for column, heading in enumerate(page.locator("#points > thead th").all_inner_texts()):
        for way in ("ascending", "descending"):
            page.locator("#points > thead th button").nth(column).click()
            head = page.locator("#points > thead th").nth(column)
            assert head.get_attribute("aria-sort") == way, heading
            cells = page.eval_on_selector_all(
                "#points tbody[data-trial]", f"all => all.map(b => parseFloat(b.rows[0].cells[{column}].dataset.value))"
            )
            known = [cell for cell in cells if cell == cell]
            assert known == sorted(known, reverse=way == "descending"), heading


def test_the_filter_shows_what_fits_and_says_what_it_cannot_read(browser: Any, thirty: Path) -> None:
    front = read_study(made_up_trials(30), made_up_run()).front
    page = opened(browser, thirty)
    most = float(front["LUT"].median())

    def shown() -> set[int]:
        return set(
            page.eval_on_selector_all(
                "#points tbody[data-trial]", "all => all.filter(b => !b.hidden).map(b => +b.dataset.trial)"
            )
        )

    for words, fits in (
        (f"LUT <= {most}", front["LUT"] <= most),
        (f"lut > {most}", front["LUT"] > most),
        ("validation > 97, BRAM18 < 20", (100 * front["accuracy"] > 97) & (front["BRAM18"] < 20)),
        ("", pd.Series(True, front.index)),
    ):
        page.fill("#filter", words)
        assert shown() == set(front[fits]["number"]), words
    page.fill("#filter", "colour = 3")
    assert shown() == set(front["number"])
    assert "give a heading" in page.inner_text("#filtered")


def test_a_click_on_a_point_opens_its_layers(browser: Any, thirty: Path) -> None:
    page = opened(browser, thirty)
    point = page.locator(".only-wide svg .point").first
    number = point.get_attribute("data-trial")
    row = page.locator(f"#more-{number}")
    assert not row.is_visible()
    point.dispatch_event("click")
    assert row.is_visible() and "conv1" in row.inner_text()
    page.locator(f"#trial-{number} td button").first.click()
    assert not row.is_visible()


def test_on_paper_nothing_asks_for_a_click(browser: Any, thirty: Path) -> None:
    page = opened(browser, thirty)
    page.emulate_media(media="print")
    assert not page.locator("#filter").is_visible() and "click" not in page.inner_text("body").lower()
    size = "e => parseFloat(getComputedStyle(e).fontSize)"
    share = page.locator(".marks .share").first
    assert share.evaluate(size) < share.locator("..").evaluate(size)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_contrast_labels_and_text_alternatives(browser: Any, thirty: Path, scheme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(opened(browser, thirty, width, scheme))
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_comparison_is_a_page_too(browser: Any, tmp_path: Path, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    studies = {str(seed): read_study(made_up_trials(30, seed), made_up_run(seed=seed)) for seed in range(3)}
    for width in WIDTHS:
        page = opened(browser, write_comparison(tmp_path, studies), width, scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
