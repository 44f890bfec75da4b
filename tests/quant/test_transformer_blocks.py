"""Encoders taken apart compute what those of torch compute, and are put back where an error is raised."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from hwcost.errors import BadOption
from hwcost.quant import convert
from hwcost.quant.transformer_blocks import Encoder, EncoderLayer, taken_apart

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "norm first": {"norm_first": True},
    "gelu": {"activation": "gelu"},
    "a module": {"activation": nn.SiLU(), "bias": False},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_values_and_gradients(kind: str) -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True, **KINDS[kind])
    x, mask = torch.randn(3, 5, 8, requires_grad=True), nn.Transformer.generate_square_subsequent_mask(5)
    for given in ({}, {"src_mask": mask}):
        wanted, found = layer(x, **given), EncoderLayer(layer)(x, **given)
        assert torch.allclose(wanted, found, atol=1e-6)
        first, second = (torch.autograd.grad(y.square().sum(), x)[0] for y in (wanted, found))
        assert torch.allclose(first, second, atol=1e-5)


def test_an_encoder_with_and_without_a_last_norm() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)
    for norm in (None, nn.LayerNorm(8)):
        encoder = nn.TransformerEncoder(layer, 2, norm=norm).eval()
        x = torch.randn(3, 5, 8)
        with taken_apart(encoder, ()) as apart:
            assert type(apart) is Encoder and not apart.training
            assert torch.allclose(apart(x), encoder(x), atol=1e-6)
            assert apart.state_dict().keys() == encoder.state_dict().keys()


def test_an_error_puts_them_back_and_parts_that_are_kept_stay() -> None:
    net = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 12, batch_first=True))
    with pytest.raises(BadOption, match=r"0\.self_attn: MultiheadAttention is built for sequences of one length"):
        convert(net, "int8")
    assert type(net[0]) is nn.TransformerEncoderLayer
    with taken_apart(net, ("0",)):
        assert type(net[0]) is nn.TransformerEncoderLayer
    net[0].register_forward_hook(lambda *_: None)
    with pytest.raises(BadOption, match="0 has hooks"):
        convert(net, "int8")
