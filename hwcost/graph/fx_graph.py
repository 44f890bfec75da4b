"""The graph of a network as torch.fx finds it, and every value in it on an example."""

import inspect
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from hwcost.errors import HwcostError, UntraceableNetwork, together
from hwcost.graph.rules import Describes, Rule, RuleKey

TRACING = threading.RLock()
"""One trace at a time: torch.fx patches nn.Module for the whole process while it traces."""


class Tracer(fx.Tracer):
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
        self, m: nn.Module, forward: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: object, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


class Shapes(fx.Interpreter):
    """Runs the graph once on the example and keeps every value."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.extra_traceback = False  # our own message names the node

    def run_node(self, n: fx.Node) -> Any:
        try:
            return super().run_node(n)
        except HwcostError as fault:
            raise type(fault)(f"{name_of(n)}: {fault}") from fault
        except Exception as error:
            raise UntraceableNetwork(
                f"{name_of(n)}: running the example failed: {error}; check the shape of the example"
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


def graph_of(model: nn.Module, rules: Mapping[RuleKey, Rule]) -> fx.GraphModule:
    """The graph of a network.

    Raises:
        UntraceableNetwork: torch.fx cannot follow it; the message gives the line.
    """
    if isinstance(model, (Describes, *(key for key in rules if isinstance(key, type)))):
        model = nn.Sequential(model)  # a single layer is a network too
    tracer = Tracer(rules)
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
