"""The graph of a network as torch.fx finds it, and every value in it on an example."""

import inspect
import operator
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from hwcost.errors import HwcostError, UntraceableNetwork, together
from hwcost.graph.proxy import SEEN, Proxy
from hwcost.graph.rules import Describes, Rule, RuleKey

TRACING = threading.RLock()
"""One trace at a time: torch.fx patches nn.Module for the whole process while it traces."""


class Tracer(fx.Tracer):
    """Layers that can describe themselves, or that have a rule, are leaves; other threads are left alone.

    Args:
        rules: operations that have one.
        example: inputs that every node is computed on while the graph is found, for Python that asks for shapes.
        count: inputs of the network; other arguments keep their defaults.
    """

    proxy_buffer_attributes = True  # a slice of one stays a slice, and no copy

    def __init__(
        self, rules: Mapping[RuleKey, Rule], example: tuple[Tensor, ...] | None = None, count: int = 1
    ) -> None:
        super().__init__()
        self._ruled = tuple(key for key in rules if isinstance(key, type))
        self._thread = threading.get_ident()
        self._inputs = None if example is None else list(example)
        self._running = False
        self._count = count

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Any, list[Any]]:
        """Proxies of the inputs; what has a default beyond them is no input of hardware, and keeps it."""
        function, given = super().create_args_for_root(root_fn, is_module, concrete_args)
        for place, parameter in enumerate(inspect.signature(root_fn).parameters.values()):
            fixed = place > self._count and parameter.default is not inspect.Parameter.empty
            if fixed and place < len(given) and isinstance(given[place], fx.Proxy):
                self.graph.erase_node(given[place].node)
                given[place] = parameter.default
        return function, given

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return Proxy(node, self)

    def create_node(self, kind: str, target: Any, args: Any, kwargs: Any, *more: Any, **named: Any) -> fx.Node:
        node = super().create_node(kind, target, args, kwargs, *more, **named)
        if self._inputs is not None:
            self._running = True
            try:
                with torch.no_grad():
                    node.meta[SEEN] = self._value(node)
            finally:
                self._running = False
        return node

    def _value(self, node: fx.Node) -> object:
        assert self._inputs is not None
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda leaf: leaf.meta.get(SEEN))
        if node.op == "placeholder":
            return self._inputs.pop(0) if self._inputs else (args[0] if args else None)
        if node.op == "get_attr":
            found: object = self.root
            for name in str(node.target).split("."):
                found = getattr(found, name)
            return found
        if node.op == "call_module":
            return self.root.get_submodule(str(node.target))(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        return node.target(*args, **kwargs) if callable(node.target) else None

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return (
            isinstance(m, (Describes, *self._ruled)) or super().is_leaf_module(m, module_qualified_name)
        ) and not isinstance(m, (nn.Sequential, nn.ModuleList))

    def call_module(
        self, m: nn.Module, forward: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> Any:
        if self._running or threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: object, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        if self._running or threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


class Shapes(fx.Interpreter):
    """Runs the graph once on the example and keeps every value."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.extra_traceback = False  # our own message names the node

    def _tried(self) -> str:
        """Shapes of the inputs."""
        given = (value for node, value in self.env.items() if node.op == "placeholder" and isinstance(value, Tensor))
        return " and ".join(str(tuple(value.shape)) for value in given)

    def run_node(self, n: fx.Node) -> Any:
        try:
            return super().run_node(n)
        except HwcostError as fault:
            raise type(fault)(f"{name_of(n)}: {fault}") from fault
        except Exception as error:
            raise UntraceableNetwork(
                f"{name_of(n)}: running the example failed: {error}; check the shape of the example, {self._tried()}, "
                "whose first dimension is the batch"
            ) from error


def name_of(node: fx.Node) -> str:
    """Qualified name of the module, or name of the function in the graph."""
    return str(node.target) if node.op == "call_module" else node.name


WRAPPERS = {
    "OptimizedModule": "_orig_mod",
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "FullyShardedDataParallel": "module",
    "AveragedModel": "module",
}
"""Classes of torch around a network -> attribute that holds the network."""


def refuse_wrappers(model: nn.Module) -> None:
    """Refuse a network that torch wraps or has compiled, anywhere in it, or that has no numbers yet.

    Raises:
        UntraceableNetwork: where, and the attribute that holds the network.
    """
    for name, number in model.state_dict(keep_vars=True).items():
        if isinstance(number, Tensor) and number.is_meta:
            raise UntraceableNetwork(
                f"trace: {name} is on the meta device and has no numbers; give them first: to_empty() and a state_dict"
            )
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


def graph_of(
    model: nn.Module, rules: Mapping[RuleKey, Rule], example: tuple[Tensor, ...] | None = None
) -> fx.GraphModule:
    """The graph of a network.

    Args:
        model: whose modules stay those of the graph.
        rules: operations that have one.
        example: inputs, for a `forward` whose Python asks for their shapes; None refuses it.

    Raises:
        UntraceableNetwork: torch.fx cannot follow it; the message gives the line.
    """
    if isinstance(model, (Describes, *(key for key in rules if isinstance(key, type)))):
        model = nn.Sequential(model)  # a single layer is a network too
    count = 1 if example is None else len(example)
    try:
        return _traced(model, rules, None, count)
    except HwcostError:
        raise
    except Exception as error:
        if example is not None:
            with suppress(Exception):  # what cannot be followed with shapes either has the first reason
                return _traced(model, rules, example, count)
        reason = next(iter(str(error).splitlines()), repr(error))
        raise UntraceableNetwork(
            f"{_user_line(error)}: torch.fx cannot follow this: {reason}; "
            "put the part into one module with a describe() method, or build the hwcost.Pipeline by hand"
        ) from error


def _traced(
    model: nn.Module, rules: Mapping[RuleKey, Rule], example: tuple[Tensor, ...] | None, count: int
) -> fx.GraphModule:
    graph = Tracer(rules, example, count).trace(model)
    found = fx.GraphModule(model, graph)
    for node in graph.nodes:
        node.meta.pop(SEEN, None)
        if _in_place(node, found) and isinstance(node.args[0], fx.Node):
            changed = list(graph.nodes)[list(graph.nodes).index(node) + 1 :]
            for later in changed:
                later.replace_input_with(node.args[0], node)
    found.graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output", "call_module"))  # sizes, mostly
    found.recompile()
    return found


def _in_place(node: fx.Node, graph: fx.GraphModule) -> bool:
    """Whether a node also changes its first argument, so that who reads that later reads the result."""
    name = str(node.target if node.op == "call_method" else getattr(node.target, "__name__", ""))
    if node.op == "call_module":
        return bool(getattr(graph.get_submodule(str(node.target)), "inplace", False))
    written = name.endswith("_") and not name.endswith("__")
    return bool(node.args) and (written or node.target in IN_PLACE or bool(node.kwargs.get("inplace", False)))


IN_PLACE = (operator.iadd, operator.isub, operator.imul, operator.itruediv)


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


SPLITS = (torch.chunk, torch.split, torch.unbind, torch.tensor_split, "chunk", "split", "unbind", "tensor_split")


def is_split(node: fx.Node) -> bool:
    """Whether a node gives the pieces of one stream."""
    return node.op.startswith("call_") and node.target in SPLITS


def leaves_of(node: fx.Node, module: nn.Module | None) -> list[fx.Node]:
    """The nodes that enter, in the order of forward's arguments; one that enters twice stands there twice."""
    arguments: Any = (node.args, node.kwargs)
    if module is not None and node.kwargs:
        arguments = tuple(inspect.signature(module.forward).bind(*node.args, **node.kwargs).arguments.values())
    leaves: list[fx.Node] = []
    fx.node.map_arg(arguments, leaves.append)
    return leaves


def several(values: Mapping[fx.Node, Any], node: Any) -> fx.Node | None:
    """The node itself, if it gives several results, as a float recurrent layer does: no rule takes them."""
    results = values.get(node)
    many = isinstance(results, tuple) and any(isinstance(one, Tensor) for one in results) and not is_split(node)
    return node if many else None
