"""A float network becomes a quantized one, layer by layer, as a policy says; weights and their names stay."""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption, HwcostError, UnknownOperation
from hwcost.graph.rules import Describes
from hwcost.quant.calibration import calibrate
from hwcost.quant.counterparts import COUNTERPARTS, PASSING, Keywords
from hwcost.quant.kernels import watched
from hwcost.quant.precision import FullPrecision
from hwcost.quant.presets import (
    binary_weight,
    const_activation,
    const_weight,
    learned_activation,
    learned_weight,
    ternary_weight,
)
from hwcost.quant.quantizers import Quantizer
from hwcost.quant.scale import LearnedScale

Policy = Callable[[str, nn.Module], Keywords | None]
"""(name of a layer, the float layer) -> keywords of its quantized counterpart, or None to leave it as it is."""


def uniform(*, weight: Callable[..., Quantizer | None], activation: Callable[..., Quantizer | None]) -> Policy:
    """The policy that treats every layer alike; average pooling keeps its whole sum.

    Args:
        weight: makes a quantizer for weights, called without arguments; with channel_dim=1 for a transposed
            convolution, and with per_channel=False if that has groups.
        activation: makes one for activations, called without arguments for ReLU; with max_val=6 for ReLU6, max_val=1
            for Sigmoid, max_val= and signed=True for Tanh and Hardtanh.

    >>> policy = uniform(weight=partial(learned_weight, bits=6), activation=partial(learned_activation, bits=5))
    >>> sorted(policy("fc", nn.Linear(3, 2)))
    ['weight_quant']
    """

    def policy(name: str, layer: nn.Module) -> Keywords:
        match layer:
            case nn.ConvTranspose2d():
                place = {"channel_dim": 1} if layer.groups == 1 else {"per_channel": False}
                return {"weight_quant": weight(**place)}
            case nn.Linear() | nn.Conv1d() | nn.Conv2d():
                return {"weight_quant": weight()}
            case nn.ReLU6():
                return {"quant": activation(max_val=6.0)}
            case nn.ReLU():
                return {"quant": activation()}
            case nn.Sigmoid():
                return {"quant": activation(max_val=1.0)}
            case nn.Tanh():
                return {"quant": activation(max_val=1.0, signed=True)}
            case nn.Hardtanh():
                return {"quant": activation(max_val=float(layer.max_val), signed=True)}
            case nn.AvgPool2d():
                return {"truncate": False}
        return {}

    return policy


PRESETS: Mapping[str, Policy] = MappingProxyType(
    {
        "int8": uniform(weight=partial(const_weight, bits=8), activation=partial(const_activation, bits=8)),
        "int4": uniform(weight=partial(const_weight, bits=4), activation=partial(const_activation, bits=4)),
        "learned8": uniform(weight=partial(learned_weight, bits=8), activation=partial(learned_activation, bits=8)),
        "learned4": uniform(weight=partial(learned_weight, bits=4), activation=partial(learned_activation, bits=4)),
        "binary": uniform(weight=binary_weight, activation=partial(const_activation, bits=8)),
        "ternary": uniform(weight=ternary_weight, activation=partial(const_activation, bits=8)),
    }
)
"""Policies by name. The number is the width of weights and activations (learned: the starting width); in networks
with binary or ternary weights, activations have 8 bits. Scales: the largest weight of each output channel (binary,
ternary: the mean magnitude), and a learned threshold per activation, which starts at 6."""


def convert(
    net: nn.Module, policy: str | Policy, *, keep: Collection[str] = (), data: Iterable[Any] | None = None
) -> nn.Module:
    """Replace the float layers of a network by their quantized counterparts, in place.

    Linear, Conv1d, Conv2d, ConvTranspose2d, ReLU, ReLU6, Hardtanh, Tanh, Sigmoid and AvgPool2d are replaced. The clip
    of ReLU6 and Hardtanh becomes the threshold of the quantizer. What needs no quantizer stays: batch norms (the next
    thresholds absorb them), dropout, max pooling, flattening; quantized layers; modules of your own, whose children
    are converted. Functions called in `forward` are no layers: write an activation to be quantized as a module. The
    input of the network is left to `trace(..., input_bits=)`, or to a `QuantIdentity` in front.

    Args:
        net: changed in place. Weights and biases stay the same Parameters under the same state-dict keys; a layer used
            in two places stays one layer. On an error nothing is changed.
        policy: name of a preset (see `PRESETS`), or a function: (name, float layer) -> the keywords of its counterpart
            (`{"weight_quant": q}`, also input_quant, bias_quant, accumulator, source; `{"quant": q}` of an activation;
            truncate, corrected, least, most, source of a pooling), or None to leave the layer as it is. One object
            returned for two layers is shared by them.
        keep: names of layers, or of parts of the network, to leave as they are, whatever the policy says.
        data: batches of the training data, which set thresholds, correct biases and renew batch norms, so that the
            network is sensible without training; see `calibrate`.

    Returns:
        The network; a new layer if `net` is itself a layer.

    Raises:
        UnknownOperation, BadOption: layers without counterpart, and keywords that a counterpart does not have; all at
            once.

    >>> net = convert(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), "learned8")
    >>> [type(layer).__name__ for layer in net]
    ['QuantLinear', 'QuantReLU']
    """
    chosen = _preset(policy) if isinstance(policy, str) else policy
    layers = _without(keep, _layers(net))
    device = next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
    fresh: dict[int, nn.Module] = {}
    faults: list[HwcostError] = []
    for name, layer in layers:
        keywords = chosen(name, layer)
        if keywords is None:
            continue
        try:
            fresh[id(layer)] = _counterpart(layer, keywords, device)
        except HwcostError as fault:
            faults.append(type(fault)(f"{name or type(layer).__name__}: {fault}"))
    if faults:
        raise type(faults[0])("\n".join(str(fault) for fault in faults))
    for parent in list(net.modules()):
        for key, child in parent._modules.items():
            if id(child) in fresh:
                parent._modules[key] = fresh[id(child)]
    made = fresh.get(id(net), net)
    if data is not None:
        calibrate(made, data)
    return made


