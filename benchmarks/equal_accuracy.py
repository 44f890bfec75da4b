"""LUTs at equal accuracy: a search against a uniform grid, from the points of `benchmarks/real_nets.py`.

    python benchmarks/equal_accuracy.py reports/benchmarks/real_nets.csv

The grid is what a sweep of Brevitas networks with one width for weights and one for activations would train; both have
the same CPU time and the same price (`Dataflow`). Of each method and seed the cheapest point counts whose validation
accuracy is at least the grid's best less LOSS; the test accuracies are those of these points.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

METHODS = ("grid", "warm")
LOSSES = (0.0, 0.005, 0.01)


def chosen(points: pd.DataFrame, loss: float) -> pd.DataFrame:
    """The cheapest point of each seed and method that loses at most so much against the best of the grid."""
    best = points[points["method"] == "grid"].groupby("seed")["validation"].max()
    good = points[points["method"].isin(METHODS) & (points["validation"] >= points["seed"].map(best) - loss)]
    return good.loc[good.groupby(["seed", "method"])["LUT"].idxmin()]


def compared(points: pd.DataFrame) -> list[str]:
    """A row of Markdown for each network and loss: medians over the seeds in which the search gets there."""
    rows = []
    for net, own in points.groupby("net", sort=False):
        for loss in LOSSES:
            table = chosen(own, loss).pivot(index="seed", columns="method", values=["LUT", "test"])
            if "warm" not in table["LUT"]:
                rows.append(f"| {net} | {100 * loss:g} | | | not reached | | |")
                continue
            both = table.dropna()
            lut, test = both["LUT"].median(), 100 * both["test"].mean()
            ratio = np.median(both["LUT"]["warm"] / both["LUT"]["grid"])
            rows.append(
                f"| {net} | {100 * loss:g} | {lut['grid']:,.0f} | {lut['warm']:,.0f} | {ratio:.2f} "
                f"| {test['grid']:.1f} | {test['warm']:.1f} | {len(both)} of {len(table)} |"
            )
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("points", type=Path, help="CSV of benchmarks/real_nets.py")
    print("| network | points lost | LUT of grid | LUT of search | ratio | test of grid | test of search | seeds |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    print("\n".join(compared(pd.read_csv(parser.parse_args().points))))


if __name__ == "__main__":
    main()
