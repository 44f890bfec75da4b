"""Error page of the hardware models: reports/calibration/error.md with its pictures, from the tables next to it.

python benchmarks/error_page.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from calibration_figures import error_picture, gradient_picture, scatter_picture
from left_out import left_out, precision
from scipy.stats import spearmanr

from hwcost.models.calibration.corpus import Measured, Unit, read, wire
from hwcost.models.calibration.fit import STAGES, Array, constants_of, errors, priced, spread
from hwcost.models.calibration.unit_prices import group_of
from hwcost.models.formulas.coefficients import flows, values

FOLDER = Path(__file__).parent.parent / "reports" / "calibration"

PANELS = {
    "Matrix-vector": ["matvec"],
    "Constant product": ["constant"],
    "Thresholds": ["thresholds search", "thresholds parallel"],
    "Constant thresholds": ["thresholds search constant", "thresholds parallel constant"],
    "Window": ["window serial", "window parallel"],
    "Links": ["converter up", "converter down", "fifo srl", "fifo bram18"],
    "Vivado, units": ["unit rtl", "unit hls"],
}

PAGE = """\
# How wrong the hardware models are

Written by `python benchmarks/error_page.py` from `corpus.csv` (its columns: `hwcost/models/calibration/corpus.py`),
`networks.csv` and `gradient.csv` (`python benchmarks/synthesis_truth.py`). The constants of
`hwcost/models/coefficients.json` are `hwcost calibrate --constants hwcost/models/coefficients.json` on that corpus.
`hwcost calibrate --check FILE.csv` prints the same for units of your own.

{yosys} units were synthesized by Yosys 0.70 (`synth_xilinx -noiopad -nodsp -flatten`, every multiplier rows of carry
chains and every adder one chain before the coarse step); their RTL equals integer arithmetic in simulation. {vivado}
whole units are published Vivado 2020.1 rows (arXiv:2201.11409). Relative errors are over units of 4 LUT and more.

## By kind of unit

{kinds}

![predicted against measured](error-scatter.png)

What is no part of a law has no line: the logic that tells products apart that share a DSP slice. The LUTs of "memory
bram18" choose between RAMs above one another; in a network the closest curve that does not fall where a width grows
stands for them. "control" is what steers a matrix-vector unit; its constants are fitted to these units
and to whole published ones together. Thresholds that can be written
have no handshake in this RTL, so that their FF are not compared; those in tables have it.

## Kept back

Another draw of the same kinds of unit, seed 16180, synthesized when laws and constants were done, and none of flow
"rtl" was changed after it: `heldout.csv`, priced by `hwcost calibrate --check reports/calibration/heldout.csv`. (Two
draws before have been looked at since, to choose laws by. Seed 31415: matrix-vector units 5.3%, constants compared in
parallel 11.3%. Seed 27182: constant products 11.2%, before rows of few input bits were built and priced as tables.)

{heldout}

## Never seen

Every unit predicted by a fit that saw no unit of its precision (its pair of operands), or of its shape (SIMD and
geometry). What has a constant that nothing else has, the product of two bipolar operands for one, cannot be left out.

{unseen}

![error by width and shape](error-width.png)

## Compared with other predictors on the same {matvec} matrix-vector units

Each of the others gets the one scale (LUT+55*DSP: of its LUTs) that suits these rows best.

{others}

## One bit less: the sign and the ranking of the gradient

Every matrix-vector unit of mixed-precision networks, synthesized again with one bit less of its weights or its input.

{gradient}

## Whole networks

The sum of all blocks as `hwcost verify` synthesizes them, widths of 2 to 8 bits drawn per layer.

{networks}

## What open synthesis gets wrong, and what it cannot see

- Whole published units (Vivado 2020.1): the arithmetic is fitted to Yosys alone, the two constants of control to both;
  the RTL rows are met with the error above, and nothing was bent. A bipolar weight times an input of several bits is
  where the tools part: Vivado takes 881 LUT a PE from RTL and 563 from HLS (SIMD 64, 4 bits), Yosys 788; what it costs
  in flow "hls" is therefore fitted to the published rows.
- Yosys counts LUTs. Vivado reports sites, and packs two LUTs of up to five inputs into one: up to 20% fewer for adders
  of small operands. The counts here are not packed.
