"""What each part of training for constants in the fabric gives: hypervolume of its front, judged by netlists.

    python benchmarks/unrolled_ablation.py dry-bean --data dry_bean.npz --peers PEERS/bin/python --out FOLDER \
        --time 90s --seed 0 --seed 1

Every cause is one change of the ramp behind `hwcost sweep --architecture unrolled --ramp`; "as it is" changes nothing.
Each training takes the same seconds of the CPU (one thread), starts from the float network of the same seed, and is
judged as in `head_to_head.py`, with da4ml in PEERS, an environment of its own; without `--peers`, by hwcost's own LUTs
and the accuracy of the network. Results are kept in FOLDER: called again, it trains what is missing. Equal seconds at
unequal load are unequal epochs, so the epochs are in the table.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import mean
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from head_to_head import BOX, by_price, hypervolume, priced
from torch import Tensor

import hwcost
from hwcost.graph.spec import MatVec
from hwcost.models.unrolled import model as unrolled_model
from hwcost.models.unrolled import shared_sums
from hwcost.sweep import ramp
from hwcost.train import loop

MOST_EPOCHS = 20_000
"""More than fit into any time that is given here."""


def constant(**values: Any) -> Callable[[], Any]:
    """A change of constants of the ramp."""
    return lambda: patch.multiple(ramp, **values)


def proxy() -> Any:
    """Bits of each code times bits of its input in the place of the LUTs, slope kept at zero: HGQ's EBOPs."""

    def bits_times_bits(codes: Any, live: Any, blocks: Any, *_: Any) -> shared_sums.TreeCost:
        found = []
        for code, block in zip(codes, blocks, strict=True):
            length = torch.frexp(code.abs().double())[1].double()
            inputs = (block.columns or block.input).bits.double().expand(block.cols)
            weight = _wide(block, code)
            smooth = (weight * inputs.detach()).sum() + (length @ inputs).sum()
            found.append(shared_sums.with_gradient_of((length @ inputs.detach()).sum(), smooth))
        amounts = torch.stack(found)
        return shared_sums.TreeCost(amounts, amounts.detach(), torch.zeros(len(found), dtype=torch.float64))

    return patch.object(unrolled_model, "shared_trees", bits_times_bits)


def without_slope_at_zero() -> Any:
    """Weights whose code is 0 feel no price."""
    whole = shared_sums.with_gradient_of

    def trees(codes: Any, live: Any, blocks: Any, *rest: Any) -> shared_sums.TreeCost:
        masked = [
            replace(
                block, weight=replace(block.weight, bits=whole(block.weight.bits, _wide(block, code) * (code != 0)))
            )
            for code, block in zip(codes, blocks, strict=True)
        ]
        return shared_sums.shared_trees(codes, live, masked, *rest)

    return patch.object(unrolled_model, "shared_trees", trees)


def falling_widths() -> Any:
    """The rate of the widths falls as that of the weights does."""
    start = loop._Loop.__init__

    def with_two(self: Any, net: Any, run: Any) -> None:
        start(self, net, run)
        steps = run.training.epochs * run.data.train.steps(run.training.batch)
        if run.training.width_rule == "adam":
            both = self.schedule, loop._schedule(self.widths, run.training, steps)
            self.schedule = SimpleNamespace(step=lambda: [one.step() for one in both])

    return patch.object(loop._Loop, "__init__", with_two)


def _wide(block: MatVec, code: Tensor) -> Tensor:
    bits = block.weight.bits.double()
    return (bits[:, None] if bits.ndim == 1 else bits).expand(code.shape)


CAUSES: dict[str, Callable[[], Any]] = {
    "as it is": nullcontext,
    "bits x bits in place of LUTs": proxy,
    "no slope where a weight is zero": without_slope_at_zero,
    "widths at half the rate of the weights": constant(FASTER=0.5),
    "widths at five times the rate": constant(FASTER=5.0),
    "weight decay 0.0001": constant(DECAY=1e-4),
    "priced at every eighth step": constant(REUSED=8),
    "batch 1,024": constant(BATCH=1_024),
    "a ramp that ends at a third": constant(LAST_LINEAR=20.0),
    "a ramp that ends at three times": constant(LAST_LINEAR=180.0),
    "widths at a rate that falls as that of the weights": falling_widths,
}
"""Name -> what makes the change for the time of a training."""


def train(arguments: argparse.Namespace, cause: str, seed: int, folder: Path) -> None:
    """One study; resumes where it was killed."""
    torch.set_num_threads(1)
    with CAUSES[cause]():
        hwcost.run_sweep(
            arguments.recipe, out=folder, data=arguments.data, architecture="unrolled", ramp=MOST_EPOCHS,
            time=arguments.time, seed=seed,
        )  # fmt: skip


def judged(folder: Path, peers: Path | None) -> dict[str, float]:
    """Hypervolume of a study, its epochs and points."""
    points = by_price(folder) if peers is None else priced(folder, peers)
    name = str(hwcost.open_study(folder).record["study"])
    epochs = json.loads((folder / ramp.RECORD).read_text())["epochs"]
    return {"hypervolume": hypervolume(points, BOX[name]), "epochs": epochs, "points": len(points)}


def named(arguments: argparse.Namespace, cause: str, seed: int) -> str:
    """The key of a result."""
    judge = "" if arguments.peers else ", by price"
    return f"{cause}, {arguments.recipe}, {arguments.time}, seed {seed}{judge}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=sorted(BOX))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peers", type=Path, help="Python of an environment with da4ml.")
    parser.add_argument("--out", type=Path, required=True, help="Folder of the studies and of results.json.")
    parser.add_argument("--time", default="90s", help="CPU time of each training.")
    parser.add_argument("--seed", type=int, action="append", help="Can be given several times.")
    parser.add_argument("--cause", action="append", choices=list(CAUSES), help="Can be given several times; else all.")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    causes, seeds = arguments.cause or list(CAUSES), arguments.seed or [0]
    if arguments.here:  # a process of its own for each training
        train(arguments, causes[0], seeds[0], arguments.out)
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "results.json"
    results: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.exists() else {}
    for seed in seeds:
        for cause in causes:
            key = named(arguments, cause, seed)
            if key in results:
                continue
            folder = arguments.out / f"{arguments.recipe}-{list(CAUSES).index(cause)}-{arguments.time}-{seed}"
            command = [sys.executable, __file__, arguments.recipe, "--here", "--cause", cause, "--seed", str(seed)]
            command += ["--data", str(arguments.data), "--time", arguments.time]
            subprocess.run([*command, "--out", str(folder)], check=True, stdout=subprocess.DEVNULL)
            results[key] = judged(folder, arguments.peers)
            path.write_text(json.dumps(results, indent=1))
    print("| training | epochs | hypervolume | mean |\n|---|---|---|---|")
    for cause in causes:
        rows = [results[named(arguments, cause, seed)] for seed in seeds]
        cells = (
            ", ".join(f"{row[name]:{form}}" for row in rows)
            for name, form in (("epochs", ",.0f"), ("hypervolume", ".3f"))
        )
        print(f"| {cause} | {' | '.join(cells)} | {mean(row['hypervolume'] for row in rows):.3f} |")


if __name__ == "__main__":
    main()
