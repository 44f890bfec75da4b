"""Hypervolume and distinct proposals of the grey-box sampler, by the number of trials in flight.

python benchmarks/parallel_search.py --jobs 2 --out reports/benchmarks/parallel_search.md     # about half an hour
"""

import argparse
import heapq
import os
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np  # noqa: E402
import optuna  # noqa: E402
from optuna.distributions import BaseDistribution, IntDistribution  # noqa: E402
from optuna.samplers import BaseSampler  # noqa: E402
from sampler_problems import PROBLEMS, Score  # noqa: E402

from hwcost.search import GreyBoxSampler  # noqa: E402
from hwcost.search.samplers.exhaustive import EverySampler  # noqa: E402

WORKERS = (1, 2, 4, 8)
SMALL: dict[str, BaseDistribution] = {"w": IntDistribution(2, 8), "a": IntDistribution(2, 8)}
"""A space of 49 combinations, where doubles are likely."""


class Job(NamedTuple):
    """One search."""

    problem: str
    workers: int
    trials: int
    seed: int


def search(job: Job) -> tuple[float, int]:
    """Share of the true front's hypervolume, and the number of distinct proposals.

    A simulated clock: trainings last between half and one and a half units, and whoever ends one asks for the next.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem = PROBLEMS[job.problem]()
    noise, length = np.random.default_rng(job.seed), np.random.default_rng((job.seed, 1))
    sampler = GreyBoxSampler(problem.space, problem.price, {1: "LUT"}, seed=job.seed)
    study = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
    flying: list[tuple[float, int, optuna.Trial]] = []
    params, seen, clock = [], [], 0.0
    while len(seen) < job.trials:
        while len(flying) < job.workers and len(seen) + len(flying) < job.trials:
            trial = study.ask(problem.space)
            heapq.heappush(flying, (clock + length.uniform(0.5, 1.5), trial.number, trial))
        clock, _, trial = heapq.heappop(flying)
        params.append(dict(trial.params))
        seen.append(problem.seen(trial.params, noise))
        one = {name: np.array([value], dtype=object) for name, value in trial.params.items()}
        study.tell(trial, [seen[-1], float(problem.price(one)["LUT"][0])])
    return Score(problem)(params, seen)[0], len({tuple(sorted(one.items())) for one in params})


def distinct(sampler: BaseSampler, workers: int, trials: int) -> int:
    """Distinct proposals of real threads that search the small space."""

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        w, a = (trial.suggest_int(name, 2, 8) for name in SMALL)
        return 4.0**-w + 2 * 4.0**-a, float(w * a)

    study = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
    study.optimize(objective, n_trials=trials, n_jobs=workers)
    return len({tuple(trial.params.values()) for trial in study.trials})


def small_searches() -> list[str]:
    """Rows of the small space."""
    rows = []
    for workers in WORKERS:
        greybox = [
            distinct(GreyBoxSampler(SMALL, lambda of: {"LUT": of["w"] * of["a"]}, {1: "LUT"}, seed=seed), workers, 40)
            for seed in range(3)
        ]
        grid = [distinct(EverySampler(SMALL), workers, 49) for _ in range(3)]
        rows.append(f"| {workers} | {_each(greybox)} | {_each(grid)} |")
    return rows


def _each(counts: list[int]) -> str:
    return ", ".join(map(str, counts))


def large_searches(results: dict[Job, tuple[float, int]], trials: int) -> list[str]:
    """Rows of the problems with a known front."""
    rows = []
    for problem, workers in dict.fromkeys((job.problem, job.workers) for job in results):
        mine = [result for job, result in results.items() if (job.problem, job.workers) == (problem, workers)]
        alone = fmean(result[0] for job, result in results.items() if (job.problem, job.workers) == (problem, 1))
        volumes = [volume for volume, _ in mine]
        spread = stdev(volumes) if len(volumes) > 1 else 0.0
        least = min(count for _, count in mine)
        mean = fmean(volumes)
        rows.append(f"| {problem} | {workers} | {least} of {trials} | {mean:.3f} ± {spread:.3f} | {mean / alone:.3f} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1, help="Processes.")
    parser.add_argument("--out", type=Path, help="Write the page there too.")
    options: Any = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    jobs = [Job(*of) for of in product(options.problems, WORKERS, [options.trials], range(options.seeds))]
    with ProcessPoolExecutor(options.jobs) as pool:
        results = dict(zip(jobs, pool.map(search, jobs), strict=True))
    lines = [
        "# Search in parallel",
        "",
        f"Written by `python benchmarks/parallel_search.py --trials {options.trials} --seeds {options.seeds}`.",
        "",
        "## Trials in flight and the front",
        "",
        "The problems of `benchmarks/sampler_problems.py`, sampler greybox. Trainings last between half and one and a",
        "half units of a simulated clock, and whoever ends one asks for the next. Ratio of the hypervolume of the true",
        f"front, mean ± standard deviation over {options.seeds} seeds, and that mean over the one of one trial at a",
        "time; distinct proposals of the seed with the fewest.",
        "",
        f"| problem | in flight | distinct | hypervolume at {options.trials} trials | relative to one at a time |",
        "|---|---|---|---|---|",
        *large_searches(results, options.trials),
        "",
        "## Distinct proposals of real threads",
        "",
        "`Study.optimize(n_jobs=...)` on 49 combinations: the grey-box sampler in 40 trials, the grid in 49; three",
        "searches each.",
        "",
        "| threads | greybox, of 40 | grid, of 49 |",
        "|---|---|---|",
        *small_searches(),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
