"""Price a pipeline: the bill per block, the table per layer, and what it means for a part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph.ranges import Range, widest
from hwcost.graph.soundness import check_weights
from hwcost.graph.spec import Layer, MatVec
from hwcost.models import Dataflow, Device, Fold, HardwareModel, Placed, place
from hwcost.models.calibration.error_band import BANDS
from hwcost.models.explain import ShadowPrice, shadow_prices
from hwcost.models.latency import latency_cycles
from hwcost.models.rates import frames_per_second
from hwcost.models.resources import AREAS, ChecksNames, HasLayers
from hwcost.models.shell import Shell
from hwcost.models.shell import shell as shell_of

WHOLE = ("weight_bits", "input_bits", "acc_bits", "output_bits", "PE", "SIMD")
"""Columns of whole numbers, with gaps where a layer has none."""

SPARSE = 0.5
"""Share of zeros among the weights of a layer from which on an estimate speaks of them."""

NO_SHELL = shell_of("none")


@dataclass(frozen=True, eq=False, kw_only=True)
class Bill:
    """What every block of a pipeline costs.

    Attributes:
        layers: the described layers.
        placed: the blocks, each with the name of its layer.
        amounts: resource -> (blocks,) float64, in the order of `placed`; differentiable.
    """

    layers: tuple[Layer, ...]
    placed: tuple[Placed, ...]
    amounts: dict[str, Tensor]

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled and deep-copied: the amounts without their gradient, which PyTorch refuses to copy."""
        return vars(self) | {"amounts": {resource: amount.detach() for resource, amount in self.amounts.items()}}

    def __copy__(self) -> Bill:
        return replace(self)

    def total(self) -> dict[str, Tensor]:
        """Resource -> () float64: sums of areas; "cycles" is the slowest block's."""
        return {resource: _gather(resource, amounts) for resource, amounts in self.amounts.items()}

    def of(self, layer: str) -> dict[str, float]:
        """Resource -> amount of one layer."""
        rows = [index for index, placed in enumerate(self.placed) if placed.layer == layer]
        return {
            resource: float(_gather(resource, amounts[rows]).detach()) for resource, amounts in self.amounts.items()
        }


def _gather(resource: str, amounts: Tensor) -> Tensor:
    if resource == "cycles":
        return amounts.amax() if len(amounts) else amounts.sum()
    return amounts.sum()


def price(pipeline: HasLayers, model: HardwareModel) -> Bill:
    """Describe the pipeline with its live widths and price every block.

    Raises:
        UnknownBlock: a block without a formula. UnknownPrecision: a signal without a width. BadOption: the model has
            a choice for a layer that the pipeline does not have.
    """
    layers = tuple(pipeline.layers())
    placed = tuple(place(layers))
    if not placed:
        raise BadOption("price: the pipeline has no hardware in it; trace a network with quantized layers")
    if isinstance(model, ChecksNames):
        model.check_names([layer.name for layer in layers], placed)
    return Bill(layers=layers, placed=placed, amounts=model.price(placed))


def layer_bits(layer: Layer) -> dict[str, int]:
    """Whole bits of a layer: weight_bits and acc_bits if it multiplies, input_bits and output_bits.

    Streams and memories are as wide as their widest channel.
    """
    bits = {"input_bits": _bits(layer.inputs[0].range)} if layer.inputs and layer.inputs[0].range.known else {}
    for block in layer.blocks:
        if isinstance(block, MatVec):
            bits |= {"weight_bits": _bits(block.weight), "acc_bits": _bits(block.acc)}
    return bits | {"output_bits": _bits(layer.output.range)}


def _bits(wire: Range) -> int:
    return ceil(float(widest(wire).bits.detach()))


