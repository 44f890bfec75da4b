"""Runs of a synthesizer and a router: each remembered by its content, several seeds at once."""

from __future__ import annotations

import gzip
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from platformdirs import user_cache_path

from hwcost.build.route.flow import AREAS, Cell, DoesNotFit, Heard, Hop, Netlist, Routed, Router, Source, Synthesizer
from hwcost.files import code_hash, parse_json, replace
from hwcost.models.device import Device

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Tools, and where their results are kept.

    Attributes:
        synthesizer, router: the tools.
        cache: folder of results; None takes the user's cache folder.
        jobs: routers at once; 0 takes every core.
        limit_s: seconds for the synthesis, and for each seed.
    """

    synthesizer: Synthesizer
    router: Router
    cache: Path | None = None
    jobs: int = 0
    limit_s: float = 1800.0

    def synthesize(self, source: Source, heard: Heard) -> Netlist:
        """Synthesize, or recall.

        Raises:
            SynthesisFailed: as `Synthesizer`.
        """
        asked = [self.synthesizer.name, self.synthesizer.script(source), source.top, *source.units]
        kept = self._kept([*asked, *sorted(source.in_dsp), *_flat(source.files)])
        if (found := _read(kept, lambda record: Netlist(**record))) is not None:
            return found
        heard("synthesizing")
        made = self.synthesizer.synthesize(source, self.limit_s)
        _write(kept, asdict(made))
        return made

    def route(self, netlist: Netlist, device: Device, seeds: Sequence[int], heard: Heard) -> list[Routed]:
        """Route with every seed, in processes side by side, or recall; in the order of the seeds.

        Raises:
            DoesNotFit: before anything is routed. MissingRouter, RoutingFailed: as `Router`; what is finished is kept.
        """
        check_fits(netlist, device, self.router)

        def one(seed: int) -> Routed:
            kept = self._kept([self.router.name, *self.router.command(device, seed), netlist.text])
            if (found := _read(kept, _recalled)) is not None:
                return found
            made = self.router.route(
                netlist,
                device,
                seed=seed,
                limit_s=self.limit_s,
                heard=lambda stage: heard(f"seed {seed}: {stage}"),
            )
            _write(kept, _record(made))
            return made

        with ThreadPoolExecutor(min(len(seeds), self.jobs or os.cpu_count() or 1)) as pool:
            return list(pool.map(one, seeds))

    def _kept(self, asked: Sequence[str]) -> Path:
        """Place of a result; other code may count or read it in another way."""
        folder = user_cache_path("hwcost") / "route" if self.cache is None else self.cache
        return folder / f"{sha256(chr(0).join([code_hash(), *asked]).encode()).hexdigest()}.json.gz"


def check_fits(netlist: Netlist, device: Device, router: Router) -> None:
    """Refuse a design that a part has no room for.

    Raises:
        DoesNotFit: says how much is missing of every resource that is short.
    """
    there = {area: device.capacity[area] for area in AREAS if area != "pins"} | {"pins": router.pins(device)}
    short = [
        f"{area} {netlist.amounts[area]:,} of {there[area]:,} ({netlist.amounts[area] / max(1, there[area]) - 1:+.0%})"
        for area in AREAS
        if netlist.amounts[area] > there[area]
    ]
    if short:
        raise DoesNotFit(f"the design does not fit {device.name}: {', '.join(short)}; take a larger part or fold more")


def median(runs: Sequence[Routed]) -> Routed:
    """The run with the median clock; of an even number, the slower one in the middle."""
    return sorted(runs, key=lambda run: run.fmax_mhz)[(len(runs) - 1) // 2]


def _flat(files: Mapping[str, str]) -> list[str]:
    return [text for item in sorted(files.items()) for text in item]


def _record(made: Routed) -> dict[str, Any]:
    record = asdict(made)
    record["files"] = {name: b64encode(content).decode() for name, content in made.files.items()}
    return record


def _recalled(record: dict[str, Any]) -> Routed:
    hops, cells = (tuple(kind(**one) for one in record.pop(name)) for name, kind in (("path", Hop), ("cells", Cell)))
    files = {name: b64decode(content) for name, content in record.pop("files").items()}
    return Routed(**record, path=hops, cells=cells, files=files)  # type: ignore[arg-type]


def _read(path: Path, make: Callable[[dict[str, Any]], T]) -> T | None:
    """Read a record, unless there is none or it is damaged."""
    try:
        return make(parse_json(gzip.decompress(path.read_bytes())))
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, record: dict[str, Any]) -> None:
    """Whole or not at all; a folder that cannot be written costs a repetition, not the result."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, gzip.compress(json.dumps(record).encode(), compresslevel=1, mtime=0))
