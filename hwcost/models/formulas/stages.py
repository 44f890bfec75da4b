"""Registers that cut the path of a unit: where they can stand, and how many bits they hold."""

from collections.abc import Sequence
from functools import cache

from hwcost.graph.spec import Block, MatVec, Thresholds
from hwcost.models.formulas.arithmetic import Arithmetic, Geometry, Quantity
from hwcost.models.formulas.formula import Fold, Job

OPERANDS = 0
"""Place behind the memories of a unit: its weights and its inputs, or the thresholds of an activation."""

PRODUCTS = 1
"""Place behind the multipliers; PRODUCTS + k is that behind level k of the adder tree."""

MOST_LEVELS = 13
"""Levels of the widest adder tree, of 8,191 lanes."""


def places(block: Block, fold: Fold | None) -> tuple[int, ...]:
    """Every place of a register in the path of a block, in the order of the path; none where nothing is cut.

    Args:
        block: a matrix-vector unit whose weights are stored, an activation, or anything else.
        fold: with its SIMD.
    """
    if isinstance(block, Thresholds):
        return (OPERANDS,)
    if isinstance(block, MatVec) and fold is not None and not block.held:
        return tuple(range(PRODUCTS + (fold.simd - 1).bit_length() + 1))
    return ()


@cache
def waiting(simd: int, level: int) -> tuple[int, ...]:
    """Sums behind a level of a balanced tree, by how many bits they are wider than a product.

    >>> waiting(6, 2)
    (0, 1, 1)
    """
    nodes = [0] * simd
    for _ in range(level):
        pairs = [nodes[start : start + 2] for start in range(0, len(nodes), 2)]
        nodes = [max(pair) + 1 if len(pair) == 2 else pair[0] for pair in pairs]
    return tuple(nodes.count(extra) for extra in range(max(nodes) + 1))


def stage_geometry(job: Job, words: int, depth: int) -> dict[str, float]:
    """Geometry of the registers of a matrix-vector unit: bits that they hold.

    Args:
        job: the unit with its cuts.
        words: of an input vector.
        depth: words of its weight memory; a single one is a constant, which needs no register.
    """
    cuts, simd = job.cuts, job.parallel.simd
    held = [0] * (MOST_LEVELS + 1)
    for cut in cuts:
        if cut >= PRODUCTS:
            for extra, count in enumerate(waiting(simd, cut - PRODUCTS)):
                held[extra] += count
    return {
        "stages": len(cuts),
        "stage_bits": len(cuts) * (3 if words > 1 else 1),
        "staged_operands": float(OPERANDS in cuts),
        "staged_weights": float(OPERANDS in cuts and depth > 1),
        **{f"staged{extra}": count for extra, count in enumerate(held)},
    }


def stage_registers(
    ops: Arithmetic, operands: Sequence[Quantity], product: Quantity, acc: Quantity, g: Geometry
) -> Quantity:
    """FF of the registers that cut the path of a matrix-vector unit.

    Args:
        ops: exact or smooth.
        operands: bits of the weights and of the inputs of a step.
        product, acc: width of a product and of an accumulator; no sum is wider than the accumulator.
        g: of `stage_geometry`, with `pe`.

    Error: none (tests/build/test_matvec.py): counted.
    Source: hwcost.synth.matvec and hwcost.synth.control.
    """
    weights, inputs = operands
    found = g.stage_bits + g.staged_weights * weights + g.staged_operands * inputs
    for extra in range(MOST_LEVELS + 1):
        found = found + g.pe * getattr(g, f"staged{extra}") * ops.minimum(product + extra, acc)
    return found
