"""A report of the made-up study, written once; a browser, started once, and pages opened in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_up_study import made_up_run, made_up_trials
from page_views import Opened, settled

from hwcost.report import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "new" / "study"
    assert write_report(path, made_up_trials(), made_up_run()) == path / "index.html"
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: no page was opened; pip install 'hwcost[test]'"
    )
    if CHROMIUM is None:
        pytest.skip("no Chromium here: no page was opened; apt-get install chromium")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Opened]:
    """Open a file at a width and in a scheme; an error of the page fails the test, and so does a request."""
    contexts: list[Any] = []
    wrong: list[str] = []
    asked: list[str] = []
    files: set[str] = set()

    def open_page(file: Path, view: tuple[int, str] = (1400, "light"), fragment: str = "") -> Any:
        context = browser.new_context(
            viewport={"width": view[0], "height": 900},
            color_scheme=view[1],
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("request", lambda request: asked.append(request.url.partition("#")[0]))
        files.add(file.as_uri())
        page.goto(file.as_uri() + fragment, wait_until="load")
        settled(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
    assert {url for url in asked if not url.startswith("data:")} <= files


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """The page of a made-up study of so many trials, written once."""
    written: dict[int, Path] = {}

    def page(count: int) -> Path:
        if count not in written:
            written[count] = write_report(tmp_path_factory.mktemp("page"), made_up_trials(count), made_up_run())
        return written[count]

    return page
