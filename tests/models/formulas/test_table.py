"""The table of formulas: no block of the package is without one."""

from __future__ import annotations

from hwcost.graph import blocks as graph_blocks
from hwcost.graph import spec
from hwcost.graph.inverse import Inverse
from hwcost.models.formulas.formula import Formula
from hwcost.models.formulas.table import FORMULAS


def test_every_block_has_a_formula() -> None:
    kinds = (*vars(spec).values(), *vars(graph_blocks).values(), Inverse)
    blocks = {kind for kind in kinds if isinstance(kind, type) and issubclass(kind, spec.Block)}
    assert set(FORMULAS) == blocks - {spec.Block}
    assert all(isinstance(formula, Formula) for formula in FORMULAS.values())
