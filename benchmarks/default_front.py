"""The front of the default run, `hwcost sweep` on digits without a flag, over splits of the images.

    python benchmarks/default_front.py --splits 12 --raw fronts.jsonl     # 2 to 3 CPU minutes for each split
    python benchmarks/default_front.py --splits 12 --raw luts.jsonl --luts 1200:30000
    python benchmarks/default_front.py --splits 12 --raw whole.jsonl --roomiest 1

Each split is a study of its own, with the split's number as its seed. Hypervolume: share of the rectangle between the
worst accuracy and LUTs that count, `CORNER`, and 100 % at `LEAST` LUTs, on a logarithmic scale of LUTs; of the
validation accuracies that the search saw, and of the test accuracies of the front that it chose. `--luts` and
`--roomiest` give the trials other budgets: LUTs from one number to another, or up to another share of the headroom.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import log
from pathlib import Path
from statistics import mean, stdev
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from optuna.distributions import FloatDistribution

from hwcost.cli.network import find_recipe
from hwcost.report.pareto import hypervolume
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.recipe import Params, Recipe
from hwcost.sweep.run import run
from hwcost.sweep.settings import Settings
from hwcost.sweep.study import open_study
from hwcost.zoo.data import digits
from hwcost.zoo.floors import ROOMIEST

CORNER, LEAST = (0.8, 30_000.0), 500.0


def share(points: list[tuple[float, float]]) -> float:
    """Share of the rectangle that (accuracy, LUT) points cover."""
    inside = [(max(accuracy, CORNER[0]), log(max(lut, LEAST))) for accuracy, lut in points]
    whole = (1 - CORNER[0]) * (log(CORNER[1]) - log(LEAST))
    return hypervolume(inside, (CORNER[0], log(CORNER[1])), ("maximize", "minimize")) / whole


def in_luts(recipe: Recipe, least: float, most: float) -> Recipe:
    """The recipe with budgets in LUTs, evenly on a logarithmic scale, in the place of shares of the headroom."""

    def luts(params: Params) -> dict[str, Any]:
        return {"LUT": least * (most / least) ** (params["lut_headroom"] / ROOMIEST)}

    return replace(recipe, budget=luts)


def up_to(recipe: Recipe, share_of_headroom: float) -> Recipe:
    """The recipe with budgets up to another share of the headroom; its anchors move with it."""
    stretched = tuple(
        {**one, "lut_headroom": one["lut_headroom"] * share_of_headroom / ROOMIEST} for one in recipe.anchors
    )
    space = {**recipe.space, "lut_headroom": FloatDistribution(0, share_of_headroom)}
    return replace(recipe, space=space, anchors=stretched)


def front(split: int, trials: int, changed: Callable[[Recipe], Recipe]) -> dict[str, Any]:
    """Figures of the default run on one split."""
    started = time.process_time()
    recipe = replace(changed(find_recipe("digits")), data=lambda path: digits(seed=split))
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(recipe="digits", out=Path(folder), seed=split, trials=trials)
        run(Experiment(recipe, settings))
        study = open_study(Path(folder), recipe)
        table, best = study.frame(), study.front()
    complete = table[table["state"] == "COMPLETE"]
    return {
        "split": split,
        "validation": share(list(zip(complete["score"], complete["LUT"], strict=True))),
        "test": share(list(zip(best["test_score"], best["LUT"], strict=True))),
        "unreachable": int((complete["budget_reachable"] == False).sum()),  # noqa: E712 # None where there is no budget
        "over": int((complete["within_budget"] == False).sum()),  # noqa: E712
        "front": sorted(
            [float(lut), float(score), float(test)]
            for lut, score, test in best[["LUT", "score", "test_score"]].to_numpy()
        ),
        "seconds": time.process_time() - started,
    }


def main() -> None:
    """Print a row for each split, and the mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=12)
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--raw", type=Path, help="Every split as a line of JSON; those in there are not run again.")
    budgets = parser.add_mutually_exclusive_group()
    budgets.add_argument("--luts", metavar="LEAST:MOST", help="Budgets in LUTs in the place of headroom.")
    budgets.add_argument("--roomiest", type=float, help="Largest share of the headroom that is tried.")
    options = parser.parse_args()
    changed: Callable[[Recipe], Recipe] = lambda recipe: recipe  # noqa: E731
    if options.luts:
        least, most = map(float, options.luts.split(":"))
        changed = partial(in_luts, least=least, most=most)
    elif options.roomiest:
        changed = partial(up_to, share_of_headroom=options.roomiest)
    lines = options.raw.read_text().splitlines() if options.raw and options.raw.exists() else []
    found = [json.loads(line) for line in lines]
    print("| split | validation | test | budgets out of reach | over budget | CPU s |\n|---|---|---|---|---|---|")
    for split in range(options.splits):
        one = next((row for row in found if row["split"] == split), None)
        if one is None:
            found.append(one := front(split, options.trials, changed))
            if options.raw:
                with options.raw.open("a") as file:
                    file.write(json.dumps(one) + "\n")
        figures = f"{one['validation']:.4f} | {one['test']:.4f} | {one['unreachable']} | {one['over']}"
        print(f"| {split} | {figures} | {one['seconds']:.0f} |", flush=True)
    if len(found) > 1:
        for name in ("validation", "test"):
            figures = [row[name] for row in found]
            print(f"{name}: {mean(figures):.4f} ± {stdev(figures) / len(figures) ** 0.5:.4f} (error of the mean)")


if __name__ == "__main__":
    main()
