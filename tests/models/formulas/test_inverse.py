"""An inverse costs two shifts and a table; it grows with what enters, and takes one cycle per vector."""

from __future__ import annotations

import torch

from hwcost.graph.inverse import Inverse, InverseTable
from hwcost.graph.ranges import Range, between
from hwcost.models import Fold, Job, Setting
from hwcost.models.formulas.inverse import InverseFormula

RTL = Setting("DSP48E2", "search", "rtl", "shared")


def block(low: int, high: int, *, kind: str = "reciprocal", index: int = 5, bits: int = 8) -> Inverse:
    z = between(low, high)
    output = InverseTable(kind, index, bits, low, high).range(z)
    return Inverse(vectors=7, input=z, output=output, kind=kind, index_bits=index, bits=bits)


def luts(one: Inverse) -> dict[str, float]:
    return dict(InverseFormula().exact(Job("softmax", one, Fold()), RTL).LUT)


def test_a_number_that_never_moves_its_leading_bit_needs_no_shift() -> None:
    assert luts(block(17, 30))["shifts"] == 0 and luts(block(17, 30))["tables"] == 8
    assert luts(block(17, 40))["shifts"] > 0


def test_a_deep_table_is_dear() -> None:
    small, deep = (luts(block(16, 255, index=index))["tables"] for index in (6, 8))
    assert small == 8 and deep > 4 * small


def test_a_root_shifts_back_half_as_far() -> None:
    inverse, root = (luts(block(1, 4000, kind=kind, index=3))["shifts"] for kind in ("reciprocal", "rsqrt"))
    assert root < inverse


def test_one_cycle_per_vector_and_a_gradient_to_what_enters() -> None:
    high = torch.tensor(4000.0, dtype=torch.float64, requires_grad=True)
    z = between(torch.tensor(255.0, dtype=torch.float64), high)
    table = InverseTable("reciprocal", 5, 8, 255, 4000)
    one = Inverse(vectors=7, input=z, output=table.range(z), kind="reciprocal", index_bits=5, bits=8)
    bill = InverseFormula()([Job("softmax", one, Fold())], RTL)
    assert int(bill["cycles"].detach()) == 7
    (slope,) = torch.autograd.grad(bill["LUT"].sum(), high)
    assert slope > 0 and isinstance(one.input, Range)
