"""Random QONNX graphs against the executor of the qonnx package: equal or refused, never different in silence.

python benchmarks/qonnx_fuzz.py --count 1000 --seed 0          # some minutes; needs hwcost[onnx], qonnx and onnxruntime
python benchmarks/qonnx_fuzz.py --count 1 --seed 1234 --verbose

Each graph is read, run and compared with the executor; what `trace` accepts of it is priced and run on integers. Prints
the share of each group of parts that was read, and why others were refused; fails on a difference, a traceback, a
broken graph that was taken, or a group of which too few were read.
"""

from __future__ import annotations

import re
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import click
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from qonnx_graphs import drawn
from qonnx_relation import LEAST, check, failed, shares


@click.command()
@click.option("--count", default=1000, show_default=True, help="Graphs to draw.")
@click.option("--seed", default=0, show_default=True, help="Seed of the first; the others follow one by one.")
@click.option("--only", default="", help="Group that every graph has.")
@click.option("--verbose", is_flag=True, help="Print every graph and what became of it.")
def main(count: int, seed: int, only: str, verbose: bool) -> None:
    """Check COUNT graphs."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    verdicts, refusals, hardware = Counter[str](), Counter[str](), Counter[str]()
    outcomes, failures, start = [], 0, time.perf_counter()
    for each in range(seed, seed + count):
        graph = drawn(each, only)
        outcome = check(graph, each)
        outcomes.append((graph, outcome))
        verdicts[outcome.verdict] += 1
        if outcome.verdict == "refused" and not graph.broken:
            refusals[outcome.reason] += 1
        if outcome.hardware:
            hardware[re.sub(r"^(layers|IntegerNetwork)\.[^ ]*: ", "", outcome.hardware)] += 1
        bad = failed(outcome)
        failures += bad
        if verbose or bad:
            print(f"seed {each}: {graph.groups} {graph.broken}\n{outcome}", flush=True)
            if verbose:
                print(graph.model.graph)
    print(f"{count} graphs from seed {seed} in {time.perf_counter() - start:.0f} s: {dict(verdicts)}")
    print(f"equal and sound, as hardware: {hardware.pop('equal', 0)} equal on integers; refused by trace or integers:")
    for reason, number in hardware.most_common(12):
        print(f"  {number:5d}  {reason}")
    print("group: sound graphs with it and nothing unknown, share that was read, least")
    for group, (number, share) in sorted(shares(outcomes).items()):
        short = number >= 20 and share < LEAST.get(group, 0.0)
        failures += short
        print(f"  {group:18}{number:6}{share:8.0%}{LEAST.get(group, 0.0):8.0%}{'  too few' if short else ''}")
    print(f"refused, sound: {refusals.total()}")
    for reason, number in refusals.most_common(30):
        print(f"  {number:5d}  {reason}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
