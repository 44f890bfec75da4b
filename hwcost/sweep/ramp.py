"""One training whose penalty grows while all widths learn; its epochs are points from accurate to cheap."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hwcost.cost.width_proxy import learned_widths
from hwcost.errors import BadStudy
from hwcost.report.pareto import non_dominated
from hwcost.search import Outcome, Prices, Suggestion
from hwcost.sweep.experiment import RAMP_EPOCH, Experiment
from hwcost.sweep.float_baseline import float_checkpoint
from hwcost.sweep.own_training import within_memory
from hwcost.sweep.study_files import checkpoint, read_json, save_net, write_json
from hwcost.sweep.trial import Design, design, judged
from hwcost.sweep.warm_start import put_weights, start_folded, start_from
from hwcost.sweep.width_space import confine_widths
from hwcost.train.data import Data
from hwcost.train.loop import Epoch, Hardware, Training, fit
from hwcost.train.penalties import Ramp, WeightedCost

RECORD = "ramp.json"
"""The points of a study's ramp; their networks are the checkpoints of its first trials."""

FIRST, LAST = 0.3, 10.0
"""Weight of the cost in the loss at the beginning and at the end, per resource, in units of the task's loss."""

FIRST_LINEAR, LAST_LINEAR = 0.1, 60.0
"""The same for a ramp of constants in the fabric, whose price goes to a hundredth of its start."""

BATCH, DECAY, FASTER = 256, 5e-2, 2.5
"""Settings of a ramp of constants in the fabric: least batch; weight decay, without which pruned weights wander off,
and with them the steps of their rows; rate of the widths over that of the weights."""

REUSED = 32
"""Steps of it that share a price. Mean hypervolume of 60 s of the CPU, seeds 0 and 1 (reports/benchmarks/unrolled.md):
dry bean .911, letter .696; with 8, which leaves time for two thirds of the epochs, .915 and .668."""

REHEARSED, REHEARSAL = 4, 0.03
"""Least number of epochs, and share of the time, that tell how many epochs a ramp can have."""

GENTLER = 0.5
"""Factor on the recipe's learning rate: the weights come from the float network and follow the widths."""


@dataclass(frozen=True)
class Point:
    """An epoch that none of its training beats.

    Attributes:
        epoch: from 1.
        params: the widths, as a trial of the study has them.
        outcome: as of a trial that trained to here.
        design: the network with these widths and the weights of that epoch.
        seconds: of training since the point before.
    """

    epoch: int
    params: Mapping[str, int]
    outcome: Outcome
    design: Design
    seconds: float


class _Passed(NamedTuple):
    """The network as it was at the end of an epoch, and when."""

    params: dict[str, int]
    state: dict[str, Tensor]
    at: float


class _Reached(Exception):
    """The epoch that was asked for."""


