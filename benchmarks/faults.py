"""Faults of machines against studies: killed processes, full and failing disks, damaged files, two writers.

python benchmarks/faults.py --count 1000 --seed 0 --report reports/benchmarks/faults.md     # half an hour of one core

Each fault strikes a real `hwcost` command on a study of small trials, is followed by a resume, and by an audit: no
finished trial is lost, none counts twice, every figure belongs to its weights, and all comes out as without faults.
Kills and disk errors strike at an operation that changes the disk, drawn from all that the command makes: they meet
every state that a disk can be in. Prints kind of fault x outcome, and each fault that an audit found.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from faults.harness import PLANS, Harness
from faults.strangers import rot, shared, writers

OUTCOMES = ("killed", "refused in one line", "went on", "LOST")


def table(outcomes: Counter[tuple[str, str, str]]) -> list[str]:
    """Rows of Markdown: kind of fault, how many, what became of the process."""
    kinds = sorted({kind for kind, _, _ in outcomes})
    lines = [f"| fault | struck | {' | '.join(OUTCOMES)} | in |", f"|---|{'---:|' * (1 + len(OUTCOMES))}---|"]
    for kind in kinds:
        places = sorted({place for one, place, _ in outcomes if one == kind})
        counts = [sum(outcomes[kind, place, outcome] for place in places) for outcome in OUTCOMES]
        lines.append(f"| {kind} | {sum(counts)} | {' | '.join(map(str, counts))} | {', '.join(places)} |")
    totals = [sum(count for (_, _, one), count in outcomes.items() if one == outcome) for outcome in OUTCOMES]
    return [*lines, f"| all | {sum(totals)} | {' | '.join(map(str, totals))} | |"]


@click.command()
@click.option("--count", default=1000, show_default=True, help="Faults.")
@click.option("--seed", default=0, show_default=True, help="Seed of their choice.")
@click.option("--report", type=click.Path(path_type=Path), help="Markdown file for the table.")
def main(count: int, seed: int, report: Path | None) -> None:
    """Let COUNT faults strike."""
    warnings.simplefilter("ignore")
    target, start = None if report is None else report.resolve(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        harness = Harness(seed)
        chains = [lambda plan=plan: harness.chain(plan, count - harness.struck) for plan in PLANS]
        others = [lambda: shared(harness)] * 3 + [lambda: writers(harness)] + [lambda: rot(harness)] * 20
        kinds = [*chains * 2, *others]
        shown = 0
        while harness.struck < count:
            known = len(harness.lost)
            try:
                harness.random.choice(kinds)()
            except KeyboardInterrupt:
                break
            for lost in harness.lost[known:]:
                print(f"LOST {lost}", flush=True)
            if harness.struck // 50 > shown:
                shown = harness.struck // 50
                print(f"{harness.struck} faults in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        os.chdir("/")
    lines = table(harness.outcomes)
    print("\n".join(lines))
    took = time.perf_counter() - start
    print(f"{harness.struck} faults from seed {seed} in {took:.0f} s, {len(harness.lost)} failed audits")
    if target is not None:
        target.write_text(HEAD.format(count=harness.struck, seed=seed) + "\n".join(lines) + "\n", encoding="utf-8")
    sys.exit(bool(harness.lost))


HEAD = """# Faults against studies

{count} faults, each in a real `hwcost` command on a study of small trials, each followed by an audit: no finished trial
is lost, none counts twice, every figure belongs to its weights, and the resumed study is that without faults.
Command: `python benchmarks/faults.py --count {count} --seed {seed} --report reports/benchmarks/faults.md`.

A killed, torn, failing or full operation is one of all that the command makes on the disk, so that every state of the
disk can be met; a torn one is half written. "short" takes a third of each write, "clock" lets the time of day jump by
a day or by 400. "Went on" is exit status 0 with the right result, "refused in one line" exit status 2.

"""

if __name__ == "__main__":
    main()
