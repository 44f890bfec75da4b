"""Normalization of each row: layer norm and RMS norm as hardware computes them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant.layers.activation import QuantIdentity
from hwcost.quant.layers.row_inverse import RowInverse, RowProduct
from hwcost.quant.layers.row_node import NormalizedRows, RowRule
from hwcost.quant.layers.rows import Grid, RowDifference, RowMean, numbers_of
from hwcost.quant.quantizers import Quantizer


class QuantRMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight, over the last dimension, on integers.

    The squares are summed up, their inverse root comes from a table by the leading bits of the sum, and one multiplier
    per lane applies it. The factor per feature is absorbed by the thresholds of the next activation. In training the
    same integers are computed; the gradient is that of the norm in float.

    Args:
        features: size of the last dimension, or a tuple of it.
        eps: as nn.RMSNorm; at least one step of the sum of squares.
        affine: whether there is a factor per feature.
        input_quant: of the input, with one scale for all features; None reads `source`.
        source: what makes the input, where there is no input_quant: the quantizer in front.
        bits: of the result below 1; index_bits, table_bits: of the table.

    Raises:
        BadOption: several dimensions, or neither of input_quant and source.

    Error: relative to the exact norm at most 2^-(index_bits + 1) + 2^-table_bits, and 2^-bits absolute; of layer norm
        also 2^-3 steps of the input for the mean (tests/quant/layers/test_layer_norm.py).
    """

    centered = False

    def __init__(
        self,
        features: int | tuple[int, ...],
        eps: float = 1e-5,
        affine: bool = True,
        *,
        input_quant: Quantizer | None = None,
        source: Grid | None = None,
        bits: int = 7,
        index_bits: int = 5,
        table_bits: int = 8,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        size = tuple(features) if isinstance(features, list | tuple) else (int(features),)
        if len(size) != 1:
            raise BadOption(f"{name}({features}): its hardware normalizes rows; give the size of the last dimension")
        self.enter = None if input_quant is None else QuantIdentity(input_quant)
        made: Grid | None = input_quant if input_quant is not None else source
        if made is None:
            raise BadOption(f"{name}: it needs the step of its input; give input_quant=, or source= (what makes it)")
        self.features, self.eps = size[0], eps
        self.made = (made,)  # a tuple, so that what stands in front is not registered here again
        self.mean = RowMean(self.features, made) if self.centered else None
        if self.mean is not None:
            self.difference = RowDifference(made, self.mean, bits=self.mean.fraction_bits)
            made = self.difference
        self.inverse = RowInverse(self.features, made, kind="rsqrt", eps=eps, index_bits=index_bits, bits=table_bits)
        given = self.features if affine else None
        self.product = RowProduct(made, self.inverse, bits=bits, features=given, biased=self.centered)
        self._known: Any = (None, None)  # numbers of the last step: a table is the same for many

    def forward(self, x: Tensor) -> Tensor:
        """(N, ..., features) -> the same."""
        rows = x if self.enter is None else self.enter(x)
        if isinstance(rows, Tensor):  # torch.fx asks for the layers one by one, to describe them
            found: Tensor = NormalizedRows.apply(rows, self.weight, self.bias, self._rule(rows))  # type: ignore[no-untyped-call]
            return found
        if self.mean is not None:
            rows = self.difference(rows, self.mean(rows))
        y: Tensor = self.product(rows, self.inverse(rows))
        return y

    @torch.no_grad()
    def _rule(self, rows: Tensor) -> RowRule:
        """The numbers of the norm, at the present step of its input."""
        step, low, high = numbers_of(self.made[0], rows)
        fraction = None if self.mean is None else self.mean.fraction_bits
        addend = max(1, round(self.eps * self.features / (step / (1 << (fraction or 0))) ** 2))
        key = (low, high, addend)
        if key != self._known[0]:
            table = self.inverse.table(rows)
            factor, shift = (1, 0) if self.mean is None else self.mean.ratio()
            self._known = (key, (factor, shift, table, self.product.cut(table)))
        factor, shift, table, cut = self._known[1]
        return RowRule(
            features=self.features,
            step=step,
            reach=max(abs(low), abs(high)),
            fraction=fraction,
            factor=factor,
            shift=shift,
            addend=addend,
            eps=self.eps,
            table=table,
            cut=cut,
        )

    def of_float(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state dict of a norm of torch.nn with the keys of this layer; one of this layer as it is."""
        return {f"product.{key}" if key in ("weight", "bias") else key: value for key, value in state.items()}

    @property
    def weight(self) -> nn.Parameter | None:
        """Factor per feature."""
        return self.product.weight

    @property
    def bias(self) -> nn.Parameter | None:
        """Addend per feature."""
        return self.product.bias


class QuantLayerNorm(QuantRMSNorm):
    """(x - mean) / sqrt(variance + eps) * weight + bias, over the last dimension, on integers.

    The mean is rounded to a quarter of the input's step; the rest is as `QuantRMSNorm`, of which all arguments are.
    """

    centered = True
