"""Fronts of real networks at equal CPU time: ours, a grid of uniform widths, NSGA-II, one run with a growing penalty.

Every method gets the CPU time of TRAININGS trainings from scratch (`--trainings`), which includes its own overhead, the
float network for warm starts, and validation. Validation chooses the front; the test split, which no method sees, is
read once for each of its points. The figure is the hypervolume of the front on test data over accuracy
(from `FLOOR` below the float network) and the logarithm of LUTs (from all widths at their least to all at their most),
as a share of the whole rectangle.

- warm: `GreyBoxSampler`, every trial from the weights of its nearest neighbour (`hwcost sweep --bits 2:8 --warm N`).
- refit: the same for 0.7 of the time; then the front is trained further with the validation samples too
  (`hwcost finish --refit N`).
- cold: the same sampler, every trial from scratch (`hwcost sweep --bits 2:8`).
- grid: one width for all weights, one for all activations: 8/8, 7/7, ... 2/2, then the other pairs at random.
- grid-refit: the same, with the refit at the end: separates the gain of more samples from the gain of the search.
- nsga2: Optuna's, over every width, every trial from scratch.
- ramp: one training whose penalty on LUTs grows by RAMP while all widths learn; every epoch is a point (as in HGQ).

The digits are few, so a seed draws their split as well: different seeds test on different images.

    # FOLDER: letter.npz and fashion_mnist.npz
    python benchmarks/real_nets.py --sets FOLDER --raw runs.jsonl --out reports/benchmarks
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count, product
from math import log
from multiprocessing import get_context
from pathlib import Path
from random import Random
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from hwcost.sweep.settings.ramp import ramp
from optuna.distributions import BaseDistribution, IntDistribution

from hwcost.cli.network import find_recipe
from hwcost.cost.hardware_cost import hardware_cost
from hwcost.report.pareto import hypervolume, non_dominated
from hwcost.search import Outcome, StudySpec, Suggestion, open_study
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.finalists import refit, survivors
from hwcost.sweep.settings import Settings
from hwcost.sweep.standing import standing
from hwcost.sweep.study_files import checkpoint, save_net
from hwcost.sweep.trial import design, priced_space, run_trial
from hwcost.train.data import Data
from hwcost.train.loop import Epoch, Hardware, evaluate, fit
from hwcost.train.penalties import Ramp, WeightedCost
from hwcost.zoo.data import digits

FLOOR = 0.1
RAMP = 1e4
WARM = {"digits": 8, "letter": 6, "fashion-mnist": 1}
"""Epochs of a warm trial: about half a training from the start."""

RAMP_SHARE, SEARCH_SHARE = 0.2, 0.7
"""Shares of the time: for the ramp of `ramped`, and for the search of methods that refit their front afterwards."""

LINES: dict[str, tuple[str, Any]] = {
    "warm": ("#0072B2", "-"),
    "refit": ("#D55E00", "-"),
    "ramped": ("#999999", (0, (1, 1))),
    "polished": ("#000000", (0, (3, 1))),
    "cold": ("#56B4E9", ":"),
    "grid": ("#009E73", "--"),
    "grid-refit": ("#7A5C00", (0, (2, 1))),
    "nsga2": ("#E69F00", "-."),
    "ramp": ("#CC79A7", (0, (5, 1, 1, 1))),
}
"""Method -> colour and style of its curve."""

METHODS = tuple(LINES)
OURS = ("warm", "refit", "ramped", "polished", "cold")
FINISHED = ("polished", "refit", "grid-refit")
OBJECTIVES = ("accuracy", "LUT")
DIRECTIONS = ("maximize", "minimize")


class Spent(Exception):
    """The time is up."""


@dataclass
class Points:
    """Points that a method has found, with a clock that stops while test data are evaluated.

    Attributes:
        limit: CPU seconds.
        rows: (CPU seconds so far, validation accuracy, LUT, test accuracy).
    """

    limit: float
    data: Data
    rows: list[tuple[float, float, float, float]] = field(default_factory=list)
    started: float = field(default_factory=time.process_time)
    aside: float = 0.0

    def spent(self) -> float:
        return time.process_time() - self.started - self.aside

    def add(self, accuracy: float, lut: float, net: torch.nn.Module) -> None:
        now = self.spent()
        if now > self.limit:
            raise Spent
        before = time.process_time()
        self.rows.append((now, accuracy, lut, evaluate(net, self.data.test)))
        self.aside += time.process_time() - before


def searched(sweep: Experiment, data: Data, points: Points, method: str) -> None:
    """Trials of a study until the time is up."""
    prices = priced_space(sweep, data)
    assert prices is not None
    warm = sweep.settings.warm is not None
    if warm:
        torch.manual_seed(sweep.settings.seed)
        float_net = sweep.float_network()
        fit(float_net, data, sweep.recipe.training, seed=sweep.settings.seed)
        save_net(float_net, checkpoint(sweep.settings.out, None))

    def objective(suggestion: Suggestion) -> Outcome:
        outcome, trial = run_trial(sweep, data, suggestion)
        points.add(outcome.attributes["accuracy"], outcome.attributes["LUT"], trial.net)
        save_net(trial.net, checkpoint(sweep.settings.out, suggestion.number))
        return outcome

    spec = StudySpec(
        objectives=sweep.objectives,
        seed=sweep.settings.seed,
        sampler=sweep.settings.method,
        space=prices.space,
        prices=prices,
        warm=warm,
    )
    with open_study(sweep.settings.out, spec) as study:
        for point in ramp(sweep, data, prices) if sweep.settings.ramp is not None else ():
            points.add(point.outcome.attributes["accuracy"], point.outcome.attributes["LUT"], point.design.net)
            number = study.adopt(point.params, point.outcome, point.seconds)
            save_net(point.design.net, checkpoint(sweep.settings.out, number))
        study.run(
            objective, trials=10**6, stop=lambda: method in FINISHED and points.spent() > SEARCH_SHARE * points.limit
        )  # fmt: skip
        if method == "refit":
            refitted(sweep, data, points, standing(study, sweep).front)
            return
        for rung in count(1):
            chosen = survivors(standing(study, sweep).front, sweep, rung)
            for row in chosen:
                study.enqueue(row["params"], 2 ** (rung - 1))
            study.run(objective, trials=len(chosen))


def uniform(space: Mapping[str, BaseDistribution], bits: tuple[int, int], seed: int) -> Iterator[dict[str, int]]:
    """Widths of a network: first one width everywhere, from the widest down, then the other pairs.

    A pair is one width for all weights and one for all activations; no width falls below its own least.
    """
    low, high = bits
    diagonal = [(both, both) for both in range(high, low - 1, -1)]
    rest = [pair for pair in product(range(low, high + 1), repeat=2) if pair not in diagonal]
    Random(seed).shuffle(rest)
    seen = []
    for weight, activation in diagonal + rest:
        wanted = {name: weight if "weight" in name else activation for name in space}
        widths = {name: max(width, least(space[name])) for name, width in wanted.items()}
        if widths not in seen:
            seen.append(widths)
            yield widths


def least(choices: BaseDistribution) -> int:
    assert isinstance(choices, IntDistribution)
    return choices.low


def refitted(sweep: Experiment, data: Data, points: Points, front: list[dict[str, Any]]) -> None:
    """Each of a front trains on with all but the test samples, the cheapest first; it stands where it stood."""
    for row in sorted(front, key=lambda row: row["LUT"]):
        net = refit(sweep, data, row, WARM[sweep.settings.recipe])
        points.add(row["accuracy"], row["LUT"], net)


def gridded(sweep: Experiment, data: Data, points: Points, method: str) -> None:
    """One width for all weights and one for all activations."""
    prices = priced_space(sweep, data)
    assert prices is not None and sweep.settings.bits is not None
    rows: list[dict[str, Any]] = []
    for number, params in enumerate(uniform(prices.space, sweep.settings.bits, sweep.settings.seed)):
        seed = 1000 * sweep.settings.seed + number
        outcome, trial = run_trial(sweep, data, Suggestion(number, params, seed=seed))
        points.add(outcome.attributes["accuracy"], outcome.attributes["LUT"], trial.net)
        if method == "grid-refit":
            save_net(trial.net, checkpoint(sweep.settings.out, number))
            rows.append({"number": number, "params": params, "seed": seed} | outcome.attributes)
            if points.spent() > SEARCH_SHARE * points.limit:
                break
    keep = non_dominated(np.array([[row["accuracy"], row["LUT"]] for row in rows]), DIRECTIONS) if rows else []
    refitted(sweep, data, points, [row for row, kept in zip(rows, keep, strict=True) if kept])


def ramped(sweep: Experiment, data: Data, points: Points, seconds_per_epoch: float) -> None:
    """One training over all the time, all widths learned from the most on."""
    prices = priced_space(sweep, data)
    assert prices is not None
    assert sweep.settings.bits is not None
    widest = dict.fromkeys(prices.space, sweep.settings.bits[1])
    trial = design(sweep, widest, data, sweep.settings.seed)
    from hwcost.quant import thaw_widths

    thaw_widths(trial.net)
    epochs = max(4, int(points.limit / seconds_per_epoch))
    settings = replace(sweep.recipe.training, epochs=epochs, settle=0.0, land=False)
    with torch.no_grad():
        full = float(hardware_cost(trial.pipeline, trial.model)["LUT"])
    steps = epochs * data.train.steps(settings.batch)
    keeper = WeightedCost({"LUT": full}, Ramp(1.0 / RAMP**0.5, RAMP**0.5, steps))

    def on_epoch(epoch: Epoch) -> None:
        points.add(epoch.accuracy, epoch.cost["LUT"], trial.net)

    fit(
        trial.net, data, settings, seed=sweep.settings.seed, hardware=Hardware(trial.pipeline, trial.model, keeper),
        on_epoch=on_epoch,
    )  # fmt: skip


def front_volume(rows: list[tuple[float, float, float, float]], corner: tuple[float, float, float, float]) -> float:
    """Share of the rectangle that the test figures of the front chosen on validation cover."""
    worst, best, least, most = corner
    if not rows:
        return 0.0
    table = np.array(list({row[1:3]: row for row in map(tuple, rows)}.values()))  # of a network refit, the later
    chosen = table[non_dominated(table[:, 1:3], DIRECTIONS)]
    figures = np.column_stack(
        [(chosen[:, 3] - worst) / (best - worst), np.log(chosen[:, 2] / least) / log(most / least)]
    )
    figures = figures[(figures[:, 0] > 0) & (figures[:, 1] < 1)]
    if not len(figures):
        return 0.0
    return float(hypervolume(np.clip(figures, 0, 1), (0.0, 1.0), DIRECTIONS))


Bits = tuple[int, int]
Job = tuple[str, str, int, Path | None, float, Bits]
"""Network, method, seed, file of its data, trainings, least and most bits."""


def one(job: Job, unit: float) -> dict[str, Any]:
    """A method on a network with a seed; a training from the start takes `unit` CPU seconds."""
    name, method, seed, path, trainings, bits = job
    torch.set_num_threads(1)
    recipe = replace(find_recipe(name), objectives=OBJECTIVES)
    with tempfile.TemporaryDirectory() as folder:
        epochs = WARM[name] if method in OURS and method != "cold" else None
        long = max(2, round(RAMP_SHARE * trainings * recipe.training.epochs))
        sampler = "nsga2" if method == "nsga2" else "greybox"
        settings = Settings(
            recipe=name, out=Path(folder) / "study", data=path, seed=seed, bits=bits, warm=epochs,
            sampler=sampler, ramp=long if method == "ramped" else None,
        )  # fmt: skip
        sweep = Experiment(recipe, settings)
        data = digits(seed=seed) if name == "digits" else sweep.load()
        (Path(folder) / "study").mkdir()
        costs = limits_of(sweep, data)
        float_accuracy = unquantized(sweep, data)
        points = Points(trainings * unit, data)
        try:
            if method in (*OURS, "nsga2"):
                searched(sweep, data, points, method)
            elif method in ("grid", "grid-refit"):
                gridded(sweep, data, points, method)
            else:
                ramped(sweep, data, points, unit / recipe.training.epochs)
        except Spent:
            pass
    corner = (float_accuracy - FLOOR, min(1.0, float_accuracy + 0.02), *costs)
    return {
        "net": name, "method": method, "seed": seed, "trainings": trainings, "bits": bits, "limit": points.limit,
        "corner": corner, "rows": points.rows,
    }  # fmt: skip


def limits_of(sweep: Experiment, data: Data) -> tuple[float, float]:
    """LUTs with every width at its least, and at its most."""
    prices = priced_space(sweep, data)
    assert prices is not None
    found = []
    for bits in sweep.settings.bits or ():
        widths = {name: max(bits, least(choices)) for name, choices in prices.space.items()}
        trial = design(sweep, widths, data, sweep.settings.seed)
        found.append(trial.estimate().total["LUT"])
    return found[0], found[1]


def unquantized(sweep: Experiment, data: Data) -> float:
    """Test accuracy of the float network, the same for all methods."""
    torch.manual_seed(0)
    net = sweep.float_network()
    fit(net, data, sweep.recipe.training, seed=0)
    return evaluate(net, data.test)


def timed(name: str, path: Path | None, bits: Bits) -> float:
    """CPU seconds of a training from the start, all widths at four bits."""
    torch.set_num_threads(1)
    recipe = replace(find_recipe(name), objectives=OBJECTIVES)
    with tempfile.TemporaryDirectory() as folder:
        sweep = Experiment(recipe, Settings(recipe=name, out=Path(folder) / "study", data=path, bits=bits))
        data = sweep.load()
        prices = priced_space(sweep, data)
        assert prices is not None
        before = time.process_time()
        run_trial(sweep, data, Suggestion(0, dict.fromkeys(prices.space, 4), seed=0))
        return time.process_time() - before


def summary(found: list[dict[str, Any]], trainings: float) -> str:
    """Table in Markdown."""
    lines = [
        "| network | method | points | hypervolume, mean of seeds | spread | against the best other |",
        "|---|---|---|---|---|---|",
    ]
    volumes: dict[tuple[str, str], list[float]] = {}
    counts: dict[tuple[str, str], list[int]] = {}
    for run in found:
        key = run["net"], run["method"]
        volumes.setdefault(key, []).append(front_volume(run["rows"], run["corner"]))
        counts.setdefault(key, []).append(len(run["rows"]))
    for (net, method), values in volumes.items():
        others = max([0.0, *(mean(other) for (one, way), other in volumes.items() if one == net and way not in OURS)])
        spread = f"{stdev(values):.3f}" if len(values) > 1 else ""
        ratio = f"{mean(values) / others:.2f}" if method in OURS and others else ""
        lines.append(
            f"| {net} | {method} | {mean(counts[net, method]):.0f} | {mean(values):.3f} | {spread} | {ratio} |"
        )
    return "\n".join(lines)


def _course(run: dict[str, Any], shares: np.ndarray) -> list[float]:
    """Hypervolume of what was there after each share of the time."""
    return [
        front_volume([row for row in run["rows"] if row[0] <= share * run["limit"]], run["corner"]) for share in shares
    ]


def picture(found: list[dict[str, Any]], path: Path) -> None:
    """Hypervolume against CPU seconds: the mean of the seeds, and their range."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    nets = list(dict.fromkeys(run["net"] for run in found))
    figure, axes = plt.subplots(1, len(nets), figsize=(4.2 * len(nets), 3.6), squeeze=False, layout="constrained")
    for axis, net in zip(axes[0], nets, strict=True):
        for method in METHODS:
            runs = [run for run in found if (run["net"], run["method"]) == (net, method)]
            if not runs:
                continue
            times = np.linspace(0, 1, 41)
            curves = np.array([_course(run, times) for run in runs])
            seconds = times * mean(run["limit"] for run in runs)
            colour, style = LINES[method]
            axis.plot(seconds, curves.mean(0), linestyle=style, color=colour, label=method)
            axis.fill_between(seconds, curves.min(0), curves.max(0), color=colour, alpha=0.15, linewidth=0)
        axis.set(title=net, xlabel="CPU seconds", ylim=(0, None))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("hypervolume on test data")
    axes[0][-1].legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, required=True, help="folder of letter.npz and fashion_mnist.npz")
    parser.add_argument("--nets", default="digits,letter,fashion-mnist")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trainings", type=float, default=16, help="CPU time of a method, in trainings from the start")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--raw", type=Path, required=True, help="every run as a line of JSON; those in there are not run again"
    )
    parser.add_argument("--bits", default="2:8", help="least and most of every width, e.g. 1:8")
    parser.add_argument("--out", type=Path, help="folder of NAME.md, NAME.csv and NAME.png")
    parser.add_argument("--name", default="real_nets")
    options = parser.parse_args()
    paths: Mapping[str, Path | None] = {
        "digits": None, "letter": options.sets / "letter.npz", "fashion-mnist": options.sets / "fashion_mnist.npz"
    }  # fmt: skip
    nets, methods = options.nets.split(","), options.methods.split(",")
    low, high = map(int, options.bits.split(":"))
    if unknown := ({*nets} - {*paths}) | ({*methods} - {*METHODS}):
        parser.error(
            f"unknown: {', '.join(sorted(unknown))}; networks {', '.join(paths)}, methods {', '.join(METHODS)}"
        )
    known = [json.loads(line) for line in options.raw.read_text().splitlines()] if options.raw.exists() else []
    done = {_key(run): run for run in known}
    jobs = [
        (net, method, seed, paths[net], options.trainings, (low, high))
        for net in nets
        for seed in range(options.seeds)
        for method in methods
    ]
    missing = [job for job in jobs if _key_of(job) not in done]
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        # One limit for each network, timed with as many processes in parallel as the methods will have.
        units = {run["net"]: run["limit"] / run["trainings"] for run in known}
        for net in dict.fromkeys(job[0] for job in missing):
            if net not in units:
                units[net] = mean(pool.map(timed, *zip(*[(net, paths[net], (low, high))] * options.jobs, strict=True)))
        for run in pool.map(one, missing, [units[job[0]] for job in missing]):
            with options.raw.open("a") as file:
                file.write(json.dumps(run) + "\n")
            volume = front_volume(run["rows"], run["corner"])
            print(run["net"], run["method"], run["seed"], len(run["rows"]), f"{volume:.3f}", flush=True)
            done[_key(run)] = run
    found = [done[_key_of(job)] for job in jobs]
    text = summary(found, options.trainings)
    print(text)
    if options.out is not None:
        write(options, found, text)


