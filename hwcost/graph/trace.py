"""Tracing: graph and shapes of a network are found once; its widths are read live at every pass."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import signature
from operator import getitem
from typing import Any

import torch
from torch import Tensor, fx, nn

from hwcost.errors import BadOption, HwcostError, UnknownOperation, UnknownPrecision, UntraceableNetwork, together
from hwcost.graph.fx_graph import TRACING, Shapes, graph_of, is_split, leaves_of, name_of, refuse_wrappers, several
from hwcost.graph.order import PERMUTES, piece
from hwcost.graph.ranges import Range, between, integers, unknown
from hwcost.graph.remedies import remedy
from hwcost.graph.rules import RULES, Call, Describes, Rule, RuleKey, entry, refuse_other_forward
from hwcost.graph.spec import Layer, LayerSpec, Signal


@dataclass(frozen=True, kw_only=True)
class Step:
    """One node of the stream graph: plain data, so that a Pipeline can also be built by hand.

    Attributes:
        name: of the layer; unique in its pipeline.
        kind: class or function name.
        describe: called with the input signals and `shape=`; returns the LayerSpec.
        inputs: positions in the list of signals: first the pipeline's inputs, then each step's output.
        shape: of one output sample, without the batch.
        call: the module, or the function's arguments; None in a pipeline built by hand.
    """

    name: str
    kind: str
    describe: Callable[..., LayerSpec] = field(repr=False)
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    call: Call | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A static dataflow pipeline: the steps of a network in stream order.

    Attributes:
        inputs: the signals that enter.
        steps: in an order in which each reads only what stands before it.
        outputs: positions of the signals that leave.
    """

    inputs: tuple[Signal, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]

    def __repr__(self) -> str:
        shapes = [signal.shape for signal in self.inputs] + [step.shape for step in self.steps]
        entering = ", ".join(map(str, shapes[: len(self.inputs)]))
        leaving = ", ".join(str(shapes[position]) for position in self.outputs)
        layers = ", ".join(step.name for step in self.steps)
        return f"Pipeline({entering} -> {leaving}, {len(self.steps)} layers: {layers})"

    def layers(self) -> tuple[Layer, ...]:
        """Describe every layer with its live bit-widths; no data, no state.

        Returns:
            One Layer per step; its ranges carry gradients to the learned widths.

        Raises:
            UnknownPrecision, UnknownOperation, BadOption: all layers that cannot be described, at once.
        """
        signals: list[Signal] = list(self.inputs)
        layers: list[Layer] = []
        faults: list[HwcostError] = []
        for step in self.steps:
            inputs = tuple(signals[position] for position in step.inputs)
            try:
                spec = _describe(step, inputs)
            except HwcostError as fault:
                faults.append(type(fault)(f"{step.name}: {fault}"))
                # zeros stand in for what could not be described, so that faults of their own show further on
                spec = LayerSpec(output=Signal(range=between(0, 0), shape=step.shape))
            layers.append(Layer(name=step.name, kind=step.kind, inputs=inputs, spec=spec))
            signals.append(spec.output)
        if faults:
            raise together(faults)
        return tuple(layers)


def _describe(step: Step, signals: Sequence[Signal]) -> LayerSpec:
    spec = step.describe(*signals, shape=step.shape)
    for signal in signals:
        if spec.blocks and not signal.range.known:
            raise UnknownPrecision(
                f"a signal of shape {signal.shape} has no bit-width; give the layer an input quantizer, "
                "or pass input_bits= to trace()"
            )
    return spec


