"""A network and an example -> a Pipeline: graph and shapes once; widths are read live at every pass."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from hwcost.errors import BadOption, HwcostError, UnknownOperation, UnknownPrecision, UntraceableNetwork
from hwcost.graph.ranges import Range, integers, unknown
from hwcost.graph.rules import RULES, Call, Rule, RuleKey
from hwcost.graph.spec import Describes, Layer, LayerSpec, Signal


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
            UnknownPrecision, UnknownOperation: all layers that cannot be described, at once.
        """
        signals: list[Signal | None] = list(self.inputs)
        layers: list[Layer] = []
        faults: list[HwcostError] = []
        for step in self.steps:
            inputs = [signals[position] for position in step.inputs]
            known = [signal for signal in inputs if signal is not None]
            if len(known) < len(inputs):  # the cause stands upstream and is already among the faults
                signals.append(None)
                continue
            try:
                spec = _describe(step, known)
            except (UnknownPrecision, UnknownOperation) as fault:
                faults.append(type(fault)(f"{step.name}: {fault}"))
                signals.append(None)
                continue
            layers.append(Layer(name=step.name, kind=step.kind, inputs=tuple(known), spec=spec))
            signals.append(spec.output)
        if faults:
            raise type(faults[0])("\n".join(str(fault) for fault in faults))
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
    """Layers that can describe themselves, or that have a rule, are leaves."""

    def __init__(self, rules: Mapping[RuleKey, Rule]) -> None:
        super().__init__()
        self._ruled = tuple(key for key in rules if isinstance(key, type))

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return (
            isinstance(m, (Describes, *self._ruled)) or super().is_leaf_module(m, module_qualified_name)
        ) and not isinstance(m, (nn.Sequential, nn.ModuleList))


class _Shapes(fx.Interpreter):
    """Runs the graph once on the example and keeps every value."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.extra_traceback = False  # our own message names the node

    def run_node(self, n: fx.Node) -> Any:
        try:
            return super().run_node(n)
        except HwcostError:
            raise
        except Exception as error:
            raise UntraceableNetwork(
                f"{n.target if n.op == 'call_module' else n.name}: running the example failed: {error}; "
                "check the shape of the example"
            ) from error


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
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        graph = _graph(model, rules)
        values = _Shapes(graph)
        with torch.no_grad():
            values.run(*examples)
    finally:
        for module, mode in modes.items():
            module.training = mode
    pipeline = _assemble(graph, values.env, wire, rules)
    pipeline.layers()  # refuse now, not at the first training step
    return pipeline


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
    name = str(node.target) if module is not None else node.name
    names[name] = names.get(name, 0) + 1
    if names[name] > 1:  # one module called twice is two pieces of hardware
        name = f"{name}@{names[name]}"
    streams = tuple(positions[leaf] for leaf in node.all_input_nodes if leaf in positions)
    call = Call(
        module=module,
        args=tuple(fx.node.map_arg(node.args, lambda leaf: values[leaf])),
        kwargs=dict(fx.node.map_arg(node.kwargs, lambda leaf: values[leaf])),
    )
    kind = type(module).__name__ if module is not None else str(getattr(node.target, "__name__", node.target))
    describe = module.describe if isinstance(module, Describes) else _ruled(call, node, kind, rules)
    shape = tuple(values[node].shape[1:])
    return Step(name=name, kind=kind, describe=describe, inputs=streams, shape=shape, call=call)


def _ruled(call: Call, node: fx.Node, kind: str, rules: Mapping[RuleKey, Rule]) -> Callable[..., LayerSpec]:
    rule = rules.get(node.target) if call.module is None else None
    if call.module is not None:
        rule = next((rules[key] for key in type(call.module).__mro__ if key in rules), None)

    def describe(*signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        if rule is None:
            raise UnknownOperation(
                f"{kind} has no rule and no describe(); use its hwcost.quant counterpart, "
                "or pass trace(..., rules=RULES | {op: rule})"
            )
        return rule(call, *signals, shape=shape)

    return describe
