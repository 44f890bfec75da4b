"""Commands and code of the README run exactly as they are printed there."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hwcost.cli import main

README = Path(__file__).parents[1] / "README.md"
TINY = Path(__file__).with_name("tiny_recipe.py")

SHORTER = {
    "hwcost sweep fashion-mnist": ["--trials", "1"],
    "hwcost sweep net.py:Net": ["--trials", "1"],
    "hwcost sweep mynet.py:recipe": ["--trials", "8"],
}
"""Options added to the commands that would run for minutes."""


def blocks(language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


def lines() -> list[list[str]]:
    """The calls of hwcost, without comments."""
    found = [shlex.split(line, comments=True) for block in blocks("bash") for line in block.splitlines()]
    return [line for line in found if line[:1] == ["hwcost"]]


def test_the_python_blocks_run_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert blocks("python")
    for block in blocks("python"):
        exec(compile(block, str(README), "exec"), {"__name__": "readme"})
    assert "conv1" in capsys.readouterr().out


def _files_of_a_user(folder: Path) -> None:
    """mynet.py with build and recipe, DIR with images like Fashion-MNIST's, net.py with a float network and samples."""
    source = TINY.read_text() + "\n\nfrom hwcost.zoo.lenet import QuantLeNet as build\n"
    (folder / "mynet.py").write_text(source)
    (folder / "DIR").mkdir()
    random = np.random.default_rng(0)
    arrays = {}
    for part, each in (("train", 12), ("test", 4)):
        arrays[f"y_{part}"] = np.tile(np.arange(10), each).astype(np.uint8)
        arrays[f"X_{part}"] = random.integers(0, 256, (10 * each, 28, 28), dtype=np.uint8)
    np.savez(folder / "DIR" / "fashion.npz", **arrays)
    (folder / "net.py").write_text(
        "from torch import nn\ndef Net(): return nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.Flatten(), nn.Linear(64, 3))\n"
    )
    np.savez(folder / "samples.npz", x=random.integers(0, 256, (60, 3, 32, 32), dtype=np.uint8), y=np.arange(60) % 3)


@pytest.mark.slow
def test_the_commands_run_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    _files_of_a_user(tmp_path)
    assert {line[1] for line in lines()} >= {"estimate", "devices", "sweep", "train", "report"}
    for line in lines():
        more = next((options for start, options in SHORTER.items() if " ".join(line).startswith(start)), [])
        if "reports/digits" in line and not (tmp_path / "reports" / "digits").exists():
            shutil.copytree(tmp_path / "reports" / "tiny", tmp_path / "reports" / "digits")
        monkeypatch.setattr(sys, "argv", [*line, *more])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0, (line, capsys.readouterr().err)
        assert capsys.readouterr().out
    sys.modules.pop("_hwcost_recipe_mynet", None)


def test_the_gains_are_those_of_the_recorded_points() -> None:
    """The LUTs and ratios of the README, and the table of the page, as the command computes them."""
    root = README.parent
    spec = spec_from_file_location("equal_accuracy", root / "benchmarks" / "equal_accuracy.py")
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(script := module_from_spec(spec))
    rows = script.compared(pd.read_csv(root / "reports" / "benchmarks" / "real_nets.csv"))
    page = (root / "reports" / "benchmarks" / "real_nets.md").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 9 and set(rows) <= set(page)
    told = {
        tuple(cells[:2]): cells[2:5] for row in rows for cells in [[cell.strip() for cell in row.strip("|").split("|")]]
    }
    text = README.read_text(encoding="utf-8")
    for name, net, losses in (
        ("Fashion-MNIST CNN", "fashion-mnist", "0 1"),
        ("letter MLP", "letter", "0 1"),
        ("digits CNN", "digits", "0.5 1"),
    ):
        (line,) = re.findall(rf"^\| {name}, folded.*$", text, flags=re.MULTILINE)
        shown = [cell.replace("*", "").strip().split(" / ") for cell in line.strip("|").split("|")[1:]]
        assert shown == [list(pair) for pair in zip(*(told[net, loss] for loss in losses.split()), strict=True)]


@pytest.mark.parametrize("mark", ["sweep", "tests"])
def test_the_two_commands_at_the_top_can_be_found(mark: str) -> None:
    """`.ci/run` and whoever clones the repository take them from behind their marks."""
    text = README.read_text(encoding="utf-8")
    (command,) = re.findall(rf"^<!-- {mark} -->\n```bash\n((?:.+\n)+)```$", text, flags=re.MULTILINE)
    assert (README.parent / "constraints.txt").is_file() and "-c constraints.txt" in command
    last = ".venv/bin/hwcost sweep" if mark == "sweep" else '.venv/bin/pytest -q -n auto -m "not slow"'
    assert command.rstrip().endswith(last)


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (README.parent / target).exists(), target
    for path in re.findall(r"`(hwcost/[\w./]+)`", README.read_text(encoding="utf-8")):
        assert (README.parent / path).exists(), path