def trace(
    model: nn.Module,
    example: Tensor | tuple[Tensor, ...] | Mapping[str, Tensor],
    *,
    input_bits: int | None = None,
    input_range: Range | None = None,
    rules: Mapping[RuleKey, Rule] = RULES,
) -> Pipeline:
    """Find the graph and the shapes of a network, once.

    The model is run on the example in eval mode, without gradients; its modes are put back.

    Args:
        model: a network whose layers have `describe`, or a rule.
        example: input tensor(s) with a batch dimension; the batch size does not matter. Several are a tuple, or a dict
            by the names of the arguments of `forward`; the inputs of the pipeline are in the order of these.
        input_bits: width of unsigned input codes (pixels: 8), at least 1.
        input_range: instead of input_bits: the integers that enter, e.g. `ranges.integers(8, signed=True)`, at each
            input. With neither, the network must begin with a quantizer.
        rules: how to describe foreign modules, functions and methods; extend with `RULES | {op: rule}`.

    Returns:
        The Pipeline; its `layers()` reads the live widths of `model`.

    Raises:
        UntraceableNetwork: control flow that depends on data (the message gives the line), or an example that the
            network does not accept.
        UnknownOperation, UnknownPrecision: what cannot be described, all at once.
    """
    wire = _input_range(input_bits, input_range)
    examples = _in_order(model, example)
    refuse_wrappers(model)
    with TRACING:
        modes = {module: module.training for module in model.modules()}
        model.eval()
        try:
            graph = graph_of(model, rules, examples)
            values = _run(graph, examples, rules)
        finally:
            for module, mode in modes.items():
                module.training = mode
    pipeline = _assemble(graph, values, wire, rules)
    pipeline.layers()  # refuse now, not at the first training step
    return pipeline


