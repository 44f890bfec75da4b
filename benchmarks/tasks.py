"""The example recipes of many jobs, each from its sweep to what other tools make of its cheapest network.

python benchmarks/tasks.py     # a quarter of an hour; writes reports/benchmarks/tasks.md
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from example_recipes import TASKS, own_lines

import hwcost
from hwcost.errors import HwcostError
from hwcost.export.qonnx import qonnx
from hwcost.models import place
from hwcost.models.formulas.fabric import FABRICS
from hwcost.report.score import Score
from hwcost.sweep.recipe import Recipe, load_recipe
from hwcost.sweep.trial import Design
from hwcost.synth.measure import Laboratory
from hwcost.synth.verify import verify
from hwcost.synth.yosys import find

RECIPES = (
    "tabular", "regression", "multilabel", "trigger", "anomaly", "on_disk", "segmentation", "two_heads", "pretrained",
    "lightning_trainer", "cosine", "distillation", "latency", "cluster",
)  # fmt: skip
PAGE = """\
# Many jobs: the example recipes from sweep to synthesis

Written by `python benchmarks/tasks.py --trials {trials}`. Each recipe of `examples/tasks` is swept, {trials} trials;
the page of the study is written; the cheapest network of its front is loaded, priced again, exported to QONNX, and its
blocks are synthesized. `cluster` is `cluster.sh`: the sweep of `tabular.py`, and a worker that was there before it, as
two processes on one journal.

- Lines: of the file, without imports, documentation and empty ones.
- CPU: seconds of the processor for sweep and float baseline, data included, on one thread.
- Front: trials that no other beats. Score: the best validation score on it, in its own unit.
- LUT: of the cheapest trial of the front, the same in the table of the study and from the loaded network.
- QONNX: nodes of the file after the cleanup of the qonnx package, and the largest difference between a value that its
  executor computes and one that the network does, on {samples} validation samples, as a share of the largest value.
- Synthesis: LUTs that Yosys counts, of those estimated for the same blocks, and blocks with RTL; or why there are none.

{table}
"""
TITLES = ("recipe", "score", "lines", "CPU, s", "front", "best", "LUT", "QONNX", "synthesis")


def swept(name: str, recipe: Recipe, folder: Path, trials: int) -> tuple[hwcost.Study, float]:
    """The study of a recipe, and the processor time that it took, s."""
    data = folder / "data" if name == "on_disk" else None
    before = time.process_time()
    study = hwcost.run_sweep(recipe, trials=trials, out=folder / "study", data=data, quiet=True)
    return study, time.process_time() - before


def swept_by_an_array(recipe: Recipe, folder: Path, trials: int) -> tuple[hwcost.Study, float]:
    """The same by the jobs of `cluster.sh`, the worker first."""
    jobs, before = [], os.times()
    for number in (1, 0):
        given = {"SLURM_ARRAY_TASK_ID": str(number), "SHARED": str(folder), "TRIALS": str(trials)}
        found = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        jobs.append(subprocess.Popen([TASKS / "cluster.sh"], cwd=TASKS.parents[1], env=os.environ | given | found))
    if any(job.wait() for job in jobs):
        raise SystemExit(f"{TASKS / 'cluster.sh'}: a job failed")
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return hwcost.open_study(folder / "machines", recipe), spent


def exported(design: Design, study: hwcost.Study, recipe: Recipe, data: Path | None, samples: int) -> str:
    """What the executor of the qonnx package makes of an exported network, or why there is no file."""
    try:
        model = cleanup_model(ModelWrapper(qonnx(design.pipeline, input_step=study.input_step)))
    except HwcostError as error:
        return f"refused: {error}"
    x, _ = recipe.data(data).validation.take(slice(0, samples))
    with torch.no_grad():
        values = design.net.eval()(x)
    wanted = values if isinstance(values, tuple) else (values,)
    far = 0.0
    for at in range(samples):
        got = execute_onnx(model, {model.graph.input[0].name: x[at : at + 1].numpy()})
        for sink, value in zip(model.graph.output, wanted, strict=True):
            one = value[at : at + 1].numpy()
            far = max(far, float(np.abs(got[sink.name].reshape(one.shape) - one).max() / value.abs().max()))
    return f"{len(model.graph.node)} nodes, {far:.1g}"


def synthesized(design: Design) -> str:
    """What Yosys counts, or why it does not."""
    laboratory = Laboratory(synthesizer=find(None), family=FABRICS[design.model.device.dsp_kind].family)
    try:
        rows = verify(place(design.pipeline.layers()), design.model, laboratory)  # type: ignore[arg-type] # it says so
    except HwcostError as error:
        return f"refused: {error}"
    known = rows[rows["LUT_measured"].notna()]
    share = known["LUT_measured"].sum() / known["LUT"].sum()
    return f"{share:.2f} of {known['LUT'].sum():,.0f}, {len(known)} of {len(rows)} parts"


def row(name: str, trials: int, samples: int) -> str:
    """One recipe."""
    path = TASKS / f"{'tabular' if name == 'cluster' else name}.py"
    recipe = load_recipe(f"{path}:recipe", {})
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        study, seconds = (
            swept_by_an_array(recipe, folder, trials) if name == "cluster" else swept(name, recipe, folder, trials)
        )
        front = study.front()
        score = Score.of(recipe.task.record())
        best = front["score"].max() if score.sign > 0 else front["score"].min()
        study.report()
        cheapest = front.iloc[0]
        design = study.design(int(cheapest["number"]))
        if design.estimate().total["LUT"] != cheapest["LUT"]:
            raise SystemExit(f"{name}: trial {cheapest['number']} costs {design.estimate().total['LUT']} once loaded")
        cells = [
            name, score.name, own_lines(path if name != "cluster" else TASKS / "cluster.sh"), f"{seconds:.0f}",
            f"{len(front)} of {len(study.frame())}", score.text(best), f"{cheapest['LUT']:,.0f}",
            exported(design, study, recipe, folder / "data" if name == "on_disk" else None, samples),
            synthesized(design),
        ]  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Write the page."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--trials", type=int, default=12)
    options.add_argument("--samples", type=int, default=16)
    options.add_argument("--recipes", nargs="*", default=RECIPES)
    options.add_argument(
        "--out", type=Path, default=Path(__file__).parent.parent / "reports" / "benchmarks" / "tasks.md"
    )
    given = options.parse_args()
    warnings.filterwarnings("ignore", module="lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    table = f"| {' | '.join(TITLES)} |\n| {' | '.join('---' for _ in TITLES)} |\n"
    for name in given.recipes:
        with contextlib.redirect_stdout(sys.stderr):
            line = row(name, given.trials, given.samples)
        print(line, flush=True)
        table += line + "\n"
    given.out.write_text(
        PAGE.format(trials=given.trials, samples=given.samples, table=table.rstrip()), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
