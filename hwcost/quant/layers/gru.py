"""A layer of a GRU: gates by thresholds, a candidate by thresholds behind a product."""

import torch
from torch import Tensor

from hwcost.graph.blocks import Multiplier, State
from hwcost.graph.ranges import Range, add, between, product
from hwcost.graph.spec import Adder, Block, Thresholds
from hwcost.graph.ste import round_ste
from hwcost.quant.layers.recurrence import Codes, GRULoop
from hwcost.quant.layers.recurrent_unit import Recurrent
from hwcost.quant.quantizers import common_step


class GRUUnit(Recurrent):
    """One layer of a GRU: gates r and z by thresholds, the candidate by thresholds behind a product with r.

    The bias of the state's part of the candidate is an integer in the unit of its sum.
    """

    gates = 3

    def codes(self) -> Codes:
        """Widths of all codes."""
        return Codes(self.gate_bits, self.state_bits)

    def offset(self) -> Tensor | None:
        if self.bias_ih is None or self.bias_hh is None:
            return None
        size = 2 * self.hidden_size
        return torch.cat([self.bias_ih[:size] + self.bias_hh[:size], self.bias_ih[size:]])

    def unrolled(self, sums: Tensor, recurrent: Tensor) -> Tensor:
        bias = sums.new_zeros(self.hidden_size) if self.bias_hh is None else self.whole_bias()
        found: Tensor = GRULoop.apply(sums, recurrent, bias, self.codes())  # type: ignore[no-untyped-call] # of torch
        return found

    def whole_bias(self) -> Tensor:
        """The bias of the state's part of the candidate, in whole steps of its sum."""
        assert self.bias_hh is not None
        step = self.state_row_steps()[2 * self.hidden_size :].to(self.bias_hh)
        return round_ste(self.bias_hh[2 * self.hidden_size :] / step) * step

    def state_row_steps(self) -> Tensor:
        """Step of a sum over the state of each row, float64 (rows,)."""
        with torch.no_grad():
            weight = self.matrix()
            rows = common_step(self.weight_quant, weight).double().reshape(-1).expand(len(weight))
            return rows * float(self.step())

    def mixed(self) -> Range:
        """Range of the sum that the candidate's thresholds compare."""
        first, second, _ = self.sums()
        left, right = self.shifts()
        biased = self.biased(second)
        scaled = product(self.gate.range(), biased)
        unit = 2.0 ** (left + self.gate_bits)
        shifted = between(first.low * unit, first.high * unit)
        return add(shifted, between(scaled.low * 2**right, scaled.high * 2**right))

    def biased(self, sums: Range) -> Range:
        """Range of sums over the state with the bias of the candidate."""
        if self.bias_hh is None:
            return sums
        with torch.no_grad():
            step = self.state_row_steps()[2 * self.hidden_size :]
            whole = torch.round(self.whole_bias().double() / step)
        return add(sums, between(whole.amin().cpu(), whole.amax().cpu()))

    def cell(self, time: int) -> tuple[Block, ...]:
        first, second, total = self.sums()
        gate, candidate, state = self.gate.range(), self.candidate.range(), self.range()
        place = {"channels": self.hidden_size, "vectors": time}
        two = {"channels": 2 * self.hidden_size, "vectors": time}
        biased = self.biased(second)
        scaled, mixed = product(gate, biased), self.mixed()
        unit = 2.0 ** (self.shifts()[0] + self.gate_bits)
        fresh = between(first.low * unit, first.high * unit)
        apart = between(state.low - candidate.high, state.high - candidate.low)
        less = between(-candidate.high, -candidate.low)
        return (
            Adder(**two, left=first, right=second, output=total),
            Thresholds(channels=2 * self.hidden_size, vectors=time, input=total, output=gate),
            Multiplier(**place, left=gate, right=biased, output=scaled),
            Adder(**place, left=fresh, right=scaled, output=mixed),
            Thresholds(channels=self.hidden_size, vectors=time, input=mixed, output=candidate),
            State(**place, input=state, output=state),
            Adder(**place, left=state, right=less, output=apart),
            Multiplier(**place, left=gate, right=apart, output=product(gate, apart)),
            Adder(**place, left=candidate, right=apart, output=state),
        )