def ramp(
    experiment: Experiment,
    data: Data,
    prices: Prices | None,
    on_epoch: Callable[[Epoch], None] | None = None,
    *,
    until: int | None = None,
) -> list[Point]:
    """Train from the float network, every width from its largest on, while the weight of the cost grows.

    Args:
        experiment: with its `ramp`, the epochs.
        data: training data for the steps, validation data for the scores.
        prices: the widths to learn, within their bounds, and the limits that a point must keep; None lets all of a
            refined network learn, and the part is the limit.
        on_epoch: called with each finished epoch.
        until: stop at this epoch, and give its point alone; it comes out as in a whole ramp.

    Returns:
        The points that no other beats in the objectives, by epoch; of equals the latest.

    Raises:
        BadStudy: the float network's checkpoint is missing or broken. HwcostError: as `fit`.
    """
    assert experiment.settings.ramp is not None
    trial = design(experiment, {}, data, experiment.settings.seed)
    _start(experiment, data, trial, prices)
    full = trial.estimate().total
    settings = _settings(experiment)
    steps = experiment.settings.ramp * data.train.steps(settings.batch)
    names = [one.name for one in experiment.objectives if one.name != "accuracy"]
    first, last = (FIRST, LAST) if prices is not None else (FIRST_LINEAR, LAST_LINEAR)
    # of constants in the fabric a LUT weighs the same from a whole network to a pruned one
    keeper = WeightedCost(
        {name: full[name] for name in names if full[name] > 0}, Ramp(first, last, steps), log=prices is not None
    )
    limits = experiment.part.capacity if prices is None else prices.limits
    epochs: list[Epoch] = []
    archive: dict[int, _Passed] = {}

    def offer(epoch: Epoch) -> None:
        """Keep the weights of the unbeaten epochs, and drop the others."""
        epochs.append(epoch)
        front = [epochs[number - 1] for number in archive]
        unbeaten = [epoch] if until is not None else _unbeaten(experiment, limits, [*front, epoch])
        kept = {one.epoch for one in unbeaten}
        if epoch.epoch in kept:
            archive[epoch.epoch] = _passed(trial, prices, epoch)
        for number in archive.keys() - kept:
            del archive[number]
        if on_epoch is not None:
            on_epoch(epoch)
        if epoch.epoch == until:
            raise _Reached

    started = time.perf_counter()
    try:
        with within_memory("the ramp"):
            fit(
                trial.net, data, settings, seed=experiment.settings.seed, task=experiment.recipe.task, on_epoch=offer,
                hardware=Hardware(trial.pipeline, trial.model, keeper),
            )  # fmt: skip
    except _Reached:
        pass
    ends = [started, *(one.at for one in archive.values())]
    return [
        _point(experiment, data, epochs[:number], one, since)
        for (number, one), since in zip(archive.items(), ends, strict=False)
    ]


def epochs_within(experiment: Experiment, data: Data, prices: Prices | None, seconds: float) -> int:
    """Epochs of a ramp that take a time, by a rehearsal of a few: at least 1, at most those of the settings.

    Args:
        experiment, data, prices: as `ramp`.
        seconds: of the CPU, the rehearsal included.
    """
    assert experiment.settings.ramp is not None
    if experiment.settings.ramp <= REHEARSED:
        return experiment.settings.ramp
    times = [time.process_time()]

    def note(_: Epoch) -> None:
        times.append(time.process_time())
        if len(times) > REHEARSED and times[-1] - times[0] >= REHEARSAL * seconds:
            raise _Reached

    ramp(experiment, data, prices, note, until=experiment.settings.ramp)
    each = (times[-1] - times[1]) / (len(times) - 2)  # the first warms up
    return max(1, min(experiment.settings.ramp, int((seconds + times[0] - times[-1]) / max(each, 1e-6))))


def _of_length(experiment: Experiment, epochs: int) -> Experiment:
    return replace(experiment, settings=replace(experiment.settings, ramp=epochs))


def stored(
    experiment: Experiment,
    data: Data,
    prices: Prices | None,
    on_epoch: Callable[[Epoch], None] | None = None,
    *,
    seconds: float | None = None,
) -> list[tuple[Mapping[str, int], Outcome, float]]:
    """Widths, outcome and seconds of each point of a study's ramp, which is trained at the first call and then on disk.

    Args:
        experiment, data, prices, on_epoch: as `ramp`.
        seconds: of the CPU, that the ramp takes about; its epochs are then no more than those of the settings, and
            recorded with its points, so that each comes out again.

    Raises:
        BadStudy: the folder cannot be written, or its record of the ramp is broken. HwcostError: as `ramp`.
    """
    path = experiment.settings.out / RECORD
    if not path.exists():
        if seconds is not None:
            experiment = _of_length(experiment, epochs_within(experiment, data, prices, seconds))
        points = ramp(experiment, data, prices, on_epoch)
        rows = []
        for number, point in enumerate(points):
            saved = save_net(point.design.net, checkpoint(experiment.settings.out, number))
            outcome = {**vars(point.outcome), "attributes": {**point.outcome.attributes, "checkpoint": saved}}
            rows.append({"params": point.params, "seconds": point.seconds, **outcome})
        write_json(path, {"epochs": experiment.settings.ramp, "points": rows})
    try:
        return [
            (row["params"], Outcome(tuple(row["values"]), row["attributes"]), float(row["seconds"]))
            for row in read_json(path)["points"]
        ]
    except (KeyError, TypeError) as error:
        raise BadStudy(f"{path}: garbled ({error!r}); restore it, or start a study in another folder") from error


