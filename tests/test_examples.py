"""The example scripts and the notebook run unchanged and end inside their budgets."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import hwcost
from hwcost.sweep.recipe import load_recipe

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
    rest = {f"{path.parent.name}/{path.name}" for path in EXAMPLES.glob("[ct]*rs/*.py")}
    assert rest == {"clusters/on_submitit.py", "trackers/to_mlflow.py", "trackers/to_tensorboard.py"}


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


def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    if find_spec("nbclient") is None or find_spec("ipykernel") is None:
        pytest.skip("nbclient and ipykernel are not installed; pip install 'hwcost[notebook]'")
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(EXAMPLES / "first_front.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "clear the outputs before committing"
    place = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place).execute()
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    (progress,) = (one["text/html"] for one in shown if "<progress" in one.get("text/html", ""))
    assert re.fullmatch(r'<progress max="8" value="8"></progress> 8/8 trials; front \d: best .* LUT', progress)
    assert sum("image/png" in one for one in shown) == 1
    assert sum("test_score" in one.get("text/plain", "") for one in shown) == 2
    assert len(hwcost.open_study(tmp_path / "first-front").frame()) == 8


def _needs(package: str, remedy: str) -> None:
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed; {remedy}")


@pytest.mark.filterwarnings("ignore::UserWarning:lightning")
@pytest.mark.filterwarnings("ignore::FutureWarning:lightning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TensorBoard's
def test_curves_in_tensorboard_are_those_of_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _needs("tensorboard", "pip install 'hwcost[examples]'")
    _needs("lightning", "pip install 'hwcost[lightning]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.chdir(tmp_path)
    study = hwcost.run_sweep(
        load_recipe(f"{EXAMPLES / 'trackers' / 'to_tensorboard.py'}:recipe", {}), trials=2, out="study", quiet=True
    )
    curves = {}
    for folder in (tmp_path / "runs" / "digits").iterdir():
        kept = EventAccumulator(str(folder)).Reload()
        curves[folder.name] = [event.value for event in kept.Scalars("accuracy")]
        assert ("LUT" in kept.Tags()["scalars"]) == (not folder.name.startswith("float"))
    assert len(curves) == 3
    for trial in study.to_optuna().trials:
        assert pytest.approx(list(trial.intermediate_values.values())) in list(curves.values())


def test_trials_in_mlflow_are_those_of_the_study(tmp_path: Path) -> None:
    _needs("mlflow", "pip install mlflow-skinny")
    study = hwcost.run_sweep("tiny_recipe:recipe", trials=2, out=tmp_path / "study", quiet=True)
    place = f"sqlite:///{tmp_path / 'mlflow.db'}"
    script = EXAMPLES / "trackers" / "to_mlflow.py"
    subprocess.run([sys.executable, script, tmp_path / "study", "--uri", place], cwd=tmp_path, check=True)
    asked = (
        "import json, sys, mlflow; mlflow.set_tracking_uri(sys.argv[1]); "
        "print(mlflow.search_runs(experiment_names=['tiny']).to_json())"
    )
    told = subprocess.check_output([sys.executable, "-c", asked, place], cwd=tmp_path, text=True)
    for name in ("LUT", "latency_us", "accuracy"):
        column = study.frame()["score" if name == "accuracy" else name]
        assert f'"metrics.{name}"' in told and all(f"{value:.6g}"[:5] in told for value in column)


def test_a_recipe_is_an_objective_in_jobs_of_submitit(tmp_path: Path) -> None:
    _needs("submitit", "pip install 'hwcost[examples]'")
    script, recipe = EXAMPLES / "clusters" / "on_submitit.py", f"{EXAMPLES / 'tasks' / 'tabular.py'}:recipe"
    words = [str(script), recipe, "--rounds", "1", "--at-once", "2", "--cluster", "local"]
    told = subprocess.check_output([sys.executable, *words], cwd=tmp_path, text=True)
    scores = re.findall(r"accuracy ([\d.]+) at ([\d,]+) LUT: ", told)
    assert scores and all(float(score) > 0.5 and int(lut.replace(",", "")) > 100 for score, lut in scores)
    assert len(list((tmp_path / "jobs").glob("*_submitted.pkl"))) == 2
