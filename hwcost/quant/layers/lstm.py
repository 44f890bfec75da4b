"""A layer of an LSTM: gates by thresholds, a cell of fixed point, tanh by a table."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hwcost.errors import BadOption
from hwcost.graph.blocks import Multiplier, State, Table
from hwcost.graph.ranges import add, integers, join, product
from hwcost.graph.spec import Adder, Block, Saturate, Thresholds
from hwcost.graph.ste import floor_ste
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

    def start(self, x: Tensor) -> tuple[Tensor, ...]:
        return (*super().start(x), x.new_zeros(len(x), self.hidden_size))

    def advance(self, sums: Tensor, state: tuple[Tensor, ...], recurrent: Tensor) -> tuple[Tensor, ...]:
        h, c = state
        total = sums + F.linear(h, recurrent)
        if self.bias_ih is not None and self.bias_hh is not None:
            total = total + (self.bias_ih + self.bias_hh)
        i, f, g, o = total.chunk(4, -1)
        gates = self.gate(torch.sigmoid(torch.cat([i, f, o], -1)))
        i, f, o = gates.chunk(3, -1)
        g = self.candidate(torch.tanh(g))
        c = self._to_grid(f * c + i * g, self.cell_fraction, self.cell_bits)
        return self._to_grid(o * self._tanh(c), self.state_bits - 1, self.state_bits), c

    def _to_grid(self, x: Tensor, fraction: int, bits: int) -> Tensor:
        most = 2.0 ** (bits - 1)
        return floor_ste(x * 2.0**fraction + 0.5).clamp(-most, most - 1) * 2.0**-fraction

    def _tanh(self, c: Tensor) -> Tensor:
        """tanh at the middle of the table's step that c lies in."""
        step = 8.0 * 2.0**-self.table_bits
        at = floor_ste(c / step).clamp(-(2.0 ** (self.table_bits - 1)), 2.0 ** (self.table_bits - 1) - 1)
        y: Tensor = self.candidate(torch.tanh((at + 0.5 * (step > 2.0**-self.cell_fraction)) * step))
        return y

    def tanh_words(self) -> Tensor:
        """The table of tanh, int64, from the lowest address."""
        most = 2 ** (self.table_bits - 1)
        with torch.no_grad():
            return self.candidate.integers(self._tanh(torch.arange(-most, most).double() * (8 / 2**self.table_bits)))

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
