"""Time between two trainings, and of the report, in a study of many finished trials.

    python benchmarks/many_trials.py --finished 1000 20000 --out reports/benchmarks/many_trials.md

One trial of the digits (`--bits 1:8 --warm 1`, grey-box sampler) is trained; the others are its copies with widths of
their own, the price of these, and an accuracy that falls with them. CPU seconds, on one thread.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from optuna.trial import FrozenTrial, create_trial

from hwcost.cli.network import find_recipe
from hwcost.search import Outcome, Suggestion
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.run import run
from hwcost.sweep.session import Session, session
from hwcost.sweep.settings import Settings
from hwcost.sweep.standing import standing

ASKED = 5


def copies(one: FrozenTrial, opened: Session, count: int) -> list[FrozenTrial]:
    """Finished trials of other widths."""
    assert opened.prices is not None
    space, random = dict(one.distributions), np.random.default_rng(0)
    widths = {name: random.integers(entry.low, entry.high + 1, count) for name, entry in space.items()}  # type: ignore[attr-defined] # of integers
    prices = opened.prices.price(widths)
    loss = sum(0.3 * 4.0 ** -column.astype(float) for column in widths.values()) / len(widths)
    record, found = json.loads(one.user_attrs["record"]), []
    del record["attributes"]["checkpoint"]  # the copies have no weights
    names = [objective.name for objective in opened.experiment.objectives]
    for at in range(count):
        costs = {name: float(prices[name][at]) for name in names if name != "accuracy"}
        figures = {"accuracy": round(0.99 - float(loss[at]), 4), **costs}
        attributes = record["attributes"] | figures
        params = {name: int(column[at]) for name, column in widths.items()}
        attrs = {"place": at + 1, "died": 0, "fixed": {}, "polish": 0}
        attrs["record"] = json.dumps({**record, "attributes": attributes})
        values = [figures[name] for name in names]
        found.append(create_trial(values=values, params=params, distributions=space, user_attrs=attrs))
    return found


def timed(call: Callable[[], Any]) -> float:
    """CPU seconds of a call."""
    started = time.process_time()
    call()
    return time.process_time() - started


def measured(finished: int, profile: bool) -> dict[str, float]:
    """Name of a step -> CPU seconds in a study of so many trials."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(recipe="digits", out=Path(folder), trials=1, bits=(1, 8), warm=1)
        experiment = Experiment(find_recipe("digits"), settings)
        run(experiment)
        with session(experiment, None, None) as opened:
            (one,) = opened.study._trials()
            opened.study._study.add_trials(copies(one, opened, finished - 1))
            attributes = json.loads(one.user_attrs["record"])["attributes"]
            outcome = Outcome(
                tuple(one.values), {name: attributes[name] for name in attributes if name != "checkpoint"}
            )
            times, stands = [], [opened.standing()]

            def objective(suggestion: Suggestion) -> Outcome:
                times.append(time.process_time())
                return outcome

            watch = cProfile.Profile()
            if profile:
                watch.enable()
            opened.study.run(
                objective,
                trials=ASKED,
                on_trial=lambda done: stands.append(standing(opened.study, experiment, stands.pop())),
            )
            found = {"from one training to the next": median(np.diff(times))}
            if profile:
                watch.disable()
                pstats.Stats(watch).sort_stats("cumulative").print_stats(35)
            found["the front of all"] = timed(opened.standing)
            watch = cProfile.Profile()
            if profile:
                watch.enable()
            found["report"] = timed(opened.report)
            if profile:
                watch.disable()
                pstats.Stats(watch).sort_stats("cumulative").print_stats(45)
        found["open again"] = timed(lambda: _opened(experiment))
    return found


def _opened(experiment: Experiment) -> None:
    with session(experiment, None, None):
        pass


def main() -> None:
    """Print a row for each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--finished", nargs="+", type=int, default=[1_000, 20_000])
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    columns = {count: measured(count, options.profile) for count in options.finished}
    lines = ["| CPU seconds | " + " | ".join(f"{count:,} trials" for count in columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for step in next(iter(columns.values())):
        lines.append(f"| {step} | " + " | ".join(f"{column[step]:.2f}" for column in columns.values()) + " |")
    print("\n".join(lines))
    if options.out:
        about = "Written by `python benchmarks/many_trials.py --finished " + " ".join(map(str, columns)) + "`."
        options.out.write_text(
            "\n".join(["# Studies of many trials", "", about, __doc__.split("\n\n")[-1].strip(), "", *lines, ""])
        )


if __name__ == "__main__":
    main()
