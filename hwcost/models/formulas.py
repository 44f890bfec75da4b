"""Which formula prices which block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from torch import Tensor

from hwcost.models.elementwise import AdderFormula, SaturateFormula, ScaleBiasFormula
from hwcost.models.formula import Job, Setting
from hwcost.models.matvec import MatVecFormula
from hwcost.models.streams import ConcatFormula, LabelSelectFormula, LinkFormula
from hwcost.models.thresholds import ThresholdsFormula
from hwcost.models.window import PoolFormula, WindowFormula
from hwcost.spec import (
    Adder,
    Block,
    Concat,
    LabelSelect,
    Link,
    MatVec,
    Pool,
    Saturate,
    ScaleBias,
    Thresholds,
    Window,
)

BlockPrice: TypeAlias = Callable[[Sequence[Job], Setting], dict[str, Tensor]]
"""(jobs of one kind, what they share) -> every resource of RESOURCES, (len(jobs),) float64."""

FORMULAS: Mapping[type[Block], BlockPrice] = MappingProxyType(
    {
        MatVec: MatVecFormula(),
        Window: WindowFormula(),
        Thresholds: ThresholdsFormula(),
        Pool: PoolFormula(),
        Adder: AdderFormula(),
        Saturate: SaturateFormula(),
        ScaleBias: ScaleBiasFormula(),
        Concat: ConcatFormula(),
        LabelSelect: LabelSelectFormula(),
        Link: LinkFormula(),
    }
)
"""The formula of each kind of block; pass `FORMULAS | {MyBlock: my_price}` to add one."""
