"""Calls of sequence layers in a graph: states and masks that have no hardware, and constants that join a stream."""

from collections.abc import Mapping, MutableMapping
from operator import getitem
from typing import Any

import torch
from torch import Tensor, fx, nn

from hwcost.errors import HwcostError, UnknownOperation

Values = Mapping[fx.Node, Any]
"""Value of every node on an example; empty without one."""

MASKS = {"key_padding_mask": 3, "attn_mask": 5, "is_causal": 7}
"""Arguments of nn.MultiheadAttention that hide keys -> place."""

COPIES = ("expand", "repeat", "expand_as", "to", "type_as", "float", "contiguous", "unsqueeze")
"""Methods of a constant that only give every sample its copy, or another type."""


def simplified(
    graph: fx.GraphModule, fresh: MutableMapping[int, nn.Module], values: Values
) -> tuple[bool, list[HwcostError]]:
    """Let the calls of recurrent layers, attention and constant embeddings be those of their hardware.

    Args:
        graph: of the float network; is changed.
        fresh: identity of a float layer -> its counterpart; embeddings that are read by constants alone are left out.
        values: of every node on the example.

    Returns:
        Whether the graph is no longer that of the network's own forward, and what cannot be.
    """
    faults: list[HwcostError] = []
    changed = False
    constant = constants(graph)
    for node in list(graph.graph.nodes):
        module = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
        if module is None or id(module) not in fresh:
            continue
        try:
            if isinstance(module, nn.LSTM | nn.GRU):
                _first_state(node, values)
                _last_state(graph, node, module)
                changed = True
            elif isinstance(module, nn.MultiheadAttention):
                _attention(node)
            elif isinstance(module, nn.Embedding) and node in constant:
                del fresh[id(module)]
        except HwcostError as fault:
            faults.append(type(fault)(f"{node.target}: {fault}"))
    if changed:
        graph.graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output", "call_module"))
    return changed, faults


def constants(graph: fx.GraphModule) -> set[fx.Node]:
    """Nodes that no input of the network reaches, but for its sizes."""
    found: set[fx.Node] = set()
    for node in graph.graph.nodes:
        size = node.target is getattr or (node.op == "call_method" and node.target in ("size", "dim"))
        if size or (node.op != "placeholder" and found.issuperset(node.all_input_nodes)):
            found.add(node)
    return found


def _first_state(node: fx.Node, values: Values) -> None:
    """Leave a state of zeros out.

    Raises:
        UnknownOperation: it is another one.
    """
    given = node.args[1] if len(node.args) > 1 else node.kwargs.get("hx")
    leaves: list[fx.Node] = []
    fx.node.map_arg(given, leaves.append)
    if leaves and not all(isinstance(v := values.get(leaf), Tensor) and not bool(v.any()) for leaf in leaves):
        known = all(leaf in values for leaf in leaves)
        hint = "" if known else ", or pass convert(..., example=x), which shows that it is zero"
        raise UnknownOperation(f"begins with a state of its own; hardware begins with zeros: leave the state out{hint}")
    node.args, node.kwargs = node.args[:1] or (node.kwargs["input"],), {}


def _last_state(graph: fx.GraphModule, node: fx.Node, layer: nn.LSTM | nn.GRU) -> None:
    """Read the state behind the last step from the output of that step.

    Raises:
        UnknownOperation: the state of a layer in front, or the cell of an LSTM, is read.
    """
    for state in _pieces(node, 1):
        hidden = [state] if isinstance(layer, nn.GRU) else _pieces(state, 0)
        if set(state.users) - set(hidden) and isinstance(layer, nn.LSTM):
            raise UnknownOperation("its cell does not leave its hardware; read the output, as y[:, -1]")
        for use in [use for each in hidden for use in each.users]:
            if not _is_last(use, layer.num_layers):
                raise UnknownOperation(
                    f"the state of all {layer.num_layers} layer(s) is read by {use.name}; hardware gives that of the "
                    "last one: read h[-1], or the output, as y[:, -1]"
                )
            with graph.graph.inserting_before(use):
                output = graph.graph.call_function(getitem, (node, 0))
                last = graph.graph.call_function(getitem, (output, (slice(None), -1)))
            output.meta = last.meta = dict(use.meta)
            use.replace_all_uses_with(last)


