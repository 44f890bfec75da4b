"""Constant products of trained networks: the sums that hwcost shares, beside the adder graphs of alkaid (once da4ml).

    pip install alkaid
    python benchmarks/adder_graphs.py --every 4 --out reports/benchmarks

Of every fourth of the 58 networks of `tests/data/unrolled_networks.npz`, each product is built twice by the same RTL
writer, once with the sums that `hwcost.synth.common_terms` finds and once with those of alkaid's optimiser, and counted
by Yosys for UltraScale+. The depth is in adders from an input to an output.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from amaranth.hdl import Const

from hwcost.models import Unrolled, place
from hwcost.models.calibration.corpus import Unit
from hwcost.synth import constant
from hwcost.synth.circuit import Circuit
from hwcost.synth.constant import Node, Operand, add, whole
from hwcost.synth.measure import Laboratory
from hwcost.synth.unrolled_parts import unrolled_parts
from hwcost.synth.yosys import find

ROOT = Path(__file__).parent.parent
NOTHING = Node(0, 1, 0, 0, Const(0, 1))


def of_alkaid(circuit: Circuit, matrix: Sequence[Sequence[int]], x: Sequence[Operand]) -> list[Operand]:
    """Dot products with constants by alkaid's adder graph: two stages, each a list of additions."""
    from alkaid.cmvm import cmvm_solve

    kernel = np.ascontiguousarray(np.array(matrix, dtype=np.float32).T)
    stages = cmvm_solve(kernel, qintervals=[(float(one.low), float(one.high), 1.0) for one in x])
    nodes = [Node(0, 1, one.low, one.high, one.value) for one in x]
    for stage in stages:
        nodes = _stage(circuit, stage, nodes)
    return [
        Operand(whole(node), *sorted(node.sign * bound << node.shift for bound in (node.low, node.high)))
        for node in nodes
    ]


def _stage(circuit: Circuit, stage: Any, x: Sequence[Node]) -> list[Node]:
    built: list[Node] = []
    for op in stage.ops:
        match op.opcode:
            case -1:
                built.append(_shifted(x[op.data[0]], stage.inp_shifts[op.data[0]]))
            case 0 | 1:
                left, right = (built[at] for at in op.addr)
                built.append(_added(circuit, left, _shifted(right, op.data[0], -1 if op.opcode else 1)))
            case 5 if not op.data[0]:
                built.append(NOTHING)
            case -2:
                built.append(_shifted(built[op.addr[0]], 0, -1))
            case other:
                raise ValueError(f"alkaid: operation {other} is not of a constant product")
    return [
        NOTHING if at < 0 else _shifted(built[at], shift, -1 if minus else 1)
        for at, shift, minus in zip(stage.out_idxs, stage.out_shifts, stage.out_negs, strict=True)
    ]


def _shifted(node: Node, shift: int, sign: int = 1) -> Node:
    return replace(node, shift=node.shift + int(shift), sign=node.sign * sign)


def _added(circuit: Circuit, left: Node, right: Node) -> Node:
    terms = [node for node in (left, right) if node.low or node.high]
    return add(circuit, *terms) if len(terms) == 2 else (terms or [NOTHING])[0]


def depth_of(circuit: Circuit, build: Callable[..., list[Operand]], unit: Unit) -> int:
    """Adders from an input to an output, at most."""
    depth: dict[int, int] = {}
    kept: list[object] = []
    plain = constant.add

    def counted(circuit: Circuit, left: Node, right: Node) -> Node:
        node = plain(circuit, left, right)
        kept.extend((left.value, right.value, node.value))  # their identities stay their own
        depth[id(node.value)] = 1 + max(depth.get(id(one.value), 0) for one in (left, right))
        return node

    with mock.patch.object(constant, "add", counted), mock.patch.object(sys.modules[__name__], "add", counted):
        with mock.patch.object(constant, "dots", build):
            constant.build(unit, "xcup")
    return max(depth.values(), default=0)


