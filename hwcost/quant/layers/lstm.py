"""A layer of an LSTM: gates by thresholds, a cell of fixed point, tanh by a table."""

from typing import Any

import torch
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph.blocks import Multiplier, State, Table
from hwcost.graph.ranges import add, integers, join, product
from hwcost.graph.spec import Adder, Block, Saturate, Thresholds
from hwcost.quant.layers.recurrence import Codes, LSTMLoop
from hwcost.quant.layers.recurrent_unit import Recurrent


class LSTMUnit(Recurrent):
    """One layer of an LSTM: gates i, f, g, o by thresholds, a cell of fixed point, tanh by a table.

    Args and keyword args are those of `Recurrent`, and:

    Keyword Args:
        cell_bits, cell_range: of the cell, which is clipped to +-cell_range, a power of two.
        table_bits: of the address of the table of tanh, over -4 to 4.
    """

    gates = 4

    def __init__(
        self, *sizes: Any, cell_bits: int = 12, cell_range: int = 8, table_bits: int = 8, **options: Any
    ) -> None:
        super().__init__(*sizes, **options)
        if cell_range < 1 or cell_range & (cell_range - 1) or not 4 <= cell_bits <= 16 or not 4 <= table_bits <= 10:
            raise BadOption(
                f"LSTMUnit: cell_range={cell_range}, cell_bits={cell_bits}, table_bits={table_bits}; give a power of "
                "two, 4 to 16 and 4 to 10 bits"
            )
        self.cell_bits, self.cell_range, self.table_bits = cell_bits, cell_range, table_bits

    @property
    def cell_fraction(self) -> int:
        """Bits of the cell below 1."""
        return self.cell_bits - 1 - (self.cell_range.bit_length() - 1)

    def codes(self) -> Codes:
        """Widths of all codes."""
        return Codes(self.gate_bits, self.state_bits, self.cell_bits, self.cell_fraction, self.table_bits)

    def offset(self) -> Tensor | None:
        return None if self.bias_ih is None or self.bias_hh is None else self.bias_ih + self.bias_hh

    def unrolled(self, sums: Tensor, recurrent: Tensor) -> Tensor:
        found: Tensor = LSTMLoop.apply(sums, recurrent, self.codes())  # type: ignore[no-untyped-call] # of torch
        return found

    def tanh_words(self) -> Tensor:
        """The table of tanh, int64, from the lowest address."""
        most = 2 ** (self.table_bits - 1)
        with torch.no_grad():
            at = torch.arange(-most, most).double() * (8 / 2**self.table_bits)
            return self.candidate.integers(self.codes().tanh(at))

    def cell(self, time: int) -> tuple[Block, ...]:
        *_, total = self.sums()
        place = {"channels": self.hidden_size, "vectors": time}
        first, second, _ = self.sums()
        gate, candidate = self.gate.range(), self.candidate.range()
        cell, state = integers(self.cell_bits, signed=True), self.range()
        address, wide = integers(self.table_bits, signed=True), product(gate, join(cell, candidate))
        summed = add(wide, wide)
        four = {"channels": 4 * self.hidden_size, "vectors": time}
        return (
            Adder(**four, left=first, right=second, output=total),
            Thresholds(channels=4 * self.hidden_size, vectors=time, input=total, output=join(gate, candidate)),
            State(**place, input=cell, output=cell),
            Multiplier(**place, left=gate, right=cell, output=product(gate, cell)),
            Multiplier(**place, left=gate, right=candidate, output=product(gate, candidate)),
            Adder(**place, left=product(gate, cell), right=product(gate, candidate), output=summed),
            Saturate(**place, input=summed, output=cell),
            Table(**place, input=address, output=candidate),
            Multiplier(**place, left=gate, right=candidate, output=product(gate, candidate)),
            Saturate(**place, input=product(gate, candidate), output=state),
        )
