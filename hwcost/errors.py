"""Deliberate errors of hwcost: each message names the place, the value and the remedy."""

from collections.abc import Sequence


class HwcostError(Exception):
    """Root of the tree; the command line prints it as one line and exits with status 2."""


class BadOption(HwcostError, ValueError):
    """An argument has an invalid value or type."""


class UnknownPrecision(HwcostError):
    """A signal, weight or accumulator has no bit-width, so that no hardware can be built for it."""


class UnknownOperation(HwcostError):
    """The network calls an operation that has no rule, so that it has neither a range nor a price."""


class BrokenRange(HwcostError):
    """An integer leaves the range that its layer describes: the hardware would overflow."""


class UntraceableNetwork(HwcostError):
    """`torch.fx` cannot trace the network: it is not a static pipeline."""


class UnknownBlock(HwcostError):
    """A hardware model has no formula for a block."""


class UnknownDevice(HwcostError):
    """The device table has no FPGA part or board of that name."""


class BadFolding(HwcostError):
    """A PE or SIMD does not divide its layer, or no folding reaches a frame rate."""


class BadRecipe(HwcostError):
    """A recipe cannot be imported, or is not a `Recipe`."""


class BadData(HwcostError):
    """A data set is missing, incomplete, of the wrong shape, or not finite."""


class BadStudy(HwcostError):
    """A study folder is corrupt, belongs to another recipe, is in use, or cannot be written."""


class NotBegun(BadStudy):
    """A study that a worker wants to join has no trials yet; a sweep may begin it at any moment."""


class OutOfMemory(HwcostError):
    """A training ran out of memory."""


class HopelessTrial(HwcostError):
    """A training that was stopped, because most finished trials that cost no more were ahead of it."""


class DivergedTraining(HwcostError):
    """A training whose loss, or a network whose weights became NaN or infinite."""


def together(faults: Sequence[HwcostError]) -> HwcostError:
    """One error with a line for each of several, of the class of the first."""
    return type(faults[0])("\n".join(str(fault) for fault in faults))
