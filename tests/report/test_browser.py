"""The page in a real Chromium: every figure drawn, nothing too small, nothing cut, nothing out of reach."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_up_study import made_up_run, made_up_trials
from page_views import VIEWS, Opened, settled

from hwcost.report import read_study, write_comparison, write_report

pytestmark = pytest.mark.slow

LARGEST_PAGE = 15_000_000
SMALLEST_TEXT = 11
COUNTS = (1, 30, 5000)

Studies = Callable[[int], Path]

TEXTS = """() => {
  const small = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const parent = node.parentElement;
    if (!node.data.trim() || !parent.checkVisibility() || parent.closest('script,style,.unseen')) continue;
    const svg = parent.closest('svg'), scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
    const size = scale * parseFloat(getComputedStyle(parent).fontSize);
    if (size < %d) small.push(`${size}: ${node.data.trim()}`);
  }
  return small;
}"""


def violations(page: Any) -> str:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    found = axe.Axe().run(page)
    return str(found.generate_report()) if found.violations_count else ""


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("count", COUNTS)
def test_everything_is_drawn_legible_and_within_the_page(
    studies: Studies, opened: Opened, count: int, view: tuple[int, str]
) -> None:
    page = opened(studies(count), view, "#trial-0")
    sizes = page.eval_on_selector_all(
        "main svg:not(.legend svg)",
        "all => all.filter(s => s.checkVisibility()).map(s => [s.clientWidth, s.clientHeight])",
    )
    assert len(sizes) >= (1 if count == 1 else 6) and all(min(size) > 40 for size in sizes)
    assert page.evaluate("document.documentElement.scrollWidth") <= view[0]
    assert page.evaluate(TEXTS % SMALLEST_TEXT) == []
    cut = "all => all.filter(c => c.scrollWidth > c.clientWidth + 1).map(c => c.textContent)"
    assert page.eval_on_selector_all("main td, #panel td", cut) == []
    assert "trial 0" in page.inner_text("#panel-title").lower()
    assert violations(page) == ""


def test_five_thousand_trials_are_small_and_quick(studies: Studies, opened: Opened) -> None:
    """Time is reported, not asserted: a test depends on no load. The bounds are those of the page's size and nodes."""
    file = studies(5000)
    assert file.stat().st_size < LARGEST_PAGE
    page = opened(file)
    ready = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    print(f"{file.stat().st_size / 1e6:.1f} MB, loaded in {ready / 1000:.2f} s")
    assert page.locator("#rows tr").count() == 100 and page.evaluate("document.querySelectorAll('*').length") < 40_000
    front = len(read_study(made_up_trials(5000), made_up_run()).front)
    assert page.locator("#chart .front").count() == front
    page.fill("#filter", "LUT < 4k")
    page.click("#more-rows")
    assert page.locator("#rows tr").count() > 100


@pytest.mark.parametrize("view", VIEWS)
def test_the_first_column_stays_while_the_table_scrolls(
    studies: Studies, opened: Opened, view: tuple[int, str]
) -> None:
    page = opened(studies(30), view)
    region = page.locator("section:has(#points) .scroll")
    left = "e => e.querySelector('#rows th').getBoundingClientRect().left - e.getBoundingClientRect().left"
    hinted = "hidden-right" in region.get_attribute("class")
    assert hinted == region.evaluate("e => e.scrollWidth > e.clientWidth + 4")
    region.evaluate("e => e.scrollTo(1e6, 0)")
    settled(page)
    assert abs(region.evaluate(left)) < 1 and "hidden-right" not in region.get_attribute("class")
    headings = page.locator("#heads th").all_inner_texts()
    assert "latency, us" in headings or "interval, cycles" in headings
    assert "seed" not in headings and headings[0] == "trial"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_map_of_widths_has_a_scale_of_its_own_on_dark_pages(studies: Studies, opened: Opened, scheme: str) -> None:
    page = opened(studies(30), (1400, scheme))
    shade = """(e, level) => {
      const found = e.querySelector('td.' + level);
      return found && getComputedStyle(found).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b);
    }"""
    board = page.locator("#bits-map")
    narrow, wide = (board.evaluate(shade, level) for level in ("r0", "r6"))
    assert (narrow > wide) == (scheme == "light")
    assert "conv1 (Conv2d)" in board.inner_text()


def test_a_choice_that_a_page_does_not_offer_is_its_first(tmp_path: Path, opened: Opened) -> None:
    """Constants in the fabric take no block RAM: nothing to colour by, whatever other pages have."""
    file = write_report(tmp_path, made_up_trials(30).assign(BRAM18=0.0, latency_us=0.37), made_up_run())
    for fragment in ("", "#x=nonsense&color=BRAM18&bars=URAM"):
        page = opened(file, (1400, "light"), fragment)
        assert [page.input_value(name) for name in ("#x", "#color", "#bars-of")] == ["LUT", "", "LUT"]
        assert page.locator("#legend").inner_text().split("\n")[:2] == ["dominated", "front"]
        assert "0.37" in page.locator("#rows tr").first.locator("td").all_inner_texts()


