"""A search of a leader and of worker processes, in a space that is small enough to be used up."""

import multiprocessing
import time
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from optuna.distributions import IntDistribution

from hwcost.errors import BadStudy
from hwcost.search import Objective, Outcome, Prices, Share, StudySpec, Suggestion, join_study, lead_study
from hwcost.search.samplers.grid import Candidates

WORKERS = 4
SPACE = {"w": IntDistribution(2, 8), "a": IntDistribution(2, 8)}
COMBINATIONS = 49


def price(candidates: Candidates) -> dict[str, NDArray[Any]]:
    return {"LUT": candidates["w"] * candidates["a"]}


def evaluated(suggestion: Suggestion) -> Outcome:
    w, a = suggestion.params["w"], suggestion.params["a"]
    return Outcome((4.0**-w + 2 * 4.0**-a, float(w * a)))


def spec() -> StudySpec:
    return StudySpec(
        objectives=(Objective("loss", "minimize"), Objective("LUT", "minimize")),
        seed=0,
        sampler="greybox",
        space=SPACE,
        prices=Prices(SPACE, price, {1: "LUT"}, {}),
    )


def work(url: str, folder: str, number: int) -> None:
    """Join the study of a test, as `hwcost worker` does."""
    out = Path(folder) / f"worker-{number}"
    while True:
        try:
            with join_study(url, "study", out) as joined:
                study = joined.agree(spec(), artifacts=f"{folder}/weights", files=lambda of: out / f"{of}.pt")
                (Path(folder) / f"here-{number}").touch()
                study.work(slowly)
                return
        except BadStudy as error:
            if "not in" not in str(error) and "still trains" not in str(error):
                raise
            time.sleep(0.1)


def slowly(suggestion: Suggestion) -> Outcome:
    time.sleep(0.05)
    return evaluated(suggestion)


def tried_by_processes(url: str, folder: Path) -> list[tuple[tuple[str, Any], ...]]:
    """Parameters of 49 trials of a leader and four slow workers, of which none begins before all are there."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=work, args=(url, str(folder), number)) for number in range(WORKERS)]
    files = lambda of: folder / "study" / "checkpoints" / f"{of}.pt"  # noqa: E731

    def with_all(suggestion: Suggestion) -> Outcome:
        while not all((folder / f"here-{number}").exists() for number in range(WORKERS)):
            assert all(worker.is_alive() for worker in workers)
            time.sleep(0.1)
        return slowly(suggestion)

    with lead_study(
        Share(url, str(folder / "weights"), 2), folder / "study", spec(), files=files, settings={}
    ) as study:
        files(None).parent.mkdir(exist_ok=True)
        files(None).write_text("float")
        for worker in workers:
            worker.start()
        study.run(with_all, trials=COMBINATIONS)
        for worker in workers:
            worker.join()
        return [tuple(params.items()) for params in study.frame()["params"]]
