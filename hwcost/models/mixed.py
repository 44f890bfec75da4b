"""One pipeline of folded units and of constants: every layer is built in the way that suits it."""

from collections.abc import Collection, Mapping, Sequence
from math import ceil

import torch
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph.spec import Layer, Link, MatVec
from hwcost.models.dataflow import Dataflow
from hwcost.models.device import Device
from hwcost.models.folding.folds import Folding
from hwcost.models.formulas.formula import Fold
from hwcost.models.formulas.matvec import MatVecFormula
from hwcost.models.latency import latency_cycles
from hwcost.models.links import place
from hwcost.models.options import check_layers
from hwcost.models.resources import RESOURCES, Placed
from hwcost.models.unrolled.model import Unrolled

CHOSEN_BY = ("LUT", "DSP", "BRAM18", "URAM")
"""Resources of which a layer may take the largest share of the part."""


class Mixed:
    """Price of a pipeline whose named layers are constants in the fabric, and whose others are folded units.

    All streams are those of the folded pipeline, in which a layer of constants is as parallel as it can be: converters
    in front of it and behind it gather and spread whole vectors.

    Args:
        folded: price of the folded layers and of all streams; its folding has every unit.
        unrolled: price of the constants, on the same part at the same clock.
        constants: names of the layers that are constants.

    Raises:
        BadOption: different parts or clocks.
    """

    resources: tuple[str, ...] = RESOURCES

    def __init__(self, folded: Dataflow, unrolled: Unrolled, constants: Collection[str]) -> None:
        if (folded.device, folded.clock_mhz) != (unrolled.device, unrolled.clock_mhz):
            raise BadOption(
                f"Mixed: folded units on {folded.device.name} at {folded.clock_mhz:g} MHz and constants on "
                f"{unrolled.device.name} at {unrolled.clock_mhz:g} MHz; give both the same"
            )
        self.folded, self.unrolled, self.constants = folded, unrolled, frozenset(constants)

    @property
    def device(self) -> Device:
        """The part."""
        return self.folded.device

    @property
    def clock_mhz(self) -> float:
        """The clock of the fabric."""
        return self.folded.clock_mhz

    @property
    def reads_weights(self) -> bool:
        """Whether digits of integer weights are counted."""
        return bool(self.constants) and self.unrolled.reads_weights

    def check_names(self, layers: Collection[str], placed: Sequence[Placed]) -> None:
        """Refuse constants that the network does not have, and what the two models refuse."""
        check_layers("constants", dict.fromkeys(self.constants), layers)
        self.folded.check_names(layers, placed)
        self.unrolled.check_names(layers, placed)

    def price(self, placed: Sequence[Placed]) -> dict[str, Tensor]:
        """The cost of every block.

        Args:
            placed: blocks with the names of their layers.

        Returns:
            LUT, FF, DSP, BRAM18, URAM, LUTRAM and cycles, float64 (len(placed),) each. Gradient: as that of the model
            that builds the layer.

        Error: as of the two models; converters next to constants are not measured.
        Source: structure.
        """
        units = self.folded.price(placed)
        if not self.constants:
            return units
        wires = self.unrolled.price(placed)
        constant = torch.tensor([self._constant(item) for item in placed])
        return {name: torch.where(constant, wires[name], units[name]) for name in self.resources}

    def latency_cycles(self, layers: Sequence[Layer]) -> int:
        """Cycles of one frame: of the folded pipeline, and the registers of the constants beyond the first.

        Error: not measured.
        Source: structure.
        """
        placed = [item for item in place(layers) if self._constant(item)]
        with torch.no_grad():
            levels = self.unrolled.price(placed)["levels"].tolist() if placed else []
        stages = sum(max(0, ceil(level / self.unrolled.stage_levels) - 1) for level in levels)
        return int(latency_cycles(layers, self.folded) + stages)

    def _constant(self, item: Placed) -> bool:
        return item.layer in self.constants and not isinstance(item.block, Link)


def cheapest(placed: Sequence[Placed], folded: Dataflow, unrolled: Unrolled) -> Mixed:
    """Build each layer with a product in the way that takes the smaller share of the part.

    Args:
        placed: the blocks of the pipeline with their links.
        folded: with a fold for every unit.
        unrolled: of constants; the choice is made by widths alone, so that it does not depend on untrained weights.
    """
    by_widths = Unrolled(device=unrolled.device, clock_mhz=unrolled.clock_mhz, reuse=unrolled.reuse)
    names = {item.layer: MatVecFormula().folds(item.block)[-1] for item in placed if isinstance(item.block, MatVec)}
    with torch.no_grad():
        units, wires = folded.price(placed), by_widths.price(placed)
    constants = [name for name in names if _share(name, placed, wires, folded) < _share(name, placed, units, folded)]
    folds: dict[str, Fold] = {**folded.folding, **{name: names[name] for name in constants}}
    interval = folded.folding.interval_cycles if isinstance(folded.folding, Folding) else None
    folding = folds if interval is None else Folding(folds, interval)
    styles = vars(folded.styles)
    return Mixed(
        Dataflow(device=folded.device, folding=folding, clock_mhz=folded.clock_mhz, formulas=folded.formulas, **styles),
        unrolled,
        constants,
    )


def _share(layer: str, placed: Sequence[Placed], bill: Mapping[str, Tensor], model: Dataflow) -> float:
    """The largest share of a resource of the part that a layer takes, its streams apart."""
    own = torch.tensor([item.layer == layer and not isinstance(item.block, Link) for item in placed])
    capacity = model.device.capacity
    return max(float(bill[name][own].sum()) / capacity[name] for name in CHOSEN_BY if capacity.get(name))
