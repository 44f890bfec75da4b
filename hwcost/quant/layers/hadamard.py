"""A classifier without stored weights: the rows of a Hadamard matrix."""

from math import ceil, log2, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.ranges import binary, dot, widest
from hwcost.graph.spec import Form, LayerSpec, MatVec, Signal
from hwcost.quant.layers.signals import entering, sample_rank


def hadamard(order: int) -> Tensor:
    """Sylvester's Hadamard matrix: (order, order) of -1 and +1, order a power of two.

    >>> hadamard(2).tolist()
    [[1.0, 1.0], [1.0, -1.0]]
    """
    matrix = torch.ones(1, 1)
    while len(matrix) < order:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix


class HadamardClassifier(nn.Module):
    """scores = -scale x / |x| H^T, with constant -1 and +1 for weights.

    Args:
        in_features, out_features: as a linear layer.
        fixed_scale: keep scale at 1 / sqrt(out_features) instead of learning it from there.
        whole_batch: |x| of the whole batch, as early Brevitas computes it, instead of each sample's own; the order of
            a sample's scores is the same.

    Source: "Fix your classifier", Hoffer et al., ICLR 2018, arXiv:1801.04540.
    """

    matrix: Tensor

    def __init__(
        self, in_features: int, out_features: int, *, fixed_scale: bool = False, whole_batch: bool = False
    ) -> None:
        super().__init__()
        if in_features < 1 or out_features < 1:
            raise BadOption(f"HadamardClassifier({in_features}, {out_features}): give at least 1 of each")
        self.in_features, self.out_features, self.whole_batch = in_features, out_features, whole_batch
        order = 2 ** ceil(log2(max(in_features, out_features)))
        self.register_buffer("matrix", hadamard(order)[:out_features, :in_features].clone(), persistent=False)
        self.scale = nn.Parameter(torch.tensor(1 / sqrt(out_features)), requires_grad=not fixed_scale)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_features) -> (N, out_features)."""
        norm = x.norm() if self.whole_batch else x.norm(dim=1, keepdim=True)
        direction = x / norm.clamp(min=torch.finfo(x.dtype).tiny)
        return F.linear(direction, self.matrix.to(x.dtype)) * -self.scale

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """One MatVec with binary weights that never change; the positive factors do not change the order of scores."""
        (outer,) = signals
        sample_rank(outer.shape, 1, type(self).__name__)
        signal, before = entering(outer, None)
        element = widest(signal.range)
        acc = dot(element, binary(), self.in_features)
        unit = MatVec(
            rows=self.out_features,
            cols=self.in_features,
            weight=binary(),
            input=element,
            acc=acc,
            integers=self.integers,
        )
        output = Signal(range=acc, shape=shape, affine="the length of each sample for a divisor", form=Form.ORDER)
        return LayerSpec(output=output, blocks=(*before, unit))

    def integers(self) -> Tensor:
        """The constant weights, int64 on the CPU (out_features, in_features): -1 and +1, by the sign of scale."""
        return torch.where(self.scale.detach() < 0, self.matrix, -self.matrix).to(torch.int64).cpu()

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}"
