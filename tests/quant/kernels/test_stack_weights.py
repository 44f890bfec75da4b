"""The weights of several layers as one array: equal to each quantized on its own."""

import torch

from hwcost.quant.kernels.columns import Columns
from hwcost.quant.kernels.dense import Dense, Rules, split_matrices
from hwcost.quant.kernels.rows import Rows, row_quant
from hwcost.quant.kernels.stack_weights import flat_weights
from hwcost.quant.kernels.tensor import Kind

KIND = Kind(True, True, True)


def test_each_layer_is_as_if_it_were_alone() -> None:
    torch.manual_seed(0)
    for per_row in (True, False):
        one = torch.ones(())
        layers = [
            Dense(one, one, torch.randn(size) * 4, torch.rand(size) * 10 - 1, None) for size in ((5, 7), (1, 3), (4, 4))
        ]
        layers[0].weight[2] = 0  # a row below the least threshold
        layers[2].weight[1, 1] = 8.0  # a power of two is its own threshold
        rules = Rules((), Columns(False, 2.0**-16, 0, 8, KIND), per_row)
        made = flat_weights(layers, rules)
        for found, layer in zip(split_matrices(made.y, layers), layers, strict=True):
            alone = row_quant(layer.weight, layer.widths, Rows(per_row, 2.0**-16, 0, 8, KIND))
            assert torch.equal(torch.from_numpy(found), alone)
