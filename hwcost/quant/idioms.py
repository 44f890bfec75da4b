"""Idioms of float networks, said in the operations that have hardware: channel shuffles, differences, means in turn."""

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn

from hwcost.quant.functions import PRODUCTS
from hwcost.quant.sequence_nodes import Values, constants

EXPANSIONS = ("expand", "expand_as")
NEGATIONS = (operator.neg, torch.neg, torch.negative, "neg", "neg_", "__neg__")
DIFFERENCES = (operator.sub, operator.isub, torch.sub, torch.subtract, "sub", "sub_")
MEANS = (torch.mean, "mean")
VIEWS = (torch.reshape, "view", "reshape")
SWAPS = (torch.transpose, torch.permute, torch.swapaxes, "transpose", "permute", "swapaxes")


def in_known_words(graph: fx.GraphModule, values: Values) -> bool:
    """Replace idioms by operations that mean the same.

    Args:
        graph: of the float network; is changed.
        values: of every node on the example; without one, what depends on shapes stays.

    Returns:
        Whether any was found.
    """
    fixed = constants(graph)
    return any([_restated(graph, node, fixed, values) for node in list(graph.graph.nodes)])


def _restated(graph: fx.GraphModule, node: fx.Node, fixed: set[fx.Node], values: Values) -> bool:
    """Replace one node, where it is or ends an idiom."""
    target: Any = node.target
    if target is getattr and node.args[1] == "data":
        return _replaced(node, node.args[0])
    if node.op not in ("call_function", "call_method") or node in fixed:
        return False
    if target in EXPANSIONS and node.users and all(user.target in PRODUCTS for user in node.users):
        return _replaced(node, node.args[0])  # a product repeats its factors
    if target in NEGATIONS:
        return _replaced(node, _call(graph, node, operator.mul, node.args[0], -1.0))
    if target in DIFFERENCES and _two_streams(node, fixed, values):
        minus = _call(graph, node, operator.mul, node.args[1], -1.0)
        return _replaced(node, _call(graph, node, operator.add, node.args[0], minus))
    if target in MEANS:
        return _joint_mean(graph, node)
    return target in VIEWS and _shuffled(graph, node, values)


def _call(graph: fx.GraphModule, node: fx.Node, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
    with graph.graph.inserting_before(node):
        new = graph.graph.call_function(target, args, kwargs)
    new.meta = dict(node.meta)
    return new


def _replaced(node: fx.Node, new: Any) -> bool:
    node.replace_all_uses_with(new)
    node.graph.erase_node(node)
    return True


def _two_streams(node: fx.Node, fixed: set[fx.Node], values: Values) -> bool:
    pair = [each for each in node.args[:2] if isinstance(each, fx.Node) and each not in fixed]
    return len(pair) == 2 and not node.kwargs and all(isinstance(values.get(each, Tensor()), Tensor) for each in pair)


def _joint_mean(graph: fx.GraphModule, node: fx.Node) -> bool:
    """x.mean(3).mean(2): one mean over both dimensions."""
    first: Any = node.args[0]
    if not isinstance(first, fx.Node) or first.target not in MEANS or len(first.users) > 1:
        return False
    dims = [_only_dim(each) for each in (first, node)]
    if None in dims or dims[1] >= dims[0]:  # type: ignore[operator] # neither is None
        return False
    joint = _call(graph, node, torch.mean, first.args[0], dims[::-1])
    _replaced(node, joint)
    graph.graph.erase_node(first)
    return True


def _only_dim(mean: fx.Node) -> int | None:
    """The one dimension of a mean, counted from the front; None of any other."""
    dim = mean.args[1] if len(mean.args) == 2 else mean.kwargs.get("dim")
    return dim if isinstance(dim, int) and dim >= 0 and "keepdim" not in mean.kwargs else None


def _shuffled(graph: fx.GraphModule, node: fx.Node, values: Values) -> bool:
    """View as groups, exchange groups and their channels, and view again: a channel shuffle."""
    swap = _behind(node.args[0])
    parted = _behind(swap.args[0]) if swap is not None and swap.target in SWAPS else None
    if swap is None or parted is None or parted.target not in VIEWS:
        return False
    source: Any = parted.args[0]
    x, groups, moved, y = (values.get(each) for each in (source, parted, swap, node))
    if not (
        isinstance(x, Tensor) and isinstance(groups, Tensor) and isinstance(moved, Tensor) and isinstance(y, Tensor)
    ):
        return False
    if y.shape != x.shape or groups.ndim != x.ndim + 1 or groups.shape[3:] != x.shape[2:]:
        return False
    if not torch.equal(moved, groups.transpose(1, 2)):
        return False
    name = f"{node.name}_shuffle"
    graph.add_submodule(name, nn.ChannelShuffle(int(groups.shape[1])))
    with graph.graph.inserting_before(node):
        new = graph.graph.call_module(name, (source,))
    new.meta = dict(node.meta)
    _replaced(node, new)
    graph.graph.eliminate_dead_code(lambda each: each.op in ("placeholder", "output", "call_module"))
    return True


def _behind(given: Any) -> fx.Node | None:
    """The node in front, past copies; None where others read it."""
    node = given
    while isinstance(node, fx.Node) and node.target in ("contiguous", "clone", torch.clone):
        node = node.args[0]
    return node if isinstance(node, fx.Node) and len(node.users) == 1 else None
