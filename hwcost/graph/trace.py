"""A network and an example -> a Pipeline: graph and shapes once; widths are read live at every pass."""

from __future__ import annotations

import inspect
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from hwcost.errors import BadOption, HwcostError, UnknownOperation, UnknownPrecision, UntraceableNetwork, together
from hwcost.graph.ranges import Range, between, integers, unknown
from hwcost.graph.remedies import remedy
from hwcost.graph.rules import RULES, Call, Rule, RuleKey, entry
from hwcost.graph.spec import Describes, Layer, LayerSpec, Signal

_TRACING = threading.RLock()
"""One trace at a time: torch.fx patches nn.Module for the whole process while it traces."""


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
    describe: Callable[..., LayerSpec]
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    call: Call | None = None


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


class _Tracer(fx.Tracer):
    """Layers that can describe themselves, or that have a rule, are leaves; other threads are left alone."""

    def __init__(self, rules: Mapping[RuleKey, Rule]) -> None:
        super().__init__()
        self._ruled = tuple(key for key in rules if isinstance(key, type))
        self._thread = threading.get_ident()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return (
            isinstance(m, (Describes, *self._ruled)) or super().is_leaf_module(m, module_qualified_name)
        ) and not isinstance(m, (nn.Sequential, nn.ModuleList))

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


class _Shapes(fx.Interpreter):
    """Runs the graph once on the example and keeps every value."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.extra_traceback = False  # our own message names the node

    def run_node(self, n: fx.Node) -> Any:
        try:
            return super().run_node(n)
        except HwcostError as fault:
            raise type(fault)(f"{_name(n)}: {fault}") from fault
        except Exception as error:
            raise UntraceableNetwork(
                f"{_name(n)}: running the example failed: {error}; check the shape of the example"
            ) from error


def _name(node: fx.Node) -> str:
    """Qualified name of the module, or name of the function in the graph."""
    return str(node.target) if node.op == "call_module" else node.name


def trace(
    model: nn.Module,
    example: Tensor | tuple[Tensor, ...],
    *,
    input_bits: int | None = None,
    input_range: Range | None = None,
    rules: Mapping[RuleKey, Rule] = RULES,
) -> Pipeline:
    """Find the graph and the shapes of a network, once.

    The model is run on the example in eval mode, without gradients; its modes are put back.

    Args:
        model: a network whose layers have `describe`, or a rule.
        example: input tensor(s) with a batch dimension; the batch size does not matter.
        input_bits: width of unsigned input codes (pixels: 8), at least 1.
        input_range: instead of input_bits: the integers that enter, e.g. `ranges.integers(8, signed=True)`.
            With neither, the network must begin with a quantizer.
        rules: how to describe foreign modules, functions and methods; extend with `RULES | {op: rule}`.

    Returns:
        The Pipeline; its `layers()` reads the live widths of `model`.

    Raises:
        UntraceableNetwork: control flow that depends on data (the message gives the line), or an example that the
            network does not accept.
        UnknownOperation, UnknownPrecision: what cannot be described, all at once.
    """
    wire = _input_range(input_bits, input_range)
    examples = example if isinstance(example, tuple) else (example,)
    _refuse_wrappers(model)
    with _TRACING:
        modes = {module: module.training for module in model.modules()}
        model.eval()
        try:
            graph = _graph(model, rules)
            values = _run(graph, examples, rules)
        finally:
            for module, mode in modes.items():
                module.training = mode
    pipeline = _assemble(graph, values, wire, rules)
    pipeline.layers()  # refuse now, not at the first training step
    return pipeline


WRAPPERS = {
    "OptimizedModule": "_orig_mod",
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "FullyShardedDataParallel": "module",
    "AveragedModel": "module",
}
"""Classes of torch around a network -> attribute that holds the network."""


def _refuse_wrappers(model: nn.Module) -> None:
    faults = []
    for name, module in model.named_modules():
        inner = WRAPPERS.get(type(module).__name__)
        if inner is not None and hasattr(module, inner):
            path = ".".join(part for part in ("model", name, inner) if part)
            faults.append(
                UntraceableNetwork(
                    f"trace: {name or 'model'} is a {type(module).__name__}; pass the inner module, {path}"
                )
            )
    if faults:
        raise together(faults)


def _run(graph: fx.GraphModule, examples: tuple[Tensor, ...], rules: Mapping[RuleKey, Rule]) -> dict[fx.Node, Any]:
    """The value of every node on the example."""
    values = _Shapes(graph)
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
                _describe_of(Call(module=graph.get_submodule(str(node.target)), args=(), kwargs={}), "", rules)
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


def _graph(model: nn.Module, rules: Mapping[RuleKey, Rule]) -> fx.GraphModule:
    if isinstance(model, (Describes, *(key for key in rules if isinstance(key, type)))):
        model = nn.Sequential(model)  # a single layer is a network too
    tracer = _Tracer(rules)
    try:
        return fx.GraphModule(tracer.root if hasattr(tracer, "root") else model, tracer.trace(model))
    except HwcostError:
        raise
    except Exception as error:
        reason = next(iter(str(error).splitlines()), repr(error))
        raise UntraceableNetwork(
            f"{_user_line(error)}: torch.fx cannot follow this: {reason}; "
            "put the part into one module with a describe() method, or build the hwcost.Pipeline by hand"
        ) from error


def _user_line(error: Exception) -> str:
    """File, line and source of the innermost frame outside of torch and hwcost."""
    libraries = (Path(torch.__file__).parent, Path(__file__).parents[1])
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(Path(frame.filename).is_relative_to(library) for library in libraries)
    ]
    if not frames:
        return "forward"
    frame = frames[-1]
    return f"{frame.filename}:{frame.lineno}: `{frame.line}`"


def _assemble(
    graph: fx.GraphModule, values: dict[fx.Node, Any], wire: Range, rules: Mapping[RuleKey, Rule]
) -> Pipeline:
    positions: dict[fx.Node, int] = {}
    inputs: list[Signal] = []
    for node in graph.graph.nodes:
        if node.op == "placeholder" and isinstance(values[node], Tensor):
            positions[node] = len(inputs)
            inputs.append(Signal(range=wire, shape=tuple(values[node].shape[1:])))
    steps: list[Step] = []
    names: dict[str, int] = {}
    outputs: tuple[int, ...] = ()
    for node in graph.graph.nodes:
        if node.op == "output":
            outputs = tuple(positions[leaf] for leaf in node.all_input_nodes if leaf in positions)
        elif node.op.startswith("call_") and isinstance(values[node], Tensor):
            steps.append(_step(graph, node, values, positions, rules, names))
            positions[node] = len(inputs) + len(steps) - 1
    return Pipeline(inputs=tuple(inputs), steps=tuple(steps), outputs=outputs)


def _step(
    graph: fx.GraphModule,
    node: fx.Node,
    values: dict[fx.Node, Any],
    positions: dict[fx.Node, int],
    rules: Mapping[RuleKey, Rule],
    names: dict[str, int],
) -> Step:
    module = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
    name = _name(node)
    names[name] = names.get(name, 0) + 1
    if names[name] > 1:  # one module called twice is two pieces of hardware
        name = f"{name}@{names[name]}"
    streams = tuple(positions[leaf] for leaf in _leaves(node, module) if leaf in positions)
    call = Call(
        module=module,
        target=None if module is not None else node.target,
        args=tuple(fx.node.map_arg(node.args, lambda leaf: values[leaf])),
        kwargs=dict(fx.node.map_arg(node.kwargs, lambda leaf: values[leaf])),
    )
    kind = type(module).__name__ if module is not None else str(getattr(node.target, "__name__", node.target))
    describe = _refused_later(call, kind, rules)
    shape = tuple(values[node].shape[1:])
    return Step(name=name, kind=kind, describe=describe, inputs=streams, shape=shape, call=call)


def _leaves(node: fx.Node, module: nn.Module | None) -> list[fx.Node]:
    """The nodes that enter, in the order of forward's arguments; one that enters twice stands there twice."""
    arguments: Any = (node.args, node.kwargs)
    if module is not None and node.kwargs:
        arguments = tuple(inspect.signature(module.forward).bind(*node.args, **node.kwargs).arguments.values())
    leaves: list[fx.Node] = []
    fx.node.map_arg(arguments, leaves.append)
    return leaves


