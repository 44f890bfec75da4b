"""Progress display of a sweep: a bar with the time left and the best front so far."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from html import escape
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hwcost.report.score import Score
from hwcost.sweep.listener import Listener
from hwcost.sweep.standing import Row, Standing
from hwcost.train.loop import Epoch

_ACCURACY = Score()

Show = Callable[[Mapping[str, str]], object]
"""Draws a text that is given in several forms: MIME type -> text."""

_REDRAWN_S = 0.2
"""Seconds for which a drawn epoch stands in a notebook."""


class _TwoLines(Progress):
    """The bar, and the front below it: side by side they leave no room for the bar on a narrow terminal."""

    front = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """The lines to draw."""
        yield from super().get_renderables()
        if self.front:
            yield self.front


class _Epochs(Listener):
    """A line for each epoch, where asked for."""

    def __init__(self, console: Console, verbose: bool, score: Score) -> None:
        self._console, self._verbose, self._score = console, verbose, score

    def epoch_done(self, epoch: Epoch) -> None:
        if self._verbose:
            self._console.print(_told(epoch, self._score), highlight=False, soft_wrap=True)


class _Bar(_Epochs):
    """Two live lines, on a terminal."""

    def __init__(self, progress: _TwoLines, trials: int | None, epochs: int, *, verbose: bool, score: Score) -> None:
        super().__init__(progress.console, verbose, score)
        self._progress, self._epochs = progress, epochs
        self._trials, self._done = trials, 0
        shown = "" if trials in (0, 1) else _of(0, trials)
        self._task = progress.add_task("float baseline", total=self._total, trials=shown)

    @property
    def _total(self) -> int | None:
        return None if self._trials is None else self._trials * self._epochs

    def trial_started(self, number: int) -> None:
        completed = self._done * self._epochs  # the epochs of the float baseline do not count
        self._progress.update(self._task, description=f"trial {number}", completed=completed)

    def epoch_done(self, epoch: Epoch) -> None:
        super().epoch_done(epoch)
        self._progress.update(self._task, advance=1)

    def phase_started(self, name: str) -> None:
        self._progress.update(self._task, description=name)

    def trials_added(self, count: int) -> None:
        self._trials = None if self._trials is None else self._trials + count
        self._progress.update(self._task, total=self._total)

    def trial_done(self, done: int, standing: Standing) -> None:
        self._done = done
        self._progress.front = _summary(standing, self._score)
        self._progress.update(self._task, completed=done * self._epochs, trials=_of(done, self._trials))


class _Lines(_Epochs):
    """One line per trial, in a log."""

    def __init__(self, console: Console, trials: int | None, verbose: bool, score: Score) -> None:
        super().__init__(console, verbose, score)
        self._trials = trials

    def phase_started(self, name: str) -> None:
        self._console.print(name, highlight=False)

    def trials_added(self, count: int) -> None:
        self._trials = None if self._trials is None else self._trials + count

    def trial_done(self, done: int, standing: Standing) -> None:
        text = f"trial {_of(done, self._trials)}  {_summary(standing, self._score)}{over_budget(standing.ended)}"
        self._console.print(text, highlight=False, soft_wrap=True)


class _Cell(_Epochs):
    """One output of a notebook, drawn again while the sweep runs."""

    def __init__(self, show: Show, trials: int | None, epochs: int, *, verbose: bool, score: Score) -> None:
        super().__init__(Console(stderr=True), verbose, score)
        self._show, self._trials, self._epochs = show, trials, epochs
        self._what, self._epoch, self._done, self._front = "float baseline", 0, 0, ""
        self._drawn = 0.0
        self._draw()

    def trial_started(self, number: int) -> None:
        self._what, self._epoch = f"trial {number}", 0
        self._draw()

    def epoch_done(self, epoch: Epoch) -> None:
        super().epoch_done(epoch)
        self._epoch = epoch.epoch
        if time.monotonic() > self._drawn + _REDRAWN_S:
            self._draw()

    def phase_started(self, name: str) -> None:
        self._what, self._epoch = name, 0
        self._draw()

    def trials_added(self, count: int) -> None:
        self._trials = None if self._trials is None else self._trials + count

    def trial_done(self, done: int, standing: Standing) -> None:
        self._done, self._front = done, _summary(standing, self._score)
        self._what, self._epoch = "", 0
        self._draw()

    def _draw(self) -> None:
        epoch = f", epoch {self._epoch} of {self._epochs}" if self._epoch else ""
        told = [f"{_of(self._done, self._trials)} trials", f"{self._what}{epoch}", self._front]
        text = "; ".join(part for part in told if part)
        most = f' max="{self._trials}" value="{self._done}"' if self._trials else ""
        self._show({"text/plain": text, "text/html": f"<progress{most}></progress> {escape(text)}"})
        self._drawn = time.monotonic()


def _notebook_output() -> Show:
    """A function that draws an output of the running cell, and draws it again."""
    from IPython.display import display

    handle: Any = display({"text/plain": ""}, raw=True, display_id=True)  # type: ignore[no-untyped-call] # IPython's
    return partial(handle.update, raw=True)


class Trained(_Epochs):
    """A line for each trial of a worker, which knows neither the front nor how much is left."""

    def __init__(self, score: Score, *, quiet: bool, verbose: bool) -> None:
        super().__init__(Console(stderr=True), verbose, score)
        self._quiet = quiet

    def trained(self, done: int) -> None:
        """The done-th trial ended."""
        if not self._quiet:
            self._console.print(f"trained {done}", highlight=False)


def _of(done: int, trials: int | None) -> str:
    return str(done) if trials is None else f"{done}/{trials}"


def _told(epoch: Epoch, score: Score) -> str:
    cost = "".join(f"  {epoch.cost[name]:,.0f} {name}" for name in ("LUT", "DSP", "BRAM18") if name in epoch.cost)
    return f"  epoch {epoch.epoch}  loss {epoch.loss:.4f}  validation {score.text(epoch.accuracy)}{cost}"


def _summary(standing: Standing, score: Score) -> str:
    if not standing.front:
        if not standing.finished:
            return "no finished trial yet"
        return "front 0: no finished trial is within the worst score"
    best = max(standing.front, key=lambda point: score.sign * float(point["accuracy"]))
    cheapest = min(standing.front, key=lambda point: point["LUT"])
    return (
        f"front {len(standing.front)}: best {score.text(best['accuracy'], 1)} at {best['LUT']:,.0f} LUT, "
        f"cheapest {score.text(cheapest['accuracy'], 1)} at {cheapest['LUT']:,.0f} LUT"
    )


def over_budget(trials: Sequence[Row]) -> str:
    """Remark of a log line on the finished trials among these that exceed their budgets; empty for others."""
    remarks = []
    for trial in trials:
        if trial["state"] != "COMPLETE" or trial.get("within_budget") is not False:
            continue
        exceeded = [
            f"{trial[name]:,.0f} {name} for {limit:,.0f}"
            for name, limit in trial["budget"].items()
            if trial[name] > limit
        ]
        why = ", which its widths cannot reach" if trial.get("budget_reachable") is False else ""
        remarks.append(f"; trial {trial['number']} over its budget: {', '.join(exceeded)}{why}")
    return "".join(remarks)


@contextmanager
def watch(
    trials: int | None, epochs: int, *, quiet: bool, verbose: bool = False, score: Score = _ACCURACY
) -> Iterator[Listener]:
    """A listener for `sweep.run`: a bar on a terminal or in a notebook, lines in a log; every epoch when verbose.

    Args:
        trials: to come; None where that is open.
        epochs: of each.
        quiet, verbose: as the flags.
        score: the reading of the task's score.
    """
    console = Console(stderr=True)
    if quiet:
        yield Listener()
    elif console.is_jupyter:
        yield _Cell(_notebook_output(), trials, epochs, verbose=verbose, score=score)
    elif not console.is_terminal:
        yield _Lines(console, trials, verbose, score)
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[trials]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with _TwoLines(*columns, console=console) as progress:
            yield _Bar(progress, trials, epochs, verbose=verbose, score=score)
