"""The law of shared sums against netlists of da4ml 0.6: 58 trained networks, six ways of training."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hwcost.graph.ranges import Range, between, integers, widest
from hwcost.graph.spec import Layer, LayerSpec, MatVec, Signal, Thresholds
from hwcost.models import Unrolled, place

FILE = Path(__file__).parents[2] / "data" / "unrolled_networks.npz"


def wire(bits: Tensor, signed: bool) -> Range:
    live = bits > signed
    half = 2.0 ** (bits - int(signed))
    low, high = (-half if signed else 0 * half), half - 1
    return Range(torch.where(live, low, 0.0), torch.where(live, high, 0.0), torch.where(live, bits, 0.0))


def layers(file: Any, number: int, meta: dict[str, Any]) -> list[Layer]:
    """One network: products and activations in turn; accumulators as wide as their constants make them."""
    signal = Signal(range=wire(torch.tensor(file[f"{number}.inputs"]).double(), meta["signed"]), shape=(16,))
    found, at = [], 0
    while f"{number}.{at}" in file:
        codes = torch.tensor(file[f"{number}.{at}"].astype(np.int64))
        up, down = codes.double().clamp(min=0), codes.double().clamp(max=0)
        wires = signal.range
        acc = between(up @ wires.low + down @ wires.high - 1, up @ wires.high + down @ wires.low + 1)
        rows, cols = codes.shape
        weight = integers(torch.full(codes.shape, 8.0), signed=True, narrow=True)
        unit = MatVec(rows=rows, cols=cols, weight=weight, input=widest(wires), acc=acc, integers=codes, columns=wires)
        out = Signal(range=acc, shape=(rows,))
        found.append(Layer(name=f"fc{at}", kind="fc", inputs=(signal,), spec=LayerSpec(output=out, blocks=(unit,))))
        if f"{number}.{at}.bits" in file:
            signal = Signal(range=wire(torch.tensor(file[f"{number}.{at}.bits"]).double(), False), shape=(rows,))
            relu = Thresholds(channels=rows, vectors=1, input=acc, output=signal.range, shifted=meta["shifted"])
            found.append(
                Layer(name=f"relu{at}", kind="relu", inputs=(out,), spec=LayerSpec(output=signal, blocks=(relu,)))
            )
        at += 1
    return found


@pytest.fixture(scope="module")
def ratios() -> dict[str, list[float]]:
    """Way of training -> LUT by the law over LUT of the netlist."""
    model, found = Unrolled(device="xczu7ev", sums="shared"), defaultdict(list)
    with np.load(FILE) as file:
        for number, meta in enumerate(json.loads(str(file["meta"]))):
            priced = model.price(place(layers(file, number, meta)))["LUT"].sum()
            found[meta["way"]].append(float(priced) / meta["lut"])
    return dict(found)


def test_every_way_of_training_is_priced_within_a_tenth(ratios: dict[str, list[float]]) -> None:
    assert len(ratios) == 6
    assert sum(map(len, ratios.values())) == 58
    for way, found in ratios.items():
        assert np.median(found) == pytest.approx(1, abs=0.05), way
        assert np.mean(found) == pytest.approx(1, abs=0.1), way


def test_single_networks(ratios: dict[str, list[float]]) -> None:
    every = np.array([one for way in ratios.values() for one in way])
    assert np.abs(every - 1).mean() < 0.05
    assert (np.abs(every - 1) <= 0.15).sum() == 57  # the last, of 446 LUT, 1.18 times too dear
    assert np.abs(every - 1).max() < 0.19
