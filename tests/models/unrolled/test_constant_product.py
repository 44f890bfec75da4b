"""Adder trees of constant products, against a slow tree in plain python, and against synthesis."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hwcost.errors import UnknownPrecision
from hwcost.graph.ranges import Range, bits_for, dot, integers
from hwcost.graph.spec import MatVec
from hwcost.models import Placed
from hwcost.models.unrolled.constant_product import actual_trees, expected_trees, known


def product(weights: list[list[int]], inputs: Range, weight_bits: int = 8) -> MatVec:
    """A unit of known weights."""
    matrix, weight = torch.tensor(weights), integers(weight_bits, signed=True, narrow=True)
    rows, cols = matrix.shape
    acc = dot(inputs, weight, cols)
    return MatVec(rows=rows, cols=cols, weight=weight, input=inputs, acc=acc, integers=matrix)


def trees(*blocks: MatVec, stage_levels: int = 2) -> tuple[list[float], list[float], list[float]]:
    cost = actual_trees([known(Placed("layer", block)) for block in blocks], blocks, stage_levels)
    return cost.adder_bits.tolist(), cost.register_bits.tolist(), cost.levels.tolist()


def code_bits(low: int, high: int) -> int:
    return int(bits_for(low, high))


def digits(weight: int) -> list[tuple[int, int]]:
    """(shift, sign) by long division."""
    sign, rest, shift, found = (1 if weight > 0 else -1), abs(weight), 0, []
    while rest:
        if rest % 2:
            digit = 1 if rest % 4 == 1 else -1
            found.append((shift, sign * digit))
            rest -= digit
        rest, shift = rest // 2, shift + 1
    return found


def slow_tree(weights: list[list[int]], low: int, high: int, stage_levels: int) -> tuple[float, int, int]:
    """Adder bits, register bits and levels, node by node."""
    bits = max(1, code_bits(low, high))
    small = [row for row in weights if bits * sum(map(bool, row)) <= 6]
    outputs = []
    for row in weights:
        if row in small:
            continue
        leaves = sorted((shift, j, sign) for j, weight in enumerate(row) for shift, sign in digits(weight))
        outputs.append([(shift, sign, low, high) for shift, _, sign in leaves])
    levels = max([0, *((max(len(nodes), 1) - 1).bit_length() for nodes in outputs)])
    adders, registers = 0.0, 0
    for nodes in outputs:
        for level in range(1, levels + 1):
            above = []
            for left, right in zip(nodes[::2], [*nodes[1::2], None], strict=False):
                if right is None:
                    above.append(left)
                    continue
                node, bits = slow_adder(*sorted((left, right), key=lambda n: (n[0], -n[1])))
                above.append(node)
                adders += bits
            nodes = above
            if level % stage_levels == 0 and level < levels:
                registers += sum(code_bits(*node[2:]) for node in nodes)
        registers += sum(code_bits(*node[2:]) for node in nodes)
        adders += sum(code_bits(*node[2:]) - (node[2] < 0) for node in nodes if node[1] < 0)  # turned round in the end
    tables, results = slow_tables(small, bits, low < 0)
    return adders + tables, registers + results, max(levels, int(tables > 0))


def slow_tables(rows: list[list[int]], bits: int, signed: bool) -> tuple[int, int]:
    """Functions of two bits or more, or of a bit that is turned; and bits of results, in plain python."""
    functions, results = set(), 0
    for row in rows:
        wires = [(column, bit) for column, weight in enumerate(row) if weight for bit in range(bits)]
        worth = [row[column] * 2**bit * (-1 if signed and bit == bits - 1 else 1) for column, bit in wires]
        codes = list(itertools.product((0, 1), repeat=len(wires)))
        sums = [sum(w for w, on in zip(worth, code, strict=True) if on) for code in codes]
        found = {tuple(value >> place & 1 for value in sums) for place in range(24)}
        found = {bit for bit in found if any(bit)}
        results += len(found)
        for bit in found:
            at = dict(zip(codes, bit, strict=True))
            needed = [i for i in range(len(wires)) if any(at[c] != at[*c[:i], 1 - c[i], *c[i + 1 :]] for c in codes)]
            key = frozenset((tuple(c[i] for i in needed), value) for c, value in at.items())
            if len(needed) > 1 or (len(needed) == 1 and ((0,), 1) in key):
                functions.add((tuple(wires[i] for i in needed), key))
    return len(functions), results


Node = tuple[int, int, int, int]


def slow_adder(a: Node, b: Node) -> tuple[Node, float]:
    gap, minus = b[0] - a[0], a[1] != b[1]
    sums = [x + (-1 if minus else 1) * y * 2**gap for x in a[2:] for y in b[2:]]
    node = (a[0], a[1], min(sums), max(sums))
    sizes = code_bits(*a[2:]), code_bits(*b[2:]) + gap
    if a[2] >= 0 and sizes[0] <= gap:  # side by side
        return node, sizes[1] - gap - 1 if minus else 0
    wider = min(sizes) if not minus and a[2] >= 0 and b[2] >= 0 else max(sizes)
    bits = min(wider, code_bits(min(sums), max(sums))) - gap
    return node, 1.5 if bits == 1 and not minus and a[2] >= 0 and b[2] >= 0 else bits


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 4).flatmap(
        lambda cols: st.lists(st.lists(st.integers(-127, 127), min_size=cols, max_size=cols), min_size=1, max_size=5)
    ),
    st.integers(1, 6),
    st.booleans(),
    st.integers(1, 3),
)
def test_every_adder_is_counted(weights: list[list[int]], bits: int, signed: bool, stage_levels: int) -> None:
    wire = integers(bits, signed=signed and bits > 1)
    expected = slow_tree(weights, int(wire.low), int(wire.high), stage_levels)
    found = trees(product(weights, wire), stage_levels=stage_levels)
    assert tuple(value[0] for value in found) == expected


def test_blocks_do_not_disturb_each_other() -> None:
    rng = np.random.default_rng(0)
    units = [product(rng.integers(-9, 10, (rows, 6)).tolist(), integers(rows, signed=False)) for rows in (2, 3, 5)]
    alone = [trees(unit) for unit in units]
    together = trees(*units)
    assert [tuple(v[i] for v in together) for i in range(3)] == [tuple(v[0] for v in one) for one in alone]


def test_what_needs_no_adder_is_free() -> None:
    wire = integers(4, signed=False)
    assert trees(product([[0, 0], [4, 0], [0, 1]], wire))[0] == [0]
    assert trees(product([[0, -1]], wire))[0] == [4]  # turned: all bits but the lowest, and a sign
    assert trees(product([[17]], wire))[0] == [0]  # x and 16 x do not overlap
    assert trees(product([[0]], wire)) == ([0], [0], [0])


# Yosys 0.70, each adder one carry chain (benchmarks/unrolled_yosys.py): weights, input bits, LUT
SYNTHESIZED: list[tuple[list[list[int]], int, int]] = [
    ([[-1, 7, 15, -10], [11, 14, 15, -6]], 6, 102),
    (
        [
            [0, -5, 1, 0],
            [3, 0, 5, 56],
            [1, 0, 4, 0],
            [-1, 2, 25, 3],
            [2, 79, 20, -6],
            [-9, 0, -15, 0],
            [22, 0, -1, 1],
            [2, -1, 0, 9],
        ],
        6,
        213,
    ),
    (
        [
            [0, 0, 30, 0, -14, -1, -27, 0],
            [0, 0, 19, 0, 0, 15, 0, 0],
            [0, 0, 0, 0, 0, 0, 1, 0],
            [0, 0, 0, -16, 0, 0, 15, 19],
        ],
        1,
        18,
    ),
    (
        [
            [-2, 3, -27, -2, -22, 30, 1, 3],
            [-17, 0, 16, -12, 3, -13, 25, 14],
            [-3, -15, 22, 1, 1, -1, -2, 28],
            [3, 58, -8, 25, 8, -125, 2, -3],
        ],
        3,
        220,
    ),
    ([[-5, 0, 7, -2, 0, 0, -1, 0], [-1, 5, 6, 6, 0, 0, -6, 0]], 8, 119),
]


@pytest.mark.parametrize(("weights", "bits", "luts"), SYNTHESIZED)
def test_adders_are_near_synthesis(weights: list[list[int]], bits: int, luts: int) -> None:
    assert trees(product(weights, integers(bits, signed=False)))[0][0] == pytest.approx(luts, rel=0.17)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("inputs", [1, 4, 8])
def test_expected_is_near_the_mean_of_the_actual(bits: int, inputs: int) -> None:
    rng = np.random.default_rng(bits)
    reach = 2 ** (bits - 1) - 1
    unit = product(rng.integers(-reach, reach + 1, (64, 24)).tolist(), integers(inputs, signed=False), bits)
    expected, actual = expected_trees([unit], 3), actual_trees([known(Placed("a", unit))], [unit], 3)
    assert float(expected.adder_bits) == pytest.approx(float(actual.adder_bits), rel=0.12)
    assert float(expected.register_bits) == pytest.approx(float(actual.register_bits), rel=0.35)
    assert abs(float(expected.levels) - float(actual.levels)) <= 1


def test_unknown_weights_are_refused() -> None:
    unit = product([[1]], integers(4, signed=False))
    changing = MatVec(rows=1, cols=1, weight=unit.weight, input=unit.input, acc=unit.acc)
    with pytest.raises(UnknownPrecision, match="fc1: its integer weights are not known"):
        known(Placed("fc1", changing))
