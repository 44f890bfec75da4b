"""The example scripts and the notebook run unchanged and end inside their budgets."""

from __future__ import annotations

import re
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SHORTER = {
    "plain_loop.py": ["--steps", "60"],
    "lightning_budget.py": ["--epochs", "6"],
    "autoencoder.py": ["--steps", "120"],
}
NEEDS = {"lightning_budget.py": "lightning"}

pytestmark = pytest.mark.slow


def test_every_example_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*SHORTER}
    assert [path.name for path in EXAMPLES.glob("*.ipynb")] == ["first_front.ipynb"]


@pytest.mark.filterwarnings("ignore::UserWarning:lightning")
@pytest.mark.filterwarnings("ignore::FutureWarning:lightning")
@pytest.mark.parametrize("name", SHORTER)
def test_a_script_ends_inside_its_budget(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    monkeypatch.setattr(sys, "argv", [name, *SHORTER[name]])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    found = re.search(r"LUT (\d+) -> (\d+) of (\d+), .* ([\d.]+)%?$", capsys.readouterr().out.strip())
    assert found is not None
    start, used, limit, score = (float(part) for part in found.groups())
    assert limit < start and used <= 1.05 * limit
    assert score > (0.6 if name == "autoencoder.py" else 60)


def test_the_notebook_runs_from_top_to_bottom() -> None:
    if find_spec("nbclient") is None or find_spec("ipykernel") is None:
        pytest.skip("nbclient and ipykernel are not installed; pip install 'hwcost[notebook]'")
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(EXAMPLES / "first_front.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "clear the outputs before committing"
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    shown = "".join(
        str(output.get("data", {}).get("text/plain", ""))
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )
    assert "float:" in shown and "accuracy" in shown