Key = tuple[str, str, int, float, Bits]


def _key(run: Mapping[str, Any]) -> Key:
    low, high = run["bits"]
    return run["net"], run["method"], run["seed"], run["trainings"], (low, high)


def _key_of(job: Job) -> Key:
    name, method, seed, _, trainings, bits = job
    return name, method, seed, trainings, bits


def write(options: argparse.Namespace, found: list[dict[str, Any]], text: str) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / f"{options.name}.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("net", "method", "seed", "cpu_seconds", "validation", "LUT", "test"))
        for run in found:
            for seconds, validation, lut, test in run["rows"]:
                table.writerow((run["net"], run["method"], run["seed"], f"{seconds:.2f}", validation, int(lut), test))
    picture(found, options.out / f"{options.name}.png")
    command = (
        f"python benchmarks/real_nets.py --sets FOLDER --raw runs.jsonl --nets {options.nets} "
        f"--methods {options.methods} --trainings {options.trainings:g} --seeds {options.seeds} --bits {options.bits}"
    )
    lines = [
        "# Fronts of real networks at equal CPU time",
        "",
        f"Written by `{command} --out reports/benchmarks --name {options.name}`;",
        f"methods and figure are explained in its first lines. Every point is in `{options.name}.csv`.",
        "",
        text,
        "",
        f"![hypervolume against CPU seconds]({options.name}.png)",
        "",
    ]
    page = options.out / f"{options.name}.md"
    _, heading, written = page.read_text(encoding="utf-8").partition("\n## ") if page.exists() else ("", "", "")
    page.write_text("\n".join(lines) + heading + written, encoding="utf-8")  # sections written by hand stay


if __name__ == "__main__":
    main()
