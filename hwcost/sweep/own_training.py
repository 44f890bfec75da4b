"""Trainings of a sweep by the function of its recipe: the float network, the trials, and what follows the search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

from hwcost.errors import BadRecipe, DivergedTraining, HwcostError, OutOfMemory
from hwcost.models import RESOURCES
from hwcost.report.score import PUBLISHED
from hwcost.sweep.experiment import FIGURES, Experiment
from hwcost.sweep.user_call import ask, finite
from hwcost.train.loop import train
from hwcost.train.run import Run

_TAKEN = {
    *RESOURCES, *FIGURES, *PUBLISHED, *PUBLISHED.values(), "number", "state", "seconds", "seed", "error", "parent",
    "polish", "fits", "budget", "within_budget", "budget_reachable", "on_front", "layers", "epochs", "checkpoint",
} - {"accuracy"}  # fmt: skip
"""Names that a trial, its row in a frame, and `train_trial` have already."""


def trained(experiment: Experiment, run: Run) -> dict[str, float]:
    """Train a network by the function of the recipe.

    Args:
        experiment: with the recipe.
        run: of the network.

    Returns:
        Figures that the function returned, by name; its score, if any, as "accuracy".

    Raises:
        DivergedTraining: a figure is NaN or infinite. BadRecipe: the function failed, or returned something else.
    """
    name = experiment.recipe.name
    if experiment.recipe.train is train:  # as it is: its errors are ours
        train(run.net, run)
        return {}
    said = ask(f"recipe {name}: its train()", experiment.recipe.train, run.net, run)
    given = said if isinstance(said, Mapping) else {} if said is None else {"score": said}
    found = {"accuracy" if figure == "score" else figure: value for figure, value in given.items()}
    for figure, value in found.items():
        try:
            found[figure] = float(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise BadRecipe(
                f"recipe {name}: its train() returned {type(value).__name__}; return None, the validation score, or "
                "numbers by name"
            ) from error
        if figure in _TAKEN:
            raise BadRecipe(f"recipe {name}: its train() returned {figure!r}, which a trial has already; rename it")
        if not finite(found[figure]):
            named = experiment.recipe.task.name if figure == "accuracy" else figure
            raise DivergedTraining(f"its train() returned {named}={value}")
    return found


@contextmanager
def removed_at_the_end(path: Path) -> Iterator[None]:
    """Remove what a training kept to resume from, if it ends here and is no longer retried."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except HwcostError:
        _remove(path)
        raise
    _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():  # as some trainers write them
        rmtree(path)
    path.unlink(missing_ok=True)


@contextmanager
def within_memory(what: str) -> Iterator[None]:
    """Report a training that asks for more memory than there is in one line.

    Raises:
        OutOfMemory: names what was trained.
    """
    try:
        yield
    except (MemoryError, RuntimeError, BadRecipe) as error:
        cause = error.__cause__ if isinstance(error, BadRecipe) else error
        told = isinstance(cause, RuntimeError) and "memory" in str(cause)  # PyTorch has no class of its own on a CPU
        if not (told or isinstance(cause, MemoryError)):
            raise
        reason = next(iter(str(cause).splitlines()), type(cause).__name__)[:120]
        raise OutOfMemory(
            f"{what}: its training ran out of memory ({reason}); give a smaller batch, or fewer --jobs"
        ) from error
