"""Recurrent networks: layers of units, one behind the other."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant.layers.activation import QuantIdentity
from hwcost.quant.layers.gru import GRUUnit
from hwcost.quant.layers.lstm import LSTMUnit
from hwcost.quant.layers.recurrent_unit import Recurrent
from hwcost.quant.quantizers import Quantizer


class _Stacked(nn.Module):
    """Layers of recurrent units, one behind the other."""

    unit: type[Recurrent]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        *,
        weight_quant: Callable[[], Quantizer],
        input_quant: Quantizer,
        dropout: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise BadOption(f"{type(self).__name__}: num_layers={num_layers}; give at least 1")
        units: list[Recurrent] = []
        for layer in range(num_layers):
            size, source = (hidden_size, units[-1]) if layer else (input_size, input_quant)
            units.append(self.unit(size, hidden_size, bias, weight_quant=weight_quant(), source=source, **options))
        self.enter = QuantIdentity(input_quant)
        self.layers = nn.ModuleList(units)
        self.dropout = nn.Dropout(dropout) if dropout else None

    def of_float(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state dict of its twin in torch.nn with the keys of this layer; one of this layer as it is."""
        return {re.sub(r"^(\w+_[ih]h)_l(\d+)$", r"layers.\2.\1", key): value for key, value in state.items()}

    def forward(self, input: Tensor, hx: None = None) -> tuple[Tensor, None]:
        """(N, time, input_size) -> ((N, time, hidden_size), None): the last state is that of the last step.

        Raises:
            BadOption: a state to begin with.
        """
        if hx is not None:
            raise BadOption(f"{type(self).__name__}: its hardware begins with zeros; leave the state out")
        x = self.enter(input)
        for number, layer in enumerate(self.layers):
            x = layer(x if self.dropout is None or number == 0 else self.dropout(x))
        return x, None


class QuantLSTM(_Stacked):
    """nn.LSTM on integers, batch first, in one direction; `trace` describes each layer, an `LSTMUnit`.

    Args:
        input_size, hidden_size, num_layers, bias: as nn.LSTM.

    Keyword Args:
        weight_quant (() -> Quantizer): makes the quantizer of the weights of a layer.
        input_quant (Quantizer): of the input, with one scale that is a power of two (domain=POW2).
        dropout: of the states between two layers in training, as nn.LSTM.
        options: gate_bits, state_bits, cell_bits, cell_range and table_bits, as `LSTMUnit`.

    Error: of the integers none; from a float LSTM that of the widths (tests/quant/layers/test_recurrent.py).
    """

    unit = LSTMUnit


class QuantGRU(_Stacked):
    """nn.GRU on integers, batch first, in one direction; `trace` describes each layer, a `GRUUnit`.

    Args:
        input_size, hidden_size, num_layers, bias: as nn.GRU.

    Keyword Args:
        weight_quant (() -> Quantizer): as `QuantLSTM`.
        input_quant (Quantizer): as `QuantLSTM`.
        dropout: as `QuantLSTM`.
        options: gate_bits and state_bits, as `GRUUnit`.
    """

    unit = GRUUnit