def _preset(name: str) -> Policy:
    if name not in PRESETS:
        raise BadOption(f"convert: policy={name!r}; give one of {', '.join(PRESETS)}, or a function")
    return PRESETS[name]


def _without(keep: Collection[str], layers: list[tuple[str, nn.Module]]) -> list[tuple[str, nn.Module]]:
    if isinstance(keep, str):
        raise BadOption(f"convert: keep={keep!r}; give names, as ({keep!r},)")
    kept = {name: [part for part in keep if f"{name}.".startswith(f"{part}.")] for name, _ in layers}
    unknown = sorted(set(keep) - {part for parts in kept.values() for part in parts})
    if unknown:
        raise BadOption(f"convert: keep names no layer: {', '.join(unknown)}; layers are {', '.join(kept) or 'none'}")
    return [(name, layer) for name, layer in layers if not kept[name]]


def _layers(net: nn.Module) -> list[tuple[str, nn.Module]]:
    """Float layers of torch.nn, and subclasses of them, by their first name; not what lies inside one."""
    found: dict[int, tuple[str, nn.Module]] = {}

    def visit(name: str, module: nn.Module) -> None:
        if id(module) in found or isinstance(module, Describes) or type(module) in PASSING:
            return
        if _is_layer(module):
            found[id(module)] = (name, module)
            return
        for key, child in module.named_children():
            visit(f"{name}.{key}" if name else key, child)

    visit("", net)
    return list(found.values())


def _is_layer(module: nn.Module) -> bool:
    """Whether it is, or derives from, a layer of torch.nn; containers and modules of the user's own are none."""
    return any(
        kind.__module__.startswith("torch.nn.modules.")
        and kind.__module__ not in {"torch.nn.modules.module", "torch.nn.modules.container"}
        for kind in type(module).__mro__
    )


def _counterpart(layer: nn.Module, keywords: Keywords, device: torch.device) -> nn.Module:
    kind = type(layer)
    if kind not in COUNTERPARTS:  # not isinstance: a subclass may compute something else
        raise UnknownOperation(
            f"{kind.__name__} has no quantized counterpart; let the policy return None for it, or name it in keep="
        )
    if watched(layer):
        raise BadOption(f"{kind.__name__} has hooks, which would be lost; remove them, or name it in keep=")
    counterpart = COUNTERPARTS[kind]
    unknown = [keyword for keyword in keywords if keyword not in counterpart.keywords]
    if unknown or (counterpart.needed is not None and counterpart.needed not in keywords):
        raise BadOption(
            f"{kind.__name__} with {', '.join(map(repr, keywords)) or 'nothing'}; a policy returns "
            f"{counterpart.needed!r} for it{', and nothing but' if unknown else '; it may return'} "
            f"{', '.join(counterpart.keywords)}"
        )
    for value in keywords.values():
        if isinstance(value, nn.Module):
            value.to(device)
    return counterpart.build(layer, keywords).train(layer.training)


def load_float(net: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load a checkpoint of the float network into its quantized counterpart.

    Every Parameter stays the same object, so that an optimizer stays valid. Learned widths and thresholds, which the
    checkpoint lacks, keep their values; weight scales built by `LearnedScale.from_stat` start again at the statistic of
    the new weights.

    Args:
        net: made by `convert`, or by hand with the same names.
        state: `state_dict()` of the float network; one of a quantized network will do as well.

    Raises:
        BadOption: keys missing (other than those of quantizers), too many, or of another shape; nothing is loaded.
    """
    inside = tuple(f"{name}." for name, module in net.named_modules() if isinstance(module, FullPrecision | Quantizer))
    own = net.state_dict()
    missing = [key for key in own if key not in state and not key.startswith(inside)]
    foreign = [key for key in state if key not in own]
    other = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing or foreign or other:
        faults = {"missing": missing, "not in the network": foreign, "of another shape": other}
        listed = "; ".join(f"{fault} {', '.join(keys)}" for fault, keys in faults.items() if keys)
        raise BadOption(f"load_float: {listed}; load a checkpoint of the same network")
    net.load_state_dict(dict(state), strict=False)
    for name, module in net.named_modules():
        weight, scale = getattr(module, "weight", None), getattr(getattr(module, "weight_quant", None), "scale", None)
        if not isinstance(scale, LearnedScale) or scale.stat is None or not isinstance(weight, Tensor):
            continue
        if f"{name}.weight_quant.scale.value".lstrip(".") not in state:
            scale.start(weight)
