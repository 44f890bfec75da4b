"""Price a pipeline for people: a table per layer, the totals, and what they mean for a part."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, overload

import pandas as pd
import torch
from immutabledict import immutabledict

from hwcost.cost.bill import Bill, layer_bits, price
from hwcost.cost.per_layer import Separable
from hwcost.errors import BadOption
from hwcost.graph.soundness import check_weights
from hwcost.graph.spec import Layer, MatVec
from hwcost.models import Dataflow, Device, Fold, HardwareModel, Refolding, Unrolled
from hwcost.models.calibration.error_band import BANDS, Band
from hwcost.models.device import USABLE
from hwcost.models.explain import ShadowPrice, shadow_prices
from hwcost.models.latency import latency_cycles
from hwcost.models.rates import frames_per_second
from hwcost.models.resources import AREAS, HasLayers, OnPart, check_traced
from hwcost.models.shell import Shell
from hwcost.models.shell import shell as shell_of

WHOLE = ("weight_bits", "input_bits", "acc_bits", "output_bits", "PE", "SIMD")
"""Columns of whole numbers, with gaps where a layer has none."""

SPARSE = 0.5
"""Share of zeros among the weights of a layer from which on an estimate speaks of them."""

NO_SHELL = shell_of("none")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class PriceTable:
    """A priced pipeline.

    Attributes:
        layers: one row per layer with hardware: layer, kind, geometry, the widths in bits, PE and SIMD where the model
            folds, and the resources.
        total: resource -> amount; "cycles" is the initiation interval.
        breakdown: where the LUTs go: one row per layer with hardware, one column per part (multipliers, adders,
            weights, thresholds, control...); a row adds up to the layer's LUT. Without columns for a model that does
            not tell its parts.
        notes: what the figures alone do not show.
    """

    layers: pd.DataFrame
    total: dict[str, float]
    breakdown: pd.DataFrame
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        amounts = ", ".join(f"{name} {amount:,.0f}" for name, amount in self.total.items())
        return f"{type(self).__name__}({amounts}; {self.verdict})"

    def __str__(self) -> str:
        """Return the layers as a table, LUT first, with the totals and the verdict below."""
        columns = list(dict.fromkeys(["layer", *self.total, *(name for name in self.layers if name in WHOLE)]))
        rows = [[row[name] for name in columns] for row in self.layers.to_dict("records")]
        rows.append(["total", *(self.total.get(name, pd.NA) for name in columns[1:])])
        cells = [
            [value if isinstance(value, str) else "-" if pd.isna(value) else f"{value:,.0f}" for value in row]
            for row in rows
        ]
        return f"{pd.DataFrame(cells, columns=columns).to_string(index=False)}\n{self.verdict}"

    @property
    def verdict(self) -> str:
        """Say what the totals mean for a part."""
        return "the model prices no part, so there is nothing to fit"

    def record(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return {
            "total": self.total,
            "layers": [
                {key: None if pd.isna(value) else value for key, value in row.items()}
                for row in self.layers.to_dict("records")
            ],
            "breakdown": {str(layer): row for layer, row in self.breakdown.to_dict("index").items()},
            "notes": list(self.notes),
        }


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Estimate(PriceTable):
    """A priced pipeline on a part.

    Attributes:
        layers: as in `PriceTable`, with `share`, of the part's LUTs.
        total: the shell included.
        device: the part; clock_mhz: of the fabric.
        latency_cycles: from the first word of a frame to its last result, in an empty pipeline.
        shell: what the board adds around it.
        shadow_prices: what one bit less of each weight memory and stream saves; none where the model does not tell.
        errors: by resource, what measure / estimate was on published networks; none for a model that was not compared.
    """

    device: Device
    clock_mhz: float
    latency_cycles: int
    shell: Shell = NO_SHELL
    shadow_prices: tuple[ShadowPrice, ...] = ()
    errors: Mapping[str, Band] = field(default_factory=immutabledict)

    @property
    def bands(self) -> dict[str, tuple[float, float] | None]:
        """Resource -> the least and the most that it may turn out to be; None where nothing was measured.

        Source: error_band.BANDS.
        """
        amounts = {**self.total, "latency_cycles": float(self.latency_cycles)}
        return {name: self.errors[name].around(v) if name in self.errors else None for name, v in amounts.items()}

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
        """Resource -> what the part has, of all that the model prices."""
        return {name: float(amount) for name, amount in self.device.capacity.items() if name in self.total}

    @property
    def fits(self) -> bool:
        """Whether no resource exceeds what the part has."""
        return all(self.total[name] <= limit for name, limit in self.limits.items())

    @property
    def verdict(self) -> str:
        """Fits or not, in words; also when it fills more than place and route usually manages."""
        over = [name for name, limit in self.limits.items() if self.total[name] > limit]
        tight = [name for name in self.limits if self.total[name] > self.device.usable[name]]
        if over:
            return f"does NOT fit {self.device.name}: too many {self._of_limits(over)}"
        if tight:
            usual = ", ".join(f"{name} {USABLE[name]:.0%}" for name in tight)
            amounts = self._of_limits(tight)
            return f"fits {self.device.name}, but tightly: {amounts}; place and route usually fills {usual}"
        most = {name: band[1] for name, band in self.bands.items() if band is not None}
        doubtful = [name for name, limit in self.limits.items() if most.get(name, 0.0) > limit]
        if doubtful:
            return f"fits {self.device.name}, unless {', '.join(doubtful)} comes out at the upper end of the error band"
        return f"fits {self.device.name}"

    def _of_limits(self, names: list[str]) -> str:
        return ", ".join(f"{name} ({self.total[name]:,.0f} of {self.limits[name]:,.0f})" for name in names)

    def record(self) -> dict[str, Any]:
        return super().record() | {
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
            "shadow_prices": [
                {"layer": price.layer, "stream": price.stream, "bits": price.bits, "saves": price.saves}
                for price in self.shadow_prices
            ],
        }


@overload
def estimate(pipeline: HasLayers, model: OnPart, *, shell: Shell = NO_SHELL, trained: bool = True) -> Estimate: ...


@overload
def estimate(
    pipeline: HasLayers, model: HardwareModel, *, shell: Shell = NO_SHELL, trained: bool = True
) -> PriceTable: ...


def estimate(pipeline: HasLayers, model: HardwareModel, *, shell: Shell = NO_SHELL, trained: bool = True) -> PriceTable:
    """Price a pipeline for people: a table per layer and totals; on a part also frames per second, and whether it fits.

    Args:
        pipeline: from `trace`; read with its live widths.
        model: any hardware model. `Dataflow`, `Finn`, `Unrolled` and `Refolding` have a part and a clock.
        shell: what the board adds around it; nothing if left out.
        trained: whether the values of the weights mean anything yet; if not, no note speaks of those that are zero.

    Returns:
        An Estimate if the model has a part, else a PriceTable. Totals without the shell equal `hardware_cost` to the
        last bit. Only a Dataflow has a breakdown, shadow prices and error bands; a Refolding is estimated as the
        Dataflow that it folds to.

    Raises:
        BadOption: a shell around a model without a part. DivergedTraining: weights that are NaN or infinite. Else as
            `price`.
    """
    check_traced(pipeline)
    check_weights(pipeline)
    with torch.no_grad():
        bill = price(pipeline, model)
    if isinstance(model, Refolding):
        model = model.folded(bill.placed)
    folds = _folds(bill, model)
    device = model.device if isinstance(model, OnPart) else None
    rows = [_row(layer, bill, device, folds.get(layer.name)) for layer in bill.layers if layer.blocks]
    columns = [name for name in WHOLE if folds or name not in ("PE", "SIMD")]
    layers = pd.DataFrame(rows).drop(columns=[name for name in WHOLE if name not in columns])
    layers = layers.astype(dict.fromkeys(columns, "Int64"))
    total = {name: float(amount) + getattr(shell, name, 0) for name, amount in bill.total().items()}
    breakdown = _breakdown(bill, model) if isinstance(model, Dataflow) else pd.DataFrame(index=layers["layer"])
    notes = tuple(_notes(bill, trained)) if folds else ()
    if not isinstance(model, OnPart):
        if shell.name != NO_SHELL.name:
            raise BadOption(f"estimate: {type(model).__name__} has no part, so shell={shell.name!r} surrounds nothing")
        return PriceTable(layers=layers, total=total, breakdown=breakdown, notes=notes)
    return Estimate(
        device=model.device,
        clock_mhz=model.clock_mhz,
        layers=layers,
        total=total,
        latency_cycles=latency_of(bill, model),
        breakdown=breakdown,
        shell=shell,
        shadow_prices=tuple(shadow_prices(model, bill.placed)) if isinstance(model, Dataflow) else (),
        errors=BANDS if isinstance(model, Dataflow) else immutabledict(),
        notes=(*notes, *model.device.doubts),
    )


def latency_of(bill: Bill, model: OnPart) -> int:
    """Cycles of one frame as the model tells it; else the sum of all cycles, as FINN has it: no block overlaps."""
    if isinstance(model, Dataflow):
        return latency_cycles(bill.layers, model)
    if isinstance(model, Unrolled):
        return model.latency_cycles(bill.placed)
    return ceil(float(bill.amounts["cycles"].sum()))


def _notes(bill: Bill, trained: bool) -> Iterator[str]:
    """List what saves nothing in a folded unit."""
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
        weights = block.constants() if trained else None
        if weights is not None and (zeros := float((weights == 0).float().mean())) >= SPARSE:
            yield f"{placed.layer}: {zeros:.0%} of its weights are zero; that saves nothing in a folded unit"


def _breakdown(bill: Bill, model: Dataflow) -> pd.DataFrame:
    rows: dict[str, dict[str, float]] = {}
    for placed, parts in zip(bill.placed, model.parts(bill.placed), strict=True):
        row = rows.setdefault(placed.layer, {})
        for part, amount in parts.items():
            row[part] = row.get(part, 0.0) + amount
    return pd.DataFrame.from_dict(rows, orient="index").fillna(0.0)


def _folds(bill: Bill, model: HardwareModel) -> dict[str, Fold]:
    """The fold of each layer's last block: of its unit, if it has one."""
    if not isinstance(model, Separable):
        return {}
    return {job.layer: job.fold for job in model.plan(bill.placed) if job.fold is not None}


def _row(layer: Layer, bill: Bill, device: Device | None, fold: Fold | None) -> dict[str, object]:
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
        **({"share": amounts["LUT"] / device.LUT} if device is not None and "LUT" in amounts else {}),
    }


def _geometry(layer: Layer) -> str:
    """MW x MH of a matrix-vector unit with its vectors per frame; else the shape of the stream."""
    for block in layer.blocks:
        if isinstance(block, MatVec):
            groups = f"{block.groups}×" if block.groups > 1 else ""
            vectors = f" ·{block.vectors}" if block.vectors > 1 else ""
            return f"{groups}{block.cols}×{block.rows}{vectors}"
    return "×".join(map(str, layer.output.shape))
