"""The formula of each kind of block."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from immutabledict import immutabledict
from torch import Tensor

from hwcost.graph import blocks, spec
from hwcost.graph.inverse import Inverse
from hwcost.models.formulas.elements import ChannelSumFormula, MultiplierFormula, TableFormula
from hwcost.models.formulas.elementwise import AdderFormula, SaturateFormula, ScaleBiasFormula
from hwcost.models.formulas.formula import Job, Setting
from hwcost.models.formulas.inverse import InverseFormula
from hwcost.models.formulas.matvec import MatVecFormula
from hwcost.models.formulas.order import BufferFormula, PadFormula
from hwcost.models.formulas.storage import EmbeddingFormula, StateFormula
from hwcost.models.formulas.streams import ConcatFormula, LabelSelectFormula, LinkFormula
from hwcost.models.formulas.thresholds import ThresholdsFormula
from hwcost.models.formulas.window import PoolFormula, WindowFormula

BlockPrice: TypeAlias = Callable[[Sequence[Job], Setting], dict[str, Tensor]]
"""(jobs of one kind, what they share) -> every resource of RESOURCES, (len(jobs),) float64."""


class _Formulas(immutabledict[type[spec.Block], BlockPrice]):
    """Formulas with a name that fits a signature."""

    def __repr__(self) -> str:
        return f"<formulas of {len(self)} kinds of block>"


FORMULAS: Mapping[type[spec.Block], BlockPrice] = _Formulas(
    {
        spec.MatVec: MatVecFormula(),
        spec.Window: WindowFormula(),
        spec.Thresholds: ThresholdsFormula(),
        spec.Pool: PoolFormula(),
        spec.Adder: AdderFormula(),
        spec.Saturate: SaturateFormula(),
        spec.ScaleBias: ScaleBiasFormula(),
        spec.Concat: ConcatFormula(),
        spec.LabelSelect: LabelSelectFormula(),
        spec.Link: LinkFormula(),
        Inverse: InverseFormula(),
        blocks.Multiplier: MultiplierFormula(),
        blocks.Table: TableFormula(),
        blocks.ChannelSum: ChannelSumFormula(),
        blocks.Repeat: BufferFormula(),
        blocks.Reorder: BufferFormula(),
        blocks.Pad: PadFormula(),
        blocks.Embedding: EmbeddingFormula(),
        blocks.State: StateFormula(),
    }
)
"""The formula of each kind of block; pass `FORMULAS | {MyBlock: my_price}` to add one."""