@dataclass(frozen=True, eq=False, kw_only=True)
class Estimate:
    """A priced pipeline on a part.

    Attributes:
        device: the part; clock_mhz: of the fabric.
        layers: one row per layer with hardware: layer, kind, geometry, the widths in bits, PE, SIMD, the resources,
            cycles per inference, and `share`, of the part's LUTs.
        total: resource -> amount, the shell included; "cycles" is the initiation interval.
        latency_cycles: from the first word of a frame to its last result, in an empty pipeline.
        breakdown: where the LUTs go: one row per layer with hardware, one column per part (multipliers, adders,
            weights, thresholds, control...); a row adds up to the layer's LUT.
        shell: what the board adds around the pipeline.
        shadow_prices: what one bit less of each weight memory and stream saves.
        notes: what the figures do not show by themselves.
    """

    device: Device
    clock_mhz: float
    layers: pd.DataFrame
    total: dict[str, float]
    latency_cycles: int
    breakdown: pd.DataFrame
    shell: Shell = NO_SHELL
    shadow_prices: tuple[ShadowPrice, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def bands(self) -> dict[str, tuple[float, float] | None]:
        """Resource -> the least and the most that it may turn out to be; None where nothing was measured.

        Source: error_band.BANDS.
        """
        amounts = {**self.total, "latency_cycles": float(self.latency_cycles)}
        return {name: BANDS[name].around(amount) if name in BANDS else None for name, amount in amounts.items()}

    @property
    def fps(self) -> float:
        """Frames per second in steady state: clock / initiation interval."""
        return frames_per_second(self.total["cycles"], self.clock_mhz)

    @property
    def latency_us(self) -> float:
        """Latency in microseconds."""
        return self.latency_cycles / self.clock_mhz

    @property
    def limits(self) -> dict[str, float]:
        """Resource -> what the part has."""
        return {name: float(amount) for name, amount in self.device.capacity.items()}

    @property
    def fits(self) -> bool:
        """Whether no resource exceeds what the part has."""
        return all(self.total[name] <= limit for name, limit in self.limits.items())

    @property
    def verdict(self) -> str:
        """Fits or not, in words; also when it fills more than place and route usually digests."""
        over = [name for name, limit in self.limits.items() if self.total[name] > limit]
        tight = [name for name, limit in self.device.usable.items() if self.total[name] > limit]
        if over:
            return f"does NOT fit {self.device.name}: too many {', '.join(over)}"
        if tight:
            return f"fits {self.device.name}, but {', '.join(tight)} above the fill that place and route digest"
        most = {name: band[1] for name, band in self.bands.items() if band is not None}
        doubtful = [name for name, limit in self.limits.items() if most.get(name, 0.0) > limit]
        if doubtful:
            return f"fits {self.device.name}, unless {', '.join(doubtful)} comes out at the upper end of the error band"
        return f"fits {self.device.name}"

    def record(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "device": self.device.name,
            "part": self.device.part,
            "clock_mhz": self.clock_mhz,
            "interval_cycles": self.total["cycles"],
            "latency_cycles": self.latency_cycles,
            "fps": self.fps,
            "fits": self.fits,
            "total": {name: self.total[name] for name in self.limits},
            "bands": {name: None if band is None else list(band) for name, band in self.bands.items()},
            "shell": {"name": self.shell.name} | {name: getattr(self.shell, name) for name in AREAS},
            "available": self.limits,
            "layers": [
                {key: None if pd.isna(value) else value for key, value in row.items()}
                for row in self.layers.to_dict("records")
            ],
            "breakdown": {str(layer): row for layer, row in self.breakdown.to_dict("index").items()},
            "shadow_prices": [
                {"layer": price.layer, "stream": price.stream, "bits": price.bits, "saves": price.saves}
                for price in self.shadow_prices
            ],
            "notes": list(self.notes),
        }


def estimate(pipeline: HasLayers, model: Dataflow, *, shell: Shell = NO_SHELL) -> Estimate:
    """Price a pipeline on a part, for people: a table per layer, totals, frames per second, fit or not.

    Args:
        pipeline: from `trace`; read with its live widths.
        model: the folded pipeline, with its device, folding and clock.
        shell: what the board adds around it; nothing if left out.

    Returns:
        An Estimate; its totals, without the shell, equal `hardware_cost` to the last bit.

    Raises:
        BadOption: a model without part, folding and clock. DivergedTraining: weights that are NaN or infinite. Else as
            `price`.
    """
    if not isinstance(model, Dataflow):
        raise BadOption(
            f"estimate: {type(model).__name__} has no part, folding and clock to estimate on; give a Dataflow, or "
            "price with hardware_cost"
        )
    check_weights(pipeline)
    with torch.no_grad():
        bill = price(pipeline, model)
    folds = _folds(bill, model)
    rows = [_row(layer, bill, model, folds.get(layer.name)) for layer in bill.layers if layer.blocks]
    return Estimate(
        device=model.device,
        clock_mhz=model.clock_mhz,
        layers=pd.DataFrame(rows).astype(dict.fromkeys(WHOLE, "Int64")),
        total={name: float(amount) + getattr(shell, name, 0) for name, amount in bill.total().items()},
        latency_cycles=latency_cycles(bill.layers, model),
        breakdown=_breakdown(bill, model),
        shell=shell,
        shadow_prices=tuple(shadow_prices(model, bill.placed)),
        notes=(*_notes(bill), *model.device.doubts),
    )


def _notes(bill: Bill) -> Iterator[str]:
    """What saves nothing in a folded unit."""
    for placed in bill.placed:
        if not isinstance(block := placed.block, MatVec):
            continue
        bits = block.weight.bits.detach()
        least, most = float(bits.min()), float(bits.max())
        if least < most:
            yield (
                f"{placed.layer}: weights of {least:g} to {most:g} bits share a stream, so all cost {most:g}; an "
                "unrolled unit pays each its own"
            )
        weights = block.constants()
        if weights is not None and (zeros := float((weights == 0).float().mean())) >= SPARSE:
            yield f"{placed.layer}: {zeros:.0%} of its weights are zero; that saves nothing in a folded unit"


def _breakdown(bill: Bill, model: Dataflow) -> pd.DataFrame:
    rows: dict[str, dict[str, float]] = {}
    for placed, parts in zip(bill.placed, model.parts(bill.placed), strict=True):
        row = rows.setdefault(placed.layer, {})
        for part, amount in parts.items():
            row[part] = row.get(part, 0.0) + amount
    return pd.DataFrame.from_dict(rows, orient="index").fillna(0.0)


def _folds(bill: Bill, model: Dataflow) -> dict[str, Fold]:
    """The fold of each layer's last block: of its unit, if it has one."""
    return {job.layer: job.fold for job in model.plan(bill.placed) if job.fold is not None}


def _row(layer: Layer, bill: Bill, model: Dataflow, fold: Fold | None) -> dict[str, Any]:
    bits = layer_bits(layer)
    amounts = bill.of(layer.name)
    return {
        "layer": layer.name,
        "kind": layer.kind,
        "geometry": _geometry(layer),
        **{name: bits.get(name) for name in ("weight_bits", "input_bits", "acc_bits", "output_bits")},
        "PE": fold.pe if fold else None,
        "SIMD": fold.simd if fold else None,
        **amounts,
        "share": amounts["LUT"] / model.device.LUT,
    }


def _geometry(layer: Layer) -> str:
    """MW x MH of a matrix-vector unit with its vectors per frame; else the shape of the stream."""
    for block in layer.blocks:
        if isinstance(block, MatVec):
            groups = f"{block.groups}×" if block.groups > 1 else ""
            vectors = f" ·{block.vectors}" if block.vectors > 1 else ""
            return f"{groups}{block.cols}×{block.rows}{vectors}"
    return "×".join(map(str, layer.output.shape))
