"""Units of an accelerator, each synthesized on its own: what is priced for it, and what Yosys counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import pandas as pd
import torch

from hwcost.build.accelerator import Accelerator
from hwcost.graph.spec import Link
from hwcost.models import Dataflow
from hwcost.models.formulas.formula import Formula, Job
from hwcost.synth.yosys import SynthesisFailed, Yosys, chains

COUNTED = ("LUT", "FF", "BRAM18", "DSP")
LARGEST_RUN = 400_000
"""Characters of RTL in one run of Yosys: small units share one, which mostly reads the library of cells."""


def priced(made: Accelerator, model: Dataflow) -> dict[str, tuple[str, dict[str, float]]]:
    """Unit -> kind and what is priced for it; of a stream all that stands in it, of copies the sum of their readers."""
    found: dict[str, tuple[str, dict[str, float]]] = {}
    for node in made.layout.nodes:
        found[node.name] = (type(node.job.block).__name__, _bill(node.job, model))
    links = [job for job in made.layout.jobs if isinstance(job.block, Link)]
    copy = model.setting.constants["copy_control"]
    for edge in made.layout.edges:
        if edge.sink is None:
            continue
        job = next(job for job in links if job.adapter is edge.adapter and job.block.sink is edge.sink.job.block)
        links.remove(job)
        stem = edge.sink.name if len(edge.sink.frame.entering) == 1 else f"{edge.sink.name}_{edge.port}"
        bill = _bill(job, model)
        if edge.adapter.copied:
            source = edge.source.name if edge.source else "input"
            _, copies = found.setdefault(f"{source}_copy", ("Copy", dict.fromkeys(COUNTED, 0.0)))
            copies["LUT"], copies["FF"] = copies["LUT"] + copy, copies["FF"] + 1
            bill["LUT"], bill["FF"] = bill["LUT"] - copy, bill["FF"] - 1
        found[f"{stem}_link"] = ("Link", bill)
    return found


def _bill(job: Job, model: Dataflow) -> dict[str, float]:
    formula = model.formulas[type(job.block)]
    assert isinstance(formula, Formula)
    with torch.no_grad():
        return {name: float(amount) for name, amount in formula.parts([job], model.setting).total(COUNTED).items()}


def digest(text: str, synthesizer: Yosys) -> str:
    """What a count depends on."""
    return sha256("\0".join((synthesizer.name, chains("xcup"), text)).encode()).hexdigest()[:16]


def counted(texts: Mapping[str, str], synthesizer: Yosys, limit_s: float) -> Iterator[tuple[str, dict[str, int]]]:
    """Count circuits, small ones first; those that take longer than `limit_s` are left out.

    Args:
        texts: digest -> RTL.
        synthesizer: that counts.
        limit_s: seconds for one circuit.
    """
    runs: list[list[str]] = [[]]
    for key in sorted(texts, key=lambda key: len(texts[key])):
        if runs[-1] and sum(len(texts[one]) for one in (*runs[-1], key)) > LARGEST_RUN:
            runs.append([])
        runs[-1].append(key)
    for run in runs:
        yield from _run(run, texts, synthesizer, limit_s)


def _run(
    run: list[str], texts: Mapping[str, str], synthesizer: Yosys, limit_s: float
) -> Iterator[tuple[str, dict[str, int]]]:
    circuits = [texts[key] for key in run]
    try:
        found = synthesizer.count(circuits, family="xcup", dsp=False, limit_s=limit_s)
    except SynthesisFailed as error:
        if len(run) == 1:
            print(f"left out: {error}", flush=True)
            return
        for key in run:
            yield from _run([key], texts, synthesizer, limit_s)
        return
    yield from zip(run, found, strict=True)


def compared(made: Accelerator, model: Dataflow, synthesizer: Yosys, table: Path, limit_s: float) -> pd.DataFrame:
    """Every unit, priced and built.

    Args:
        made: the accelerator.
        model: its prices.
        synthesizer: that counts.
        table: counts by digest, which are read and added to: no circuit is counted twice.
        limit_s: seconds for one circuit.

    Returns:
        unit, kind, and every resource priced and built; NaN where a unit has no count.
    """
    texts = {design.name: design.rtlil for design in made.designs()}
    keys = {name: digest(text, synthesizer) for name, text in texts.items()}
    known = pd.read_csv(table).set_index("digest") if table.exists() else pd.DataFrame(columns=["digest", *COUNTED])
    known = known if known.index.name == "digest" else known.set_index("digest")
    missing = {keys[name]: text for name, text in texts.items() if keys[name] not in known.index}
    for key, amounts in counted(missing, synthesizer, limit_s):
        known.loc[key] = [amounts[name] for name in COUNTED]
        known.to_csv(table, lineterminator="\n")
    rows = []
    prices = priced(made, model)
    stems = {name: [f"{name[:-5]}_{part}" for part in ("fifo", "collect", "shift")] for name in prices}
    for name, (kind, bill) in prices.items():
        parts = [part for part in stems[name] if part in keys] if kind == "Link" else [name]
        counts = known.reindex([keys[part] for part in parts])[list(COUNTED)].sum(skipna=False)
        if parts:
            rows.append({"unit": name, "kind": kind} | bill | {f"{n}_built": counts[n] for n in COUNTED})
    return pd.DataFrame(rows)
