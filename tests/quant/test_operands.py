"""Operands: which layers need integers of one scale."""

from torch import nn

from hwcost.quant import (
    QuantActivation,
    QuantLinear,
    QuantMul,
    QuantMultiheadAttention,
    QuantReLU,
    const_activation,
    const_weight,
)
from hwcost.quant.operands import is_score, reads_integers


def test_products_and_tables_read_integers_unless_they_quantize_them() -> None:
    kinds = {"weight_quant": const_weight, "activation": lambda: const_activation(bits=8, signed=True)}
    for given in (None, const_activation(bits=8, signed=True)):
        layers = (
            QuantLinear(4, 4, weight_quant=const_weight(), input_quant=given),
            QuantActivation(nn.GELU(), const_activation(bits=8, signed=True), input_quant=given),
            QuantMultiheadAttention(4, 2, 3, input_quant=given, **kinds),
        )
        assert [reads_integers(layer) for layer in layers] == [given is None] * 3
    assert reads_integers(QuantMul()) and reads_integers(nn.PixelShuffle(2))
    assert not reads_integers(QuantReLU(const_activation(bits=8))) and not reads_integers(nn.ReLU())


def test_scores() -> None:
    assert is_score(nn.LogSoftmax(1)) and not is_score(nn.Sigmoid())
