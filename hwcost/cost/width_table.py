"""The cost of one network at many width assignments at once: look-ups and sums, no loop over assignments."""

from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import nn

from hwcost.cost.per_layer import Piece, Pieces, Table
from hwcost.errors import BadOption
from hwcost.graph.trace import Pipeline
from hwcost.models import HardwareModel
from hwcost.models.resources import NonDecreasing, ReadsWeights

Prices: TypeAlias = Callable[[Piece, NDArray[np.int64]], Table]
"""(piece, assignments) -> (assignments, resources)."""

LARGEST_TABLE = 2**20
"""Combinations of the widths of one piece that are tabulated: an array is looked up at many places at once."""


class WidthPrices:
    """`hardware_cost` as a function of all learned widths of a network.

    Every layer is described and priced once per combination of the few widths that matter to it; a call then looks up
    and adds. Tables fill as combinations come up, and stay. The network itself stays untouched; build another after
    exchanging a quantizer or the folding. A model that cannot price blocks apart (no `plan` and `price_jobs`) is asked
    once per distinct assignment, which is slow.

    Args:
        net: the network behind the pipeline.
        pipeline, model: as for `hardware_cost`.
        resources: those wanted; all of the model's if None.

    Attributes:
        names: of the widths, in the order of the columns of an assignment, e.g. "conv1.weight_quant.bits".
        bounds: smallest and largest value of each.
        resources: what `price` returns.

    Raises:
        BadOption: the cost depends on more than whole learned widths, or a resource that the model does not price.
    """

    def __init__(
        self, net: nn.Module, pipeline: Pipeline, model: HardwareModel, resources: Collection[str] | None = None
    ) -> None:
        for name in resources or ():
            if name not in model.resources:
                raise BadOption(
                    f"WidthPrices: resource {name!r} is not priced; this model prices {', '.join(model.resources)}"
                )
        if isinstance(model, ReadsWeights) and model.reads_weights:
            raise BadOption(
                "WidthPrices: this model reads the weights, so a price is none of widths alone; take one that does not "
                "(Unrolled(value_aware=False)), or price each assignment with hardware_cost"
            )
        self._pieces = Pieces(net, pipeline, model, resources)
        if not self._pieces.complete:
            raise BadOption(
                "WidthPrices: the cost depends on more than whole learned widths (weights, fractions, parameters of "
                "accumulators); price each assignment with hardware_cost"
            )
        self.names, self.bounds, self.resources = self._pieces.names, self._pieces.bounds, self._pieces.resources
        self._low = np.array([base for base, _ in self.bounds], dtype=np.int64)
        self._count = np.array([most - base + 1 for base, most in self.bounds], dtype=np.int64)
        self._tables: dict[Piece, Table] = {}
        self._non_decreasing = isinstance(model, NonDecreasing) and model.non_decreasing

    def price(self, widths: ArrayLike) -> dict[str, Table]:
        """The cost of every assignment.

        Args:
            widths: in bits, whole; (assignments, len(names)).

        Returns:
            Resource -> float64 (assignments,), equal to `hardware_cost` at each.

        Raises:
            BadOption: a wrong shape, or a width that is no whole number within its bounds.
        """
        levels = self._checked(widths)
        total = np.zeros((len(levels), len(self.resources)))
        areas = np.array([name != "cycles" for name in self.resources])
        for piece in self._pieces.pieces:
            part = self._part(piece, levels)
            np.maximum(total, part, out=total, where=~areas)
            np.add(total, part, out=total, where=areas)
        return dict(zip(self.resources, total.T, strict=True))

    def shadow_prices(self, widths: Sequence[int]) -> dict[str, dict[str, tuple[float, float]]]:
        """Price one bit less and one bit more of each width, all others unchanged: which bit is cheapest to cut.

        Args:
            widths: one assignment, (len(names),).

        Returns:
            Width -> resource -> (change with one bit less, change with one bit more); NaN beyond the bounds.
        """
        here = self._checked([widths])[0]
        steps = [here] + [here + sign * row for row in np.eye(len(here), dtype=np.int64) for sign in (-1, 1)]
        inside = np.clip(np.stack(steps), self._low, self._low + self._count - 1)
        found = self.price(inside)
        beyond = (inside != np.stack(steps)).any(1)
        change = {name: np.where(beyond, np.nan, values - values[0]) for name, values in found.items()}
        return {
            width: {name: (float(row[2 * i + 1]), float(row[2 * i + 2])) for name, row in change.items()}
            for i, width in enumerate(self.names)
        }

    def _part(self, piece: Piece, levels: NDArray[np.int64]) -> Table:
        """(assignments, resources) of one piece."""
        own = list(piece.widths)
        size = float(np.prod(self._count[own], dtype=np.float64))
        if size > LARGEST_TABLE:
            return self._distinct(piece, levels, self._between if self._non_decreasing else self._priced)
        code = np.zeros(len(levels), dtype=np.int64)
        for width in own:
            code = code * self._count[width] + (levels[:, width] - self._low[width])
        table = self._tables.setdefault(piece, np.full((int(size), len(self.resources)), np.nan))
        example = np.full(int(size), -1, dtype=np.int64)
        example[code] = np.arange(len(levels))
        missing = np.flatnonzero((example >= 0) & np.isnan(table[:, 0]))
        if len(missing):
            table[missing] = self._priced(piece, levels[example[missing]])
        return table.take(code, axis=0)

    def _distinct(self, piece: Piece, levels: NDArray[np.int64], price: Prices) -> Table:
        """Every distinct combination of the widths of a piece is priced once."""
        own = levels[:, list(piece.widths)]
        _, first, inverse = np.unique(own, axis=0, return_index=True, return_inverse=True)
        return price(piece, levels[first])[inverse.reshape(-1)]

    def _between(self, piece: Piece, levels: NDArray[np.int64]) -> Table:
        """The price of a piece with a width per channel, mostly from far fewer combinations.

        Widening all channels to the widest costs no less, narrowing all but the widest to their floor no more. Where
        both cost the same, which is wherever channels share a stream, so does what lies between.
        """
        upper, lower = levels.copy(), levels.copy()
        groups = np.array([self._pieces.groups[width] for width in piece.widths])
        for group in np.unique(groups):
            channels = np.array(piece.widths)[groups == group]
            widest = levels[:, channels].argmax(1)[:, None]
            upper[:, channels] = np.take_along_axis(levels[:, channels], widest, axis=1)
            narrow = np.tile(self._low[channels], (len(levels), 1))
            np.put_along_axis(narrow, widest, np.take_along_axis(levels[:, channels], widest, axis=1), axis=1)
            lower[:, channels] = narrow
        most, least = (self._distinct(piece, bound, self._priced) for bound in (upper, lower))
        apart = (most != least).any(1)
        if apart.any():
            most[apart] = self._priced(piece, levels[apart])
        return most

    def _priced(self, piece: Piece, levels: NDArray[np.int64]) -> Table:
        rows = levels.astype(np.float64).tolist()
        found = self._pieces.costs([(piece, row) for row in rows], slopes=False)
        return np.array([amounts for amounts, _ in found]).reshape(len(rows), len(self.resources))

    def _checked(self, widths: ArrayLike) -> NDArray[np.int64]:
        given = np.asarray(widths)
        if given.ndim != 2 or given.shape[1] != len(self.names) or given.dtype.kind not in "iuf":
            raise BadOption(
                f"WidthPrices: widths of shape {given.shape} and type {given.dtype}; give numbers of shape "
                f"(assignments, {len(self.names)})"
            )
        whole: NDArray[np.int64] = np.rint(given).astype(np.int64)
        wrong = (whole != given) | (whole < self._low) | (whole >= self._low + self._count)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            low, high = self.bounds[column]
            raise BadOption(
                f"WidthPrices: {self.names[column]} = {given[row, column]} in assignment {row}; give a whole number "
                f"from {low} to {high}"
            )
        return whole
