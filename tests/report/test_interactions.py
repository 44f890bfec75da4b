"""What a reader does with the page, in a real Chromium, at three sizes, on a light and on a dark page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_up_study import made_up_run, made_up_trials
from page_views import VIEWS, Opened, settled

from hwcost.report import read_study, write_report

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("view", VIEWS)]

Studies = Callable[[int], Path]
View = tuple[int, str]
TRIALS = made_up_trials(30)
STUDY = read_study(TRIALS, made_up_run())
FRONT = [int(number) for number in STUDY.front["number"]]


def on_top(page: Any, selector: str) -> None:
    """Bring an element to the top of the window, below the filter and above the panel of a small screen."""
    page.evaluate(f"scrollTo(0, scrollY + document.querySelector({selector!r}).getBoundingClientRect().top - 130)")
    settled(page)


def at(page: Any, number: int, figure: str = "#chart") -> tuple[float, float]:
    box = page.locator(f'{figure} .front[data-trial="{number}"]').first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def selected(page: Any) -> list[int]:
    found = re.search(r"#trial-([\d,]+)", page.evaluate("location.hash"))
    return [int(number) for number in found[1].split(",")] if found else []


def dominated(page: Any) -> tuple[float, float]:
    """Where the last dominated trial of the main chart is."""
    box = page.locator("#chart").bounding_box()
    x, y = map(float, re.findall(r"M([\d.]+) ([\d.]+)", page.locator("#chart .dots").nth(1).get_attribute("d"))[-1])
    return box["x"] + x, box["y"] + y


def tooltip(page: Any) -> str:
    return str(page.inner_text("#tip")) if page.locator("#tip").is_visible() else ""


def test_a_click_shows_a_trial_without_a_jump_and_shift_compares(studies: Studies, opened: Opened, view: View) -> None:
    page = opened(studies(30), view)
    on_top(page, "#chart")
    before = page.evaluate("scrollY")
    page.mouse.click(*at(page, FRONT[1]))
    assert selected(page) == [FRONT[1]] and page.inner_text("#panel-title") == f"Trial {FRONT[1]}"
    page.mouse.click(*at(page, FRONT[3]))
    assert selected(page) == [FRONT[3]]
    page.keyboard.down("Shift")
    page.mouse.click(*at(page, FRONT[0]))
    page.mouse.click(*dominated(page))
    page.keyboard.up("Shift")
    assert selected(page)[:2] == [FRONT[3], FRONT[0]] and len(selected(page)) == 3
    assert selected(page)[2] not in FRONT
    assert page.evaluate("scrollY") == before
    page.check("#adding")
    page.mouse.click(*at(page, FRONT[0]))
    assert FRONT[0] not in selected(page)
    page.click("#panel-clear")
    assert selected(page) == []


def test_a_rectangle_selects_what_is_in_it(studies: Studies, opened: Opened, view: View) -> None:
    page = opened(studies(30), view)
    on_top(page, "#chart")
    wanted = FRONT[2:5]
    places = [at(page, number) for number in wanted]
    left, right = min(x for x, _ in places) - 3, max(x for x, _ in places) + 3
    top, bottom = min(y for _, y in places) - 3, max(y for _, y in places) + 3
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(left + 20, top + 20)
    page.mouse.move(right, bottom, steps=3)
    page.mouse.up()
    assert set(wanted) <= set(selected(page)) and len(selected(page)) < len(TRIALS) / 2


def test_every_point_can_be_reached_with_the_keys(studies: Studies, opened: Opened, view: View) -> None:
    page = opened(studies(30), view)
    page.focus("#chart")
    told = set()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
        told.add(int(re.match(r"trial (\d+)", page.inner_text("#said"))[1]))  # type: ignore[index] # fails where there is none
    low = page.evaluate("document.getElementById('chart').hiddenPoints")
    assert len(told) == len(STUDY.complete) - low and set(FRONT) < told
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    first = selected(page)
    page.keyboard.press("End")
    page.keyboard.press("Shift+Enter")
    assert len(selected(page)) == 2 and selected(page)[0] == first[0]
    assert page.inner_text("#panel-title") == "2 trials compared"


def test_the_panel_compares_line_by_line(studies: Studies, opened: Opened, view: View) -> None:
    one, other = FRONT[0], FRONT[-1]
    page = opened(studies(30), view, f"#trial-{one},{other}")
    lines = page.eval_on_selector_all("#panel .chip", "all => all.map(e => getComputedStyle(e).borderBottom)")
    assert len(set(lines)) == 2 and all(line.startswith("3px solid") for line in lines)  # as the rings in the chart
    rows = {
        row[0]: row[1:]
        for row in page.eval_on_selector_all(
            "#panel tbody tr", "all => all.map(row => [...row.cells].map(cell => cell.innerText))"
        )
    }
    table = TRIALS.set_index("number")
    for column, number in enumerate((one, other)):
        trial = table.loc[number]
        assert rows["LUT"][column].startswith(f"{trial['LUT']:,.0f}")
        low, high = (float(end) for end in rows["validation, %"][column].split("\n")[1].split(" – "))
        assert low < 100 * trial["accuracy"] < high
        assert rows["fits"][column].startswith("yes" if trial["fits"] else "no")
        layer = trial["layers"][1]
        assert rows["conv1 (Conv2d)"][column] == f"{layer['weight_bits']} / {layer['activation_bits']}"
    page.focus("#layer-view")
    page.select_option("#layer-view", "LUT")
    cells = page.locator("#panel table").nth(1).locator("tbody tr").nth(1).locator("td").all_inner_texts()
    assert [int(cell.replace(",", "")) for cell in cells] == [
        round(table.loc[number]["layers"][1]["LUT"]) for number in (one, other)
    ]
    assert page.evaluate("document.activeElement.id") == "layer-view"
    assert page.locator("#curves .line").count() == 2
    page.locator(f'[data-drop="{one}"]').click()
    assert selected(page) == [other]


def test_a_command_is_copied(tmp_path: Path, opened: Opened, view: View) -> None:
    run = made_up_run(trial_command="hwcost train --from it --trial {number}",
                      commands={"export": "hwcost export it --trial {number} -o trial-{number}.onnx"})  # fmt: skip
    page = opened(write_report(tmp_path, TRIALS, run), view, f"#trial-{FRONT[0]}")
    for name, words in (("train", f"hwcost train --from it --trial {FRONT[0]}"),
                        ("export", f"hwcost export it --trial {FRONT[0]} -o trial-{FRONT[0]}.onnx")):  # fmt: skip
        button = page.get_by_role("button", name=f"copy the command {name} of trial {FRONT[0]}")
        button.click()
        page.wait_for_function("button => button.textContent === 'copied'", arg=button.element_handle())
        assert page.evaluate("navigator.clipboard.readText()") == words
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    button.click()
    assert page.evaluate("String(getSelection())") == words


def test_a_link_opens_trials_and_back_works(studies: Studies, opened: Opened, view: View) -> None:
    page = opened(studies(30), view, f"#trial-{FRONT[2]}")
    assert page.inner_text("#panel-title") == f"Trial {FRONT[2]}" and page.evaluate("scrollY") == 0
    link = page.locator('main a[href^="#trial-"]').first
    link.click()
    linked = int(link.inner_text())
    assert selected(page) == [linked]
    page.go_back()
    assert page.inner_text("#panel-title") == f"Trial {FRONT[2]}" and selected(page) == [FRONT[2]]
    page.go_forward()
    assert page.inner_text("#panel-title") == f"Trial {linked}"
    page.fill("#filter", "LUT < 9k & fits = yes")
    page.select_option("#x", "cycles")
    page.select_option("#xscale", "log")
    page.uncheck("#noise")
    page.reload()
    settled(page)
    assert page.input_value("#filter") == "LUT < 9k & fits = yes" and page.input_value("#x") == "cycles"
    assert page.input_value("#xscale") == "log" and not page.is_checked("#noise") and selected(page) == [linked]


def test_the_table_has_all_trials_front_first_and_sorts_both_ways(studies: Studies, opened: Opened, view: View) -> None:
    page = opened(studies(30), view)
    numbers = page.eval_on_selector_all("#rows tr", "all => all.map(row => +row.dataset.trial)")
    assert set(numbers) == set(TRIALS["number"]) and numbers[: len(FRONT)] == FRONT
    assert "failed" in page.locator("#rows tr").last.inner_text()
    for column, heading in enumerate(page.locator("#heads th").all_inner_texts()):
        key = page.locator("#heads th").nth(column).get_attribute("data-key")
        for way in ("ascending", "descending"):
            page.locator("#heads button").nth(column).click()
            assert page.locator("#heads th").nth(column).get_attribute("aria-sort") == way, heading
            order = page.eval_on_selector_all("#rows tr", "all => all.map(row => +row.dataset.trial)")
            if key in ("LUT", "accuracy", "number"):
                values = TRIALS.set_index("number")["LUT" if key == "number" else key].reindex(order)
                values = pd.Series(order) if key == "number" else values.dropna()
                assert list(values) == sorted(values, reverse=way == "descending"), heading


def test_what_is_clicked_is_in_the_table_whatever_the_filter(studies: Studies, opened: Opened, view: View) -> None:
    page = opened(studies(30), view)
    page.fill("#filter", f"trial != {FRONT[1]} and LUT < 100")
    assert page.locator("#rows tr").count() == 0 and page.locator("#chart .front").count() == 0
    page.evaluate(f"location.hash = '#trial-{FRONT[1]}&filter=LUT<100'")
    page.locator(f"#row-{FRONT[1]}").wait_for()
    assert "outside the filter" in page.inner_text(f"#row-{FRONT[1]}")


COMPLETE = STUDY.complete
KNOWN = STUDY.trials  # those that failed have parameters, the running one has costs too
FILTERS = [
    ("LUT < 9k", KNOWN["LUT"] < 9000),
    ("lut<9,000", KNOWN["LUT"] < 9000),
    ("LUT <= 9000.5 LUT", KNOWN["LUT"] <= 9000.5),
    ("fits = yes", KNOWN["fits"] == True),  # noqa: E712 # a column of objects
    ("fits is no", KNOWN["fits"] == False),  # noqa: E712
    ("accuracy > 97", 100 * KNOWN["accuracy"] > 97),
    ("Validation ≥ 97 %", 100 * KNOWN["accuracy"] >= 97),
    ("bram < 20, lut < 9,000", (KNOWN["BRAM18"] < 20) & (KNOWN["LUT"] < 9000)),
    ("front = yes", KNOWN["number"].isin(FRONT)),
    ("budget > 0.5", KNOWN["params"].map(lambda row: row["budget"] > 0.5)),
    ("fits = no; interval, cycles = 900", (KNOWN["fits"] == False) & (KNOWN["cycles"] == 900)),  # noqa: E712
    ("cycles != 900", KNOWN["cycles"].notna() & (KNOWN["cycles"] != 900)),
    ("state = complete", KNOWN["state"] == "COMPLETE"),
]  # fmt: skip
WRONG = [
    ("f < 3", "“f” may be"),
    ("colour = 3", "no quantity is called “colour”"),
    ("LUT < many", "“many” is no number"),
    ("LUT", "is no condition"),
    ("fits > yes", "fits is no number"),
]


def test_the_filter_takes_what_the_page_shows(studies: Studies, opened: Opened, view: View) -> None:
    page = opened(studies(30), view)
    shown = "all => all.map(row => +row.dataset.trial)"
    for words, fits in FILTERS:
        page.fill("#filter", words)
        assert page.get_attribute("#filter", "aria-invalid") == "false", page.inner_text("#filtered")
        assert set(page.eval_on_selector_all("#rows tr", shown)) == set(KNOWN[fits]["number"]), words
    for words, told in WRONG:
        page.fill("#filter", words)
        assert page.get_attribute("#filter", "aria-invalid") == "true" and told in page.inner_text("#filtered")
        assert page.locator("#rows tr").count() == len(TRIALS)


def test_axes_scales_noise_and_test_scores(studies: Studies, opened: Opened, view: View) -> None:
    page = opened(studies(30), view)
    assert page.locator("#chart .whisker").count() == len(FRONT) == page.locator("#chart .test").count()
    page.uncheck("#noise")
    page.uncheck("#test")
    assert page.locator("#chart .whisker").count() == 0 == page.locator("#chart .test").count()
    keys = page.eval_on_selector_all("#x option", "all => all.map(one => one.value)")
    assert {"LUT", "FF", "BRAM18", "cycles", "fps"} <= set(keys)
    for key in keys:
        page.select_option("#x", key)
        assert page.locator("#chart .front").count() == len(FRONT), key
    page.select_option("#x", "LUT")
    spread = []
    for kind in ("linear", "log"):
        page.select_option("#xscale", kind)
        spread.append(at(page, FRONT[1])[0] - at(page, FRONT[0])[0])
        assert ("(log)" in page.inner_text("#chart")) == (kind == "log")
    assert spread[0] != spread[1]
    for kind in ("linear", "error"):
        page.select_option("#yscale", kind)
        assert ("log of the error" in page.inner_text("#chart")) == (kind == "error")
    page.select_option("#color", "")
    assert page.locator("#chart .front.r0").count() == 0


def test_the_limit_of_the_part_is_drawn_where_it_says_something(studies: Studies, opened: Opened, view: View) -> None:
    page = opened(studies(30), view)
    unfit = STUDY.front[STUDY.front["fits"] == False]  # noqa: E712 # a column of objects
    assert page.locator("#chart .cross").count() == len(unfit)
    luts = COMPLETE["LUT"]
    assert page.locator("#chart .beyond").count() == int(luts.min() < 17600 < luts.max())
    page.select_option("#x", "DSP")
    assert page.locator("#chart .beyond").count() == 0 and page.locator("#chart .cross").count() == len(unfit)
    if len(unfit):
        on_top(page, "#chart")
        page.select_option("#x", "LUT")
        page.mouse.move(*at(page, int(unfit["number"].iloc[-1])))
        assert "does not fit the xc7z010: " in tooltip(page) and "of 17,600 LUT" in tooltip(page)


def test_every_figure_has_tooltips(studies: Studies, opened: Opened, view: View) -> None:
    page = opened(studies(30), view)
    for figure in ("#chart", "#resources .chart"):
        on_top(page, figure)
        page.mouse.move(*at(page, FRONT[2], figure))
        assert tooltip(page).startswith(f"trial {FRONT[2]}") and "95 %" in tooltip(page)
    for figure, says in (
        ("#bits-map td.cell", "bits of weights"), ("#bars .stack i", "%"), ("#widths-map rect.cell", "bits in epochs"),
        ("#widths-score svg", "epoch"), ("#course svg", "hypervolume"),
    ):  # fmt: skip
        on_top(page, figure)
        box = page.locator(figure).first.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert says in tooltip(page), figure
    on_top(page, "#parallel-lines")
    box = page.locator("#parallel-lines").bounding_box()
    d = page.locator("#parallel-lines .front").first.get_attribute("d")
    (x0, y0), (x1, y1) = ((float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", d)[:2])
    page.mouse.move(box["x"] + (x0 + x1) / 2, box["y"] + (y0 + y1) / 2)
    assert tooltip(page).startswith("trial ")
    page.mouse.down()
    page.mouse.up()
    assert len(selected(page)) == 1


def test_bars_show_any_resource_as_amount_and_share(studies: Studies, opened: Opened, view: View) -> None:
    page = opened(studies(30), view)
    widths = "all => all.map(stack => [...stack.children].reduce((sum, i) => sum + parseFloat(i.style.width), 0))"
    amounts = page.eval_on_selector_all("#bars .stack", widths)
    assert max(amounts) == pytest.approx(100, abs=0.1) and min(amounts) < 90
    page.check("#share")
    assert page.eval_on_selector_all("#bars .stack", widths) == pytest.approx([100] * len(amounts), abs=0.1)
    page.select_option("#bars-of", "BRAM18")
    total = TRIALS.set_index("number").loc[FRONT[0]]["layers"]
    assert page.locator("#bars .total").first.inner_text() == f"{sum(layer['BRAM18'] for layer in total):,.0f}"


def test_widths_of_any_selected_trial_while_it_trained(studies: Studies, opened: Opened, view: View) -> None:
    other = int(COMPLETE[~COMPLETE["on_front"]]["number"].iloc[0])
    page = opened(studies(30), view, f"#trial-{other}")
    assert f"Trial {other}:" in page.inner_text("#widths-words")
    epochs = TRIALS.set_index("number").loc[other]["epochs"]
    runs = sum(
        1 + sum(a["widths"][name] != b["widths"][name] for a, b in pairwise(epochs)) for name in epochs[0]["widths"]
    )
    assert page.locator("#widths-map rect.cell").count() == runs
    page.select_option("#widths", str(FRONT[0]))
    assert f"Trial {FRONT[0]}:" in page.inner_text("#widths-words")


@pytest.mark.parametrize("tensors", [17, 60])
def test_widths_of_many_tensors_can_be_read(tmp_path: Path, opened: Opened, view: View, tensors: int) -> None:
    names = [f"block{at // 4}.conv{at % 4} weights" for at in range(tensors)]
    trials = made_up_trials(4)
    epochs = [
        {"epoch": e + 1, "accuracy": 0.9, "widths": {n: 8 - (e + i) // 9 % 5 for i, n in enumerate(names)}}
        for e in range(30)
    ]
    trials["epochs"] = [epochs] * len(trials)
    page = opened(write_report(tmp_path, trials, made_up_run()), view)
    ends = "all => all.map(one => one.getBoundingClientRect()).map(box => [box.top, box.bottom, box.left])"
    boxes = page.eval_on_selector_all("#widths-map text.ink", ends)
    assert len(boxes) == tensors
    assert all(upper[1] <= lower[0] + 3 for upper, lower in pairwise(boxes))
    assert min(box[2] for box in boxes) >= 0


def test_parallel_coordinates_are_picked_and_brushed(studies: Studies, opened: Opened, view: View) -> None:
    page = opened(studies(30), view)
    axes = page.locator("#parallel-lines .handle")
    before = axes.count()
    assert "LUT (log)" in page.inner_text("#parallel-lines")
    page.click("summary")
    page.locator('#axes input[value="FF"]').uncheck()
    assert axes.count() == before - 1
    on_top(page, "#parallel-lines")
    handle = page.locator('[data-axis="LUT"]')
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(middle, box["y"] + box["height"] * 0.8, steps=3)
    page.mouse.move(middle, box["y"] + box["height"], steps=3)
    page.mouse.up()
    low, high = map(float, re.findall(r"[\d.]+", page.input_value("#filter")))
    luts = COMPLETE["LUT"]
    assert low == pytest.approx(luts.min(), rel=0.01) and high == pytest.approx(
        (luts.min() * luts.max()) ** 0.5, rel=0.05
    )
    assert page.locator("#rows tr").count() == int(KNOWN["LUT"].between(low, high).sum())
    page.mouse.click(middle, box["y"] + box["height"] / 2)
    assert page.input_value("#filter") == ""


def test_what_is_shown_of_a_score_that_is_no_accuracy(tmp_path: Path, opened: Opened, view: View) -> None:
    """No interval of samples where the score is no share of them, and no axis of errors where less is better."""
    objectives = [{"name": "accuracy", "direction": "minimize"}, *made_up_run()["objectives"][1:]]
    run = made_up_run(score={"name": "RMSE", "direction": "minimize", "unit": "mm"}, objectives=objectives)
    page = opened(write_report(tmp_path, TRIALS, run), view)
    assert page.locator("#chart .whisker").count() == 0 and page.locator("#noise").count() == 0
    assert "accuracy" not in page.inner_text("main") and "RMSE" in page.inner_text("#chart")
    assert "smaller is better" in page.inner_text("#chart")
    assert json.loads(page.locator("#data").text_content())["score"]["name"] == "RMSE"
