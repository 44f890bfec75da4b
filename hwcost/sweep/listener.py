"""Listener of a sweep: hears of trials, epochs and phases while they happen."""

from hwcost.sweep.standing import Standing
from hwcost.train.loop import Epoch


class Listener:
    """Hears what happens while a sweep runs; this one does nothing."""

    def trial_started(self, number: int) -> None:
        """Called when a trial begins."""

    def epoch_done(self, epoch: Epoch) -> None:
        """Called at the end of an epoch of the running trial, or of the float baseline."""

    def phase_started(self, name: str) -> None:
        """Called when trainings begin that are no trials of their own: the ramp, repetitions, refits."""

    def trials_added(self, count: int) -> None:
        """Called when `count` trials join those that the call was to add."""

    def trained(self, done: int) -> None:
        """Called when this process has trained its done-th trial for a sweep that another process leads."""

    def trial_done(self, done: int, standing: Standing) -> None:
        """Called at the end of the done-th trial of this call; the standing holds the trials ended since the last."""
