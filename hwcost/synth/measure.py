"""Synthesizes many units: in parallel, each once, remembered by the content of its circuit."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from platformdirs import user_cache_path

from hwcost.errors import HwcostError
from hwcost.models.corpus import Measured, Unit
from hwcost.models.resources import AREAS
from hwcost.synth.units import build
from hwcost.synth.yosys import Yosys

Progress = Callable[[int, int], None]
"""Called with (units done, units in all)."""


@dataclass(frozen=True, kw_only=True)
class Laboratory:
    """Where units are synthesized.

    Attributes:
        synthesizer: the tool.
        family: "xcup" or "xc7".
        cache: folder of results; None takes the user's cache folder.
        jobs: at once; 0 takes every core.
        limit_s: seconds for one unit.
    """

    synthesizer: Yosys
    family: str = "xcup"
    cache: Path | None = None
    jobs: int = 0
    limit_s: float = 600.0

    def measure(self, units: Sequence[Unit], progress: Progress | None = None) -> dict[Unit, Measured]:
        """What every unit takes.

        Args:
            units: what to build; each is built once, however often it stands there.
            progress: told after every unit.

        Raises:
            SynthesisFailed: names the unit; what is finished stays in the cache.
        """
        wanted = list(dict.fromkeys(units))
        found: dict[Unit, Measured] = {}
        with ThreadPoolExecutor(self.jobs or os.cpu_count() or 1) as pool:
            running = {pool.submit(self._one, unit): unit for unit in wanted}
            try:
                for done in as_completed(running):
                    found[running[done]] = done.result()
                    if progress is not None:
                        progress(len(found), len(wanted))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return found

    def _one(self, unit: Unit) -> Measured:
        dsp = unit.kind == "matvec" and unit.structure == "dsp"
        circuit = build(unit, self.family).rtlil()
        script = self.synthesizer.script(family=self.family, dsp=dsp)
        key = sha256("\0".join((self.synthesizer.name, script, circuit)).encode()).hexdigest()
        path = (user_cache_path("hwcost") / "synth" if self.cache is None else self.cache) / f"{key}.json"
        amounts = _remembered(path)
        if amounts is None:
            try:
                amounts = self.synthesizer.count(circuit, family=self.family, dsp=dsp, limit_s=self.limit_s)
            except HwcostError as error:
                raise type(error)(f"{label(unit)}: {error}") from None
            _remember(path, {"unit": label(unit), "tool": self.synthesizer.name, "script": script, "amounts": amounts})
        return Measured(unit=unit, amounts=amounts, family=self.family, source=self.synthesizer.name)


def label(unit: Unit) -> str:
    """A unit in one line."""
    wires = " x ".join(part for part in (unit.weight, unit.input) if part)
    parts = (unit.kind, unit.structure, wires, unit.output and f"-> {unit.output}", unit.geometry)
    return " ".join(part for part in (*parts, f"PE {unit.pe}", f"SIMD {unit.simd}") if part)


def _remembered(path: Path) -> dict[str, int] | None:
    """A result, unless there is none or what lies there is damaged."""
    try:
        amounts = json.loads(path.read_text(encoding="utf-8"))["amounts"]
        return {name: int(amounts[name]) for name in AREAS}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(path: Path, record: dict[str, object]) -> None:
    """Whole or not at all, whoever else writes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.{id(record)}.partial")
    partial.write_text(json.dumps(record) + "\n", encoding="utf-8")
    partial.replace(path)
