"""Measure constant matrix-vector products and constant thresholds with Yosys: the ground truth of `Unrolled`.

    python benchmarks/unrolled_yosys.py --measure      # minutes; writes unrolled.json and unrolled.md
    python benchmarks/unrolled_yosys.py                # writes unrolled.md from it

Each product is built by `hwcost.synth`, a plain digit tree, and counted by Yosys. With `--da4ml VENV/bin/python`, which
holds `pip install da4ml==0.6.0 numpy`, da4ml is run as a second opinion: it shares common sub-expressions, and its own
estimate is within 2 to 5% of Vivado on three published networks.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from unrolled_cases import cases, threshold_cases, width

from hwcost.graph.ranges import Range, between, dot, integers
from hwcost.graph.spec import MatVec, Thresholds
from hwcost.models import Generic, Job, Placed, Unrolled
from hwcost.models.calibration.corpus import Unit
from hwcost.models.unrolled.blocks import WIRED
from hwcost.synth.measure import Laboratory
from hwcost.synth.random_products import matrix
from hwcost.synth.yosys import find

FOLDER = Path(__file__).parent.parent / "reports" / "calibration"
DA4ML = """
import json, sys, numpy as np
from da4ml.cmvm import solve
case = json.load(open(sys.argv[1]))
w = np.array(case["weights"], dtype=np.float32).T
span = [(float(case["low"]), float(case["high"]), 1.0)] * w.shape[0]
print(solve(w, qintervals=span, adder_size=1, carry_size=-1).cost)
"""


PAGE = """\
# Unrolled designs against synthesis

Written by `python benchmarks/unrolled_yosys.py` from `unrolled.json`, which `--measure` writes again. Yosys 0.70,
as everywhere here (`hwcost/synth/yosys.py`); the RTL of constant products equals integer arithmetic in simulation
(`tests/synth/test_units.py`).

## Products with constant matrices

{count} random products: 2 to 16 outputs, 4 to 64 inputs, weights of 2 to 8 bits, inputs of 1 to 8. The two forms of
`Unrolled` are as they are; EBOPs and BOPs get the scale that suits each group best. "Sparse" means zeros among weights
that have bits: no count of widths can see them.

{products}

Sub-expressions that outputs have in common are built once per output, here and in the price. {sharing}

## Constant thresholds

LUTs per channel, mean of 8 channels with random thresholds over the middle half of the accumulator's range; the
constants are fitted to other sets (`corpus.csv`).

{thresholds}
"""


def shared(case: dict[str, Any], python: Path) -> float:
    """da4ml's estimate of its shared adder graph."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.json"
        path.write_text(json.dumps(case))
        run = subprocess.run([python, "-c", DA4ML, path], capture_output=True, text=True, check=True)
    return float(run.stdout.split()[-1])


def measure(da4ml: Path | None, before: dict[str, Any]) -> dict[str, Any]:
    """All cases, as `hwcost.synth` builds them; minutes.

    Args:
        da4ml: interpreter that has it; None keeps the estimates of `before`.
        before: what was measured last.
    """
    lab = Laboratory(synthesizer=find())
    products, steps = cases(), threshold_cases()
    built = [product_unit(case) for case in products]
    compared = {style: [threshold_unit(case, style) for case in steps] for style in ("parallel", "search")}
    found = lab.measure(
        [*built, *compared["parallel"], *compared["search"]], lambda done, all_: print(done, "of", all_)
    )
    estimates = [shared(case, da4ml) for case in products] if da4ml else [row["shared"] for row in before["products"]]
    trees = [found[one].amounts["LUT"] for one in built]
    rows = [
        {"acc_bits": case["acc_bits"], "bits": case["bits"]}
        | {style: found[each[index]].amounts["LUT"] / len(case["steps"]) for style, each in compared.items()}
        for index, case in enumerate(steps)
    ]
    return {
        "products": [
            case | {"tree": tree, "shared": one} for case, tree, one in zip(products, trees, estimates, strict=True)
        ],
        "thresholds": rows,
    }


def product_unit(case: dict[str, Any]) -> Unit:
    """A case as a unit of a corpus."""
    bits, signed = width(case["low"], case["high"])
    return Unit(kind="constant", input=f"{'INT' if signed else 'UINT'}{bits}", matrix=matrix(case["weights"]))


def threshold_unit(case: dict[str, Any], style: str) -> Unit:
    """A case as a unit of a corpus."""
    steps = case["steps"].tolist()
    return Unit(
        kind="thresholds", input=f"INT{case['acc_bits']}", output=f"UINT{case['bits']}", pe=len(steps),
        geometry=str(len(steps)), structure=style, matrix=matrix(steps),
    )  # fmt: skip


def unit(case: dict[str, Any]) -> MatVec:
    """The product of a case as a block."""
    widths = torch.tensor(case["widths"], dtype=torch.float64)
    codes = integers(widths, signed=True, narrow=True)
    weight = Range(torch.where(widths > 0, codes.low, 0.0), torch.where(widths > 0, codes.high, 0.0), widths)
    inputs, matrix = between(case["low"], case["high"]), torch.tensor(case["weights"])
    rows, cols = matrix.shape
    return MatVec(
        rows=rows, cols=cols, weight=weight, input=inputs, acc=dot(inputs, weight, cols), integers=matrix
    )  # fmt: skip


