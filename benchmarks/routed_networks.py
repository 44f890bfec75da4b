"""Whole networks, placed and routed on Lattice ECP5: amounts, clock, critical path by unit.

    python benchmarks/routed_networks.py --out reports/build/routed              # needs hwcost[route]
    python benchmarks/routed_networks.py --only mlp --settings few --seeds 1 --out routed

The networks and settings of built_networks.py, the smallest first. Each is synthesized by Yosys with the boundaries of
its units kept, and routed by nextpnr with several seeds; the run with the median clock is the row. More than --most
LUT4 are synthesized and not routed: the row says so. Rows that are there stay, so that an interrupted run goes on. Then
the tables of the page are printed.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pandas as pd
from built_figures import error_picture
from built_networks import NETWORKS, SETTINGS, built, put

from hwcost.build.route.families import smallest, tools_of
from hwcost.build.route.floorplan import floorplan
from hwcost.build.route.flow import DoesNotFit, Routed, Source
from hwcost.build.route.runs import Runs, check_fits, median
from hwcost.build.verilog import verilog
from hwcost.cost.estimate import estimate
from hwcost.errors import HwcostError
from hwcost.models import place
from hwcost.models.device import device
from hwcost.synth.yosys import find

AREAS = ("LUT", "FF", "BRAM18", "DSP")
ORDER = ("mlp", "digits", "concat", "depthwise", "tfc", "lenet", "autoencoder", "ds-cnn", "cnv", "resnet-8")
FAMILY = "ECP5"
PART = "ecp5-85k"
"""Part that networks are folded and priced for, whatever size of its family they are routed on."""


def path_in_words(routed: Routed) -> str:
    """The critical path by unit."""
    parts = routed.path_by_unit.items()
    return "; ".join(f"{unit} {part['logic']:.1f} + {part['routing']:.1f}" for unit, part in parts)


def routed(name: str, setting: str, given: argparse.Namespace) -> dict[str, object]:
    """Columns of one row."""
    pipeline, model, made = built(name, SETTINGS[setting], PART)
    total, clock = estimate(pipeline, model).total, model.clock(place(pipeline.layers()))
    assert clock is not None
    row: dict[str, object] = {f"{area}_priced": round(total[area]) for area in AREAS}
    row |= {"fmax_priced": round(clock.fmax_mhz, 1)}
    source = Source(top="net", files=verilog(made, "net", find()), units=tuple(made.units))
    synthesizer, router = tools_of(device(PART))
    runs = Runs(synthesizer=synthesizer, router=router, jobs=given.jobs, limit_s=given.route_s)
    start = time.monotonic()
    netlist = runs.synthesize(source, lambda stage: None)
    row |= {f"{area}_synthesized": netlist.amounts[area] for area in AREAS}
    row |= {"units": len(made.units), "pins": netlist.amounts["pins"], "synthesis_s": round(time.monotonic() - start)}
    part = smallest(netlist, FAMILY, router)
    row["part"] = part.name
    try:
        check_fits(netlist, part, router)
    except DoesNotFit as error:
        return row | {"remark": str(error)}
    if netlist.amounts["LUT"] > given.most:
        return row | {"remark": f"not routed: above {given.most:,} LUT4"}
    several = runs.route(netlist, part, range(1, given.seeds + 1), lambda stage: None)
    chosen = median(several)
    row |= {f"{area}_routed": chosen.used[area] for area in AREAS}
    row |= {"fmax_mhz": round(chosen.fmax_mhz, 1), "seeds": " ".join(f"{run.fmax_mhz:.1f}" for run in several)}
    row |= {"route_s": round(chosen.seconds), "path": path_in_words(chosen)}
    picture = given.out / f"{name}-{setting.replace('/', '')}.png"
    picture.write_bytes(floorplan(chosen, part, source.units))
    return row


def page(rows: pd.DataFrame) -> str:
    """The tables of the page, in Markdown."""
    kinds = ("priced", "synthesized", "routed")
    lines = ["| network | widths | part | " + " | ".join(f"{area}, {' / '.join(kinds)}" for area in AREAS)]
    lines[0] += " | Fmax priced, of each seed, median, MHz |"
    lines.append("|---" * (4 + len(AREAS)) + "|")
    for row in rows.to_dict("records"):
        cells = [row["network"], row["setting"], row["part"]]
        for area in AREAS:
            found = (row.get(f"{area}_{kind}") for kind in kinds)
            cells.append(" / ".join("-" if one is None or one != one else f"{one:,.0f}" for one in found))
        done = row.get("fmax_mhz") == row.get("fmax_mhz") and "fmax_mhz" in row
        cells.append(
            f"{row['fmax_priced']:.0f}; {row['seeds']}: **{row['fmax_mhz']:.1f}**" if done else f"{row['remark']}"
        )
        lines.append("| " + " | ".join(cells) + " |")
    done = rows[rows["fmax_mhz"].notna()] if "fmax_mhz" in rows else rows[:0]
    lines += ["", "| network | widths | critical path: unit, logic + routing in ns |", "|---|---|---|"]
    lines += [f"| {row['network']} | {row['setting']} | {row['path']} |" for row in done.to_dict("records")]
    for area in ("LUT", "FF") if len(done) else ():
        more = done[f"{area}_routed"] / done[f"{area}_synthesized"] - 1
        lines += [
            "",
            f"{area}: routed is {more.median():+.1%} of synthesized in the median, worst {more.abs().max():.1%}.",
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[*ORDER], choices=[*NETWORKS], metavar="NETWORK")
    parser.add_argument("--settings", nargs="*", default=["few"], choices=[*SETTINGS], metavar="SETTING")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--most", type=int, default=15_000, help="LUT4 of what is routed")
    parser.add_argument("--route-s", type=float, default=3600.0, help="seconds for a synthesis, and for each seed")
    parser.add_argument("--jobs", type=int, default=0, help="seeds at once; 0 takes every core")
    parser.add_argument("--again", action="store_true", help="also rows that are there")
    parser.add_argument("--out", type=Path, required=True, help="folder of routed.csv and the pictures")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    table = given.out / "routed.csv"
    key = ["network", "setting"]
    rows = pd.read_csv(table) if table.exists() else pd.DataFrame(columns=key)
    there = set(zip(rows["network"], rows["setting"], strict=True))
    for name, setting in ((name, setting) for name in given.only for setting in given.settings):
        if (name, setting) in there and not given.again:
            continue
        try:
            row = routed(name, setting, given)
        except HwcostError as error:
            print(name, setting, f"{error}", flush=True)
            continue
        print(name, setting, row, flush=True)
        rows = put(table, key, pd.DataFrame([{"network": name, "setting": setting} | row]))
    print(page(rows))
    amounts = {area: (f"{area}_priced", f"{area}_routed") for area in ("LUT", "FF")} | {
        "Fmax": ("fmax_priced", "fmax_mhz")
    }
    (given.out / "errors.png").write_bytes(error_picture(rows, amounts, 0.15))


if __name__ == "__main__":
    main()
