"""Products and thresholds that `unrolled_yosys.py` measures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.int64]


def cases() -> list[dict[str, Any]]:
    """Forty products of at least 12 digits: sizes, widths, sparsities, and three ways of spreading the weights."""
    rng = np.random.default_rng(2024)
    found: list[dict[str, Any]] = []
    while len(found) < 40:
        case = _case(rng, ("uniform", "bell", "mixed")[len(found) % 3])
        if sum(len(digits(w)) for row in case["weights"] for w in row) >= 12:
            found.append(case)
    return found


def _case(rng: np.random.Generator, kind: str) -> dict[str, Any]:
    rows, cols = int(rng.choice([2, 4, 8, 16])), int(rng.choice([4, 8, 16, 32, 64]))
    weight_bits, input_bits = int(rng.integers(2, 9)), int(rng.integers(1, 9))
    signed = bool(input_bits > 1 and rng.random() < 0.3)
    sparsity = float(rng.choice([0.0, 0.0, 0.3, 0.6, 0.85]))
    kept = rng.random((rows, cols)) >= sparsity
    widths = np.full((rows, cols), weight_bits)
    if kind == "mixed":  # each weight a width of its own, zero bits among them
        widths = np.where(kept, rng.integers(2, weight_bits + 1, (rows, cols)), 0)
    reach = np.where(widths > 0, 2 ** np.maximum(widths - 1, 0) - 1, 0)
    weights = rng.integers(-reach, reach + 1)
    if kind == "bell":
        bell = rng.normal(size=(rows, cols))
        weights = np.round(bell / np.abs(bell).max(1, keepdims=True) * reach).astype(np.int64)
    if kind != "mixed":
        weights = weights * kept
    low, high = (-(2 ** (input_bits - 1)), 2 ** (input_bits - 1) - 1) if signed else (0, 2**input_bits - 1)
    return {
        "kind": kind, "weight_bits": weight_bits, "input_bits": input_bits, "sparsity": sparsity, "low": low,
        "high": high, "widths": widths.tolist(), "weights": weights.tolist(),
    }  # fmt: skip


def digits(weight: int) -> list[tuple[int, int]]:
    """(shift, sign) of the canonical signed digits, one by one: independent of the model's bit tricks."""
    sign, rest, shift, found = (1 if weight >= 0 else -1), abs(weight), 0, []
    while rest:
        if rest & 1:
            digit = 2 - (rest & 3)
            found.append((shift, sign * digit))
            rest -= digit
        rest, shift = rest >> 1, shift + 1
    return found


def width(low: int, high: int) -> tuple[int, bool]:
    """Bits and signedness of a code for low..high."""
    if low >= 0:
        return max(1, high.bit_length()), False
    bits = 1
    while -(1 << (bits - 1)) > low or (1 << (bits - 1)) - 1 < high:
        bits += 1
    return bits, True


def threshold_cases() -> list[dict[str, Any]]:
    """Eight channels each, thresholds drawn at random over the middle half of the accumulator's range."""
    rng = np.random.default_rng(7)
    found = []
    for acc_bits in (8, 12, 16, 20):
        for bits in (1, 2, 3, 4, 5):
            reach = 2 ** (acc_bits - 2)
            pool = np.arange(-reach, reach)
            steps = np.stack([np.sort(rng.choice(pool, 2**bits - 1, replace=False)) for _ in range(8)])
            found.append({"acc_bits": acc_bits, "bits": bits, "steps": steps})
    return found
