"""Distance of samplers from fronts that are known exactly (`sampler_problems.py`), trial by trial.

python benchmarks/samplers.py --jobs 2            # the whole table, about an hour
python benchmarks/samplers.py --problems chain --samplers greybox tpe --seeds 2 --trials 50   # a quick look
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np  # noqa: E402
import optuna  # noqa: E402
from optuna.samplers import BaseSampler  # noqa: E402
from recorded_problem import Recorded  # noqa: E402
from sampler_problems import PROBLEMS, Problem, Score  # noqa: E402

from hwcost.search import GreyBoxSampler  # noqa: E402
from hwcost.search.samplers.choose import make_sampler  # noqa: E402

MARKS = (20, 50, 100, 200)
UNIFORM = "uniform widths"


class Job(NamedTuple):
    """One search."""

    problem: str
    sampler: str
    batch: int
    trials: int
    seed: int


def sampler_of(job: Job, problem: Problem | Recorded) -> BaseSampler:
    if job.sampler == "greybox":
        return GreyBoxSampler(problem.space, problem.price, {1: "LUT"}, seed=job.seed)
    return make_sampler(job.sampler, job.seed, {})


def uniform(problem: Problem | Recorded) -> Iterator[dict[str, Any]]:
    """All widths equal, as far as they can be, 8 bits first, at each choice of the rest."""
    rest = [
        getattr(entry, "choices", None) or range(entry.low, entry.high + 1)  # type: ignore[attr-defined] # of integers
        for entry in problem.more.values()
    ]
    widths = {name: entry for name, entry in problem.space.items() if name not in problem.more}
    ends = [(entry.low, entry.high) for entry in widths.values()]  # type: ignore[attr-defined] # of integers
    for bits in dict.fromkeys(tuple(min(max(bits, low), high) for low, high in ends) for bits in range(8, 0, -1)):
        for values in product(*rest):
            yield dict(zip(widths, bits, strict=True)) | dict(zip(problem.more, values, strict=True))


def search(job: Job) -> dict[str, Any]:
    """The scores at every mark, and CPU seconds of ask and tell around it."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem = PROBLEMS[job.problem]()
    score, random = Score(problem), np.random.default_rng(job.seed)
    params: list[dict[str, Any]] = []
    seen: list[float] = []
    times: list[float] = []
    study = optuna.create_study(directions=["minimize"] * 2, sampler=optuna.samplers.RandomSampler(seed=0))
    if job.sampler == UNIFORM:
        for choice in uniform(problem):
            study.enqueue_trial(choice)
        trials = sum(1 for _ in uniform(problem))
    else:
        study.sampler, trials = sampler_of(job, problem), job.trials
    while len(seen) < trials:
        asked = []
        for _ in range(min(job.batch, trials - len(seen))):
            start = time.process_time()
            asked.append(study.ask(problem.space))
            times.append(time.process_time() - start)
        for trial in asked:
            params.append(dict(trial.params))
            seen.append(problem.seen(trial.params, random))
            one = {name: np.array([value], dtype=object) for name, value in trial.params.items()}
            start = time.process_time()
            study.tell(trial, [seen[-1], float(problem.price(one)["LUT"][0])])
            times[len(seen) - 1] += time.process_time() - start
    marks = [mark for mark in MARKS if mark <= trials] or [trials]
    return job._asdict() | {
        "scores": {mark: score(params[:mark], seen[:mark]) for mark in marks},
        "seconds": {mark: fmean(times[max(0, mark - 10) : mark]) for mark in marks},
    }


def table(results: list[dict[str, Any]]) -> list[str]:
    """Markdown, a part per problem; the best at the last mark first."""
    lines = []
    for name in dict.fromkeys(result["problem"] for result in results):
        mine = [result for result in results if result["problem"] == name]
        marks = sorted({int(mark) for result in mine for mark in result["scores"]} & set(MARKS))
        columns = [f"{mark} trials" for mark in marks]
        lines += ["", f"## {name}", "", f"| sampler | batch | seeds | {' | '.join(columns)} | s per trial |"]
        lines.append("|---" * (len(marks) + 4) + "|")
        rows = []
        for kind in dict.fromkeys(_kind(result) for result in mine):
            runs = [result for result in mine if _kind(result) == kind]
            sampler, batch, _ = kind
            cells = [_cell(runs, mark) for mark in marks]
            last = max(int(mark) for mark in runs[0]["seconds"])
            seconds = fmean(_at(run["seconds"], last) for run in runs)
            rank = -fmean(_at(run["scores"], max(map(int, run["scores"])))[0] for run in runs)
            rows.append(
                (rank, f"| {sampler} | {batch} | {len(runs)} | {' | '.join(cells)} | {seconds:.3f} at {last} |")
            )
        lines += [row for _, row in sorted(rows)]
    return lines


def _kind(result: dict[str, Any]) -> tuple[str, int, int]:
    return result["sampler"], result["batch"], result["trials"]


def _at(by_mark: dict[Any, Any], mark: int) -> Any:
    """JSON turns whole numbers into text."""
    return by_mark.get(mark, by_mark.get(str(mark)))


def _cell(runs: list[dict[str, Any]], mark: int) -> str:
    scores = [_at(run["scores"], mark) for run in runs]
    if None in scores:
        (only,) = runs[0]["scores"] if len(runs[0]["scores"]) == 1 else (None,)
        if only is None or int(only) > mark:
            return "-"
        scores = [_at(run["scores"], int(only)) for run in runs]
    plain, logs = np.array(scores).T
    return f"{plain.mean():.3f} ± {plain.std():.3f} / {logs.mean():.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument(
        "--samplers", nargs="+", default=["greybox", "tpe", "nsga2", "random", UNIFORM], help="By name; gp too."
    )
    parser.add_argument("--batches", nargs="+", type=int, default=[1], help="Trials asked for at once.")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1, help="Processes.")
    parser.add_argument("--raw", type=Path, help="Every search as a line of JSON; those in there are not run again.")
    parser.add_argument("--out", type=Path, help="Write the table there too.")
    options = parser.parse_args()
    done = (
        [json.loads(line) for line in options.raw.read_text().splitlines()]
        if options.raw and options.raw.exists()
        else []
    )
    jobs = [
        Job(problem, sampler, batch, options.trials, seed)
        for problem, sampler, batch, seed in product(
            options.problems, options.samplers, options.batches, range(options.seeds)
        )
        if (sampler != UNIFORM or batch == 1) and (sampler != "random" or batch == 1)
    ]
    known = {Job(*(result[name] for name in Job._fields)) for result in done}
    with ProcessPoolExecutor(options.jobs) as pool:
        for result in pool.map(search, [job for job in jobs if job not in known]):
            done.append(result)
            if options.raw:
                with options.raw.open("a") as file:
                    file.write(json.dumps(result) + "\n")
    lines = [
        "# Samplers on problems with a known front",
        "",
        "Written by `python benchmarks/samplers.py`; the problems are described in `benchmarks/sampler_problems.py`.",
        "Ratio of the hypervolume of the true front, mean ± standard deviation over seeds / the same ratio on",
        "logarithmic scales, mean. Batch: trials that are asked for at once. Seconds: CPU time of ask and tell.",
        "Rows of batches and of 200 trials: further calls with `--batches 8` and `--trials 200 --seeds 2`,",
        "collected by `--raw`.",
        *table(done),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
