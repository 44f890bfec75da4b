"""The fastest pipeline that fits, and a small one of a given rate: folding, multipliers and memories together."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np

from hwcost.errors import BadOption
from hwcost.models.amounts import at_least_zero, whole
from hwcost.models.device import Device
from hwcost.models.device import device as find_device
from hwcost.models.folding.design_search import Array, Design, DesignSearch
from hwcost.models.formulas.coefficients import FLOWS
from hwcost.models.formulas.formula import Setting
from hwcost.models.formulas.matvec import MAX_STREAM_BITS
from hwcost.models.formulas.memory import STYLES
from hwcost.models.links import place
from hwcost.models.options import BANKS, MULTIPLIERS, THRESHOLDS, choice
from hwcost.models.rates import clock, interval_cycles
from hwcost.models.resources import AREAS, HasLayers

__all__ = ["Design", "least_share", "most_fps"]


def most_fps(
    pipeline: HasLayers,
    *,
    device: Device | str,
    clock_mhz: float = 100.0,
    budget: Mapping[str, float] | None = None,
    multipliers: str = "any",
    weight_memory: str = "any",
    weight_banks: str = "shared",
    thresholds: str = "search",
    flow: str = "rtl",
    max_stream_bits: int = MAX_STREAM_BITS,
) -> Design:
    """The highest frame rate that fits a part, at the widths of now.

    Args:
        pipeline: a traced network, or anything with `layers()`.
        device: a Device, or its name.
        clock_mhz: of the fabric, above 0.
        budget: resource -> most that may be used; by default what the part digests (`Device.usable`). Resources
            that are not named are limited by the part.
        multipliers: "lut", "dsp", or "any" to choose per layer.
        weight_memory: "lutram", "bram18", "uram", "external", or "any" of the first three per layer.
        weight_banks, thresholds, flow: as `Dataflow`.
        max_stream_bits: widest legal stream.

    Returns:
        A Design. Among those of the highest rate, one that takes a small part of the budget.

    Raises:
        BadFolding: not even the smallest pipeline fits. BadOption: an unknown choice or resource.
        UnknownDevice: no such part.

    Error: the search is exact over legal divisors where `optimal` is true.
    """
    search = _search(
        pipeline, device, clock_mhz, budget, multipliers, weight_memory, weight_banks, thresholds, flow, max_stream_bits
    )
    return search.fastest(clock_mhz)


def least_share(
    pipeline: HasLayers,
    fps: float,
    *,
    device: Device | str,
    clock_mhz: float = 100.0,
    budget: Mapping[str, float] | None = None,
    multipliers: str = "any",
    weight_memory: str = "any",
    weight_banks: str = "shared",
    thresholds: str = "search",
    flow: str = "rtl",
    max_stream_bits: int = MAX_STREAM_BITS,
) -> Design:
    """A pipeline of a given frame rate that fits a part and takes a small share of it, at the widths of now.

    `target_fps` asks for the fewest LUTs and takes the styles as given; this one weighs LUT against DSP, and LUT RAM
    against BRAM and URAM, by what the budget has of each.

    Args:
        pipeline, device, clock_mhz, budget, multipliers, weight_memory, weight_banks, thresholds, flow,
            max_stream_bits: as `most_fps`.
        fps: frames per second, above 0.

    Returns:
        A Design; the sum of its shares of the budget is small, not proven to be the least.

    Raises:
        BadFolding: no pipeline of that rate fits. BadOption, UnknownDevice: as `most_fps`.
    """
    interval = interval_cycles(fps, clock_mhz)
    search = _search(
        pipeline, device, clock_mhz, budget, multipliers, weight_memory, weight_banks, thresholds, flow, max_stream_bits
    )
    return search.at(interval, clock_mhz)


def _search(
    pipeline: HasLayers,
    device: Device | str,
    clock_mhz: float,
    budget: Mapping[str, float] | None,
    multipliers: str,
    weight_memory: str,
    weight_banks: str,
    thresholds: str,
    flow: str,
    max_stream_bits: int,
) -> DesignSearch:
    clock(clock_mhz)
    choice("multipliers", multipliers, (*MULTIPLIERS, "any"))
    choice("weight_memory", weight_memory, (*STYLES, "any"))
    choice("weight_banks", weight_banks, BANKS)
    choice("thresholds", thresholds, THRESHOLDS)
    choice("flow", flow, FLOWS)
    part = find_device(device) if isinstance(device, str) else device
    setting = Setting(part.dsp_kind, thresholds, flow, weight_banks)
    search = DesignSearch(place(pipeline.layers()), setting, _limits(part, budget))
    ways = MULTIPLIERS if multipliers == "any" else (multipliers,)
    memories = ("lutram", "bram18", "uram")[: 3 if part.URAM else 2] if weight_memory == "any" else (weight_memory,)
    search.list_units(list(product(ways, memories)), whole("max_stream_bits", max_stream_bits))
    return search


def _limits(part: Device, budget: Mapping[str, float] | None) -> Array:
    if budget is None:
        return np.array([part.usable[area] for area in AREAS])
    if unknown := sorted(set(budget) - set(AREAS)):
        raise BadOption(f"budget[{unknown[0]!r}]: no such resource; name any of {', '.join(AREAS)}")
    limits = {area: at_least_zero(f"budget[{area!r}]", amount) for area, amount in budget.items()}
    return np.array([limits.get(area, part.capacity[area]) for area in AREAS], dtype=np.float64)
