"""The RTL of each kind of unit."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from hwcost.errors import BadOption
from hwcost.models.calibration.corpus import Unit
from hwcost.synth import (
    constant,
    control,
    elements,
    held,
    inverse,
    links,
    matvec,
    memory,
    order,
    streams,
    thresholds,
    window,
)
from hwcost.synth.circuit import Circuit

BUILDERS: Mapping[str, Callable[[Unit, str], Circuit]] = MappingProxyType(
    {
        "matvec": matvec.build,
        "constant": constant.build,
        "thresholds": thresholds.build,
        "window": window.build,
        "memory": memory.build,
        "control": control.build,
        "pool": streams.pool,
        "adder": streams.adder,
        "saturate": streams.saturate,
        "scale_bias": streams.scale_bias,
        "converter": links.converter,
        "fifo": links.fifo,
        "copy": links.copy,
        "concat": links.concat,
        "label": links.label,
        "inverse": inverse.build,
        "held": held.build,
        "multiplier": elements.multiplier,
        "table": elements.table,
        "channel_sum": elements.channel_sum,
        "reorder": order.build,
        "pad": order.pad,
    }
)
"""Kind -> (unit, family) -> circuit."""


def build(unit: Unit, family: str = "xcup") -> Circuit:
    """The circuit of a unit.

    Args:
        unit: what to build.
        family: it tells what DSP block products are packed for, and whether LUTs shift.
    """
    if unit.kind not in BUILDERS:
        raise BadOption(f"kind {unit.kind!r} has no RTL; choose one of {', '.join(BUILDERS)}")
    return BUILDERS[unit.kind](unit, family)
