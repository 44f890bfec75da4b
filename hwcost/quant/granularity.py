"""Networks for constants in the fabric: widths of each weight, channel or layer, steps of powers of two, no norms."""

from math import ceil, log2
from typing import Any

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant.bits import ConstBits, LearnedBits
from hwcost.quant.int_quantizer import IntQuantizer
from hwcost.quant.layers.activation import QuantIdentity
from hwcost.quant.layers.norm import fold_batch_norm
from hwcost.quant.layers.product import Product
from hwcost.quant.measured_scale import StatScale
from hwcost.quant.scale import POW2, ConstScale, LearnedScale
from hwcost.quant.stats import abs_max

PER = ("weight", "channel", "layer")
WEIGHT_BITS, ACTIVATION_BITS, MOST = 5, 4, 8
"""Starting widths, and the largest, in bits: with more, most of a training goes by before anything is pruned."""
THRESHOLD = 4.0
"""Start of an activation's threshold where it has none yet."""


def refine_widths(net: nn.Module, example: Tensor, *, per: str = "weight") -> None:
    """Give integer quantizers learned widths down to 0 bits and steps of powers of two, in place.

    Weights get a width each, one for each output channel, or one for a layer; activations one for each channel, or one
    for a layer. Other quantizers (binary, ternary), and those of constant width that a layer shares, stay.

    Args:
        net: with quantized layers; its quantizers are replaced.
        example: a batch that it accepts.
        per: "weight", "channel" or "layer".

    Raises:
        BadOption: another `per`, or a quantizer that is used for streams of different numbers of channels.
    """
    if per not in PER:
        raise BadOption(f"per={per!r}: give one of {', '.join(PER)}")
    shapes = _stream_shapes(net, example)
    made: dict[int, IntQuantizer] = {}
    for name, module in net.named_modules():
        if isinstance(module, Product) and isinstance(module.weight_quant, IntQuantizer):
            module.weight_quant = _weights(module, per)
        elif isinstance(module, QuantIdentity) and isinstance(module.quant, IntQuantizer) and module in shapes:
            old, shape = module.quant, () if per == "layer" else shapes[module]
            new = made.setdefault(id(old), _activations(old, shape))
            if tuple(new.bits().shape) != shape:
                raise BadOption(f"{name}: its quantizer is shared by streams of other shapes; give it one of its own")
            module.quant = new


def fold_norms(net: nn.Module, example: Tensor) -> None:
    """Move every batch norm that directly follows a layer with weights into it, in place; identities are left.

    Args:
        net: whose running statistics are used.
        example: a batch that it accepts.
    """
    behind: dict[int, nn.Module] = {}
    pairs: dict[str, nn.Module] = {}
    names = {module: name for name, module in net.named_modules()}

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if id(inputs[0]) in behind:
                pairs[names[module]] = behind[id(inputs[0])]
        else:
            behind[id(output)] = module
            kept.append(output)  # an identity is unique only while its object lives

    kept: list[Any] = []
    layers = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    _watch(net, example, (*layers, nn.modules.batchnorm._BatchNorm), note)
    for name, layer in pairs.items():
        owner = net.get_submodule(name.rpartition(".")[0])
        fold_batch_norm(layer, getattr(owner, name.rpartition(".")[2]))
        setattr(owner, name.rpartition(".")[2], nn.Identity())


def _weights(layer: Product, per: str) -> IntQuantizer:
    size = tuple(layer.weight.shape)
    row = tuple(length if dim == layer.row_dim else 1 for dim, length in enumerate(size))
    shape = {"weight": size, "channel": row, "layer": ()}[per]
    bits = LearnedBits(WEIGHT_BITS, base=0, most=MOST, shape=shape)
    return IntQuantizer(bits=bits, scale=StatScale(abs_max, channel_dim=layer.row_dim, domain=POW2), narrow=True)


def _activations(old: IntQuantizer, shape: tuple[int, ...]) -> IntQuantizer:
    constant = isinstance(old.scale, ConstScale)
    bits = int(old.bits.most) if isinstance(old.bits, ConstBits) else ACTIVATION_BITS
    width = LearnedBits(min(bits, MOST), base=0, most=MOST, shape=shape)
    if not constant:
        start = float(old.scale().detach().max()) if isinstance(old.scale, LearnedScale) else THRESHOLD
        return IntQuantizer(bits=width, scale=LearnedScale(start, domain=POW2), signed=old.signed)
    # the step of a constant grid stays what it is, if it is a power of two; else the next smaller one
    step = float(old.step().detach().min())
    threshold = 2.0 ** (ceil(log2(step * 2 ** (bits - old.signed)) - 1e-9))
    return IntQuantizer(bits=width, scale=ConstScale(threshold, domain=POW2), signed=old.signed)


def _stream_shapes(net: nn.Module, example: Tensor) -> dict[nn.Module, tuple[int, ...]]:
    """Activation -> the shape of one width per channel of its stream."""
    found: dict[nn.Module, tuple[int, ...]] = {}

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        found[module] = (inputs[0].shape[1], *[1] * (inputs[0].ndim - 2))

    _watch(net, example, (QuantIdentity,), note)
    return found


def _watch(net: nn.Module, example: Tensor, kinds: tuple[type, ...], note: Any) -> None:
    """Run a network on an example, in evaluation, and hear of the calls of some modules."""
    modes = {module: module.training for module in net.modules()}
    hooks = [module.register_forward_hook(note) for module in net.modules() if isinstance(module, kinds)]
    net.eval()
    try:
        with torch.no_grad():
            net(example)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes.items():
            module.training = mode
