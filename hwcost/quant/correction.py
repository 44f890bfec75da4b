"""Corrections after quantization: biases against the shift of means, and the running statistics of batch norms."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant.int_quantizer import IntQuantizer
from hwcost.quant.layers.product import Product
from hwcost.quant.quantizers import ScaledQuantizer

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@torch.no_grad()
def batches_of(net: nn.Module, loader: Iterable[Any], batches: int | None) -> Iterator[tuple[Tensor, ...]]:
    """The inputs of the batches of a loader, on the device of the network.

    Args:
        net: whose device counts.
        loader: yields x, or a sequence whose first element is x; x is a tensor, or a tuple of several inputs.
        batches: batches to use, at most; None for all.

    Raises:
        BadOption: something else is yielded, or nothing.
    """
    place = next((number.device for number in net.state_dict().values()), torch.device("cpu"))
    found = False
    for batch in islice(loader, batches):
        x = batch[0] if isinstance(batch, list | tuple) and len(batch) else batch
        inputs = x if isinstance(x, list | tuple) else (x,)
        if not inputs or not all(isinstance(each, Tensor) for each in inputs):
            raise BadOption(f"the loader yields {type(batch).__name__}; give batches x, or (x, ...), of tensors")
        found = True
        yield tuple(each.to(place) for each in inputs)
    if not found:
        raise BadOption("the loader yields no batch; give a list, a DataLoader, or another iterable of batches")


@torch.no_grad()
def run(net: nn.Module, loader: Iterable[Any], batches: int | None) -> None:
    """Run the network on the batches of a loader, in the modes that its modules have."""
    for inputs in batches_of(net, loader, batches):
        net(*inputs)


@contextmanager
def evaluating(net: nn.Module, training: tuple[type[nn.Module], ...] = ()) -> Iterator[None]:
    """Put a network into evaluation mode, but for the given kinds of layers; modes are put back."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    for module in modes:
        if isinstance(module, training):
            module.training = True
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def in_float(net: nn.Module) -> Iterator[None]:
    """Let every quantizer of integers pass on what it gets, negative values as 0 where it is unsigned.

    Binary and ternary activations stay: without them there is no other network; binary and ternary weights do not.
    """
    quantizers = [
        part
        for name, part in net.named_modules()
        if isinstance(part, IntQuantizer) or (isinstance(part, ScaledQuantizer) and name.endswith("weight_quant"))
    ]
    for part in quantizers:
        part.__dict__["quantize"] = _same if part.signed else _positive
    try:
        yield
    finally:
        for part in quantizers:
            part.__dict__.pop("quantize", None)


def _same(x: Tensor) -> Tensor:
    return x


def _positive(x: Tensor) -> Tensor:
    return x.clamp(min=0)


class _Mean:
    """Mean of a layer's output, per channel, over the calls of one forward pass."""

    def __init__(self, channel_dim: int) -> None:
        self.channel_dim, self.total, self.calls = channel_dim, torch.zeros(()), 0

    def add(self, y: Tensor) -> None:
        self.total = self.total + y.movedim(self.channel_dim, 0).flatten(1).double().mean(1)
        self.calls += 1

    def take(self) -> Tensor:
        found = self.total / self.calls
        self.total, self.calls = torch.zeros(()), 0
        return found


@torch.no_grad()
def correct_biases(net: nn.Module, loader: Iterable[Any], *, batches: int | None = None) -> dict[str, Tensor]:
    """Shift the bias of every linear layer and convolution by the mean error that quantization makes in its output.

    Each batch runs in float and then quantized, where every layer behind sees the corrected outputs of those in front.
    Layers without a bias stay as they are: a batch norm behind them does the same, see `renew_norms`. Correct a network
    once: the float network that it is compared with has its present biases.

    Args:
        net: with calibrated thresholds; its biases are changed in place.
        loader, batches: as `calibrate_scales`.

    Returns:
        Name of every corrected layer -> what was added, (channels,).

    Raises:
        BadOption: no batch.

    Source: Nagel et al., "Data-free quantization through weight equalization and bias correction", ICCV 2019,
        arXiv:1906.04721, section 4.2, with means measured instead of assumed.
    """
    layers = {
        name: part for name, part in net.named_modules() if isinstance(part, Product) and isinstance(part.bias, Tensor)
    }
    means = {name: _Mean(-1 if isinstance(part, nn.Linear) else 1) for name, part in layers.items()}
    sums: dict[str, Tensor] = {name: torch.zeros(()) for name in layers}
    count = 0

    def watch(name: str, correct: bool) -> Callable[[nn.Module, Any, Tensor], Tensor | None]:
        def hook(layer: nn.Module, inputs: Any, y: Tensor) -> Tensor | None:
            if not isinstance(y, Tensor):
                raise BadOption(f"correct_biases: {name} gives a {type(y).__name__}; run the network on plain tensors")
            means[name].add(y)
            if not correct:
                return None
            shift = (sums[name] + floats[name] - means[name].total / means[name].calls) / (count + 1)
            return y + shift.to(y).reshape(-1, *[1] * (0 if means[name].channel_dim == -1 else y.ndim - 2))

        return hook

    with evaluating(net):
        for inputs in batches_of(net, loader, batches):
            with _hooked(layers, lambda name: watch(name, False)), in_float(net):
                net(*inputs)
            floats = {name: mean.take() for name, mean in means.items() if mean.calls}
            with _hooked({name: layers[name] for name in floats}, lambda name: watch(name, True)):
                net(*inputs)
            for name, before in floats.items():
                sums[name] = sums[name] + before - means[name].take()
            count += 1
    found = {name: total / count for name, total in sums.items() if total.ndim}
    for name, shift in found.items():
        layers[name].bias += shift.to(layers[name].bias)
    return found


@contextmanager
def _hooked(layers: dict[str, Product], hook: Callable[[str], Any]) -> Iterator[None]:
    handles = [layer.register_forward_hook(hook(name)) for name, layer in layers.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def renew_norms(net: nn.Module, loader: Iterable[Any], *, batches: int | None = None) -> int:
    """Measure the running statistics of every batch norm again, as plain means over batches of quantized values.

    Args:
        net: quantized; statistics of its batch norms are changed in place, everything else runs in evaluation mode.
        loader, batches: as `calibrate_scales`; batches of hundreds of samples are best.

    Returns:
        How many batch norms there are.

    Raises:
        BadOption: no batch; nothing is changed.
    """
    norms = [part for part in net.modules() if isinstance(part, NORMS) and part.track_running_stats]
    before = [(norm.momentum, {key: value.clone() for key, value in norm.state_dict().items()}) for norm in norms]
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        with evaluating(net, NORMS):
            run(net, loader, batches)
    except BaseException:
        for norm, (_, state) in zip(norms, before, strict=True):
            norm.load_state_dict(state)
        raise
    finally:
        for norm, (momentum, _) in zip(norms, before, strict=True):
            norm.momentum = momentum
    return len(norms)
