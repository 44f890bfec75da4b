"""Synthesizes many units: in parallel, each once, remembered by the content of its circuit."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from math import ceil
from pathlib import Path
from tempfile import TemporaryFile
from typing import TypeVar

from platformdirs import user_cache_path

from hwcost.errors import BadOption, HwcostError
from hwcost.files import code_hash, parse_json, replace
from hwcost.models.calibration.corpus import Measured, Unit
from hwcost.models.resources import COUNTED
from hwcost.synth.yosys import Yosys, chains

T = TypeVar("T")

Progress = Callable[[int, int], None]
"""Called with (units done, units in all)."""


@dataclass(frozen=True, kw_only=True)
class Laboratory:
    """A place where units are synthesized.

    Attributes:
        synthesizer: the tool.
        family: one of `primitives.PRIMITIVES`.
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
        """Measure every unit.

        Args:
            units: what to build; each is built once, however often it stands there.
            progress: called after every unit.

        Raises:
            SynthesisFailed: names the unit; what is finished stays in the cache.
        """
        from hwcost.synth.units import build

        found: dict[Unit, Measured] = {}
        missing: dict[Unit, Design] = {}
        wanted = list(dict.fromkeys(units))
        for unit in wanted:
            amounts = _remembered(self._shortcut(unit))
            if amounts is None:
                design = Design(label(unit), build(unit, self.family).rtlil(), dsp=_in_dsp(unit))
                missing[unit] = design
                continue
            found[unit] = self._measured(unit, amounts)
        known = len(found)
        heard = None if progress is None else lambda done, _: progress(known + done, len(wanted))
        for unit, amounts in zip(missing, self.count(list(missing.values()), heard), strict=True):
            self._keep_shortcut(unit, amounts)
            found[unit] = self._measured(unit, amounts)
        return found

    def count(self, designs: Sequence[Design], progress: Progress | None = None) -> list[dict[str, int]]:
        """Count what designs take.

        Args:
            designs: those of the same content are built once.
            progress: called after every batch.

        Returns:
            Resource -> amount for each design, in their order.

        Raises:
            SynthesisFailed: names the design; what is finished stays in the cache.
        """
        jobs = self.jobs or os.cpu_count() or 1
        paths = [self._path(design) for design in designs]
        found: dict[Path, dict[str, int]] = {}
        missing: dict[bool, dict[Path, Design]] = {False: {}, True: {}}
        for path, design in zip(paths, designs, strict=True):
            if path not in found:
                amounts = _remembered(path)
                if amounts is None:
                    missing[design.dsp][path] = design
                else:
                    found[path] = amounts
        if any(missing.values()):
            _writable(self._folder)
        batches = [batch for ones in missing.values() for batch in _batches(list(ones.items()), jobs)]
        with ThreadPoolExecutor(jobs) as pool:
            running = [pool.submit(self._batch, batch) for batch in batches]
            try:
                for done in as_completed(running):
                    found |= done.result()
                    if progress is not None:
                        progress(sum(path in found for path in paths), len(paths))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return [found[path] for path in paths]

    def _measured(self, unit: Unit, amounts: dict[str, int]) -> Measured:
        return Measured(unit=unit, amounts=amounts, family=self.family, source=self.synthesizer.name)

    def _shortcut(self, unit: Unit) -> Path:
        """Path of a stored result, by the unit and the source of its RTL.

        The RTL itself is not built for it: that takes longer than the rest of a repeated question.
        """
        dsp = _in_dsp(unit)
        script = self.synthesizer.script(family=self.family, dsp=dsp)
        told = (self.synthesizer.name, script, chains(self.family), self.family, repr(unit), _source())
        return self._folder / f"{sha256(chr(0).join(told).encode()).hexdigest()}.unit.json"

    def _keep_shortcut(self, unit: Unit, amounts: dict[str, int]) -> None:
        with suppress(OSError):  # a cache that can be read and not written still answers
            _remember(self._shortcut(unit), {"unit": label(unit), "amounts": amounts})

    def _path(self, design: Design) -> Path:
        script = self.synthesizer.script(family=self.family, dsp=design.dsp)
        told = (self.synthesizer.name, script, chains(self.family), design.rtlil)
        return self._folder / f"{sha256(chr(0).join(told).encode()).hexdigest()}.json"

    @property
    def _folder(self) -> Path:
        return user_cache_path("hwcost") / "synth" if self.cache is None else self.cache

    def _batch(self, batch: Sequence[tuple[Path, Design]]) -> dict[Path, dict[str, int]]:
        """Several in one run: most of its time goes into reading the library of cells."""
        dsp = batch[0][1].dsp
        try:
            counts = self.synthesizer.count(
                [design.rtlil for _, design in batch],
                family=self.family,
                dsp=dsp,
                limit_s=self.limit_s * len(batch),
            )
        except HwcostError as error:
            if len(batch) == 1:
                raise type(error)(f"{batch[0][1].name}: {error}") from None
            found: dict[Path, dict[str, int]] = {}
            for one in batch:  # one by one, so that only the culprit is lost
                found |= self._batch([one])
            return found
        script = self.synthesizer.script(family=self.family, dsp=dsp)
        for (path, design), amounts in zip(batch, counts, strict=True):
            record = {"unit": design.name, "tool": self.synthesizer.name, "script": script}
            _remember(path, record | {"amounts": amounts})
        return {path: amounts for (path, _), amounts in zip(batch, counts, strict=True)}


@dataclass(frozen=True)
class Design:
    """RTL to be counted.

    Attributes:
        name: for errors.
        rtlil: a module `top` in Yosys' own language.
        dsp: whether its products may be in DSP blocks.
    """

    name: str
    rtlil: str
    dsp: bool = False


def _in_dsp(unit: Unit) -> bool:
    return unit.kind == "matvec" and unit.structure == "dsp"


@cache
def _source() -> str:
    """Everything that decides what RTL a unit is: our own source and the version of Amaranth."""
    return f"{code_hash()} {version('amaranth')}"


LARGEST_BATCH = 32
"""Units in one run: what a crash or the end of patience costs at most, and how often progress is reported."""


def _batches(ones: Sequence[T], jobs: int) -> list[Sequence[T]]:
    """Even parts for all jobs."""
    size = max(1, min(LARGEST_BATCH, ceil(len(ones) / jobs)))
    return [ones[start : start + size] for start in range(0, len(ones), size)]


def label(unit: Unit) -> str:
    """A unit in one line."""
    wires = " x ".join(part for part in (unit.weight, unit.input) if part)
    parts = (unit.kind, unit.structure, wires, unit.output and f"-> {unit.output}", unit.geometry)
    return " ".join(part for part in (*parts, f"PE {unit.pe}", f"SIMD {unit.simd}") if part)


def _remembered(path: Path) -> dict[str, int] | None:
    """A result, unless there is none or what lies there is damaged."""
    try:
        amounts = parse_json(path.read_text(encoding="utf-8"))["amounts"]
        return {name: int(amounts[name]) for name in COUNTED}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _writable(folder: Path) -> None:
    """Whether results can be kept, before anything is synthesized."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BadOption(f"cache {folder}: cannot be written ({error.strerror}); give another --cache") from error


def _remember(path: Path, record: dict[str, object]) -> None:
    """Whole or not at all, whoever else writes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, (json.dumps(record) + "\n").encode())
