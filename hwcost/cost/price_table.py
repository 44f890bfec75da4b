"""A priced pipeline as plain tables: per layer, in total, and held against a part."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from immutabledict import immutabledict

from hwcost.models import Device
from hwcost.models.calibration.error_band import Band
from hwcost.models.device import USABLE
from hwcost.models.energy import FrameEnergy, frame_energy
from hwcost.models.explain import ShadowPrice
from hwcost.models.rates import frames_per_second
from hwcost.models.resources import AREAS
from hwcost.models.shell import Shell
from hwcost.models.shell import shell as shell_of
from hwcost.models.timing.clock import PipelineClock

WHOLE = ("weight_bits", "input_bits", "acc_bits", "output_bits", "PE", "SIMD")
"""Columns of whole numbers, with gaps where a layer has none."""

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
        clock: what every unit reaches; None where it is not known.
    """

    device: Device
    clock_mhz: float
    latency_cycles: int
    shell: Shell = NO_SHELL
    shadow_prices: tuple[ShadowPrice, ...] = ()
    errors: Mapping[str, Band] = field(default_factory=immutabledict)
    clock: PipelineClock | None = None

    @property
    def bands(self) -> dict[str, tuple[float, float] | None]:
        """Resource -> the least and the most that it may turn out to be; None where nothing was measured.

        Source: `error_band.bands`.
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

    def energy(self, activity: float = 1.0) -> FrameEnergy | None:
        """Estimate the energy of a frame, roughly; None for a family without published power: see `frame_energy`.

        Args:
            activity: how many times more often the logic toggles than in the networks that were measured.
        """
        return frame_energy(self.total, self.device.dsp_kind, activity=activity)

    @property
    def energy_uj(self) -> float | None:
        """Energy of a frame in microjoules; see `energy`."""
        return None if (found := self.energy()) is None else found.uj

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
        energy = self.energy()
        return super().record() | {
            "device": self.device.name,
            "part": self.device.part,
            "clock_mhz": self.clock_mhz,
            "interval_cycles": self.total["cycles"],
            "latency_cycles": self.latency_cycles,
            "fps": self.fps,
            "energy": None if energy is None else energy.record(),
            "fits": self.fits,
            "clock": None if self.clock is None else self.clock.record(),
            "total": {name: self.total[name] for name in self.limits},
            "bands": {name: None if band is None else list(band) for name, band in self.bands.items()},
            "shell": {"name": self.shell.name} | {name: getattr(self.shell, name) for name in AREAS},
            "available": self.limits,
            "shadow_prices": [
                {"layer": price.layer, "stream": price.stream, "bits": price.bits, "saves": price.saves}
                for price in self.shadow_prices
            ],
        }
