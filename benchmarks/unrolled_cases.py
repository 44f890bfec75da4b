"""The products and thresholds that `unrolled_yosys.py` measures, and their Verilog."""

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


def digit_tree(case: dict[str, Any]) -> str:
    """Verilog: per output a balanced tree over all digits, ordered by shift; low bits pass where nothing is added."""
    weights, low, high = case["weights"], case["low"], case["high"]
    bits, signed = width(low, high)
    sizes = [
        width(sum(min(w * low, w * high) for w in row), sum(max(w * low, w * high) for w in row)) for row in weights
    ]
    ports = [f"input {'signed' if signed else ''} [{bits - 1}:0] x{j}" for j in range(len(weights[0]))]
    ports += [f"output {'signed' if s else ''} [{n - 1}:0] y{i}" for i, (n, s) in enumerate(sizes)]
    lines = [f"module m({', '.join(ports)});"]
    for i, row in enumerate(weights):
        leaves = sorted((shift, j, sign) for j, w in enumerate(row) for shift, sign in digits(w))
        nodes = [(shift, sign, low, high, f"x{j}") for shift, j, sign in leaves]
        while len(nodes) > 1:
            pairs = [nodes[p : p + 2] for p in range(0, len(nodes), 2)]
            nodes = [_add(pair[0], pair[1], f"t{len(lines)}", lines) if len(pair) == 2 else pair[0] for pair in pairs]
        if nodes:
            shift, sign, *bounds, name = nodes[0]
            lines.append(f"assign y{i} = ({'-' if sign < 0 else ''}{_signed(name, *bounds)}) <<< {shift};")
        else:
            lines.append(f"assign y{i} = 0;")
    return "\n".join([*lines, "endmodule"])


Node = tuple[int, int, int, int, str]


def _signed(name: str, low: int, high: int) -> str:
    return f"$signed({name})" if low < 0 else f"$signed({{1'b0, {name}}})"


def _add(left: Node, right: Node, name: str, lines: list[str]) -> Node:
    low_node, high_node = (left, right) if left[0] <= right[0] else (right, left)
    gap, minus = high_node[0] - low_node[0], low_node[1] != high_node[1]
    bottom, top = high_node[2] << gap, high_node[3] << gap
    low = low_node[2] - top if minus else low_node[2] + bottom
    high = low_node[3] - bottom if minus else low_node[3] + top
    bits, signed = width(low, high)
    under, under_signed = width(low_node[2], low_node[3])
    first, second = _signed(low_node[4], *low_node[2:4]), _signed(high_node[4], *high_node[2:4])
    lines.append(f"wire {'signed' if signed else ''} [{bits - 1}:0] {name};")
    if gap == 0:
        lines.append(f"assign {name} = {first} {'-' if minus else '+'} {second};")
    elif under <= gap and not under_signed and not minus:
        lines.append(f"assign {name} = {{{high_node[4]}, {gap}'d0}} | {low_node[4]};")
    else:
        lines.append(f"wire signed [{max(under, gap) + 1}:0] {name}_low = {first};")
        lines.append(f"assign {name}[{gap - 1}:0] = {name}_low[{gap - 1}:0];")
        upper = f"$signed({name}_low[{max(under, gap) + 1}:{gap}])"
        lines.append(f"assign {name}[{bits - 1}:{gap}] = {upper} {'-' if minus else '+'} {second};")
    return low_node[0], low_node[1], low, high, name


def thresholds(channels: Matrix, bits: int, *, search: bool) -> str:
    """Verilog: how many of its constant thresholds each channel's accumulator passes."""
    lines = []
    for i, steps in enumerate(channels.tolist()):
        if not search:
            lines.append(f"assign y{i} = " + " + ".join(f"(a{i} >= {acc_literal(t)})" for t in steps) + ";")
            continue
        for stage in range(bits):
            gap = 2 ** (bits - stage)
            table = steps[gap // 2 - 1 :: gap]
            chosen = acc_literal(table[0])
            if stage:
                prefix = f"y{i}[{bits - 1}:{bits - stage}]"
                arms = " ".join(f"({prefix} == {k}) ? {acc_literal(t)} :" for k, t in enumerate(table[:-1]))
                chosen = f"({arms} {acc_literal(table[-1])})"
            lines.append(f"assign y{i}[{bits - 1 - stage}] = a{i} >= {chosen};")
    return "\n".join(lines)


def acc_literal(value: int) -> str:
    """A signed constant."""
    return f"{'-' if value < 0 else ''}32'sd{abs(value)}"


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


def threshold_module(case: dict[str, Any], *, search: bool) -> str:
    """The whole module of a threshold case."""
    ports = [f"input signed [{case['acc_bits'] - 1}:0] a{i}" for i in range(8)]
    ports += [f"output [{case['bits'] - 1}:0] y{i}" for i in range(8)]
    return f"module m({', '.join(ports)});\n{thresholds(case['steps'], case['bits'], search=search)}\nendmodule"
