"""Every block of code in docs/ is run, page by page, from top to bottom, as a reader would."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest

from hwcost.cli import main

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# ([\w.]+\.py)\n")
"""A first line that names a file: the reader keeps the block under that name."""

EXTRA = re.compile(r"# pip install (?:'hwcost\[(\w+)\]'|(\w+))\n")
"""A first line that asks for a package, or an extra of its name; without it the block is reported as not run."""

BEFORE = {"how-to/hand-over.md": "ten-minutes.md"}
"""Pages that continue where another one ends; the two are run together."""


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of each block, in order."""
    return FENCE.findall((DOCS / page).read_text(encoding="utf-8"))


def run_commands(text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        assert words[0] == "hwcost", f"{line}: no command that this test runs"
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        assert ended.value.code == 0, (line, shown.err)
        assert shown.out


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page not in BEFORE.values()])
def test_the_blocks_of_a_page_run_as_they_are(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = [BEFORE[page], page] if page in BEFORE else [page]
    found = [block for one in pages for block in blocks(one)]
    assert sum((DOCS / one).read_text(encoding="utf-8").count("```") for one in pages) == 2 * len(found)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    space: dict[str, object] = {"__name__": f"docs.{page}"}
    missing: list[str] = []
    for language, text in found:
        assert language in ("python", "bash"), f"{page}: a block of {language or 'no language'}"
        if language == "bash":
            run_commands(text, monkeypatch, capsys)
            continue
        extra = EXTRA.match(text)
        if extra is not None:
            package = extra[1] or extra[2]
            if find_spec(package) is None:
                missing.append(package)
                continue
            warnings.simplefilter("ignore")  # of a package that is not ours; pytest restores them
        name = NAMED.match(text)
        if name is not None:
            (tmp_path / name[1]).write_text(text)
        exec(compile(text, f"docs/{page}", "exec"), space)
    for name in ("mine", "cells"):
        sys.modules.pop(f"_hwcost_recipe_{name}", None)
    if missing:
        pytest.skip(f"{page}: all blocks were run but those that need {', '.join(missing)}")


def test_the_reference_is_rendered_from_one_entry_for_each_parameter_and_from_examples_under_a_heading() -> None:
    pytest.importorskip("griffe", reason="mkdocstrings is not installed; pip install 'hwcost[docs]'")
    as_google_style = runpy.run_path(str(DOCS / "extensions" / "docstrings.py"))["as_google_style"]
    written = (
        "Clip.\n\nArgs:\n    x: values,\n        any shape.\n    low, high: bounds,\n        inclusive.\n\n"
        "Raises:\n    BadOption: a, b: always.\n\n>>> clip(3, 0, 2)\n2\n"
    )
    assert as_google_style(written) == (
        "Clip.\n\nArgs:\n    x: values,\n        any shape.\n    low: bounds,\n        inclusive.\n"
        "    high: bounds,\n        inclusive.\n\n"
        "Raises:\n    BadOption: a, b: always.\n\nExamples:\n    >>> clip(3, 0, 2)\n    2\n"
    )


def test_every_page_is_in_the_menu_and_every_file_it_names_exists() -> None:
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in PAGES:
        assert f" {page}\n" in menu, page
        for path in re.findall(
            r"`((?:examples|reports|hwcost)/[\w./-]+\.\w+)`", (DOCS / page).read_text(encoding="utf-8")
        ):
            assert (ROOT / path).exists() or path.startswith("reports/tutorial"), (page, path)
