"""Random networks against the reference relation: trained, executed, priced and exported networks are one.

python benchmarks/random_networks.py --count 5000 --seed 0     # some minutes
python benchmarks/random_networks.py --count 1 --seed 1234 --verbose

For each network: what `trace` accepts runs on integers and equals the forward pass; cached cost, cost and estimate are
equal, with equal gradients; out to QONNX and in again it has equal values and an equal price; no integer leaves its
described range. Prints what was accepted, what was refused and why, and of a disagreement a minimal part of the plan.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import click
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from network_generator import drawn
from reference_relation import check, minimal


@click.command()
@click.option("--count", default=5000, show_default=True, help="Networks to draw.")
@click.option("--seed", default=0, show_default=True, help="Seed of the first; the others follow one by one.")
@click.option("--verbose", is_flag=True, help="Print every plan and what became of it.")
def main(count: int, seed: int, verbose: bool) -> None:
    """Check COUNT networks."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    verdicts, refusals, exports = Counter[str](), Counter[str](), Counter[str]()
    samples, failures, start = 0, Counter[str](), time.perf_counter()
    for each in range(seed, seed + count):
        plan = drawn(each)
        outcome = check(plan)
        verdicts[outcome.verdict] += 1
        samples += outcome.samples
        if verbose:
            print(plan, outcome, sep="\n", flush=True)
        if outcome.verdict == "refused":
            refusals[outcome.reason] += 1
        elif outcome.verdict == "accepted":
            exports[outcome.exported] += 1
        elif outcome.verdict == "disagrees":
            failures[outcome.reason] += 1
            if failures[outcome.reason] <= 3:
                small = minimal(plan, outcome.reason)
                print(f"DISAGREES: {outcome.reason}\n{small}\n{check(small).detail}\n", flush=True)
    print(f"{count} networks from seed {seed} in {time.perf_counter() - start:.0f} s: {dict(verdicts)}")
    print(f"{samples} samples executed on integers and compared, every layer of each")
    for title, counts in (("refused", refusals), ("accepted, QONNX", exports), ("disagreements", failures)):
        print(f"{title}: {counts.total()}")
        for reason, number in counts.most_common():
            print(f"  {number:5d}  {reason}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