def value_ebops(case: dict[str, Any]) -> float:
    """EBOPs with the bits that each weight really has, from its highest to its lowest digit that is not zero."""
    sizes = [abs(w) // (w & -w) if w else 0 for row in case["weights"] for w in row]
    return float(sum(size.bit_length() for size in sizes) * width(case["low"], case["high"])[0])


GROUPS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "all": lambda case: True,
    "a width for each weight": lambda case: case["kind"] == "mixed",
    "one width, dense": lambda case: case["kind"] != "mixed" and case["sparsity"] == 0,
    "one width, sparse": lambda case: case["kind"] != "mixed" and case["sparsity"] > 0,
}


def predictions(products: list[dict[str, Any]]) -> dict[str, NDArray[np.float64]]:
    """Every predictor on every product."""
    placed = [Placed(str(index), unit(case)) for index, case in enumerate(products)]
    generic = Generic().price(placed)
    expected = Unrolled(device="xczu3eg").price(placed)["LUT"]
    actual = Unrolled(device="xczu3eg", value_aware=True).price(placed)["LUT"]
    return {
        "`Unrolled`, value-aware": actual.numpy(),
        "`Unrolled`, expected of the widths": expected.numpy(),
        "EBOPs of the widths x scale": generic["EBOPs"].numpy(),
        "EBOPs of the values x scale": np.array([value_ebops(case) for case in products]),
        "BOPs x scale": generic["BOPs"].numpy(),
    }


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    ranks = [np.argsort(np.argsort(values)) for values in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def product_table(products: list[dict[str, Any]]) -> list[str]:
    """Errors of every predictor, group by group."""
    measured = np.array([float(case["tree"]) for case in products])
    lines = ["| products | predictor | median | MAPE | worst | Spearman |", "| --- | --- | --- | --- | --- | --- |"]
    found = predictions(products)
    for group, belongs in GROUPS.items():
        rows = [index for index, case in enumerate(products) if belongs(case)]
        for name, values in found.items():
            ratio = values[rows] / measured[rows]
            ratio = ratio / np.median(ratio) if name.endswith("scale") else ratio
            error = np.abs(ratio - 1)
            rank = _spearman(values[rows], measured[rows])
            lines.append(
                f"| {group} ({len(rows)}) | {name} | {np.median(ratio):.2f} | {error.mean():.1%} | {error.max():.0%} | "
                f"{rank:.3f} |"
            )
    return lines


def sharing(products: list[dict[str, Any]]) -> str:
    """Savings by sharing common sub-expressions, in words."""
    actual = predictions(products)["`Unrolled`, value-aware"]
    ratio = np.array([case["shared"] for case in products]) / actual
    median = float(np.median(ratio))
    return (
        f"da4ml 0.6.0 estimates {median:.2f} of the value-aware price in the median ({ratio.min():.2f} to "
        f"{ratio.max():.2f}); times that one factor the price meets its estimate with a MAPE of "
        f"{np.abs(ratio / median - 1).mean():.1%}."
    )


def threshold_table(rows: list[dict[str, Any]]) -> list[str]:
    """Measured and modelled LUTs per channel."""
    lines = [
        "| accumulator bits | output bits | parallel: Yosys | ours | search: Yosys | ours |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    errors: dict[str, list[float]] = {"parallel": [], "search": []}
    for row in rows:
        cells = [f"| {row['acc_bits']} | {row['bits']} "]
        for structure, seen in errors.items():
            acc, out = integers(row["acc_bits"], signed=True), integers(row["bits"], signed=False)
            block = Thresholds(channels=1, vectors=1, input=acc, output=out)
            setting = Unrolled(device="xczu3eg", thresholds=structure).setting
            modelled = float(WIRED[Thresholds]([Job("layer", block)], setting)["LUT"])
            seen.append(abs(modelled / row[structure] - 1))
            cells.append(f"| {row[structure]:.1f} | {modelled:.1f} ")
        lines.append("".join(cells) + "|")
    summary = [f"{name} MAPE {np.mean(seen):.1%}, worst {max(seen):.0%}" for name, seen in errors.items()]
    return [*lines, "", "Errors: " + "; ".join(summary) + "."]


def report(data: dict[str, Any]) -> str:
    """The Markdown page."""
    products = data["products"]
    return PAGE.format(
        count=len(products),
        products="\n".join(product_table(products)),
        sharing=sharing(products),
        thresholds="\n".join(threshold_table(data["thresholds"])),
    )


def main() -> None:
    """Measure on request; write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="run Yosys again")
    parser.add_argument("--da4ml", type=Path, help="interpreter with da4ml; without it, its last estimates are kept")
    arguments = parser.parse_args()
    path = FOLDER / "unrolled.json"
    data = json.loads(path.read_text())
    if arguments.measure:
        data = measure(arguments.da4ml, data)
        path.write_text(json.dumps(data) + "\n")
    (FOLDER / "unrolled.md").write_text(report(data))


if __name__ == "__main__":
    main()
