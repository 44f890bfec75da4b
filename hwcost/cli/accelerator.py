"""Files of an accelerator, and its simulation, as `hwcost build` asks for them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from hwcost.build import verilog
from hwcost.build.accelerator import accelerator
from hwcost.build.draft import layout
from hwcost.build.golden import drawn, golden
from hwcost.build.scripts import scripts
from hwcost.build.trial_run import Checked, Priced, check
from hwcost.cli.laboratory import Tools
from hwcost.cost.estimate import Estimate
from hwcost.errors import BadOption
from hwcost.graph.trace import Pipeline
from hwcost.models import Dataflow
from hwcost.synth.yosys import find

VECTORS = 4
"""Frames of golden vectors where none are simulated."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """Request for an accelerator.

    Attributes:
        name: of the module.
        frames: to simulate; None for none.
        simulator, seed: of the simulation.
        input_step: value of one integer that enters; None where floats do.
    """

    name: str
    frames: int | None
    simulator: str
    seed: int
    input_step: float | None


@dataclass(frozen=True, kw_only=True)
class Written:
    """An accelerator on the disk.

    Attributes:
        files: names of what was written.
        design: Verilog of the accelerator, name -> content.
        units: names of its instances; in_dsp: those priced with products in DSP blocks.
        checked: what the simulation showed; None without one.
    """

    files: list[str]
    design: dict[str, str]
    units: tuple[str, ...]
    in_dsp: frozenset[str]
    checked: Checked | None


def write(out: Path, pipeline: Pipeline, model: Dataflow, priced: Estimate, order: Order, tools: Tools) -> Written:
    """Build, write and, if asked for, simulate.

    Raises:
        BadOption: the folder cannot be written. Others: as `layout`, `verilog.verilog` and `check`.
    """
    verilog.check_name(order.name)
    made = accelerator(layout(pipeline, model, input_step=order.input_step))
    design = verilog.verilog(made, order.name, find(tools.tool), limit_s=tools.limit_s)
    vectors = golden(made, drawn(made, order.frames or VECTORS, order.seed))
    bench = verilog.bench(made, order.name, vectors)
    cycles = Priced(interval_cycles=int(priced.total["cycles"]), latency_cycles=priced.latency_cycles)
    figures: dict[str, object] = {
        "what": f"{len(made.layout.nodes)} units for {model.device.name}",
        "cycles": cycles.interval_cycles,
        "latency": cycles.latency_cycles,
    }
    texts = scripts(
        order.name,
        list(design),
        part=model.device.part,
        clock_mhz=model.clock_mhz,
        frames=vectors.frames,
        figures=figures,
    )
    ports = json.dumps(verilog.interface(made, order.name), indent=2) + "\n"
    files = {**design, **bench, **texts, "interface.json": ports}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (out / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise BadOption(f"--out {out}: cannot be written ({error.strerror}); give another folder") from None
    checked = None
    if order.frames is not None:
        checked = check(made, vectors, {**design, **bench}, cycles, simulator=order.simulator)
    return Written(
        files=sorted(files),
        design=design,
        units=tuple(made.units),
        in_dsp=frozenset(node.name for node in made.layout.nodes if node.job.multipliers == "dsp"),
        checked=checked,
    )