def _refused_later(call: Call, kind: str, rules: Mapping[RuleKey, Rule]) -> Callable[..., LayerSpec]:
    """How a call is described; one that cannot be is refused by `Pipeline.layers`, together with all others."""
    try:
        return _describe_of(call, kind, rules)
    except UnknownOperation as fault:
        text = str(fault)

    def describe(*signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        raise UnknownOperation(text)

    return describe


def _describe_of(call: Call, kind: str, rules: Mapping[RuleKey, Rule]) -> Callable[..., LayerSpec]:
    """How a call is described: by its own module, or by a rule.

    Raises:
        UnknownOperation: neither exists, or the module's class inherits a description of another forward.
    """
    module = call.module
    if isinstance(module, Describes):
        _refuse_other_forward(type(module))
        return module.describe
    rule = entry(rules, call)
    if rule is None:
        raise UnknownOperation(f"{kind or type(module).__name__} has no rule and no describe(); {remedy(call)}")
    return lambda *signals, shape: rule(call, *signals, shape=shape)


def _refuse_other_forward(kind: type[nn.Module]) -> None:
    for each in kind.__mro__:
        if "describe" in vars(each):
            return
        if "forward" in vars(each) or "__call__" in vars(each):
            parent = next(base for base in kind.__mro__ if "describe" in vars(base))
            raise UnknownOperation(
                f"{kind.__name__} has a forward of its own, but inherits the describe() of {parent.__name__}, which "
                "says what another forward does; give it a describe() too"
            )
