"""Our folding and FINN's greedy one at the same frame rate; writes reports/calibration/folding.md.

python benchmarks/folding_against_greedy.py
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from greedy_folding import set_folding
from networks import Network, cnv, mlp, mobilenet_v1

from hwcost.errors import BadFolding
from hwcost.graph.spec import MatVec
from hwcost.models import Dataflow, place, target_fps
from hwcost.models.folding.folds import Folding, unit_names
from hwcost.models.formulas.matvec import MatVecFormula

CLOCK_HZ = 100e6
TARGETS = (100_000, 30_000, 10_000, 3_000, 1_000, 300, 100, 30)


def reached(net: Network, folds: dict[str, object]) -> int:
    """The interval of the units."""
    placed = place(net.layers())
    slowest = 0
    for index, name in unit_names(placed).items():
        block = placed[index].block
        assert isinstance(block, MatVec)
        slowest = max(slowest, MatVecFormula().cycles(block, folds[name]))  # type: ignore[arg-type] # a Fold
    return slowest


def used(net: Network, folding: Folding) -> tuple[float, float]:
    """LUT and BRAM18 of the whole pipeline."""
    bill = Dataflow(device="U250", folding=folding).price(place(net.layers()))
    return float(bill["LUT"].sum()), float(bill["BRAM18"].sum())


def lines() -> list[str]:
    nets = {
        "CNV W1A1": cnv(1, 1),
        "CNV W2A2": cnv(2, 2),
        "MobileNetV1 W4A4": mobilenet_v1(4),
        "MLP 600-64-64-64-1 W2A2": mlp((600, 64, 64, 64, 1), 2),
        "MLP 784-256-256-10 W4A4": mlp((784, 256, 256, 10), 4),
    }
    found = []
    for name, net in nets.items():
        for fps in TARGETS:
            greedy = set_folding(net, int(CLOCK_HZ / fps))
            interval = reached(net, dict(greedy))
            start = time.perf_counter()
            try:
                ours = target_fps(net, CLOCK_HZ / (interval + 0.5))
            except BadFolding as error:  # FINN's interval is beyond a window or an activation, not beyond a unit
                found.append(f"| {name} | {fps:,} | {interval:,} | - | - | - | {str(error).split(';')[0]} |")
                continue
            took = time.perf_counter() - start
            theirs = used(net, Folding(greedy, interval))
            mine = used(net, ours)
            found.append(
                f"| {name} | {fps:,} | {interval:,} | {theirs[0]:,.0f} ({theirs[1]:,.0f}) | {mine[0]:,.0f} "
                f"({mine[1]:,.0f}) | {mine[0] / theirs[0] - 1:+.1%} | {took:.2f} s |"
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("reports/calibration/folding.md"))
    options = parser.parse_args()
    rows = "\n".join(lines())
    text = f"""# Folding against FINN's greedy

Written by `python benchmarks/folding_against_greedy.py`. Per network and target, both at the interval that FINN's
SetFolding reaches (100 MHz): LUT of the whole pipeline by our model, in brackets its BRAM18. We ask for the
fewest LUTs, and a weight memory moves between LUT RAM and BRAM18 with its depth: where BRAM18 rises, LUTs were bought
with blocks. A line without figures names a block that FINN's greedy does not look at and that cannot keep up.

| network | target frames/s | interval | FINN greedy | ours | difference in LUT | time |
| --- | --- | --- | --- | --- | --- | --- |
{rows}
"""
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
