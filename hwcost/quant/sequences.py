"""Layers on sequences: how a quantized one is made of a float one, and what cannot be."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption, HwcostError, UntraceableNetwork
from hwcost.quant.correction import evaluating
from hwcost.quant.functions import Position, Prefix
from hwcost.quant.layers.attention import QuantMultiheadAttention
from hwcost.quant.layers.embedding import QuantEmbedding
from hwcost.quant.layers.layer_norm import QuantLayerNorm, QuantRMSNorm
from hwcost.quant.layers.linear import QuantLinear
from hwcost.quant.layers.position import QuantPosition, QuantPrefix
from hwcost.quant.layers.recurrent import QuantGRU, QuantLSTM

NORM = ("input_quant", "bits", "index_bits", "table_bits")
LSTM = ("weight_quant", "input_quant", "gate_bits", "state_bits", "cell_bits", "cell_range", "table_bits")
GRU = LSTM[:4]
ATTENTION = (
    *("weight_quant", "activation", "input_quant", "length"),
    *("softmax", "score_bits", "table_bits", "index_bits", "inverse_bits", "bits"),
)


def norm(layer: nn.LayerNorm | nn.RMSNorm, keywords: Any) -> nn.Module:
    """A layer norm or RMS norm of the same factors and addends."""
    centered = isinstance(layer, nn.LayerNorm)
    eps = torch.finfo(torch.float32).eps if layer.eps is None else layer.eps
    kind = QuantLayerNorm if centered else QuantRMSNorm
    fresh = kind(layer.normalized_shape, eps, layer.elementwise_affine, **keywords)
    fresh.product.weight = layer.weight
    fresh.product.bias = getattr(layer, "bias", None)
    return fresh


def embedding(layer: nn.Embedding, keywords: Any) -> nn.Module:
    """An embedding of the same matrix."""
    if layer.max_norm is not None or layer.scale_grad_by_freq or layer.sparse:
        raise BadOption(
            f"Embedding({layer.extra_repr()}): its counterpart has no max_norm, scale_grad_by_freq and sparse; build "
            "it without them"
        )
    fresh = QuantEmbedding(layer.num_embeddings, layer.embedding_dim, layer.padding_idx, **keywords)
    fresh.weight = layer.weight
    _start(fresh.weight_quant, fresh.weight)
    return fresh


def recurrent(layer: nn.LSTM | nn.GRU, keywords: Any) -> nn.Module:
    """A recurrent network of the same weights."""
    name = type(layer).__name__
    faults = {
        "bidirectional=True: hardware reads a sequence once, from its beginning; use bidirectional=False": (
            layer.bidirectional
        ),
        "batch_first=False: hardware takes one sequence after the other; build it with batch_first=True and give it "
        "(batch, time, features)": not layer.batch_first,
        "proj_size: use proj_size=0 and an nn.Linear behind it": bool(layer.proj_size),
    }
    if any(faults.values()):
        raise BadOption(f"{name} has " + "; and ".join(fault for fault, found in faults.items() if found))
    kind = QuantLSTM if isinstance(layer, nn.LSTM) else QuantGRU
    sizes = (layer.input_size, layer.hidden_size, layer.num_layers, layer.bias)
    fresh = kind(*sizes, dropout=layer.dropout, **keywords)
    for number, unit in enumerate(fresh.layers):
        for own in ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if layer.bias else ())):
            setattr(unit, own, getattr(layer, f"{own}_l{number}"))
        _start(unit.weight_quant, unit.matrix())  # type: ignore[operator] # a recurrent unit
    return fresh


def attention(layer: nn.MultiheadAttention, keywords: Any) -> nn.Module:
    """An attention of the same weights; those of the first projections are copied, three of one."""
    faults = {
        "batch_first=False: hardware takes one sequence after the other; build it with batch_first=True and give it "
        "(batch, time, features)": not layer.batch_first,
        "add_bias_kv or add_zero_attn: build it without them": layer.bias_k is not None or layer.add_zero_attn,
        "kdim or vdim of its own: project keys and values to embed_dim with an nn.Linear in front": (
            layer.in_proj_weight is None
        ),
    }
    if any(faults.values()):
        raise BadOption("MultiheadAttention has " + "; and ".join(fault for fault, found in faults.items() if found))
    if "length" not in keywords:
        raise BadOption(
            "MultiheadAttention is built for sequences of one length; pass convert(..., example=x), x a batch of "
            'inputs, or let the policy return "length"'
        )
    bias = layer.in_proj_bias is not None
    fresh = QuantMultiheadAttention(layer.embed_dim, layer.num_heads, bias=bias, dropout=layer.dropout, **keywords)
    fresh.to(layer.in_proj_weight).load_state_dict(fresh.of_float(layer.state_dict()), strict=False)
    fresh.out_proj.weight, fresh.out_proj.bias = layer.out_proj.weight, layer.out_proj.bias
    for part in (fresh.get_submodule(f"{name}_proj") for name in ("q", "k", "v", "out")):
        assert isinstance(part, QuantLinear)
        _start(part.weight_quant, part.weight)
    return fresh


def key_lengths(net: nn.Module, inputs: tuple[Tensor, ...] | None) -> dict[int, int]:
    """Identity of every attention of torch.nn -> keys of a sequence on the example; none without one.

    Raises:
        BadOption: it is called with several lengths.
        UntraceableNetwork: the network does not accept the example.
    """
    found: dict[int, int] = {}
    layers = [(name, module) for name, module in net.named_modules() if isinstance(module, nn.MultiheadAttention)]

    def look(name: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        key = args[1] if len(args) > 1 else kwargs["key"]
        if found.setdefault(id(module), key.shape[1]) != key.shape[1]:
            raise BadOption(
                f"{name}: reads {found[id(module)]} and {key.shape[1]} keys; hardware is built for one length, so use "
                "a layer for each"
            )

    if inputs is None or not layers:
        return found
    handles = [module.register_forward_pre_hook(partial(look, name), with_kwargs=True) for name, module in layers]
    try:
        with evaluating(net), torch.no_grad():
            net(*inputs)
    except HwcostError:
        raise
    except Exception as error:
        raise UntraceableNetwork(
            f"running the example failed: {error}; check its shape, {tuple(inputs[0].shape)}, whose first dimension is "
            "the batch"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    return found


def position(layer: Position, keywords: Any) -> nn.Module:
    """A constant that is added."""
    return QuantPosition(layer.value, keywords["quant"], index=layer.index)


def prefix(layer: Prefix, keywords: Any) -> nn.Module:
    """Constant tokens in front."""
    return QuantPrefix(layer.value, keywords["quant"])


def translated(net: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of a float network with the keys of its quantized counterpart.

    Args:
        net: quantized; layers whose float twin has other keys say so by `of_float`.
        state: of the float network, or of the quantized one, which stays as it is.
    """
    found = dict(state)
    for name, module in net.named_modules():
        of_float = getattr(module, "of_float", None)
        if of_float is None:
            continue
        path = f"{name}." if name else ""
        own = {key.removeprefix(path): found.pop(key) for key in list(found) if key.startswith(path)}
        found |= {f"{path}{key}": value for key, value in of_float(own).items()}
    return found


def _start(quantizer: Any, weight: Tensor) -> None:
    """Let a scale that starts at a statistic start at that of a weight."""
    start = getattr(quantizer, "start", None)
    if start is not None:
        start(weight)