def test_beyond_the_worst_there_are_no_steps(tmp_path: Path, opened: Opened) -> None:
    trials = made_up_trials(30)
    lowest, highest = trials["accuracy"].min(), trials["accuracy"].max()
    for worst, words in (((lowest + highest) / 2, ["dominated", "beyond the worst"]), (1.0, ["beyond the worst"])):
        objectives: list[dict[str, Any]] = [
            {"name": "accuracy", "direction": "maximize", "worst": worst},
            {"name": "LUT", "direction": "minimize"},
        ]
        run = made_up_run(objectives=objectives)
        page = opened(write_report(tmp_path, trials, run))
        front = read_study(trials, run).front
        steps = page.locator("#chart .stairs").get_attribute("d")
        assert steps.count("H") == len(front) and page.locator("#chart .front").count() == len(front)
        told = page.locator("#legend span").first.inner_text().strip()
        assert told == " or ".join(words) and (", " in page.inner_text("#legend") or "front" not in told)
        cells = set(page.locator("#rows td:nth-child(2)").all_inner_texts())
        assert "beyond the worst" in cells and ("dominated" in cells) == ("dominated" in words)


@pytest.mark.parametrize("float_score", [0.9, 0.95, 0.985])
def test_the_name_of_the_float_line_hides_no_front_point(tmp_path: Path, opened: Opened, float_score: float) -> None:
    """A flat front at the height of the line, at the left of the picture."""
    rows = [
        {"number": at, "state": "COMPLETE", "accuracy": accuracy, "LUT": luts, "BRAM18": 2.0}
        for at, (accuracy, luts) in enumerate([(0.9, 100.0), (0.95, 110.0), (0.951, 115.0), (0.985, 900.0)])
    ]
    page = opened(write_report(tmp_path, pd.DataFrame(rows), made_up_run(float={"validation": float_score})))
    text = page.locator("#chart text", has_text=f"float {100 * float_score:.2f} %").bounding_box()
    for found in ("front", "whisker"):
        for box in (one.bounding_box() for one in page.locator(f"#chart .{found}").all()):
            beside = box["x"] > text["x"] + text["width"] or box["x"] + box["width"] < text["x"]
            apart = box["y"] > text["y"] + text["height"] or box["y"] + box["height"] < text["y"]
            assert beside or apart, (found, box, text)


def test_on_paper_nothing_asks_for_a_click(studies: Studies, opened: Opened) -> None:
    page = opened(studies(30))
    page.emulate_media(media="print")
    assert not page.locator("#filter").is_visible() and "click" not in page.inner_text("body").lower()
    assert page.evaluate(TEXTS % SMALLEST_TEXT) == []


def test_the_page_of_a_running_study_loads_itself_again_and_keeps_what_was_chosen(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwcost.report.page.RELOAD_S", 1)
    file = write_report(tmp_path, made_up_trials(30), made_up_run(), running=True)
    page = opened(file)
    page.fill("#filter", "LUT < 9k")
    page.select_option("#x", "FF")
    page.locator("#rows [data-pick]").first.click()
    number = page.locator("#rows [data-pick]").first.get_attribute("data-pick")
    page.evaluate("scrollTo(0, 500); document.activeElement.blur(); window.old = true")
    page.wait_for_function("window.old === undefined")
    settled(page)
    assert page.input_value("#filter") == "LUT < 9k" and page.input_value("#x") == "FF"
    assert page.inner_text("#panel-title") == f"Trial {number}" and abs(page.evaluate("scrollY") - 500) < 3
    page.focus("#filter")  # who is typing is not disturbed
    page.evaluate("window.old = true")
    page.wait_for_timeout(1500)
    assert page.evaluate("window.old")


@pytest.mark.parametrize("view", VIEWS)
def test_the_comparison_is_a_page_too(opened: Opened, tmp_path: Path, view: tuple[int, str]) -> None:
    studies = {str(seed): read_study(made_up_trials(30, seed), made_up_run(seed=seed)) for seed in range(3)}
    page = opened(write_comparison(tmp_path, studies), view)
    wide = "all => all.map(e => e.classList.contains('hidden-right') === (e.scrollWidth > e.clientWidth + 4))"
    assert all(page.eval_on_selector_all(".scroll", wide))
    assert (page.locator(".hidden-right").count() > 0) == (view[0] == 390)
    assert page.evaluate("document.documentElement.scrollWidth") <= view[0]
    assert page.evaluate(TEXTS % SMALLEST_TEXT) == []
    assert violations(page) == ""
