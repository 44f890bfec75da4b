"""Batch normalization in hardware: folded into the layer in front, or an integer scale and bias per channel."""

from typing import Any, Self

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import Range, add, product, widest
from hwcost.graph.spec import Form, LayerSpec, Signal
from hwcost.graph.spec import ScaleBias as ScaleBiasBlock
from hwcost.quant.layers.bias import BiasQuantizer
from hwcost.quant.layers.signals import entering
from hwcost.quant.layers.source import Sourced
from hwcost.quant.quantizers import Quantizer, checked
from hwcost.quant.tensor import QuantTensor

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


def affine_of(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """(factor, addend) per channel of a batch norm in evaluation: x -> factor x + addend."""
    if norm.running_mean is None or norm.running_var is None:
        raise BadOption("batch norm with track_running_stats=False has no constant factor; track them")
    gamma = norm.weight if norm.affine else torch.ones_like(norm.running_mean)
    beta = norm.bias if norm.affine else torch.zeros_like(norm.running_mean)
    factor = gamma / torch.sqrt(norm.running_var + norm.eps)
    return factor, beta - norm.running_mean * factor


@torch.no_grad()
def fold_batch_norm(layer: nn.Module, norm: BatchNorm) -> None:
    """Move a batch norm into the weights and bias of the layer in front, in place; then drop the batch norm.

    The weight Parameter stays the same object; a bias that did not exist is created (give it to the optimizer).
    The scale of quantized weights follows: a statistic does on its own, a learned threshold is multiplied by the factor
    by which its statistic grows (for one threshold per channel: that of the channel).

    Args:
        layer: linear or convolution, also transposed, without groups there.
        norm: in evaluation: its running statistics are used.

    Raises:
        BadOption: a layer without weights, of another number of channels, or with a weight scale that cannot follow;
            nothing is changed.
    """
    weight: object = getattr(layer, "weight", None)
    transposed = isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
    if not isinstance(weight, Tensor) or (transposed and layer.groups != 1):
        raise BadOption(
            f"fold_batch_norm: {type(layer).__name__}; give a linear layer or a convolution (no groups "
            "in a transposed one)"
        )
    channel = 1 if transposed else 0
    if weight.shape[channel] != norm.num_features:
        raise BadOption(f"fold_batch_norm: {weight.shape[channel]} channels and {norm.num_features} in the batch norm")
    if getattr(layer, "bias_quant", None) is None and getattr(layer, "accumulator", None) is not None:
        raise BadOption(
            "fold_batch_norm: the layer's accumulator adds no float bias; give the layer a bias_quant first"
        )
    factor, addend = affine_of(norm)
    folded = weight * factor.reshape([-1 if dim == channel else 1 for dim in range(weight.ndim)])
    quantizer: object = getattr(layer, "weight_quant", None)
    if quantizer is not None:
        if not hasattr(quantizer, "follow"):
            raise BadOption(
                f"fold_batch_norm: {type(quantizer).__name__} has no follow(before, after), which moves its scale with "
                "the weights; write it, or fold before quantizing"
            )
        quantizer.follow(weight, folded)
    weight.copy_(folded)
    if isinstance(layer.bias, Tensor):
        layer.bias.copy_(layer.bias * factor + addend)
    else:
        layer.bias = nn.Parameter(addend.clone())


class ScaleBias(nn.Module):
    """y = weight x + bias per channel (dimension 1), in float.

    Args:
        channels: of the input.
        bias: whether there is one.
    """

    def __init__(self, channels: int, bias: bool = True) -> None:
        super().__init__()
        if channels < 1:
            raise BadOption(f"{type(self).__name__}: channels={channels}; give at least 1")
        self.channels = channels
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def forward(self, x: Any) -> Any:
        """(N, channels, ...) -> the same."""
        return _scaled(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.channels}, bias={self.bias is not None}"


def _scaled(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    y = x * _along_channels(weight, x.ndim)
    return y if bias is None else y + _along_channels(bias, x.ndim)


def _along_channels(number: Tensor, rank: int) -> Tensor:
    return number if number.numel() == 1 else number.reshape(-1, *[1] * (rank - 2))


class QuantScaleBias(ScaleBias, Sourced):
    """y = Q(weight) x + bias per channel, on integers: one small multiplier per channel.

    Args:
        channels, bias: as ScaleBias.
        weight_quant: of the factors, a tensor (channels,); None trains in float, and has no hardware.
        input_quant: of the input; None takes it as it comes.
        bias_quant: in the unit of the product; None keeps a float bias, which the next thresholds absorb.
        source: quantizer that made the input, where bias_quant needs its step.
    """

    def __init__(
        self,
        channels: int,
        bias: bool = True,
        *,
        weight_quant: Quantizer | None,
        input_quant: Quantizer | None = None,
        bias_quant: BiasQuantizer | None = None,
        source: Quantizer | None = None,
    ) -> None:
        super().__init__(channels, bias)
        if bias_quant is not None and (not bias or not isinstance(bias_quant, BiasQuantizer)):
            raise BadOption(f"QuantScaleBias: bias={bias}, bias_quant={bias_quant!r}; give a BiasQuantizer and a bias")
        self.weight_quant = checked(weight_quant, "QuantScaleBias: weight_quant")
        self.input_quant = checked(input_quant, "QuantScaleBias: input_quant")
        self.bias_quant = bias_quant
        self.set_source(source)
        start = getattr(weight_quant, "start", None)
        if start is not None:
            start(self.weight)

    @classmethod
    def from_batch_norm(cls, norm: BatchNorm, **quantizers: Any) -> Self:
        """The constant scale and bias of a trained batch norm.

        Args:
            norm: its running statistics are used; it may then be dropped.
            quantizers: weight_quant=, input_quant=, bias_quant=, source=, as above.
        """
        layer = cls(norm.num_features, **quantizers)
        factor, addend = affine_of(norm)
        with torch.no_grad():
            layer.weight.copy_(factor)
            assert layer.bias is not None
            layer.bias.copy_(addend)
        scale: object = getattr(layer.weight_quant, "scale", None)
        if getattr(scale, "stat", None) is not None and hasattr(scale, "start"):
            scale.start(layer.weight)  # it started at the statistic of ones
        return layer

    def forward(self, x: Tensor | QuantTensor) -> Tensor | QuantTensor:
        if isinstance(x, QuantTensor):
            return self._on_integers(x)
        if self.bias_quant is None:
            value = x if self.input_quant is None else self.input_quant(x)
            return _scaled(value, self._weight(), self.bias).to(self.weight.dtype)
        if self.input_quant is not None:
            return self._on_integers(QuantTensor(x, x.new_ones(()), self.input_quant.range())).value  # replaced there
        return self._on_integers(self.on_grid(x, "use input_quant=")).value

    def _weight(self) -> Tensor:
        return self.weight if self.weight_quant is None else self.weight_quant(self.weight)

    def _on_integers(self, x: QuantTensor) -> QuantTensor:
        if self.weight_quant is None or (self.bias is not None and self.bias_quant is None):
            raise BadOption(
                "QuantScaleBias: float weights or bias make no integers; give weight_quant= and bias_quant="
            )
        if self.input_quant is not None:
            x = self.input_quant.tensor(x.value)
        if x.scale.numel() != 1:
            raise BadOption("QuantScaleBias: bias_quant needs one step for all channels; give source= such a scale")
        weight = self._weight()  # before its step is read: a scale may measure what it quantizes
        step = x.scale.reshape(()) * self.weight_quant.step(self.weight)
        product = self.product_range(x.range)
        bias = None
        if self.bias is not None and self.bias_quant is not None:
            bias = self.bias_quant(self.bias, step, product)
            product = add(product, self.bias_quant.range(product))
        value = _scaled(x.value, weight, bias)
        return QuantTensor(value, _along_channels(step, value.ndim), product)

    def product_range(self, wire: Range) -> Range:
        """Range of factor times input, without bias."""
        assert self.weight_quant is not None
        return product(widest(wire), self.weight_quant.range())

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """One multiply-add per channel, with thresholds in front for an input quantizer.

        Raises:
            UnknownPrecision: float weights, an input of no width, or one with an unabsorbed affine map.
        """
        (outer,) = signals
        if self.weight_quant is None:
            raise UnknownPrecision("its factors are float; give the layer a weight_quant=")
        signal, before = entering(outer, self.input_quant, apart=self.bias_quant is None)
        if self.input_quant is None:
            self.check_tie(outer)
        product = self.product_range(signal.range)
        bias = None if self.bias_quant is None else self.bias_quant.range(product)
        output = product if bias is None else add(product, bias)
        block = ScaleBiasBlock(
            channels=shape[0],
            vectors=signal.positions,
            input=widest(signal.range),
            weight=self.weight_quant.range(),
            bias=bias,
            output=output,
        )
        floating = self.bias is not None and self.bias_quant is None
        per_channel = self.weight_quant.scale.channel_dim is not None
        affine, form = signal.affine, Form.SCALE
        if floating:
            affine, form = "a float bias (QuantScaleBias)", Form.AFFINE
        elif per_channel:
            affine = "one weight scale per channel (QuantScaleBias)"
        left = Signal(range=widest(output), shape=shape, affine=affine, form=form, grid=self)
        return LayerSpec(output=left, blocks=(*before, block))
