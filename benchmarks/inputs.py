"""Inputs of every kind that is parsed, from sound to senseless: each is taken and right, or refused in one line.

python benchmarks/inputs.py --count 1000 --seed 0 --report reports/benchmarks/inputs.md     # some minutes

Command lines, settings files, fields of recipes, ONNX, npz and CSV files, foldings, records of studies, and rows of a
database, drawn by Hypothesis. A traceback, a hang, a status but 0 and 2, or NaN in an output fails.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from faults.inputs import KINDS, prepared, tried

HEAD = """# Inputs of every kind that is parsed

{count} inputs, drawn by Hypothesis from sound to senseless; each must be taken and be right, or be refused in one line
with exit status 2.

Command: `python benchmarks/inputs.py --count {count} --seed {seed} --report reports/benchmarks/inputs.md`.

"""


@click.command()
@click.option("--count", default=1000, show_default=True, help="Inputs.")
@click.option("--seed", default=0, show_default=True, help="Seed of their choice.")
@click.option("--report", type=click.Path(path_type=Path), help="Markdown file for the table.")
def main(count: int, seed: int, report: Path | None) -> None:
    """Try COUNT inputs."""
    warnings.simplefilter("ignore")
    target, start = None if report is None else report.resolve(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        prepared()
        verdicts, wrong = tried(count, seed)
        os.chdir("/")
    for one in wrong:
        print(f"WRONG {one}\n")
    lines = ["| input | tried | right | refused in one line | wrong |", "|---|---:|---:|---:|---:|"]
    for name in (*(kind.__name__ for kind in KINDS), "all"):
        found = {verdict: 0 for verdict in ("right", "refused")} | {"all": 0}
        for (kind, verdict), number in verdicts.items():
            if name in (kind, "all"):
                found["all"] += number
                found[verdict] = found.get(verdict, 0) + number
        others = found["all"] - found["right"] - found["refused"]
        lines.append(
            f"| {name.replace('_', ' ')} | {found['all']} | {found['right']} | {found['refused']} | {others} |"
        )
    print("\n".join(lines))
    print(f"{verdicts.total()} inputs from seed {seed} in {time.perf_counter() - start:.0f} s, {len(wrong)} wrong")
    if target is not None:
        target.write_text(HEAD.format(count=count, seed=seed) + "\n".join(lines) + "\n", encoding="utf-8")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
