"""Networks and recipes that a command names: what is wrong with them is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Hwcost, refused


@pytest.mark.parametrize("command", ["sweep", "estimate"])
@pytest.mark.parametrize(
    ("where", "content", "parts"),
    [
        ("digitz", "", ["digitz", "digits", "fashion-mnist"]),
        ("no.such.module:recipe", "", ["no.such.module", "ModuleNotFoundError"]),
        ("lost.py:recipe", "", ["lost.py", "no such file"]),
        ("mine.py:recipe", "recipe = (", ["mine.py", "SyntaxError", "line 1"]),
        ("mine.py:recipe", "x = 1\ny = x / 0", ["ZeroDivisionError", "mine.py:2"]),
        ("mine.py:recipe", "raise RuntimeError('first\\nsecond')", ["first; second"]),
        ("mine.py:recipe", "import sys\nsys.exit(0)", ["SystemExit"]),
        ("mine.py:recipe", "import nothing_of_that_name", ["nothing_of_that_name", "mine.py:1"]),
        ("mine.py:recipe", "other = 1", ["'recipe'", "mine.py"]),
        ("mine.py:", "other = 1", ["mine.py:"]),
        ("mine.py:recipe", "recipe = 1", ["int"]),
        ("mine.py:recipe", "from hwcost import Recipe\nrecipe = Recipe(name='x')", ["TypeError", "float_network"]),
    ],
)
def test_a_recipe_that_does_not_import(
    hwcost: Hwcost, tmp_path: Path, command: str, where: str, content: str, parts: list[str]
) -> None:
    (tmp_path / "mine.py").write_text(content)
    refused(hwcost(command, where), *parts)


def test_a_recipe_finds_the_modules_beside_it(hwcost: Hwcost, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "beside.py").write_text("from hwcost.zoo.lenet import QuantLeNet as Net\n")
    (folder / "mine.py").write_text("from beside import Net\n")
    assert hwcost("estimate", "elsewhere/mine.py:Net", "--input", "3,32,32").status == 0
