"""The uniform policy: signs and thresholds follow from the layer."""

from functools import partial

import pytest
from torch import nn

from hwcost.quant import const_activation, const_weight, uniform
from hwcost.quant.counterparts import COUNTERPARTS
from hwcost.quant.functions import Add, Requantize

POLICY = uniform(weight=partial(const_weight, bits=5), activation=partial(const_activation, bits=6))


@pytest.mark.parametrize(
    ("layer", "signed"),
    [
        (nn.ReLU(), False),
        (nn.Hardsigmoid(), False),
        (nn.Softplus(), False),
        (nn.GELU(), True),
        (nn.LeakyReLU(), True),
        (Add(signed=False), False),
        (Add(), True),
        (Requantize(signed=False), False),
    ],
)
def test_signs_follow_from_the_layer(layer: nn.Module, signed: bool) -> None:
    assert POLICY("layer", layer)["quant"].signed is signed  # type: ignore[index] # it has one


def test_tables_have_a_quantizer_on_both_sides_and_thresholds_one() -> None:
    assert set(POLICY("layer", nn.GELU())) == {"quant", "input_quant"}  # type: ignore[arg-type] # keywords
    assert set(POLICY("layer", nn.ELU())) == {"quant"}  # type: ignore[arg-type] # likewise


def test_every_layer_gets_the_keywords_that_its_counterpart_needs() -> None:
    for kind, counterpart in COUNTERPARTS.items():
        layer = kind.__new__(kind)
        nn.Module.__init__(layer)
        layer.__dict__.update({"groups": 1, "max_val": 1.0, "min_val": -1.0, "signed": True})
        given = POLICY("layer", layer)
        assert given is not None and set(given) <= set(counterpart.keywords), kind
        assert counterpart.needed is None or counterpart.needed in given, kind
