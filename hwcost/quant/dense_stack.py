"""Perceptrons whose steps are powers of two, as one call: the same network in a fifth of the kernels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hwcost.quant.int_quantizer import IntQuantizer
from hwcost.quant.kernels import KINDS, Columns, Dense, Largest, Rules, declared, dense_stack, watched
from hwcost.quant.layers.activation import QuantIdentity, QuantReLU
from hwcost.quant.layers.linear import QuantLinear


class DenseStack:
    """A network that `stacked` has looked through, to be called in its place.

    Args:
        layers: quantizer of what enters, and the layer, from the first to the last.
        rules: settings of the quantizers.
    """

    def __init__(self, layers: list[tuple[IntQuantizer, QuantLinear]], rules: Rules) -> None:
        self._layers, self._rules = layers, rules

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs of the network, (samples, outputs), with its gradients.

        Args:
            x: float32 on the CPU, (samples, ...).

        Raises:
            DivergedTraining: a width is NaN.
        """
        return dense_stack(x.flatten(1), self._rules, [_read(entering, layer) for entering, layer in self._layers])


def stacked(net: nn.Module) -> DenseStack | None:
    """The network as one call, if it is a chain of dense layers with an integer quantizer in front of each.

    It reads the parameters that the network has at the call; build another after exchanging a module or a hook.

    Returns:
        None for any other network: with steps that are no powers of two, another shape of widths, layers with
        accumulators, hooks, another precision or device.
    """
    if not isinstance(net, nn.Sequential) or watched(net):
        return None
    found: list[tuple[IntQuantizer, QuantLinear]] = []
    entering: IntQuantizer | None = None
    for place, module in enumerate(net):
        if any(watched(part) for part in module.modules()):
            return None
        if type(module) is nn.Identity or (type(module) is nn.Flatten and not place):
            if isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) != (1, -1):
                return None
        elif type(module) in (QuantIdentity, QuantReLU) and entering is None:
            if (entering := _quantizer(module.quant)) is None:
                return None
        elif type(module) is QuantLinear and entering is not None and _fits(module, entering):
            found.append((entering, module))
            entering = None
        else:
            return None
    rules = {_weight_rules(layer) for _, layer in found}
    if entering is not None or len(rules) != 1:
        return None
    weights, per_row = rules.pop()
    return DenseStack(found, Rules(tuple(_input_rules(one) for one, _ in found), weights, per_row))


def _quantizer(quant: object) -> IntQuantizer | None:
    return quant if type(quant) is IntQuantizer and quant.power else None


def _fits(layer: QuantLinear, entering: IntQuantizer) -> bool:
    """Whether a layer and what enters it are of the one form that is computed here."""
    quant = _quantizer(layer.weight_quant)
    if quant is None or not quant.signed or (layer.input_quant, layer.bias_quant, layer.accumulator) != (None,) * 3:
        return False
    parts = [declared(part) for one in (entering, quant) for part in (one.scale, one.bits)]
    if any(part is None for part in parts):
        return False
    threshold, widths, largest, own = parts
    tensors = [layer.weight, threshold[0], widths[0], own[0], *([] if layer.bias is None else [layer.bias])]
    return (
        not entering.narrow
        and isinstance(largest, Largest)
        and not isinstance(threshold, Largest)
        and threshold[0].numel() == 1
        and tuple(widths[0].shape) in ((), (layer.in_features,))
        and own[0].ndim in (0, 2)
        and all(one.is_cpu and one.dtype is torch.float32 for one in tensors)
    )


def _input_rules(entering: IntQuantizer) -> Columns:
    _, log, least = declared(entering.scale)
    _, base, most = declared(entering.bits)
    return Columns(log, least, base, most, KINDS[entering.signed, entering.narrow, True])


def _weight_rules(layer: QuantLinear) -> tuple[Columns, bool]:
    quant = layer.weight_quant
    assert isinstance(quant, IntQuantizer)
    per_row, least = declared(quant.scale)
    _, base, most = declared(quant.bits)
    return Columns(False, least, base, most, KINDS[True, quant.narrow, True]), per_row


def _read(entering: IntQuantizer, layer: QuantLinear) -> Dense:
    """Tensors as they are now: a loaded checkpoint may have replaced them."""
    quant = layer.weight_quant
    assert isinstance(quant, IntQuantizer)
    return Dense(
        declared(entering.scale)[0], declared(entering.bits)[0], layer.weight, declared(quant.bits)[0], layer.bias
    )