def _in_order(model: nn.Module, example: Tensor | tuple[Tensor, ...] | Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    if not isinstance(example, Mapping):
        return example if isinstance(example, tuple) else (example,)
    try:
        bound = signature(model.forward).bind(**example)
    except TypeError as error:
        raise UntraceableNetwork(
            f"{type(model).__name__}: inputs {', '.join(map(repr, example))}: {error}; name the arguments of forward()"
        ) from error
    if bound.kwargs:
        raise UntraceableNetwork(
            f"{type(model).__name__}: forward() takes {', '.join(bound.kwargs)} by keyword alone, or behind a default "
            "that was left out; let it take its inputs by place, those that are given first"
        )
    return bound.args


def _run(graph: fx.GraphModule, examples: tuple[Tensor, ...], rules: Mapping[RuleKey, Rule]) -> dict[fx.Node, Any]:
    """The value of every node on the example."""
    values = Shapes(graph)
    try:
        with torch.no_grad():
            values.run(*examples)
    except HwcostError as fault:
        raise together([fault, *_without_rule(graph, rules)]) from fault
    return values.env


def _without_rule(graph: fx.GraphModule, rules: Mapping[RuleKey, Rule]) -> list[HwcostError]:
    """Modules that will be refused even once the example runs."""
    faults: list[HwcostError] = []
    for node in graph.graph.nodes:
        if node.op == "call_module":
            try:
                described_by(Call(module=graph.get_submodule(str(node.target)), args=(), kwargs={}), "", rules)
            except UnknownOperation as fault:
                faults.append(UnknownOperation(f"{node.target}: {fault}"))
    return faults


def _input_range(bits: int | None, wire: Range | None) -> Range:
    if bits is not None and wire is not None:
        raise BadOption("trace: input_bits and input_range both given; give one")
    if wire is not None:
        return wire
    if bits is None:
        return unknown()
    if isinstance(bits, bool) or not isinstance(bits, int) or bits < 1:
        raise BadOption(f"trace: input_bits={bits!r}; give a whole number of at least 1")
    return integers(bits, signed=False)


def _assemble(
    graph: fx.GraphModule, values: dict[fx.Node, Any], wire: Range, rules: Mapping[RuleKey, Rule]
) -> Pipeline:
    positions: dict[fx.Node, int] = {}
    inputs: list[Signal] = []
    for node in graph.graph.nodes:
        if node.op == "placeholder" and isinstance(values[node], Tensor):
            positions[node] = len(inputs)
            shape = tuple(values[node].shape[1:])
            last = len(shape) > 1 and _read_last(graph, node, values)
            inputs.append(Signal(range=wire, shape=shape, channels_last=last, outside=True))
    steps: list[Step] = []
    names: dict[str, int] = {}
    outputs: tuple[int, ...] = ()
    for node in graph.graph.nodes:
        if node.op == "output":
            outputs = tuple(positions[leaf] for leaf in node.all_input_nodes if leaf in positions)
        elif node.target is getitem and not node.users:
            continue  # a piece that nobody reads
        elif is_split(node) or (node.target is getitem and several(values, node.args[0]) in positions):
            positions[node] = positions[node.all_input_nodes[0]]  # its pieces are slices of what is split
        elif node.op.startswith("call_") and (isinstance(values[node], Tensor) or several(values, node)):
            steps.append(_step(graph, node, values, positions, rules, names))
            positions[node] = len(inputs) + len(steps) - 1
    return Pipeline(inputs=tuple(inputs), steps=tuple(steps), outputs=outputs)


def _read_last(graph: fx.GraphModule, node: fx.Node, values: Mapping[fx.Node, Any]) -> bool:
    """Whether the first layer that reads a stream takes its channels from the last dimension."""
    for user in node.users:
        known = (
            None if user.op != "call_module" else getattr(graph.get_submodule(str(user.target)), "channels_last", None)
        )
        if known is not None:
            return bool(known)
        value = values[user]
        if isinstance(value, Tensor) and value.ndim == values[node].ndim:
            return _read_last(graph, user, values) != (user.target in PERMUTES)
    return False


def _step(
    graph: fx.GraphModule,
    node: fx.Node,
    values: dict[fx.Node, Any],
    positions: dict[fx.Node, int],
    rules: Mapping[RuleKey, Rule],
    names: dict[str, int],
) -> Step:
    module = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
    name = name_of(node)
    names[name] = names.get(name, 0) + 1
    if names[name] > 1:  # one module called twice is two pieces of hardware
        name = f"{name}@{names[name]}"
    streams = tuple(positions[leaf] for leaf in leaves_of(node, module) if leaf in positions)
    call = Call(
        module=module,
        target=None if module is not None else node.target,
        args=tuple(fx.node.map_arg(node.args, lambda leaf: values[leaf])),
        kwargs=dict(fx.node.map_arg(node.kwargs, lambda leaf: values[leaf])),
    )
    if node.all_input_nodes and is_split(node.all_input_nodes[0]):
        whole = values[node.all_input_nodes[0].all_input_nodes[0]]
        call = replace(call, args=(whole, piece(whole, call.args[0], int(call.args[1]))))  # type: ignore[call-overload] # an index
    kind = type(module).__name__ if module is not None else str(getattr(node.target, "__name__", node.target))
    describe = _refused_later(call, kind, rules)
    shape = tuple(values[node].shape[1:]) if isinstance(values[node], Tensor) else ()
    return Step(name=name, kind=kind, describe=describe, inputs=streams, shape=shape, call=call)


def _refused_later(call: Call, kind: str, rules: Mapping[RuleKey, Rule]) -> Callable[..., LayerSpec]:
    """Find how a call is described; one that cannot be is refused by `Pipeline.layers`, together with all others."""
    try:
        return described_by(call, kind, rules)
    except UnknownOperation as fault:
        text = str(fault)

    def describe(*signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        raise UnknownOperation(text)

    return describe


def described_by(call: Call, kind: str, rules: Mapping[RuleKey, Rule]) -> Callable[..., LayerSpec]:
    """Find how a call is described: by its own module, or by a rule.

    Raises:
        UnknownOperation: neither exists, or the module's class inherits a description of another forward.
    """
    module = call.module
    refuse_other_forward(module)
    if isinstance(module, Describes):
        return module.describe
    rule = entry(rules, call)
    if rule is None:
        raise UnknownOperation(f"{kind or type(module).__name__} has no rule and no describe(); {remedy(call)}")
    return partial(rule, call)  # and no closure: a Pipeline can be pickled
