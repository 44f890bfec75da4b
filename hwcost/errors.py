"""Every error that hwcost raises on purpose: each names the place, the value and the remedy."""

from __future__ import annotations

from collections.abc import Sequence


class HwcostError(Exception):
    """Root of the tree; the command line prints it as one line and exits with status 2."""


class BadOption(HwcostError, ValueError):
    """An argument has a value or a type that makes no sense here."""


class UnknownPrecision(HwcostError):
    """A signal, weight or accumulator has no bit-width, so no hardware can be built for it."""


class UnknownOperation(HwcostError):
    """The network calls something that has no rule: it can be neither ranged nor priced."""


class BrokenRange(HwcostError):
    """An integer left the range that its layer describes: the hardware would overflow."""


class UntraceableNetwork(HwcostError):
    """`torch.fx` cannot follow the network: it is no static pipeline."""


class UnknownBlock(HwcostError):
    """A hardware model has no formula for a block."""


class UnknownDevice(HwcostError):
    """No FPGA part or board of that name is in the device table."""


class BadFolding(HwcostError):
    """A PE or SIMD that does not divide its layer, or a frame rate that no folding reaches."""


class BadRecipe(HwcostError):
    """A recipe that cannot be imported, or that is not a `Recipe`."""


class BadData(HwcostError):
    """A data set that is missing, incomplete, of the wrong shape, or not finite."""


class BadStudy(HwcostError):
    """A study folder that is corrupt, belongs to another recipe, is in use, or cannot be written."""


class OutOfMemory(HwcostError):
    """A training that asked for more memory than there is."""


class DivergedTraining(HwcostError):
    """A training whose loss, or a network whose weights became NaN or infinite."""


def together(faults: Sequence[HwcostError]) -> HwcostError:
    """One error with a line for each of several, of the class of the first."""
    return type(faults[0])("\n".join(str(fault) for fault in faults))