- Yosys merges what the PE of a unit have in common: with bipolar weights, the negative of an input, a fifth of a unit
  of two or three PE. Published units do not show it. The corpus and `hwcost verify` hold one PE of such units, and
  count it for all.
- Memories: Yosys sometimes splits a depth just above a power of two into two memories of different geometries, which
  the law does not. Between block RAMs above one another it chooses with LUTs where newer vendor tools cascade; which
  geometry it takes, and so how many there are, jumps with the width of the word, and no price may fall where a width
  grows: the law takes the closest curve that does not. LUT RAM comes in groups of eight LUTs on UltraScale+.
- A product below 9 bits is left to LUTs even where DSP slices are allowed, by Yosys as by the vendor; where one is
  alone, our RTL packs it with itself, so that it gets the slice that was asked for.
- An accumulator of 13 bits and more is compared with a constant on a carry chain, a narrower one in LUTs: a step of a
  half from 12 to 13 bits that a vendor tool need not have.
- Nothing is placed or routed: timing-driven duplication, retiming and congestion are not seen.
"""


def main() -> None:
    """Write error.md and its pictures."""
    rows = read(FOLDER / "corpus.csv")
    gradient, built = (pd.read_csv(FOLDER / f"{name}.csv") for name in ("gradient", "networks"))
    table = priced(rows)
    matvec = [row for row in rows if group_of(row.unit) == "matvec"]
    text = PAGE.format(
        yosys=sum(row.source.startswith("Yosys") for row in rows),
        vivado=sum(row.source.startswith("Vivado") for row in rows),
        kinds=kinds(table),
        heldout=kinds(priced(read(FOLDER / "heldout.csv"))),
        unseen=unseen(rows),
        matvec=len(matvec),
        others=_others(matvec) + "\n\n" + _constants([row for row in rows if row.unit.kind == "constant"]),
        gradient=_gradient(gradient),
        networks=_networks(built),
    )
    (FOLDER / "error-scatter.png").write_bytes(scatter_picture(table, PANELS))
    (FOLDER / "error-width.png").write_bytes(error_picture(_by_width(matvec)))
    (FOLDER / "error-gradient.png").write_bytes(gradient_picture(gradient))
    (FOLDER / "error.md").write_text(text, encoding="utf-8")


def markdown(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Rows under a header, in Markdown."""
    head = list(header)
    lines = [head, ["---"] * len(head), *([str(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cells(found: Mapping[Any, Any]) -> list[str]:
    cells = [f"{found['median']:.2f}", f"{found['MAPE']:.1%}", f"{found['worst']:.0%}", f"{found['Spearman']:.3f}"]
    return ["" if "nan" in cell else cell for cell in cells]


def kinds(table: pd.DataFrame) -> str:
    """Errors by kind of unit and resource, as a table."""
    found = errors(table)
    rows = [
        (row["group"], row["resource"], f"{row['units']:.0f}", *_cells(row.to_dict()), f"{row['exact']:.0%}")
        for _, row in found.iterrows()
    ]
    return markdown(("units", "resource", "number", "median", "MAPE", "worst", "Spearman", "exact"), rows)


def unseen(rows: Sequence[Measured]) -> str:
    """Errors of units that a fit did not see, as a table."""
    lines, family = [], constants_of(rows)
    keys: dict[str, Callable[[Unit], str]] = {
        "precision": lambda unit: precision(unit) + unit.output * (unit.kind == "thresholds"),
        "shape": lambda unit: f"{unit.simd} {unit.geometry.split(' ')[0]}",
    }
    for stage in (one for one in STAGES if one.flow in flows(family)):
        for group in stage.groups:
            chosen = [r for r in rows if group_of(r.unit) in stage.groups and r.amounts["LUT"] >= 4]
            own = np.array([group_of(row.unit) == group for row in chosen])
            measured = np.array([row.amounts["LUT"] for row in chosen], dtype=float)
            for name, key in keys.items():
                if len({key(row.unit) for row in chosen}) > min(len(stage.names), 9):
                    ours = left_out(chosen, stage, key, values(stage.flow, family))
                    own = own & np.isfinite(ours)
                    if not own.any():
                        continue
                    lines.append((group, name, int(own.sum()), *_cells(spread(ours[own], measured[own]))))
    return markdown(("units", "left out", "number", "median", "MAPE", "worst", "Spearman"), lines)


def _others(rows: Sequence[Measured]) -> str:
    """Formulas of others, each with the scale that suits the rows best."""
    measured = np.array([row.amounts["LUT"] for row in rows], dtype=float)
    table = priced(rows)
    found = {"hwcost": (table["LUT"].to_numpy(dtype=float), False)}
    products = []
    for row in rows:
        w, a, acc = (int(wire(name).bits) for name in (row.unit.weight, row.unit.input, row.unit.output))
        products.append((row.unit.pe, row.unit.simd, w, a, acc))
    pe, simd, w, a, acc = np.array(products, dtype=float).T
    bops = pe * simd * w * a
    tree = pe * (simd * (w + a) + acc)
    found["FINN's formula, 300 LUT a unit"] = (300 + 1.1 * bops + tree, False)
    found["FINN's formula without the constant"] = (1.1 * bops + tree, False)
    found["BOPs x scale (EBOPs of streamed weights are the same)"] = (bops, True)
    found["LUT+55*DSP, refit: a line through BOPs"] = (_line(bops, measured), False)
    lines = []
    for name, (values_, scaled) in found.items():
        ours = values_ / np.median(values_ / measured) if scaled else values_
        lines.append((name, *_cells(spread(ours, measured))))
    return markdown(("predictor", "median", "MAPE", "worst", "Spearman"), lines)


def _constants(rows: Sequence[Measured]) -> str:
    """EBOPs of the values: the bits that a weight really has, times those of the input."""
    measured = np.array([row.amounts["LUT"] for row in rows], dtype=float)
    ebops = []
    for row in rows:
        bits = sum((abs(w) // (w & -w)).bit_length() for line in row.unit.constants for w in line if w)
        ebops.append(float(bits * int(wire(row.unit.input).bits)))
    each = np.array(ebops)
    ours = priced(rows)["LUT"].to_numpy(dtype=float)
    lines = [("hwcost, value-aware", *_cells(spread(ours, measured)))]
    built = measured > 0
    scale = np.median(each[built] / measured[built])
    lines.append(("EBOPs of the values x scale", *_cells(spread(each / scale, measured))))
    return markdown(("constant products", "median", "MAPE", "worst", "Spearman"), lines)


def _line(bops: Array, measured: Array) -> Array:
    """A line with the least squared relative error."""
    terms = np.stack([bops, np.ones_like(bops)], axis=1) / measured[:, None]
    found, *_ = np.linalg.lstsq(terms, np.ones_like(measured), rcond=None)
    return np.asarray(found[0] * bops + found[1])


def _by_width(rows: Sequence[Measured]) -> dict[str, tuple[list[float], list[float]]]:
    table = priced(rows)
    error = (table["LUT"] / table["LUT_measured"] - 1).tolist()
    bits = {name: [float(wire(getattr(row.unit, name)).bits) for row in rows] for name in ("weight", "input")}
    simd = [float(row.unit.simd) for row in rows]
    return {"weight bits": (bits["weight"], error), "input bits": (bits["input"], error), "SIMD": (simd, error)}


def _gradient(rows: pd.DataFrame) -> str:
    lines = []
    for name, one in rows.groupby("network", sort=False):
        ours, measured = one["LUT"].to_numpy(dtype=float), one["LUT_measured"].to_numpy(dtype=float)
        sign = float(((ours > 0) == (measured > 0)).mean())
        lines.append((name, len(one), f"{sign:.0%}", f"{spearmanr(ours, measured)[0]:.3f}"))
    picture = "\n\n![what a bit less saves](error-gradient.png)"
    return markdown(("network", "operands", "sign agrees", "Spearman"), lines) + picture


def _networks(rows: pd.DataFrame) -> str:
    lines = []
    for name, one in rows.groupby("network", sort=False):
        ours, measured = one["LUT"].sum(), one["LUT_measured"].sum()
        bram, seen = one["BRAM18"].sum(), one["BRAM18_measured"].sum()
        lines.append(
            (name, f"{ours:,.0f}", f"{measured:,.0f}", f"{ours / measured - 1:+.1%}", f"{bram:.0f}", f"{seen:.0f}")
        )
    return markdown(("network", "LUT estimated", "synthesized", "error", "BRAM18 estimated", "synthesized"), lines)


if __name__ == "__main__":
    main()
