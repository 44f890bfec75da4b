"""The graph of a network rewritten: functions become layers, and quantizers stand where hardware needs them."""

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from torch import fx, nn

from hwcost.errors import HwcostError, UnknownOperation
from hwcost.graph.call import Call, Describes
from hwcost.graph.fx_graph import SPLITS
from hwcost.graph.order import INTERLEAVED, PADS, PERMUTES, PICKS, RESHAPES, SHUFFLES
from hwcost.graph.remedies import remedy
from hwcost.graph.rules import ARGMAXES, MAX_POOLS, NORMS, RELUS, RULES, SCALINGS, WIRES
from hwcost.quant.functions import (
    FUNCTIONS,
    JOINS,
    NONNEGATIVE,
    PRODUCTS,
    SCORES,
    SUMS,
    Add,
    Concatenate,
    Multiply,
    Position,
    Prefix,
    Requantize,
)
from hwcost.quant.layers.activation import QuantIdentity
from hwcost.quant.layers.multiply import QuantMul
from hwcost.quant.layers.recurrent import QuantGRU, QuantLSTM
from hwcost.quant.operands import AVERAGES, OPEN, is_score, parts_channels, reads_integers
from hwcost.quant.sequence_nodes import Values, constant_of, pieces, prefix_of

_note = logging.getLogger(__name__).warning

Make = Callable[[str, nn.Module], nn.Module | None]
"""(name, float layer) -> its quantized counterpart, or None where the policy leaves it."""

SAME = (*WIRES, *MAX_POOLS, *RESHAPES, *PERMUTES, *PICKS)
"""Operations whose result is as quantized as what enters."""

APART = (*SHUFFLES, *INTERLEAVED, *PADS, *SPLITS)
"""Operations that need integers of one scale, because channels do not stay together or zeros join them."""


