"""The table of widths."""

import pandas as pd
import torch
from torch import nn

from hwcost.quant import (
    Accumulator,
    BiasQuantizer,
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    NarrowedBits,
    QuantAdd,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    StatScale,
    abs_max,
    binary_weight,
    const_weight,
    freeze_widths,
    int8_input,
    learned_activation,
    learned_weight,
    width_summary,
)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        width = LearnedBits(5)
        self.first = QuantIdentity(int8_input())
        self.conv = QuantConv2d(1, 4, 3, weight_quant=binary_weight())
        self.relu = QuantReLU(IntQuantizer(bits=width, scale=LearnedScale(1.0), signed=False))
        self.add = QuantAdd([learned_activation(bits=3), learned_activation(bits=3)])
        self.fc = QuantLinear(
            16,
            3,
            weight_quant=IntQuantizer(bits=width, scale=StatScale(abs_max), narrow=True),
            bias_quant=BiasQuantizer(bits=6),
            accumulator=Accumulator(bits=NarrowedBits(2), mode="saturate"),
            source=self.relu.quant,
        )


def test_every_width_has_its_row() -> None:
    net = Net()
    freeze_widths(net.add)
    rows = {(row.layer, row.kind): row for row in width_summary(net)}
    assert {place: (row.bits, row.base, row.most, row.state) for place, row in rows.items()} == {
        ("first", "output"): (8, 8, 8, "constant"),
        ("conv", "weight"): (1, 1, 1, "constant"),
        ("relu", "output"): (5, 2, 16, "learned"),
        ("add", "stream 0"): (3, 2, 16, "frozen"),
        ("add", "stream 1"): (3, 2, 16, "frozen"),
        ("fc", "weight"): (5, 2, 16, "learned"),
        ("fc", "bias"): (6, 6, 6, "constant"),
        ("fc", "accumulator"): (None, 2, 32, "learned"),
    }
    assert rows["relu", "output"].offset == 3.0 and rows["first", "output"].offset is None
    assert rows["fc", "accumulator"].offset == 0.5
    assert rows["fc", "weight"].shared == "relu.quant" and rows["relu", "output"].shared == ""


def test_it_reads_live_widths_and_several_of_them() -> None:
    scale = StatScale(abs_max, channel_dim=0)
    net = QuantLinear(3, 2, weight_quant=IntQuantizer(bits=LearnedBits(4, shape=(2, 1)), scale=scale, narrow=True))
    net.weight_quant.bits.offset.data.copy_(torch.tensor([[1.0], [-4.0]]))
    (row,) = width_summary(net)
    assert (row.bits, row.smallest, row.largest, row.count, row.offset) == (4.5, 3.0, 6.0, 2, 2.5)
    assert "4.5 (3 to 6, 2 widths)" in str(width_summary(net))


def test_it_prints_and_is_a_table_for_pandas() -> None:
    net = nn.Sequential(QuantLinear(3, 2, weight_quant=learned_weight(bits=4)), QuantReLU(learned_activation()))
    head, first, second = str(width_summary(net)).splitlines()
    assert head.split() == ["layer", "kind", "bits", "base", "most", "offset", "state", "shared"]
    assert first.split() == ["0", "weight", "4", "2", "16", "2.000", "learned"]
    assert second.split() == ["1", "output", "8", "2", "16", "6.000", "learned"]
    table = pd.DataFrame(width_summary(net))
    assert table["bits"].tolist() == [4.0, 8.0] and table["layer"].tolist() == ["0", "1"]


def test_a_layer_alone_and_a_float_network() -> None:
    (row,) = width_summary(QuantLinear(3, 2, weight_quant=const_weight(bits=4)))
    assert (row.layer, row.kind, row.bits) == ("", "weight", 4)
    assert width_summary(nn.Linear(3, 2)) == []
