"""Attention on integers: products of two streams per head, softmax by tables, divided behind the second product."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.inverse import InverseTable
from hwcost.quant.layers.activation import QuantIdentity
from hwcost.quant.layers.attention_node import AttendedHeads, HeadRule
from hwcost.quant.layers.heads import SOFTMAXES, HeadContext, HeadScores, ScoreExp
from hwcost.quant.layers.linear import QuantLinear
from hwcost.quant.layers.row_inverse import RowInverse, RowProduct
from hwcost.quant.layers.rows import Grid, RowMax, numbers_of
from hwcost.quant.quantizers import Quantizer


class QuantMultiheadAttention(nn.Module):
    """Multi-head attention of nn.MultiheadAttention (batch first) on integers.

    Queries, keys and values are projected and quantized; scores are exact sums; softmax subtracts the largest score of
    a row and looks the exponential up; the values are summed up with these weights, and each sum is multiplied with the
    inverse of the sum of its weights, from a table. Each step is a layer of its own, which `trace` describes.

    Args:
        embed_dim, num_heads, bias: as nn.MultiheadAttention.
        length: keys of a sequence; it sets the widths of all sums.

    Keyword Args:
        weight_quant: function without arguments that makes a quantizer of weights, for each projection.
        activation: function without arguments that makes a signed quantizer with one scale; of queries, keys, values,
            and of what enters the last projection.
        input_quant: of what enters the first projections; None takes it as it comes.
        softmax: "exp" or "pow2", see `ScoreExp`; score_bits: of its weights; table_bits: of the address of its table.
        dropout: of the weights in training, as nn.MultiheadAttention.
        index_bits: of the address of the table of inverses.
        inverse_bits: of its words; bits: of a normalized sum below the step of the values.

    Raises:
        BadOption: sizes that do not fit.

    Error: of the weights, half of 2^-score_bits of the largest and the width of a table's step; of their sum as
        `InverseTable` (tests/quant/layers/test_attention.py).
    """

    channels_last = True

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        length: int,
        bias: bool = True,
        *,
        weight_quant: Any,
        activation: Any,
        input_quant: Quantizer | None = None,
        softmax: str = "exp",
        score_bits: int = 8,
        table_bits: int = 8,
        index_bits: int = 5,
        inverse_bits: int = 8,
        bits: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads or length < 1:
            raise BadOption(
                f"QuantMultiheadAttention({embed_dim}, {num_heads}, length={length}): give numbers of at least 1, of "
                "which num_heads divides embed_dim"
            )
        if softmax not in SOFTMAXES or not (2 <= score_bits <= 12 and 2 <= table_bits <= 10):
            raise BadOption(
                f"QuantMultiheadAttention: softmax={softmax!r}, score_bits={score_bits}, table_bits={table_bits}; give "
                f"one of {', '.join(SOFTMAXES)}, 2 to 12 and 2 to 10 bits"
            )
        self.embed_dim, self.num_heads, self.length = embed_dim, num_heads, length
        self.enter = None if input_quant is None else QuantIdentity(input_quant)
        sizes = {"features": embed_dim, "heads": num_heads}
        projections: dict[str, Grid] = {}
        for name in ("q", "k", "v"):
            quant = activation()
            self.add_module(f"{name}_proj", QuantLinear(embed_dim, embed_dim, bias, weight_quant=weight_quant()))
            self.add_module(f"{name}_quant", QuantIdentity(quant))
            projections[name] = quant
        self.scores = HeadScores(projections["q"], projections["k"], **sizes)
        self.largest = RowMax(self.scores)
        self.exponential = ScoreExp(self.scores, self.largest, bits=score_bits, table_bits=table_bits, softmax=softmax)
        self.inverse = RowInverse(
            length,
            self.exponential,
            kind="reciprocal",
            index_bits=0 if softmax == "pow2" else index_bits,
            bits=1 if softmax == "pow2" else inverse_bits,
            least=self.exponential.one,
        )
        self.dropout = nn.Dropout(dropout) if dropout else None
        self.context = HeadContext(self.exponential, projections["v"], length=length, **sizes)
        self.product = RowProduct(self.context, self.inverse, bits=bits, heads=num_heads)
        self._table: InverseTable | None = None
        self.out_quant = QuantIdentity(activation())
        self.out_proj = QuantLinear(embed_dim, embed_dim, bias, weight_quant=weight_quant())

    def of_float(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state dict of nn.MultiheadAttention with the keys of this layer; one of this layer as it is."""
        found = dict(state)
        for kind in ("weight", "bias"):
            whole = found.pop(f"in_proj_{kind}", None)
            if whole is not None:
                names = (f"{name}_proj.{kind}" for name in "qkv")
                found |= dict(zip(names, whole.chunk(3), strict=True))
        return found

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: None = None,
        need_weights: bool = False,
        attn_mask: None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, None]:
        """(N, length, embed_dim) each -> ((N, length, embed_dim), None): no attention weights are returned.

        Raises:
            BadOption: a mask.
        """
        if key_padding_mask is not None or attn_mask is not None or is_causal:
            raise BadOption("QuantMultiheadAttention: masks have no hardware; give sequences of full length")
        same = query is key and key is value
        query = query if self.enter is None else self.enter(query)
        key = query if same else key if self.enter is None else self.enter(key)
        value = query if same else value if self.enter is None else self.enter(value)
        q, k, v = (
            self.get_submodule(f"{name}_quant")(self.get_submodule(f"{name}_proj")(x))
            for name, x in (("q", query), ("k", key), ("v", value))
        )
        if isinstance(q, Tensor) and (self.dropout is None or not self.training):
            y: Tensor = AttendedHeads.apply(q, k, v, self._rule(q))  # type: ignore[no-untyped-call] # of torch
            return self.out_proj(self.out_quant(y)), None
        # one by one: torch.fx asks for the layers to describe them, and dropout stands between two
        scores = self.scores(q, k)
        weights = self.exponential(scores, self.largest(scores))
        kept = weights if self.dropout is None else self.dropout(weights)
        y = self.product(self.context(kept, v), self.inverse(weights))
        return self.out_proj(self.out_quant(y)), None

    def _rule(self, query: Tensor) -> HeadRule:
        """The numbers of all layers at the present steps."""
        sources = (*self.scores.sources, self.context.sources[1])
        steps, lows, highs = zip(*(numbers_of(source, query) for source in sources), strict=True)
        if self._table is None:
            self._table = self.inverse.table(query)  # of the width of the weights and the length alone
        step = steps[0] * steps[1] / sqrt(self.embed_dim // self.num_heads)
        return HeadRule(
            heads=self.num_heads,
            steps=steps,
            reach=tuple(max(-low, high) for low, high in zip(lows, highs, strict=True)),
            words=self.exponential.words(step),
            shift=self.exponential.cut(step),
            table=self._table,
            cut=self.product.cut(self._table),
        )
