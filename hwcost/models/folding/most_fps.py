"""The fastest pipeline that fits, and a small one of a given rate: folding, multipliers and memories together."""

from collections.abc import Mapping
from typing import Unpack

import numpy as np

from hwcost.errors import BadOption
from hwcost.models.amounts import at_least_zero, whole
from hwcost.models.device import Device
from hwcost.models.device import device as find_device
from hwcost.models.folding.design_search import Array, Design, DesignSearch
from hwcost.models.formulas.matvec import MAX_STREAM_BITS
from hwcost.models.links import place
from hwcost.models.options import OpenStyles, StyleOptions
from hwcost.models.rates import clock, interval_cycles
from hwcost.models.resources import AREAS, HasLayers, layers_of

__all__ = ["Design", "least_share", "most_fps"]


def most_fps(
    pipeline: HasLayers,
    *,
    device: Device | str,
    clock_mhz: float = 100.0,
    budget: Mapping[str, float] | None = None,
    max_stream_bits: int = MAX_STREAM_BITS,
    **styles: Unpack[StyleOptions],
) -> Design:
    """Find the highest frame rate that fits a part, at the current widths.

    Args:
        pipeline: a traced network, or anything with `layers()`.
        device: a Device, or its name.
        clock_mhz: of the fabric, above 0.
        budget: resource -> most that may be used; by default what place and route can usually fill
            (`Device.usable`). Resources that are not named are limited by the part.
        max_stream_bits: widest legal stream.
        styles: as `Dataflow`, but multipliers and weight_memory are chosen per layer unless they are given, for all
            layers alike; see `OpenStyles`.

    Returns:
        A Design. Among those of the highest rate, one that takes a small part of the budget.

    Raises:
        BadFolding: not even the smallest pipeline fits. BadOption: an unknown choice or resource.
        UnknownDevice: no such part.

    Error: the search is exact over legal divisors where `optimal` is true.
    """
    search = _search(pipeline, device, budget, OpenStyles(**styles), max_stream_bits)
    return search.fastest(clock(clock_mhz))


def least_share(
    pipeline: HasLayers,
    fps: float,
    *,
    device: Device | str,
    clock_mhz: float = 100.0,
    budget: Mapping[str, float] | None = None,
    max_stream_bits: int = MAX_STREAM_BITS,
    **styles: Unpack[StyleOptions],
) -> Design:
    """Find a pipeline of a given frame rate that takes a small share of a part, at the current widths.

    `target_fps` asks for the fewest LUTs and takes the styles as given; this one weighs LUT against DSP, and LUT RAM
    against BRAM and URAM, by what the budget has of each.

    Args:
        pipeline, device, clock_mhz, budget, max_stream_bits, styles: as `most_fps`.
        fps: frames per second, above 0.

    Returns:
        A Design; the sum of its shares of the budget is small, not proven to be the least.

    Raises:
        BadFolding: no pipeline of that rate fits. BadOption, UnknownDevice: as `most_fps`.
    """
    interval = interval_cycles(fps, clock_mhz)
    search = _search(pipeline, device, budget, OpenStyles(**styles), max_stream_bits)
    return search.at(interval, clock_mhz)


def _search(
    pipeline: HasLayers,
    device: Device | str,
    budget: Mapping[str, float] | None,
    styles: OpenStyles,
    max_stream_bits: int,
) -> DesignSearch:
    part = find_device(device) if isinstance(device, str) else device
    styles.check_part(part)
    in_uram = part.URAM > 0 and styles.holds_in_uram(part)
    remedy = "take a larger part"
    if part.URAM and not in_uram:
        remedy += ", or let its URAM hold weights that are written at run time (writable=True, --writable)"
    search = DesignSearch(place(layers_of(pipeline)), styles.setting(part.dsp_kind), _limits(part, budget), remedy)
    search.list_units(styles.ways(uram=in_uram), whole("max_stream_bits", max_stream_bits))
    return search


def _limits(part: Device, budget: Mapping[str, float] | None) -> Array:
    if budget is None:
        return np.array([part.usable[area] for area in AREAS])
    if unknown := sorted(set(budget) - set(AREAS)):
        raise BadOption(f"budget[{unknown[0]!r}]: no such resource; name any of {', '.join(AREAS)}")
    limits = {area: at_least_zero(f"budget[{area!r}]", amount) for area, amount in budget.items()}
    return np.array([limits.get(area, part.capacity[area]) for area in AREAS], dtype=np.float64)
