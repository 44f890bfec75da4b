"""Error page of a family of parts with laws of its own: reports/calibration/FAMILY.md, from the tables next to it.

python benchmarks/family_page.py ecp5
python benchmarks/family_page.py ecp5 --networks mlp digits tfc    # synthesizes them again; needs hwcost[synth]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from built_networks import COUNTED, NETWORKS, SETTINGS, built
from error_page import FOLDER, kinds, markdown, unseen

from hwcost.cost.estimate import estimate
from hwcost.models.calibration.corpus import read
from hwcost.models.calibration.fit import priced
from hwcost.synth.yosys import find

NAMES = {"ecp5": ("Lattice ECP5", "ecp5-85k")}
"""Family -> its name, and the part that networks are folded for."""

PAGE = """\
# How wrong the hardware models are on {name}

Written by `python benchmarks/family_page.py {family}` from `{family}.csv` (units, with the columns of `corpus.csv`),
`{family}-heldout.csv` and `{family}-networks.csv`. The constants of `hwcost/models/coefficients_{family}.json` are
`hwcost calibrate --corpus reports/calibration/{family}.csv --constants hwcost/models/coefficients_{family}.json`.

{units} units of the designed corpus were synthesized by Yosys 0.70 and counted as place and route counts them
(`hwcost/synth/primitives.py`): LUT are LUT4, a carry cell is two and a distributed RAM of 16 x 4 bits six of them. The
largest units of the corpus, above 900 LUT6, are left out, and so are constants in the fabric, which are not priced on
this family. FF are counted from the RTL, as for every family. Relative errors are over units of 4 LUT and more.

## By kind of unit

{kinds}

A clip that cuts one bit off an unsigned result takes one LUT in all, which no law may say without falling where a width
grows: it makes the error of "saturate", here as on AMD's parts. Of a "table", words of a curve are built from fewer
LUT4 than random ones; the law stands between them.

## Kept back

Another draw of the same kinds of unit, seed 16180, synthesized when laws and constants were done:
`hwcost calibrate --check reports/calibration/{family}-heldout.csv`.

{heldout}

## Never seen

Every unit predicted by a fit that saw no unit of its precision (its pair of operands), or of its shape (SIMD and
geometry).

{unseen}

## Whole networks

Networks of [reports/build](../build/README.md) as whole accelerators, weights included, each synthesized at once;
widths of "mixed" are drawn layer by layer.

{networks}
"""


def synthesize(path: Path, name: str, setting: str, family: str) -> None:
    """Price and synthesize one network, and put its row into the table."""
    tool = find()
    assert tool is not None, "install hwcost[synth]"
    pipeline, model, made = built(name, SETTINGS[setting], NAMES[family][1])
    total = estimate(pipeline, model).total
    (counts,) = tool.count([made.rtlil()], family=family, dsp=False, limit_s=3600)
    row: dict[str, object] = {"network": name, "setting": setting}
    row |= {column: total[column] for column in COUNTED} | {f"{column}_built": counts[column] for column in COUNTED}
    print(row, flush=True)
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    kept = [one for one in rows if (one["network"], one["setting"]) != (name, setting)]
    pd.DataFrame([*kept, row]).to_csv(path, index=False, lineterminator="\n")


def whole(rows: pd.DataFrame) -> str:
    """Networks, priced and synthesized, as a table."""
    lines = []
    for _, row in rows.iterrows():
        counts = [f"{row[name + suffix]:,.0f}" for name in COUNTED[:3] for suffix in ("", "_built")]
        errors = [f"{row[name] / row[name + '_built'] - 1:+.1%}" for name in ("LUT", "FF")]
        lines.append((row["network"], row["setting"], *counts[:2], errors[0], *counts[2:4], errors[1], *counts[4:]))
    heads = ("LUT", "synthesized", "error", "FF", "synthesized", "error", "BRAM18", "synthesized")
    return markdown(("network", "widths", *heads), lines)


def main() -> None:
    """Write the page of one family."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("family", choices=sorted(NAMES))
    arguments.add_argument("--networks", nargs="*", choices=sorted(NETWORKS), default=[], help="synthesized again")
    given = arguments.parse_args()
    family, path = given.family, FOLDER / f"{given.family}-networks.csv"
    for name in given.networks:
        for setting in SETTINGS:
            synthesize(path, name, setting, family)
    rows = read(FOLDER / f"{family}.csv")
    text = PAGE.format(
        family=family,
        name=NAMES[family][0],
        units=len(rows),
        kinds=kinds(priced(rows)),
        heldout=kinds(priced(read(FOLDER / f"{family}-heldout.csv"))),
        unseen=unseen(rows),
        networks=whole(pd.read_csv(path)),
    )
    Path(FOLDER / f"{family}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