def _pieces(node: fx.Node, place: int) -> list[fx.Node]:
    """Nodes that read one piece of a tuple of two, and are read."""
    return [user for user in node.users if user.target is getitem and user.args[1] in (place, place - 2) and user.users]


def _is_last(use: fx.Node, layers: int) -> bool:
    """Whether a node picks the state of the last layer: (layers, N, hidden) -> (N, hidden)."""
    rest = use.args[1:] if use.args else ()
    if use.target is getitem:
        index = rest[0] if isinstance(rest[0], tuple) else (rest[0],)
        return index[0] in (-1, layers - 1) and all(each == slice(None) for each in index[1:])
    if use.target in ("select", torch.select):
        return rest in ((0, -1), (0, layers - 1))
    return use.target in ("squeeze", torch.squeeze) and layers == 1 and rest == (0,)


def _attention(node: fx.Node) -> None:
    """Refuse what the hardware of attention lacks.

    Raises:
        UnknownOperation: masks, or weights that are read.
    """
    for name, place in MASKS.items():
        given = node.args[place] if len(node.args) > place else node.kwargs.get(name)
        if given is not None and given is not False:
            raise UnknownOperation(f"{name} has no hardware; leave it out, and give sequences of full length")
    if _pieces(node, 1):
        raise UnknownOperation("its weights do not leave its hardware; read its output alone")


def constant_of(graph: fx.GraphModule, node: fx.Node, values: Values) -> tuple[Tensor, object]:
    """The tensor that a constant node reads, and the index of the part of it; None for all of it.

    Raises:
        UnknownOperation: it is computed in another way.
    """
    if node.op == "get_attr":
        found: Any = graph
        for name in str(node.target).split("."):
            found = getattr(found, name)
        return found, None
    if node.op == "call_module" and isinstance(layer := graph.get_submodule(str(node.target)), nn.Embedding):
        return layer.weight, _known(node.args[0], values)
    if node.op == "call_method" and node.target in COPIES:
        return constant_of(graph, node.all_input_nodes[0], values)
    if node.target is getitem:
        value, inner = constant_of(graph, node.all_input_nodes[0], values)
        if inner is None:
            return value, _known(node.args[1], values)
    raise UnknownOperation(
        f"has a constant tensor for one operand, {node.name}, which is computed; hold it as a parameter or buffer of "
        "the shape of a sample, of which a slice may be read"
    )


def prefix_of(graph: fx.GraphModule, node: fx.Node, values: Values) -> Tensor:
    """The tensor of (1, count, features) that a constant node gives to every sample.

    Raises:
        UnknownOperation: it is another one.
    """
    value, index = constant_of(graph, node, values)
    if index is not None or value.ndim != 3 or len(value) != 1:
        raise UnknownOperation(
            f"joins a constant of shape {tuple(value.shape)} to a stream; hardware sets a parameter of shape (1, "
            "count, features) in front of a sequence, as a class token"
        )
    return value


def pieces(node: fx.Node, values: Values) -> list[fx.Node]:
    """Find what a concatenation joins.

    Raises:
        UnknownOperation: it does not join along dimension 1.
    """
    listed: Any = node.args[0] if node.args else node.kwargs["tensors"]
    dim: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", node.kwargs.get("axis", 0))
    seen = values.get(node)
    if isinstance(seen, Tensor):
        dim %= seen.ndim
    if dim != 1:
        hint = ", and pass convert(..., example=x) where it is counted from the end" if dim < 0 else ""
        raise UnknownOperation(f"joins along dimension {dim}; hardware joins along dimension 1: move it there{hint}")
    return list(listed)


def _known(index: Any, values: Values) -> Any:
    """An index whose sizes are those of the example."""

    def value(leaf: fx.Node) -> Any:
        if leaf not in values:
            raise UnknownOperation("reads a part of a constant that depends on sizes; pass convert(..., example=x)")
        return values[leaf]

    return fx.node.map_arg(index, value)
