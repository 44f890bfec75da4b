"""Unrolled studies judged by the netlist writer of their peers: every point becomes an adder graph of da4ml.

    python benchmarks/head_to_head.py STUDY --peers PEERS/bin/python

STUDY is the folder of `hwcost sweep RECIPE --architecture unrolled --ramp EPOCHS`; PEERS an environment of its own with
da4ml (`pip install da4ml`). Accuracy is that of the netlist on the test split, bit by bit; of each LUT budget the point
counts that is best on the validation split. The hypervolume is the mean test accuracy over log LUT, scaled to 0 and 1
between a floor and a ceiling of the data set.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hwcost.quant import IntQuantizer, QuantIdentity
from hwcost.quant.layers.product import Product
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.study import open_study
from hwcost.sweep.study_files import read_settings
from hwcost.sweep.trust import RECIPES, found_in_a_record
from hwcost.train.data import Data
from hwcost.train.run import evaluate

BUDGETS = {
    "letter": (3_000, 5_000, 7_500, 10_000, 15_000, 20_000, 30_000),
    "dry-bean": (300, 600, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000),
}
AT = {"letter": (0.785, 0.9), "dry-bean": (0.89, 0.91)}
"""Recipe -> accuracies whose least budget is told."""
BOX = {"letter": (2_000, 30_000, 0.3, 0.95), "dry-bean": (250, 30_000, 0.6, 0.93)}
"""Recipe -> least and most LUT, floor and ceiling of the accuracy."""

NETLIST = '''
"""Reads layers from an npz file, writes LUT and accuracies of their netlist; runs in the environment of the peers."""
import json, sys
import numpy as np
from da4ml.trace import FixedVariableArrayInput, HWConfig, comb_trace

file, data = np.load(sys.argv[1]), np.load(sys.argv[2])

def formats(bits, step, signed):
    dead = bits <= signed
    fraction = np.round(-np.log2(step)).astype(int)
    return [np.where(dead, 0, one) for one in (np.full_like(bits, signed), bits - signed - fraction, fraction)]

def entered(x, bits, step, signed):
    low = np.where(bits > signed, -(2.0 ** (bits - 1)) if signed else 0, 0)
    high = np.where(bits > signed, 2.0 ** (bits - signed) - 1, 0)
    return np.clip(np.rint(x / step), low, high) * step

for number in range(int(file["points"])):
    at = lambda name: file[f"{number}.{name}"]
    signed, bits, step = int(at("signed")), at("bits").astype(int), at("step")
    inputs = FixedVariableArrayInput((len(bits),), HWConfig(1, -1, -1), {"hard_dc": 2})
    y = inputs.quantize(*formats(bits, step, signed), overflow_mode="WRAP", round_mode="RND")
    for layer in range(int(at("layers"))):
        y = y @ at(f"{layer}.weight").T.astype(np.float64) + at(f"{layer}.bias")
        if f"{number}.{layer}.bits" in file:
            kept = formats(at(f"{layer}.bits").astype(int), at(f"{layer}.step"), 0)
            y = y.quantize(*kept, overflow_mode="SAT", round_mode="RND")
    netlist = comb_trace(inputs, y)
    found = {"number": number, "LUT": float(netlist.cost)}
    for split in ("validation", "test"):
        scores = netlist.predict(entered(data[f"x_{split}"].astype(np.float64), bits, step, signed), n_threads=1)
        found[split] = float((scores.reshape(len(scores), -1).argmax(1) == data[f"y_{split}"]).mean())
    print(json.dumps(found), flush=True)
'''


def layers(net: nn.Module) -> dict[str, Any]:
    """A refined perceptron as plain arrays: input, and for each layer weights, bias, bits and step of its activation.

    A bias lies on a grid four times finer than the step that it is rounded to.
    """
    found: dict[str, Any] = {}
    count = 0
    for module in net.modules():
        if isinstance(module, QuantIdentity):
            quant: Any = module.quant
            assert isinstance(quant, IntQuantizer)
            bits = quant.width().detach().numpy().astype(int)
            step = np.broadcast_to(quant.step().detach().double().numpy(), bits.shape)
            if not count:
                found |= {"bits": bits, "step": step, "signed": quant.signed}
                continue
            grid = step / 4
            found |= {f"{count - 1}.bits": bits, f"{count - 1}.step": step}
            found[f"{count - 1}.bias"] = np.round(found[f"{count - 1}.bias"] / grid) * grid
        elif isinstance(module, Product):
            found[f"{count}.weight"] = module.quantized_weight().detach().double().numpy()
            bias = np.zeros(len(module.weight)) if module.bias is None else module.bias.detach().double().numpy()
            found[f"{count}.bias"] = np.round(bias * 2**10) / 2**10  # of the scores, which nothing quantizes
            count += 1
    return found | {"layers": count}


def priced(folder: Path, peers: Path) -> list[dict[str, float]]:
    """Every finished trial of a study: LUT of its netlist and by hwcost, accuracy on validation and test data."""
    study = open_study(folder)
    trials = study.frame()
    trials = trials[trials["state"] == "COMPLETE"]
    arrays: dict[str, Any] = {"points": len(trials)}
    for at, number in enumerate(trials["number"]):
        arrays |= {f"{at}.{name}": value for name, value in layers(study.load(int(number))).items()}
    with tempfile.TemporaryDirectory() as work:
        points, data, script = (Path(work) / name for name in ("points.npz", "data.npz", "netlist.py"))
        np.savez(points, **arrays)
        np.savez(data, **_splits(study))
        script.write_text(NETLIST)
        lines = subprocess.run([peers, script, points, data], capture_output=True, text=True, check=True).stdout
    found = [json.loads(line) for line in lines.splitlines()]
    return [one | {"hwcost": float(lut)} for one, lut in zip(found, trials["LUT"], strict=True)]


def by_price(folder: Path) -> list[dict[str, float]]:
    """Every finished trial of a study: LUT by hwcost, accuracy of the network; nothing is built."""
    study = open_study(folder)
    trials, test = study.frame(), _data(study).test
    return [
        {"LUT": float(lut), "validation": float(score), "test": evaluate(study.load(int(number)), test)}
        for number, lut, score in trials[trials["state"] == "COMPLETE"][["number", "LUT", "score"]].to_numpy()
    ]


def _data(study: Any) -> Data:
    return Experiment.find(read_settings(study.folder), lambda name: found_in_a_record(name, RECIPES)).load()


def _splits(study: Any) -> dict[str, Any]:
    data = _data(study)
    return {
        f"{letter}_{name}": getattr(getattr(data, name), letter).numpy()
        for name in ("validation", "test")
        for letter in "xy"
    }


def chosen(points: list[dict[str, float]], budget: float) -> dict[str, float] | None:
    """The point within a budget that is best on validation data; of equals the cheapest."""
    inside = sorted((one for one in points if one["LUT"] <= budget), key=lambda one: (-one["validation"], one["LUT"]))
    return inside[0] if inside else None


def least_budget(points: list[dict[str, float]], accuracy: float) -> float | None:
    """The least budget of which the chosen point has an accuracy on test data."""
    for one in sorted(points, key=lambda one: one["LUT"]):
        found = chosen(points, one["LUT"])
        if found is not None and found["test"] >= accuracy:
            return one["LUT"]
    return None


def hypervolume(points: list[dict[str, float]], box: tuple[float, float, float, float]) -> float:
    """Mean scaled test accuracy over log LUT."""
    low, high, floor, top = box
    at = [chosen(points, float(lut)) for lut in np.geomspace(low, high, 2_000)]
    scores = np.array([floor if one is None else one["test"] for one in at])
    return float(np.clip((scores - floor) / (top - floor), 0, 1).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+", type=Path)
    parser.add_argument("--peers", type=Path, required=True, help="Python of an environment with da4ml.")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for folder in arguments.studies:
        points = priced(folder, arguments.peers)
        name = str(open_study(folder).record["study"])
        ratios = [one["hwcost"] / one["LUT"] for one in points if one["LUT"]]  # the last may have nothing left
        print(
            f"{folder.name}: {name}, {len(points)} points, hypervolume {hypervolume(points, BOX[name]):.3f}, ", end=""
        )
        print(f"LUT by hwcost over LUT of the netlist {np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        print("| LUT | accuracy | LUT used |\n|---|---|---|")
        for budget in BUDGETS[name]:
            one = chosen(points, budget)
            print(f"| {budget:,} | " + ("- | - |" if one is None else f"{one['test']:.3f} | {one['LUT']:,.0f} |"))
        for accuracy in AT[name]:
            least = least_budget(points, accuracy)
            print(f"\n{accuracy:.1%}: " + ("not reached" if least is None else f"{least:,.0f} LUT"), end="")
        print("\n")


if __name__ == "__main__":
    main()
