"""The formula of each kind of block."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from immutabledict import immutabledict
from torch import Tensor

from hwcost.graph.spec import (
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
from hwcost.models.formulas.elementwise import AdderFormula, SaturateFormula, ScaleBiasFormula
from hwcost.models.formulas.formula import Job, Setting
from hwcost.models.formulas.matvec import MatVecFormula
from hwcost.models.formulas.streams import ConcatFormula, LabelSelectFormula, LinkFormula
from hwcost.models.formulas.thresholds import ThresholdsFormula
from hwcost.models.formulas.window import PoolFormula, WindowFormula

BlockPrice: TypeAlias = Callable[[Sequence[Job], Setting], dict[str, Tensor]]
"""(jobs of one kind, what they share) -> every resource of RESOURCES, (len(jobs),) float64."""

FORMULAS: Mapping[type[Block], BlockPrice] = immutabledict(
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
