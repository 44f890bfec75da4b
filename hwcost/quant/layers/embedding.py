"""Embedding: rows of a quantized matrix, looked up by tokens."""

import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.blocks import Embedding
from hwcost.graph.ranges import widest
from hwcost.graph.spec import LayerSpec
from hwcost.graph.wire import Signal
from hwcost.quant.layers.signals import integer
from hwcost.quant.quantizers import Quantizer, checked, common_range, common_step


class QuantEmbedding(nn.Embedding):
    """Q(W)[token]: a memory with a word for each token.

    Tokens enter as integers, or as floats with whole values; trace with `input_range=between(0, num_embeddings - 1)`.

    Args:
        num_embeddings, embedding_dim, padding_idx: as nn.Embedding.

    Keyword Args:
        weight_quant (Quantizer | None): of the matrix, with one scale for all of it; None trains in float, and has no
            hardware.
    """

    channels_last = True

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        weight_quant: Quantizer | None,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        self.weight_quant = checked(weight_quant, "QuantEmbedding: weight_quant")
        if getattr(weight_quant, "per_channel", False):
            raise BadOption(
                "QuantEmbedding: a scale per row or feature; give weight_quant one scale (per_channel=False)"
            )
        start = getattr(weight_quant, "start", None)
        if start is not None:
            start(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        """(N, ...) tokens -> (N, ..., embedding_dim)."""
        weight = self.weight if self.weight_quant is None else self.weight_quant(self.weight)
        return F.embedding(input.long(), weight, self.padding_idx)

    def step(self, x: Tensor | None = None) -> Tensor:
        """Value of one integer step, ()."""
        if self.weight_quant is None:
            raise UnknownPrecision("its weights are float; give the layer a weight_quant=")
        return common_step(self.weight_quant, self.weight).reshape(())

    def integers(self) -> Tensor:
        """The matrix now, int64 on the CPU (num_embeddings, embedding_dim)."""
        if self.weight_quant is None:
            raise UnknownPrecision("its weights are float; give the layer a weight_quant=")
        whole: Tensor = self.weight_quant.integers(self.weight)
        return whole.cpu()

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """A memory of constants.

        Raises:
            UnknownPrecision: float weights, or tokens that the matrix has no row for.
        """
        (signal,) = signals
        if self.weight_quant is None:
            raise UnknownPrecision("its weights are float; give the layer a weight_quant=")
        tokens = widest(integer(signal).range)
        if not signal.range.known or float(tokens.low) < 0 or float(tokens.high) > self.num_embeddings - 1:
            raise UnknownPrecision(
                f"tokens from {float(tokens.low):g} to {float(tokens.high):g} enter a matrix of {self.num_embeddings} "
                f"rows; trace with input_range=between(0, {self.num_embeddings - 1})"
            )
        words = widest(common_range(self.weight_quant))
        block = Embedding(
            rows=self.num_embeddings,
            channels=self.embedding_dim,
            vectors=max(1, signal.channels * signal.positions),
            input=tokens,
            output=words,
        )
        return LayerSpec(output=Signal(range=words, shape=shape, channels_last=True, grid=self), blocks=(block,))
