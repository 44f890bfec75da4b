"""Channels of a network that can only be removed together: who makes them, who reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import add, iadd
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from hwcost.graph.fx_graph import TRACING, Shapes, graph_of, name_of, refuse_wrappers
from hwcost.graph.order import PERMUTES, PICKS, RESHAPES
from hwcost.graph.rules import MAX_POOLS, NORMS, RELUS, RULES, WIRES, Rule, RuleKey
from hwcost.quant.layers.activation import QuantIdentity
from hwcost.quant.layers.average import QuantAdaptiveAvgPool, QuantMean
from hwcost.quant.layers.curve import QuantPReLU
from hwcost.quant.layers.linear import QuantLinear
from hwcost.quant.layers.merge import QuantAdd, QuantConcat, ShiftAdd
from hwcost.quant.layers.norm import ScaleBias
from hwcost.quant.layers.pool import AveragePool
from hwcost.quant.layers.product import Product
from hwcost.quant.layers.transposed import Transposed
from hwcost.quant.weight_masks import one_scale, takes_zeros

FIXED = 0
"""The class of channels that nobody may remove: those of the samples and of the scores, and those of a layer of which
it is not known what it does with a channel."""

PER_CHANNEL = (*NORMS, QuantIdentity, ScaleBias)
"""Modules that map every channel on its own, and may have numbers for each."""
SAME = (*PER_CHANNEL, *RELUS, *WIRES)
SUMS = (QuantAdd, ShiftAdd, add, iadd, torch.add, "add", "add_")
JOINS = (QuantConcat, torch.cat, torch.concat)
MOVES = (*RESHAPES, *PERMUTES, *PICKS, torch.chunk, torch.split, "chunk", "split", "size", "dim", getattr)
POOLS = (
    *MAX_POOLS,
    *(nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d),
    *(F.avg_pool1d, F.avg_pool2d, F.adaptive_avg_pool1d, F.adaptive_avg_pool2d),
    *(AveragePool, QuantAdaptiveAvgPool),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Use:
    """One layer with a product, and the classes of its channels.

    Attributes:
        name: of the module.
        layer: itself.
        rows: class of every output channel, int64.
        columns: class of every input channel, int64.
        alone: whether a channel that enters is also the one that leaves, as in a depthwise convolution.
        joint: whether all outputs share a scale that is measured, so that dead ones must be zero, too.
    """

    name: str
    layer: Product
    rows: Tensor
    columns: Tensor
    alone: bool
    joint: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Ties:
    """The classes of the channels of a network; class 0 stays, and each other one lives or dies as a whole.

    Attributes:
        count: of the classes, with class 0.
        uses: the layers with a product, in the order of the stream.
        streams: (module, class of every element of a sample that leaves it), of modules that map channel by channel.
        steps: name of a step of the pipeline -> classes of what enters and of what leaves, one per element.
    """

    count: int
    uses: tuple[Use, ...]
    streams: tuple[tuple[str, nn.Module, Tensor], ...]
    steps: dict[str, tuple[Tensor, Tensor]]


def find_ties(net: nn.Module, examples: tuple[Tensor, ...], rules: Mapping[RuleKey, Rule] = RULES) -> Ties:
    """Follow the channels of a network: through maps of each on its own, sums, concatenations and reshapes.

    Args:
        net: with quantized layers.
        examples: inputs with a batch dimension.
        rules: of foreign operations, as `trace` takes them; what the table here does not know keeps its channels.

    Raises:
        UntraceableNetwork: as `trace`.
    """
    refuse_wrappers(net)
    with TRACING, torch.no_grad():
        modes = {module: module.training for module in net.modules()}
        net.eval()
        try:
            graph = graph_of(net, rules, examples)
            values = Shapes(graph)
            values.run(*examples)
        finally:
            for module, mode in modes.items():
                module.training = mode
        walk = _Walk(graph, values.env, {module: name for name, module in net.named_modules()})
        walk.run(*examples)
    return walk.found()


class _Walk(fx.Interpreter):
    """The graph, run on numbers of channels in the place of values: one sample, an integer for each element."""

    def __init__(self, graph: fx.GraphModule, values: dict[fx.Node, Any], names: dict[nn.Module, str]) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.extra_traceback = False
        self._values, self._names = values, names
        self._parents = [FIXED]
        self._uses: dict[Product, tuple[Tensor, Tensor]] = {}
        self._streams: list[tuple[nn.Module, Tensor]] = []
        self._steps: dict[str, tuple[Tensor, Tensor]] = {}
        self._called: dict[str, int] = {}

    def found(self) -> Ties:
        """The classes, numbered from 0 without gaps; those that no product reads stay."""
        readable = {self._root(one) for _, columns in self._uses.values() for one in columns.tolist()}
        joint = {layer: one_scale(layer, layer.row_dim) for layer in self._uses}
        for layer, (rows, columns) in self._uses.items():
            if not _alone(layer) and not takes_zeros(layer, 1 - layer.row_dim):
                self._tie(columns, torch.zeros_like(columns))
            if joint[layer] and not takes_zeros(layer, layer.row_dim):
                self._tie(rows, torch.zeros_like(rows))
        number = {self._root(FIXED): FIXED}
        for one in range(len(self._parents)):
            if self._root(one) in readable:
                number.setdefault(self._root(one), len(number))
        table = torch.tensor([number.get(self._root(one), FIXED) for one in range(len(self._parents))])
        uses = tuple(
            Use(
                name=self._names[layer],
                layer=layer,
                rows=table[rows],
                columns=table[columns],
                alone=_alone(layer),
                joint=joint[layer],
            )
            for layer, (rows, columns) in self._uses.items()
        )
        streams = tuple((self._names[module], module, table[ids]) for module, ids in self._streams)
        steps = {name: (table[entering], table[leaving]) for name, (entering, leaving) in self._steps.items()}
        return Ties(count=len(number), uses=uses, streams=streams, steps=steps)

    def run_node(self, n: fx.Node) -> Any:
        value = self._values[n]
        if n.op in ("placeholder", "get_attr"):
            return self._fixed(value)
        args, _ = self.fetch_args_kwargs_from_env(n)
        streams = [self.env[leaf] for leaf in n.all_input_nodes if isinstance(self.env[leaf], Tensor)]
        if n.op == "output":
            return self._ended(streams)
        module = self.fetch_attr(str(n.target)) if n.op == "call_module" else None
        result = self._followed(n, module, list(args), streams, value)
        if isinstance(result, Tensor) and streams:
            self._note(n, module, streams, result)
        return result

    def _followed(
        self, node: fx.Node, module: nn.Module | None, args: list[Any], streams: list[Tensor], value: Any
    ) -> Any:
        def one_of(table: tuple[Any, ...]) -> bool:
            return isinstance(module, tuple(k for k in table if isinstance(k, type))) or (
                module is None and node.target in table
            )

        if isinstance(module, Product) and len(streams) == 1:
            return self._product(module, streams[0], value)
        if isinstance(module, QuantPReLU) and module.weight.numel() > 1:
            return self._ended(streams, value)
        if one_of(SUMS) and len(streams) == 2 and streams[0].shape == streams[1].shape:
            return self._tie(*streams)
        if one_of(JOINS):
            joined = torch.cat(streams, 1)
            return joined if joined.shape[1:] == value.shape[1:] else self._ended(streams, value)
        if (one_of(SAME) or one_of(SUMS)) and len(streams) == 1 and streams[0].shape[1:] == value.shape[1:]:
            return streams[0]
        if one_of((*POOLS, QuantMean)) and len(streams) == 1:
            return self._pooled(streams[0], value)
        if one_of(MOVES):
            return self._moved(node, streams, value)
        return self._ended(streams, value)

    def _moved(self, node: fx.Node, streams: list[Tensor], value: Any) -> Any:
        """Apply the operation itself to the numbers; where it needs another batch, all channels stay."""
        try:
            found = super().run_node(node)
        except RuntimeError:
            return self._ended(streams, value)
        same = not isinstance(value, Tensor) or found.shape[1:] == value.shape[1:]
        return found if same else self._ended(streams, value)

    def _product(self, layer: Product, entering: Tensor, value: Tensor) -> Tensor:
        last = isinstance(layer, QuantLinear)
        columns = _channels(entering[0], -1 if last else 0)
        groups = int(getattr(layer, "groups", 1))
        if columns is None or (groups > 1 and (groups != len(columns) or isinstance(layer, Transposed))):
            return torch.as_tensor(self._ended([entering], value))
        count = value.shape[-1] if last else value.shape[1]
        rows = columns.repeat_interleave(count // groups) if groups > 1 else self._fresh(count)
        if layer in self._uses:  # called twice: both calls have the same weights
            self._tie(rows, self._uses[layer][0])
            self._tie(columns, self._uses[layer][1])
        self._uses[layer] = (rows, columns)
        shape = value.shape[1:]
        return (rows if last else rows.reshape(-1, *[1] * (len(shape) - 1))).expand(shape)[None].contiguous()

    def _pooled(self, entering: Tensor, value: Tensor) -> Tensor:
        """Channels of a pooling over positions, or of a mean, which gives a vector of them."""
        for dim in (0, -1):
            channels = _channels(entering[0], dim)
            place = 1 if dim == 0 else value.ndim - 1
            if channels is not None and value.shape[place] == len(channels):
                after = value.ndim - 1 - place
                return channels.reshape(-1, *[1] * after).expand(value.shape[1:])[None].contiguous()
        return torch.as_tensor(self._ended([entering], value))

    def _note(self, node: fx.Node, module: nn.Module | None, streams: list[Tensor], leaving: Tensor) -> None:
        name = name_of(node)
        self._called[name] = self._called.get(name, 0) + 1
        if self._called[name] > 1:  # as `trace` names it
            name = f"{name}@{self._called[name]}"
        self._steps[name] = (torch.cat([one.flatten() for one in streams]), leaving.flatten())
        if isinstance(module, PER_CHANNEL):
            self._streams.append((module, leaving[0]))

    def _fresh(self, count: int) -> Tensor:
        first = len(self._parents)
        self._parents += range(first, first + count)
        return torch.arange(first, first + count)

    def _fixed(self, value: Any) -> Any:
        return torch.full((1, *value.shape[1:]), FIXED) if isinstance(value, Tensor) else value

    def _ended(self, streams: list[Tensor], value: Any = None) -> Any:
        """Keep all channels that enter; what leaves stays, too."""
        for stream in streams:
            self._tie(stream, torch.full_like(stream, FIXED))
        return fx.node.map_aggregate(value, self._fixed)

    def _root(self, one: int) -> int:
        while self._parents[one] != one:
            self._parents[one] = self._parents[self._parents[one]]
            one = self._parents[one]
        return one

    def _tie(self, left: Tensor, right: Tensor) -> Tensor:
        for pair in set(zip(left.flatten().tolist(), right.flatten().tolist(), strict=True)):
            low, high = sorted(map(self._root, pair))
            self._parents[high] = low
        return left


def _channels(sample: Tensor, dim: int) -> Tensor | None:
    """The number of every channel along a dimension; None where they differ along another one."""
    lines = sample.movedim(dim, 0).reshape(sample.shape[dim], -1)
    return lines[:, 0] if bool((lines == lines[:, :1]).all()) else None


def _alone(layer: Product) -> bool:
    return int(getattr(layer, "groups", 1)) > 1
