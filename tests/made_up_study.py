"""A study that nobody trained: tables with the columns of a sweep, for tests of what is drawn and written from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

LAYERS = ("quant", "conv1", "conv2", "fc1", "fc2")
SHARES = (0.02, 0.14, 0.42, 0.34, 0.08)

PART: dict[str, Any] = {
    "name": "ZCU104", "capacity": {"LUT": 230400.0, "BRAM18": 624.0}, "finished": 35, "fitting": 30,
    "front": [{"number": 1.0, "accuracy": 0.95, "LUT": 2304.0, "FF": 9.0, "DSP": 0.0, "BRAM18": 6.0, "URAM": 0.0,
               "LUTRAM": 0.0, "cycles": 900.0, "fps": 1e5, "latency_us": 10.0}],
}  # fmt: skip
"""The record of a further part, of which one trial is on the front."""


def made_up_run(**changes: Any) -> dict[str, Any]:
    run: dict[str, Any] = {
        "hwcost": "0.1.0", "study": "digits on a small part", "recipe": "digits", "command": "hwcost sweep --seed 3",
        "seed": 3, "versions": {"numpy": "2.0", "torch": "2.9"}, "sampler": "TPESampler",
        "device": {"name": "xc7z010", "part": "xc7z010clg400-1", "LUT": 17600, "FF": 35200, "DSP": 80, "BRAM18": 120,
                   "URAM": 0, "clock_mhz": 100.0},
        "float": {"validation": 0.9861, "test": 0.9833},
        "objectives": [{"name": "accuracy", "direction": "maximize"}, {"name": "LUT", "direction": "minimize"},
                       {"name": "BRAM18", "direction": "minimize"}],
        "data": {"name": "digits", "fingerprint": "9f2c", "train": 1077, "validation": 360, "test": 360},
        "started": "2026-01-02T03:04:05", "machine": "2 cores", "target_fps": 10000,
    }  # fmt: skip
    return run | changes


def made_up_trials(count: int = 40, seed: int = 0) -> pd.DataFrame:
    """Trials in which wider layers cost more and lose less, with failures and a running one."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for number in range(count):
        row: dict[str, Any] = {"number": number, "seed": 100 + number, "params": {"budget": float(rng.uniform(0.1, 1))}}
        if number % 13 == 7:
            rows.append(row | {"state": "FAIL", "seconds": 0.4, "error": "DivergedTraining: epoch 2 <loss is NaN>"})
            continue
        bits = rng.integers(2, 9, len(LAYERS)) if number % 3 else np.full(len(LAYERS), 2 + number // 3 % 7)
        luts = 22000 * np.array(SHARES) * (bits / 8) ** 1.6
        lost = float(0.09 * np.sum(np.array(SHARES) * 4.0 ** (2 - bits)) * 4 + abs(rng.normal(0, 0.002)))
        accuracy = round((0.988 - lost) * 360) / 360
        layers = [
            {"layer": name, "kind": "QuantConv2d", "weight_bits": int(b) if i else None, "input_bits": 8,
             "activation_bits": int(b) if i < 4 else None, "pe": 2, "simd": 3, "LUT": float(cost), "FF": float(cost),
             "DSP": 0.0, "BRAM18": float(b), "URAM": 0.0, "cycles": 900.0}
            for i, (name, b, cost) in enumerate(zip(LAYERS, bits, luts, strict=True))
        ]  # fmt: skip
        epochs = [
            {"epoch": e + 1, "loss": 1 / (e + 1), "accuracy": accuracy - 0.2 / (e + 1), "LUT": 1.0, "BRAM18": 1.0,
             "DSP": 0,
             "widths": {f"{n}.{k}": int(b + max(0, 3 - e // (2 + i))) for i, (n, b) in enumerate(zip(LAYERS, bits,
                        strict=True)) for k in (("weight", "activation") if 0 < i < 4 else ("weight",))}}
            for e in range(12)
        ]  # fmt: skip
        rows.append(row | {
            "state": "RUNNING" if number == count - 1 and count > 1 else "COMPLETE", "seconds": 3 + 2 * rng.random(),
            "accuracy": accuracy, "test_accuracy": accuracy - rng.normal(0.002, 0.004), "LUT": float(luts.sum()),
            "FF": float(1.3 * luts.sum()), "DSP": 0.0, "URAM": 0.0,
            "BRAM18": float(np.ceil(bits.sum() * 0.6 + rng.integers(0, 6))),
            "cycles": float(900 * 2 ** rng.integers(0, 3)), "fps": 1e5, "fits": bool(luts.sum() < 17600),
            "layers": layers, "epochs": epochs, "error": None,
        })  # fmt: skip
    return pd.DataFrame(rows)
