"""A limit by what the network of a trial can cost, so that it is never out of reach."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from hwcost.cost.estimate import estimate
from hwcost.errors import BadOption, BadRecipe
from hwcost.models.resources import HasLayers, OnPart
from hwcost.sweep.limits import SPEEDS
from hwcost.sweep.user_call import finite
from hwcost.train.width_repair import cost_at_floors

SMALLEST = 0.01
"""Share of the cost at the start that a limit never goes below: constants that are all zero cost nothing."""


@dataclass(frozen=True)
class Headroom:
    """A budget between the least and the most that a network can cost, in the `budget` of a `hwcost.Recipe`.

    The least is its cost with every learned width at its floor, the most that at the widths it starts with. Both follow
    from the network of the trial, its part and its folding, before anything is trained: whatever else the trial
    chooses, its budget can be kept. A number instead is a limit in the unit of the resource, which may be out of reach.

    Args:
        share: of the way from the least to the most, on a logarithmic scale, 0 to 1.

    Raises:
        BadOption: another share.

    >>> Headroom(0.5).between(1_000, 4_000)
    2000.0
    """

    share: float

    def __post_init__(self) -> None:
        if not (finite(self.share) and 0 <= self.share <= 1):
            raise BadOption(f"Headroom({self.share!r}): give a share of the way from floors to start, 0 to 1")

    def between(self, least: float, most: float) -> float:
        """The limit, in the unit of both; at least `SMALLEST` of the most."""
        low = max(least, SMALLEST * most)
        return low * (max(most, low) / low) ** self.share if low > 0 else 0.0


Limit = float | Headroom


def in_units(
    where: str, limits: Mapping[str, Limit], net: nn.Module, pipeline: HasLayers, model: OnPart
) -> dict[str, float]:
    """Limits as numbers.

    Args:
        where: they come from, for the message.
        limits: figure -> its limit.
        net: the network, as it is built, at the widths it starts with.
        pipeline, model: that price it.

    Raises:
        BadRecipe: headroom of a figure that is no resource.
    """
    shares = [name for name, limit in limits.items() if isinstance(limit, Headroom)]
    if not shares:
        return {name: float(limit) for name, limit in limits.items() if not isinstance(limit, Headroom)}
    least, most = cost_at_floors(net, pipeline, model), estimate(pipeline, model).total
    if strange := [name for name in shares if name in SPEEDS or name not in least]:
        raise BadRecipe(f"{where}: {strange[0]}: no headroom, widths do not decide on it; give a number")
    return {
        name: limit.between(least[name], float(most[name])) if isinstance(limit, Headroom) else float(limit)
        for name, limit in limits.items()
    }