def again(
    experiment: Experiment,
    data: Data,
    prices: Prices | None,
    epoch: int,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Point:
    """Train the point of an epoch again.

    Raises:
        BadStudy: the ramp is shorter than that. Else as `ramp`.
    """
    path, epochs = experiment.settings.out / RECORD, experiment.settings.ramp
    if path.exists():
        epochs = read_json(path).get("epochs", epochs)
    if not isinstance(epochs, int) or epoch > epochs:
        raise BadStudy(f"ramp: epoch {epoch} of {epochs}; the record of the study is garbled")
    return ramp(_of_length(experiment, epochs), data, prices, on_epoch, until=epoch)[0]


def _unbeaten(experiment: Experiment, limits: Mapping[str, float], epochs: list[Epoch]) -> list[Epoch]:
    """The front of the epochs that keep the limits; of equals the latest.

    What one of them beats stays beaten, so that a front and one epoch more are enough to find the next front.
    """
    objectives = experiment.objectives
    found = {
        tuple({"accuracy": epoch.accuracy, **epoch.cost}[entry.name] for entry in objectives): epoch
        for epoch in epochs
        if all(epoch.cost[name] <= most for name, most in limits.items())
    }
    if not found:
        return []
    unbeaten = non_dominated(np.array(list(found), dtype=float), [entry.direction for entry in objectives])
    return [epoch for epoch, on_front in zip(found.values(), unbeaten, strict=True) if on_front]


def _start(experiment: Experiment, data: Data, trial: Design, prices: Prices | None) -> None:
    """Give the network the weights of the float network, and its widths their start."""
    out = experiment.settings.out
    path, known = checkpoint(out, None), float_checkpoint(out)
    if prices is not None:
        start_from(trial.net, path, known)
        confine_widths(trial.net, prices.space)
    else:
        start_folded(trial.net, experiment.float_network(), data.train.example, path, known)


def _settings(experiment: Experiment) -> Training:
    """The settings of the recipe for one ramp."""
    own = experiment.training()
    common = replace(own, epochs=experiment.settings.ramp or 1, lr=GENTLER * own.lr, settle=0.0, land=False)
    if experiment.settings.granularity is None:
        return common
    return replace(
        common, batch=max(own.batch, BATCH), lr=own.lr, weight_decay=DECAY, width_lr=FASTER * own.lr,
        width_rule="adam", schedule="cosine", price_every=REUSED,
    )  # fmt: skip


def _passed(trial: Design, prices: Prices | None, epoch: Epoch) -> _Passed:
    widths = learned_widths(trial.net)
    return _Passed(
        {RAMP_EPOCH: epoch.epoch} if prices is None else {name: int(widths[name]().item()) for name in prices.space},
        {name: tensor.detach().clone() for name, tensor in trial.net.state_dict().items()},
        time.perf_counter(),
    )


def _point(experiment: Experiment, data: Data, epochs: list[Epoch], passed: _Passed, since: float) -> Point:
    """Build the point like any other trial of these widths, so that it can be tested, verified and trained further."""
    trial = design(experiment, passed.params, data, experiment.settings.seed)
    with torch.no_grad():
        if experiment.settings.granularity is None:
            put_weights(trial.net, passed.state)
        else:
            trial.net.load_state_dict(passed.state)
    extra: dict[str, object] = {"ramp_epoch": epochs[-1].epoch} | (
        {} if experiment.settings.warm is None else {"parent": None}
    )
    outcome = judged(experiment, data, Suggestion(0, passed.params, experiment.settings.seed), trial, epochs, extra)
    return Point(epochs[-1].epoch, passed.params, outcome, trial, passed.at - since)