def products(every: int) -> list[tuple[str, str, Unit]]:
    """(way of training, network and layer, product) of every n-th network."""
    sys.path.insert(0, str(ROOT / "tests" / "models" / "unrolled"))
    from test_netlists import FILE, layers

    model, found = Unrolled(device="xczu7ev", sums="shared"), []
    with np.load(FILE) as file:
        for number, meta in list(enumerate(json.loads(str(file["meta"]))))[::every]:
            for part in unrolled_parts(place(layers(file, number, meta)), model):
                found += [(meta["way"], f"{number}/{part.layer}", unit) for _, unit in part.terms or ()]
    return found


def measured(units: Sequence[Unit], build: Callable[..., list[Operand]], jobs: int) -> list[int]:
    """LUT of each product, built in one way; the cache of the laboratory knows nothing of ways."""
    tool = find()
    assert tool is not None
    with tempfile.TemporaryDirectory() as cache, mock.patch.object(constant, "dots", build):
        counted = Laboratory(synthesizer=tool, cache=Path(cache), jobs=jobs).measure(units)
    return [counted[unit].amounts["LUT"] for unit in units]


PAGE = """\
# Adder graphs: the sums that hwcost shares, beside alkaid's

Written by `python benchmarks/adder_graphs.py --every {every} --out reports/benchmarks` (alkaid {version}, once da4ml;
Yosys 0.70, UltraScale+): {count} products of {networks} trained networks (`tests/data/unrolled_networks.npz`), built by
the same RTL writer.

| | hwcost | alkaid |
|---|---|---|
| LUT in all | {ours:,} | {theirs:,} |
| ratio to the other, median of the products | {ratio:.3f} | 1 |
| products that are smaller | {fewer} | {more} |
| depth in adders, median (most) | {our_depth:.0f} ({our_most}) | {their_depth:.0f} ({their_most}) |

{rows}
"""


def main() -> None:
    """Build, count, write."""
    from importlib.metadata import version

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=4, help="take every n-th network [default: 4]")
    parser.add_argument("--jobs", type=int, default=1, help="syntheses at once [default: 1]")
    parser.add_argument("--out", type=Path, required=True, help="folder of adder_graphs.md")
    args = parser.parse_args()
    found = products(args.every)
    units = [unit for *_, unit in found]
    own = constant.dots
    rows = pd.DataFrame(
        {"training": [way for way, *_ in found], "network": [name.split("/")[0] for _, name, _ in found]}
    )
    for name, build in (("hwcost", own), ("alkaid", of_alkaid)):
        rows[name] = measured(units, build, args.jobs)
        rows[f"{name} depth"] = [depth_of(Circuit(), build, unit) for unit in units]
    ratios = [a / b for a, b in zip(rows["hwcost"], rows["alkaid"], strict=True) if b]
    table = rows.groupby("training").agg({"network": "nunique", "hwcost": "sum", "alkaid": "sum"})
    lines = ["| way of training | networks | LUT by hwcost | by alkaid |", "|---|---|---|---|"]
    lines += [f"| {way} | {n} | {a:,} | {b:,} |" for way, n, a, b in table.itertuples()]
    page = PAGE.format(
        every=args.every,
        version=version("alkaid"),
        count=len(rows),
        networks=rows["network"].nunique(),
        ours=rows["hwcost"].sum(),
        theirs=rows["alkaid"].sum(),
        ratio=median(ratios),
        fewer=(rows["hwcost"] < rows["alkaid"]).sum(),
        more=(rows["hwcost"] > rows["alkaid"]).sum(),
        our_depth=rows["hwcost depth"].median(),
        our_most=rows["hwcost depth"].max(),
        their_depth=rows["alkaid depth"].median(),
        their_most=rows["alkaid depth"].max(),
        rows="\n".join(lines),
    )
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "adder_graphs.md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
