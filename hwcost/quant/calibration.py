"""Thresholds from data: one pass that watches what reaches every quantizer, then the threshold that suits it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant.correction import correct_biases, evaluating, renew_norms, run
from hwcost.quant.histogram import Histogram, least_error
from hwcost.quant.int_quantizer import IntQuantizer
from hwcost.quant.quantizers import ScaledQuantizer

METHODS = ("mse", "percentile", "max")


def calibrate_scales(
    net: nn.Module,
    loader: Iterable[Any],
    *,
    method: str | Mapping[str, str] = "mse",
    percent: float = 99.99,
    batches: int | None = None,
) -> dict[str, Tensor]:
    """Set the thresholds of activations from data, in one pass, before training or instead of it.

    In the pass, integer quantizers of activations let values through unclipped (negative ones become 0 where they are
    unsigned), so that no threshold depends on another one; weights are quantized. Thresholds that are constants,
    statistics (`StatScale`) or of weights stay as they are; so does one that saw nothing but zeros.

    Args:
        net: with `LearnedScale` or `RunningScale` thresholds; changed in place, in evaluation mode during the pass.
        loader: batches: x, or a sequence whose first element is x (itself a tuple for several inputs).
        method: "mse" (least squared error), "percentile" (so that `percent` of the magnitudes lie below), "max"; or
            name of a quantizer -> method, where "" stands for all others.
        percent: of "percentile", above 0, at most 100.
        batches: batches to use, at most; None for all.

    Returns:
        Name of every calibrated quantizer -> its threshold, () or one per channel.

    Raises:
        BadOption: an unknown method or name, no batch, or no quantizer to calibrate; nothing is changed.

    >>> from hwcost.quant import QuantReLU, const_activation
    >>> act = QuantReLU(const_activation(bits=4))
    >>> float(calibrate_scales(act, [torch.tensor([[-3.0, 0.5, 2.0]])], method="max")["quant"])
    2.0
    """
    if not 0 < percent <= 100:
        raise BadOption(f"calibrate_scales: percent={percent!r}; give a number above 0, at most 100")
    named = {name: part for name, part in net.named_modules() if isinstance(part, ScaledQuantizer)}
    methods = _methods(method, named)
    movable = {
        name: part
        for name, part in named.items()
        if hasattr(part.scale, "set_threshold") and not name.endswith("weight_quant")
    }
    seen: dict[str, Histogram] = {}
    before = {key: value.clone() for key, value in net.state_dict().items()}
    try:
        with evaluating(net), _watching(movable, seen):
            run(net, loader, batches)
        seen = {name: histogram for name, histogram in seen.items() if bool((histogram.largest > 0).any())}
        if not seen:
            raise BadOption(
                "calibrate_scales: no activation has a threshold to set; give quantizers a LearnedScale or RunningScale"
            )
        shared: dict[int, list[str]] = {}
        for name in seen:
            shared.setdefault(id(movable[name].scale), []).append(name)
        for names in shared.values():
            _set([(movable[name], seen[name]) for name in names], methods(names[0]), percent)
    except BaseException:
        net.load_state_dict(before)
        raise
    return {name: movable[name].scale().detach().clone() for name in seen}


def calibrate(net: nn.Module, loader: Iterable[Any], *, batches: int | None = None) -> dict[str, Tensor]:
    """Make a quantized network sensible without training: thresholds, then biases, then batch norms, from data.

    Args:
        net, loader, batches: as `calibrate_scales`; the loader is gone through three times.

    Returns:
        The thresholds, as `calibrate_scales`.

    Raises:
        BadOption: as `calibrate_scales`; a loader that can be gone through only once.
    """
    if iter(loader) is loader:
        raise BadOption("calibrate: data is gone through three times, and this is an iterator; give a list or a loader")
    found = calibrate_scales(net, loader, batches=batches)
    correct_biases(net, loader, batches=batches)
    renew_norms(net, loader, batches=batches)
    return found


def _methods(method: str | Mapping[str, str], named: Mapping[str, nn.Module]) -> Callable[[str], str]:
    table = {"": method} if isinstance(method, str) else {"": "mse"} | dict(method)
    if unknown := [name for name in table if name and name not in named]:
        raise BadOption(f"calibrate_scales: method names no quantizer: {unknown}; they are {', '.join(named)}")
    if wrong := [way for way in table.values() if way not in METHODS]:
        raise BadOption(f"calibrate_scales: method={wrong[0]!r}; give one of {', '.join(METHODS)}")
    return lambda name: table.get(name, table[""])


@contextmanager
def _watching(quantizers: Mapping[str, ScaledQuantizer], seen: dict[str, Histogram]) -> Iterator[None]:
    """Let the quantizers count what reaches them."""

    def watch(name: str, quantizer: ScaledQuantizer) -> Callable[[Tensor], Tensor]:
        own = quantizer.quantize

        def quantize(x: Tensor) -> Tensor:
            through = x if quantizer.signed else x.clamp(min=0)
            if name not in seen:
                seen[name] = Histogram(_channel(quantizer.scale, x))
            histogram = seen[name]
            histogram.add(through)
            # layers behind it may read its step (`source=`): for now that of the largest so far
            if bool((histogram.largest > 0).any()):
                quantizer.scale.set_threshold(histogram.shaped(histogram.largest[:, None]))
            return through if isinstance(quantizer, IntQuantizer) else own(x)

        return quantize

    try:
        for name, quantizer in quantizers.items():
            quantizer.__dict__["quantize"] = watch(name, quantizer)
        yield
    finally:
        for quantizer in quantizers.values():
            quantizer.__dict__.pop("quantize", None)


def _channel(scale: Any, x: Tensor) -> int | None:
    """Dimension of x along which thresholds differ."""
    if scale.channel_dim is None:
        return None
    value: object = getattr(scale, "value", None)
    own = value.ndim if isinstance(value, Tensor) and value.ndim else x.ndim
    return int(x.ndim - own + scale.channel_dim % own)


def _set(quantizers: list[tuple[Any, Histogram]], method: str, percent: float) -> None:
    first, seen = quantizers[0]
    if method == "mse":
        found = least_error(quantizers)
    elif method == "percentile":
        found = torch.stack([each.percentile(percent) for _, each in quantizers]).amax(0)
    else:
        found = torch.stack([each.largest for _, each in quantizers]).amax(0)
    first.scale.set_threshold(seen.shaped(found[:, None]))
