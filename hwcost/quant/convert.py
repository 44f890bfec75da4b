"""A float network becomes a quantized one, layer by layer, as a policy says; weights and their names stay."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from hwcost.errors import BadOption, HwcostError, UnknownOperation, UntraceableNetwork, together
from hwcost.graph.fx_graph import Shapes, graph_of
from hwcost.graph.ranges import Range, between, integers
from hwcost.graph.remedies import BY_HAND
from hwcost.graph.rules import RULES, Describes
from hwcost.graph.trace import trace
from hwcost.quant.calibration import calibrate
from hwcost.quant.correction import evaluating
from hwcost.quant.counterparts import COUNTERPARTS, PASSING, Keywords
from hwcost.quant.idioms import in_known_words
from hwcost.quant.kernels import watched
from hwcost.quant.layers.embedding import QuantEmbedding
from hwcost.quant.policies import PRESETS, Policy
from hwcost.quant.precision import FullPrecision
from hwcost.quant.quantizers import Quantizer
from hwcost.quant.rewriting import Make, Rewriting
from hwcost.quant.scale import LearnedScale
from hwcost.quant.sequence_nodes import Values, simplified
from hwcost.quant.sequences import key_lengths, translated
from hwcost.quant.transformer_blocks import taken_apart


def convert(
    net: nn.Module,
    policy: str | Policy,
    *,
    keep: Collection[str] = (),
    data: Iterable[Any] | None = None,
    example: Tensor | tuple[Tensor, ...] | None = None,
) -> nn.Module:
    """Replace the float layers of a network by their quantized counterparts, in place.

    Linear layers, convolutions of 1 to 3 dimensions and their transposes, activations, average poolings, embeddings,
    layer and RMS norms, LSTMs, GRUs and attention are replaced; encoders of transformers are taken apart. The clip of
    ReLU6 and Hardtanh becomes the threshold of the quantizer. What needs no quantizer stays: batch norms (the next
    thresholds absorb them), dropout, max pooling, what only moves elements; quantized layers; modules of your own,
    whose children are converted.

    Functions that `forward` calls become layers too (F.relu, +, torch.cat, * of two streams, mean, F.avg_pool2d...),
    as do parameters that are added (positions) or stand in front of a sequence (class tokens).
    A quantizer is put in front of every product whose input is no integer of one scale; the policy is asked for each
    (see `hwcost.quant.functions` for their classes). What comes back is then a torch.fx.GraphModule with the same
    parameters under the same names, and without control flow: arguments with defaults keep them, assertions hold. A
    softmax that only an argmax follows, here or outside, is left out, and a line of the log says so. The input of the
    network is left to `trace(..., input_bits=)`, or to a `QuantIdentity` in front.

    Args:
        net: changed in place. Weights and biases stay the same Parameters under the same state-dict keys; those of
            norms and recurrent layers have keys of the quantized layer, and the first projections of attention, three
            in one matrix, are copied (`load_float` knows both). A layer used in two places stays one layer. On an error
            nothing is changed.
        policy: name of a preset (see `PRESETS`), or a function: (name, float layer) -> the keywords of its counterpart
            (`{"weight_quant": q}`, also input_quant, bias_quant, accumulator, source; `{"quant": q}` of an activation;
            truncate, corrected, least, most, source of a pooling; see `uniform` for layers on sequences), or None to
            leave the layer as it is. One object returned for two layers is shared by them.
        keep: names of layers, or of parts of the network, to leave as they are, whatever the policy says.
        example: input(s) with a batch dimension, for a `forward` whose Python asks for shapes, and for attention, which
            is built for one length. With one, the result is traced at once, so that what has no hardware is refused
            here, with a remedy for each.
        data: batches of the training data, which set thresholds, correct biases and renew batch norms, so that the
            network is sensible without training; see `calibrate`.

    Returns:
        The network; a new layer if `net` is itself a layer, a GraphModule if its forward calls functions that became
        layers.

    Raises:
        UnknownOperation, BadOption: layers and functions without counterpart, and keywords that a counterpart does not
            have; all at once.
        UntraceableNetwork: torch.fx cannot follow `forward`.

    >>> net = convert(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), "learned8")
    >>> [type(layer).__name__ for layer in net]
    ['QuantLinear', 'QuantReLU']
    """
    chosen = _preset(policy) if isinstance(policy, str) else policy
    inputs = example if isinstance(example, tuple) or example is None else (example,)
    with taken_apart(net, keep) as whole:
        made = _converted(whole, chosen, keep, inputs)
    if data is not None:
        calibrate(made, data)
    return made


def _converted(net: nn.Module, chosen: Policy, keep: Collection[str], inputs: tuple[Tensor, ...] | None) -> nn.Module:
    """The network with its counterparts put in, and traced on the example."""
    layers = _without(keep, _layers(net))
    device = next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
    lengths = key_lengths(net, inputs)
    fresh: dict[int, nn.Module] = {}
    faults: list[HwcostError] = []

    def make(name: str, layer: nn.Module) -> nn.Module | None:
        if type(layer) in PASSING:
            return layer
        keywords = chosen(name, layer)
        if keywords is not None and id(layer) in lengths:
            keywords = {"length": lengths[id(layer)], **keywords}
        return None if keywords is None else _counterpart(layer, keywords, device)

    refused = []
    for name, layer in layers:
        if isinstance(layer, nn.MultiheadAttention) and inputs is not None and id(layer) not in lengths:
            continue  # nobody calls it
        try:
            made = make(name, layer)
            if made is not None:
                fresh[id(layer)] = made
        except HwcostError as fault:
            refused.append(name)
            faults.append(type(fault)(f"{name or type(layer).__name__}: {fault}"))
    single = isinstance(net, Describes) or _is_layer(net)
    rewriting = None if single else _rewriting(net, fresh, make, (*keep, *refused), inputs)
    faults += [] if rewriting is None else rewriting.faults
    if faults:
        raise together(faults)
    if rewriting is not None and inputs is not None:
        trace(rewriting.graph, inputs, input_range=_entering(rewriting.graph, inputs))
    _put_in(net, fresh)
    if rewriting is not None and rewriting.changed:
        _complete(rewriting.graph, net)
        return rewriting.graph.train(net.training)
    return fresh.get(id(net), net)


def _entering(graph: nn.Module, inputs: tuple[Tensor, ...]) -> Range:
    """Integers that a network is traced with: tokens, or any of 8 bits."""
    tokens = [part.num_embeddings for part in graph.modules() if isinstance(part, QuantEmbedding)]
    if tokens and not any(x.is_floating_point() for x in inputs):
        return between(0, min(tokens) - 1)
    return integers(8, signed=True)


def _rewriting(
    net: nn.Module,
    fresh: dict[int, nn.Module],
    make: Make,
    keep: tuple[str, ...],
    inputs: tuple[Tensor, ...] | None,
) -> Rewriting:
    """The graph of a network, with layers for its functions and the counterparts of its layers."""
    try:
        graph = graph_of(net, RULES, inputs)
    except UntraceableNetwork as fault:
        hint = "; where it asks for shapes, pass convert(..., example=x), x a batch of inputs" if inputs is None else ""
        raise UntraceableNetwork(f"{fault}{hint}") from fault
    values: Values = {}
    if inputs is not None:
        with evaluating(graph), torch.no_grad():
            shapes = Shapes(graph)
            shapes.run(*inputs)
        values = shapes.env
    restated = in_known_words(graph, values)
    changed, faults = simplified(graph, fresh, values)
    rewriting = Rewriting(graph, fresh, make, keep, values)
    rewriting.run()
    rewriting.changed, rewriting.faults = rewriting.changed or changed or restated, faults + rewriting.faults
    for name, module in list(graph.named_modules(remove_duplicate=False)):
        if id(module) in fresh:
            graph.set_submodule(name, fresh[id(module)])
    graph.recompile()
    return rewriting


def _put_in(net: nn.Module, fresh: Mapping[int, nn.Module]) -> None:
    for parent in list(net.modules()):
        for key, child in parent._modules.items():
            if id(child) in fresh:
                parent._modules[key] = fresh[id(child)]


def _complete(graph: fx.GraphModule, net: nn.Module) -> None:
    """Give a graph what no node reads, so that its state dict has every key of the network.

    Heads of the training alone, layers that have two names, and constants that a layer of the graph holds, too.
    """
    for name, module in net.named_modules(remove_duplicate=False):
        known = graph.state_dict()
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        lasting = [(key, value) for key, value in own if key not in module._non_persistent_buffers_set]
        missing = [(key, value) for key, value in lasting if f"{name}.{key}".lstrip(".") not in known]
        if missing and name and (isinstance(module, Describes) or not list(module.children())):
            graph.add_submodule(name, module)
        elif missing:
            if name not in dict(graph.named_modules(remove_duplicate=False)):
                graph.add_submodule(name, nn.Module())
            owner = graph.get_submodule(name)
            for key, value in missing:
                setattr(owner, key, value) if isinstance(value, nn.Parameter) else owner.register_buffer(key, value)


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
        advice = f"{BY_HAND[kind]}, " if kind in BY_HAND else "write it with layers that have one, "
        raise UnknownOperation(
            f"{kind.__name__} has no quantized counterpart; {advice}or name it in keep=, and give trace() a rule for "
            f"it: rules=RULES | {{nn.{kind.__name__}: rule}}"
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
    return counterpart.build(layer, keywords).to(device).train(layer.training)


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
    parts = net.named_modules(remove_duplicate=False)
    inside = tuple(f"{name}." for name, module in parts if isinstance(module, FullPrecision | Quantizer))
    own = net.state_dict()
    state = translated(net, dict(state))
    given = {id(value) for key, value in net.state_dict(keep_vars=True).items() if key in state}
    same = {key for key, value in net.state_dict(keep_vars=True).items() if id(value) in given}
    missing = [key for key in own if key not in state and not key.startswith(inside) and key not in same]
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
