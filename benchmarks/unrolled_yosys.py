"""Measure constant matrix-vector products and constant thresholds with Yosys: the ground truth of `Unrolled`.

    python benchmarks/unrolled_yosys.py --measure --yosys-python VENV/bin/python     # minutes; writes unrolled.json
    python benchmarks/unrolled_yosys.py                                              # reads it; writes unrolled.md

VENV holds `pip install pyosys==0.70 da4ml==0.6.0 numpy`. Each product is built as a plain digit tree and counted by
Yosys. da4ml is run as a second opinion: it shares common sub-expressions, and its own estimate is within 2 to 5% of
Vivado on three published networks.
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
from unrolled_cases import Matrix, cases, digit_tree, threshold_cases, threshold_module, width

from hwcost.models import Generic, Placed, Unrolled
from hwcost.models.wired_blocks import WIRED, Wired
from hwcost.ranges import Range, between, dot, integers
from hwcost.spec import MatVec, Thresholds

FOLDER = Path(__file__).parent.parent / "reports" / "calibration"
VECTORS = 3
FLAGS = "synth_xilinx -family xcup -noiopad -nodsp -flatten -top m"

# every $add and $sub becomes one carry chain before Yosys merges them, as vendor tools map them
CHAIN = r"""
(* techmap_celltype = "$add $sub" *)
module chain(A, B, Y);
  parameter A_SIGNED = 0; parameter B_SIGNED = 0;
  parameter A_WIDTH = 1; parameter B_WIDTH = 1; parameter Y_WIDTH = 1;
  parameter _TECHMAP_CELLTYPE_ = "";
  input [A_WIDTH-1:0] A; input [B_WIDTH-1:0] B; output [Y_WIDTH-1:0] Y;
  localparam SUB = _TECHMAP_CELLTYPE_ == "$sub";
  wire [Y_WIDTH-1:0] X, CO;
  \$alu #(.A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED), .A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH))
    alu(.A(A), .B(B), .BI(SUB), .CI(SUB), .Y(Y), .X(X), .CO(CO));
endmodule
"""
PREPARE = "hierarchy -top m; proc; flatten; opt_expr; opt_clean"
MAP = "opt_expr -fine; opt_clean; wreduce; opt_clean; techmap -map {folder}/chain.v; opt_expr; opt_clean"

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

Written by `python benchmarks/unrolled_yosys.py` from `unrolled.json`, which `--measure` makes anew. Yosys 0.70,
`{flags}`, every adder one carry chain; LUT1 to LUT6 and INV are
counted. Every netlist of a product was simulated and gave the product.

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


def luts(python: Path, sources: str, folder: Path, *, chains: bool, prove: str = "") -> tuple[int, str]:
    """LUTs by Yosys of module m, and what `prove` printed."""
    (folder / "chain.v").write_text(CHAIN)
    passes = [f"read_verilog {sources}", *PREPARE.split("; ")]
    passes += [f"tee -q -a {folder}/eval.txt {one}" for one in prove.split("; ") if one]
    passes += MAP.format(folder=folder).split("; ") if chains else []
    passes += [FLAGS, f"tee -q -o {folder}/stat.json stat -json"]
    code = f"from pyosys import libyosys as y\nd = y.Design()\nfor p in {passes!r}: y.run_pass(p, d)"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    cells = json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]
    proof = folder / "eval.txt"
    total = sum(count for kind, count in cells.items() if kind.startswith("LUT") or kind == "INV")
    return total, proof.read_text() if proof.exists() else ""


def measure_product(case: dict[str, Any], python: Path) -> dict[str, float]:
    """LUTs of the digit tree, checked by simulation, and da4ml's estimate of its shared adder graph."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "m.v").write_text(digit_tree(case))
        rng = np.random.default_rng(1)
        inputs = rng.integers(case["low"], case["high"] + 1, (VECTORS, len(case["weights"][0])))
        shows = " ".join(f"-show y{i}" for i in range(len(case["weights"])))
        bits, _ = width(case["low"], case["high"])
        sets = [" ".join(f"-set x{j} {bits}'d{v % 2**bits}" for j, v in enumerate(x)) for x in inputs.tolist()]
        tree, said = luts(
            python, f"{folder}/m.v", folder, chains=True, prove="; ".join(f"eval {one} {shows}" for one in sets)
        )
        check(case, inputs, said)
        (folder / "case.json").write_text(json.dumps(case))
        run = [python, "-c", DA4ML, folder / "case.json"]
        shared = float(subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()[-1])
    return {"tree": tree, "shared": shared}


def check(case: dict[str, Any], inputs: Matrix, said: str) -> None:
    """The simulated outputs are the product, modulo the width of the port."""
    lines = [line.split("=")[1].strip(" .") for line in said.splitlines() if line.startswith("Eval result")]
    wanted = (inputs @ np.array(case["weights"]).T).reshape(-1).tolist()
    for line, value in zip(lines, wanted, strict=True):
        size, code = line.split("'")
        assert int(code, 2) == value % 2 ** int(size), (line, value)


def measure(python: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    """All cases; minutes."""
    products = []
    for number, case in enumerate(cases()):
        products.append(case | measure_product(case, python))
        progress(f"product {number}: {products[-1]['tree']} {products[-1]['shared']}")
    rows = []
    for case in threshold_cases():
        row = {"acc_bits": case["acc_bits"], "bits": case["bits"]}
        for structure in ("parallel", "search"):
            with tempfile.TemporaryDirectory() as name:
                (Path(name) / "m.v").write_text(threshold_module(case, search=structure == "search"))
                row[structure] = luts(python, f"{name}/m.v", Path(name), chains=False)[0] / 8
        rows.append(row)
        progress(f"thresholds {row}")
    return {"products": products, "thresholds": rows}


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
    """What sharing of common sub-expressions is worth."""
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
            modelled = float(WIRED[Thresholds].price([Wired("layer", block, 1)], setting)["LUT"])
            seen.append(abs(modelled / row[structure] - 1))
            cells.append(f"| {row[structure]:.1f} | {modelled:.1f} ")
        lines.append("".join(cells) + "|")
    summary = [f"{name} MAPE {np.mean(seen):.1%}, worst {max(seen):.0%}" for name, seen in errors.items()]
    return [*lines, "", "Errors: " + "; ".join(summary) + "."]


def report(data: dict[str, Any]) -> str:
    """The Markdown page."""
    products = data["products"]
    return PAGE.format(
        flags=FLAGS,
        count=len(products),
        products="\n".join(product_table(products)),
        sharing=sharing(products),
        thresholds="\n".join(threshold_table(data["thresholds"])),
    )


def main() -> None:
    """Measure on request; write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="run Yosys again")
    parser.add_argument("--yosys-python", type=Path, help="interpreter with pyosys and da4ml")
    arguments = parser.parse_args()
    data = FOLDER / "unrolled.json"
    if arguments.measure:
        if arguments.yosys_python is None:
            parser.error("--measure needs --yosys-python")
        data.write_text(json.dumps(measure(arguments.yosys_python, lambda line: print(line, flush=True))) + "\n")
    (FOLDER / "unrolled.md").write_text(report(json.loads(data.read_text())))


if __name__ == "__main__":
    main()
