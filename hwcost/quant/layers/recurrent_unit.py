"""Recurrent layers on integers: unrolled in time for training, one folded unit that works step by step in hardware."""

from abc import abstractmethod
from math import log2
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.ranges import Range, add, between, dot, widest
from hwcost.graph.spec import Block, LayerSpec, MatVec
from hwcost.graph.wire import Signal
from hwcost.quant.int_quantizer import IntQuantizer
from hwcost.quant.layers.rows import Grid, made_by, source_range, source_step
from hwcost.quant.quantizers import Quantizer, checked, common_range, common_step
from hwcost.quant.scale import POW2, ConstScale

LOOP_CYCLES = 12
"""Cycles from the last sum of a step to the first word of the next one, besides the stages of the thresholds: the
pipeline of the unit (4), and a register in each of the eight blocks behind it. Source: structure."""


class Recurrent(nn.Module):
    """One recurrent layer, base of `LSTMUnit` and `GRUUnit`: quantized weights, gates as thresholds on sums.

    Gates and the state are codes of a power-of-two step, so that everything behind the sums is exact integer arithmetic
    and shifts, in training too.

    Args:
        input_size, hidden_size, bias: as nn.LSTM.

    Keyword Args:
        weight_quant (Quantizer): of the weights of inputs and state side by side, one row per output.
        source (Grid): what makes the input: a quantizer with one scale that is a power of two (domain=POW2), or another
            recurrent layer.
        gate_bits: of gates, unsigned; state_bits: of the state that leaves, signed from -1 to 1.
    """

    gates = 4
    channels_last = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        weight_quant: Quantizer,
        source: Grid,
        gate_bits: int = 6,
        state_bits: int = 8,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if input_size < 1 or hidden_size < 1 or not (2 <= gate_bits <= 10 and 2 <= state_bits <= 12):
            raise BadOption(
                f"{name}({input_size}, {hidden_size}, gate_bits={gate_bits}, state_bits={state_bits}); give sizes of "
                "at least 1, 2 to 10 gate bits and 2 to 12 state bits"
            )
        self.weight_quant: Any = checked(weight_quant, f"{name}: weight_quant")
        if weight_quant is None:
            raise BadOption(f"{name}: weight_quant=None; give a quantizer")
        self.set_source(source)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.gate_bits, self.state_bits = gate_bits, state_bits
        rows, bound = self.gates * hidden_size, hidden_size**-0.5
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(rows).uniform_(-bound, bound)) if bias else None
        self.bias_hh = nn.Parameter(torch.empty(rows).uniform_(-bound, bound)) if bias else None
        self.gate = IntQuantizer(bits=gate_bits, scale=ConstScale(1.0, domain=POW2), signed=False)
        self.candidate = IntQuantizer(bits=state_bits, scale=ConstScale(1.0, domain=POW2))
        start = getattr(weight_quant, "start", None)
        if start is not None:
            start(self.matrix())

    def set_source(self, source: Grid) -> None:
        """Read the step of another source from now on.

        Raises:
            BadOption: its step is no power of two.
        """
        power = isinstance(source, Recurrent) or getattr(source, "power", False)
        if not power or getattr(source, "per_channel", False):
            raise BadOption(
                f"{type(self).__name__}: sums over inputs and over the state are added, so the input needs one step "
                "that is a power of two; give its quantizer a scale with domain=POW2"
            )
        self._source = (source,)  # a tuple, so that what stands in front is not registered here again

    @property
    def source(self) -> Grid:
        """Source of the input."""
        return self._source[0]

    def matrix(self) -> Tensor:
        """Weights of inputs and state side by side, (rows, input_size + hidden_size)."""
        return torch.cat([self.weight_ih, self.weight_hh], 1)

    def step(self, x: Tensor | None = None) -> Tensor:
        """Value of one integer step of the state, ()."""
        return self.candidate.step().reshape(())

    def range(self) -> Range:
        """The integers of the state."""
        return self.candidate.range()

    def shifts(self, x: Tensor | None = None) -> tuple[int, int]:
        """Bits by which sums over inputs, and over the state, are shifted left to have one step."""
        with torch.no_grad():
            apart = round(log2(float((source_step(self.source, x) / self.step()).detach())))
        return max(0, apart), max(0, -apart)

    def forward(self, input: Tensor) -> Tensor:
        """(N, time, input_size) -> (N, time, hidden_size)."""
        whole = self.weight_quant(self.matrix())
        sums = F.linear(input, whole[:, : self.input_size], self.offset())
        return self.unrolled(sums, whole[:, self.input_size :])

    @abstractmethod
    def offset(self) -> Tensor | None:
        """Bias that is added to the sums over inputs, (rows,)."""

    @abstractmethod
    def unrolled(self, sums: Tensor, recurrent: Tensor) -> Tensor:
        """All steps.

        Args:
            sums: over inputs, with their bias, (N, time, rows). recurrent: quantized weights of the state.
        """

    def row_steps(self) -> Tensor:
        """Step of a sum of each row on the common grid, float64 (rows,)."""
        with torch.no_grad():
            weight = self.matrix()
            self.weight_quant(weight)
            rows = common_step(self.weight_quant, weight).double().reshape(-1).expand(len(weight))
            unit = min(float(source_step(self.source, None).detach()), float(self.step().detach()))
            return rows * unit

    def sums(self) -> tuple[Range, Range, Range]:
        """Ranges of sums over inputs and over the state, shifted, and of both together; () each."""
        weight, (left, right) = widest(common_range(self.weight_quant)), self.shifts()
        entry, own = source_range(self.source), self.range()
        first, second = dot(entry, weight, self.input_size), dot(own, weight, self.hidden_size)
        a = between(first.low * 2**left, first.high * 2**left)
        b = between(second.low * 2**right, second.high * 2**right)
        return first, second, add(a, b)

    def products(self, signal: Signal) -> tuple[MatVec, MatVec]:
        """The unit of inputs, and that of the state, which waits for itself."""
        first, second, _ = self.sums()
        rows, weight, time = self.gates * self.hidden_size, widest(self.weight_quant.range()), signal.positions
        inputs = MatVec(
            rows=rows,
            cols=self.input_size,
            vectors=time,
            weight=weight,
            input=widest(signal.range),
            acc=first,
            integers=self._whole_inputs,
        )
        states = MatVec(
            rows=rows,
            cols=self.hidden_size,
            vectors=time,
            weight=weight,
            input=self.range(),
            acc=second,
            integers=self._whole_states,
            loop=LOOP_CYCLES + self.gate_bits,
        )
        return inputs, states

    def whole(self) -> Tensor:
        """The integer weights, inputs and state side by side, int64 on the CPU."""
        found: Tensor = self.weight_quant.integers(self.matrix())
        return found.cpu()

    def _whole_inputs(self) -> Tensor:
        return self.whole()[:, : self.input_size]

    def _whole_states(self) -> Tensor:
        return self.whole()[:, self.input_size :]

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """Both products, the thresholds of the gates, and the arithmetic of a step.

        Raises:
            UnknownPrecision: a step of an input that depends on the data.
        """
        (outer,) = signals
        if len(outer.shape) != 2 or outer.shape[-1] != self.input_size:
            raise BadOption(
                f"{type(self).__name__}: a sample of shape {outer.shape}; give (time, {self.input_size}), batch first"
            )
        made_by(outer, self.source, type(self).__name__)
        inputs, states = self.products(outer)
        blocks = (inputs, *self.cell(outer.positions), states)
        output = Signal(range=self.range(), shape=shape, grid=self, channels_last=len(shape) > 1)
        return LayerSpec(output=output, blocks=blocks)

    @abstractmethod
    def cell(self, time: int) -> tuple[Block, ...]:
        """Blocks between the sums and the state."""

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, gate_bits={self.gate_bits}, state_bits={self.state_bits}"