class Rewriting:
    """One pass over a graph, in its order.

    Args:
        graph: is changed; its modules are those that stay.
        fresh: identity of a float layer -> its counterpart.
        make: builds the counterpart of a function or of a new quantizer.
        keep: parts of the network whose functions stay as they are.
        values: of every node on an example; empty without one.

    Attributes:
        added: name -> new layer.
        faults: everything that cannot be converted.
        changed: whether the graph is no longer that of the network's own forward.
    """

    def __init__(
        self,
        graph: fx.GraphModule,
        fresh: Mapping[int, nn.Module],
        make: Make,
        keep: tuple[str, ...] = (),
        values: Values = MappingProxyType({}),
    ) -> None:
        self.graph, self._fresh, self._make, self._keep, self._values = graph, fresh, make, keep, values
        self.added: dict[str, nn.Module] = {}
        self.faults: list[HwcostError] = []
        self.changed = False
        self._integers: set[fx.Node] = set()
        self._signless: set[fx.Node] = set()
        self._streams: set[fx.Node] = set()
        self._quantized: dict[fx.Node, fx.Node] = {}
        self._names = {name for name, _ in graph.named_modules()}

    def run(self) -> None:
        """Rewrite every node."""
        for node in list(self.graph.graph.nodes):
            try:
                self._node(node)
            except HwcostError as fault:
                self._streams.add(node)
                self._integers.add(node)  # what follows is judged on its own
                self.faults.append(type(fault)(f"{self._name(node)}: {fault}"))
        kept = {"placeholder", "output"}
        streams = {node for node in self._streams if node.op == "call_module"}
        self.graph.graph.eliminate_dead_code(lambda node: node.op in kept or node in streams)

    def _name(self, node: fx.Node) -> str:
        """Name of a function: the module that calls it, and its own name."""
        scopes = list(node.meta.get("nn_module_stack", {}).values())
        scope = str(scopes[-1][0]) if scopes and node.op != "call_module" else ""
        own = str(node.target) if node.op == "call_module" else node.name
        return f"{scope}.{own}" if scope else own

    def _free(self, name: str) -> str:
        count, wanted = 1, name
        while wanted in self._names:
            wanted, count = f"{name}_{count}", count + 1
        self._names.add(wanted)
        return wanted

    def _layer(self, node: fx.Node, name: str, layer: nn.Module, *streams: fx.Node) -> fx.Node | None:
        """Put a layer in the place of a node; None where the policy leaves it."""
        own = self._free(name)
        made = self._make(own, layer)
        if made is None:
            self._names.discard(own)
            return None
        self.changed = True
        self.added[own] = made
        self.graph.add_submodule(own, made)
        with self.graph.graph.inserting_before(node):
            new = self.graph.graph.call_module(own, streams)
        new.meta = dict(node.meta)
        return new

    def _replace(self, node: fx.Node, layer: nn.Module, *streams: fx.Node) -> None:
        new = self._layer(node, self._name(node), layer, *streams)
        if new is None:
            self._kept(node)
            return
        node.replace_all_uses_with(new)
        self.graph.graph.erase_node(node)
        self._streams.add(new)
        self._module(new, self.added[str(new.target)])

    def _kept(self, node: fx.Node) -> None:
        """A function that the policy leaves as it is, if there is a rule for it."""
        if node.target not in RELUS:
            raise UnknownOperation("the policy leaves it in float, and there is no rule for it; return keywords for it")
        self._streams.add(node)
        self._signless.add(node)

    def _whole(self, node: fx.Node, *sources: fx.Node) -> None:
        """Put quantizers in front of a node, where its sources are no integers of one scale."""
        for source in sources:
            if source in self._integers:
                continue
            if source not in self._quantized:
                following = next((each for each in self.graph.graph.nodes if source in each.all_input_nodes), node)
                made = self._layer(
                    following, f"{self._name(source)}_quant", Requantize(source not in self._signless), source
                )
                if made is None:
                    raise UnknownOperation(
                        f"{source.name} is no integer of one scale, and the policy returns None for a Requantize; let "
                        'it return {"quant": ...}'
                    )
                self._quantized[source] = made
                self._streams.add(made)
                self._integers.add(made)
                if source in self._signless:
                    self._signless.add(made)
            node.replace_input_with(source, self._quantized[source])

    def _node(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            self._streams.add(node)
            self._integers.add(node)  # of the width that is given to trace()
        elif node.op == "call_module":
            module = self.graph.get_submodule(str(node.target))
            if self._streams.isdisjoint(node.all_input_nodes):
                return  # a constant
            self._streams.add(node)
            if is_score(module) and self._tail(node):
                self._drop(node, type(module).__name__)
                return
            self._module(node, self._fresh.get(id(module), module))
        elif node.op.startswith("call_") and any(f"{self._name(node)}.".startswith(f"{part}.") for part in self._keep):
            self._streams.add(node)
            self._integers.add(node)  # what the user keeps is the user's
        elif node.op.startswith("call_"):
            self._function(node)

    def _like(self, node: fx.Node, source: fx.Node) -> None:
        for marks in (self._integers, self._signless):
            if source in marks:
                marks.add(node)

    def _module(self, node: fx.Node, module: nn.Module) -> None:
        sources = [each for each in node.all_input_nodes if each in self._streams]
        if not sources:
            return
        if reads_integers(module):
            self._whole(node, *sources)
        first = node.all_input_nodes[0]
        if isinstance(module, (*OPEN, *NORMS)):
            return
        if isinstance(module, QuantIdentity):
            if module.quant is not None:
                self._integers.add(node)
            if isinstance(module, NONNEGATIVE) or not getattr(module.quant, "signed", True):
                self._signless.add(node)
        elif isinstance(module, QuantMul):
            if all(each in self._signless for each in sources):
                self._signless.add(node)
        elif isinstance(module, Describes | QuantLSTM | QuantGRU) and not isinstance(module, AVERAGES):
            self._integers.add(node)
        elif isinstance(module, NONNEGATIVE):
            self._signless.add(node)
        else:
            self._like(node, first)

    def _function(self, node: fx.Node) -> None:
        sources = [each for each in node.all_input_nodes if each in self._streams]
        target: Any = node.target
        if not sources or target is getattr or target in SIZES:
            return
        self._streams.add(node)
        if target in SCORES:
            if not self._tail(node):
                raise UnknownOperation(
                    "layers read it, and a softmax has hardware in attention alone; use nn.MultiheadAttention, for a "
                    "gate torch.sigmoid, or leave it to the end of the network"
                )
            self._drop(node, str(getattr(target, "__name__", target)))
        elif target in FUNCTIONS:
            self._replace(node, FUNCTIONS[target](node), sources[0])
        elif target in SUMS and len(node.all_input_nodes) > 1:
            self._both(node, Add(self._any_sign(sources)), sources)
        elif target in PRODUCTS and len(node.all_input_nodes) > 1:
            self._both(node, Multiply(), sources)
        elif target in JOINS:
            self._joined(node, sources)
        elif target in SCALINGS:
            self._scaled(node, sources[0])
        elif target in ARGMAXES:
            self._integers.add(node)
        elif target in APART or parts_channels(node, self._values):
            self._whole(node, *sources)
            self._like(node, node.all_input_nodes[0])
        elif target in SAME or target in RULES:
            self._like(node, sources[0])
        else:
            args = tuple(fx.node.map_arg(node.args, lambda leaf: None))
            raise UnknownOperation(remedy(Call(module=None, target=target, args=args, kwargs={})))

    def _scaled(self, node: fx.Node, source: fx.Node) -> None:
        """A number that multiplies: integers stay such, of another step, if it is above 0."""
        number = next((each for each in node.args if isinstance(each, int | float)), 0)
        if node.target in PRODUCTS and number > 0:
            self._like(node, source)

    def _any_sign(self, sources: list[fx.Node]) -> bool:
        return not all(each in self._signless for each in sources)

    def _both(self, node: fx.Node, layer: nn.Module, sources: list[fx.Node]) -> None:
        pair: Any = [each for each in node.args[:2] if isinstance(each, fx.Node)]
        fixed = [each for each in pair if each not in self._streams]
        if not fixed:
            self._replace(node, layer, *pair)
            return
        if not isinstance(layer, Add):
            raise UnknownOperation(
                "has a constant tensor for one operand, which is no stream; use a QuantScaleBias, a factor per channel"
            )
        self._replace(node, Position(*constant_of(self.graph, fixed[0], self._values)), *sources)

    def _joined(self, node: fx.Node, sources: list[fx.Node]) -> None:
        """Streams that are concatenated, or a constant in front of one."""
        listed = pieces(node, self._values)
        if all(each in self._streams for each in listed):
            self._replace(node, Concatenate(self._any_sign(sources)), *listed)
        elif len(listed) == 2 and listed[0] not in self._streams:
            self._replace(node, Prefix(prefix_of(self.graph, listed[0], self._values)), *sources)
        else:
            raise UnknownOperation("joins a constant tensor behind a stream; hardware sets it in front, or adds it")

    def _tail(self, node: fx.Node) -> bool:
        """Whether only the largest score matters behind a node: it leaves the network, or an argmax reads it."""
        for user in node.users:
            passes = user.op.startswith("call_") and user.target in (*WIRES, *RESHAPES) and self._tail(user)
            if user.op != "output" and user.target not in ARGMAXES and not passes:
                return False
        return True

    def _drop(self, node: fx.Node, kind: str) -> None:
        _note(
            "%s: %s is left out: the largest score is the same without it; the loss may compute it",
            self._name(node),
            kind,
        )
        self.changed = True
        source = node.all_input_nodes[0]
        node.replace_all_uses_with(source)
        self.graph.graph.erase_node(node)


SIZES = ("size", "dim", "numel", "ndimension")
"""Methods that give no stream."""
