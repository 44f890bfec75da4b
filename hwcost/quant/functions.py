"""Functions that a network calls, as float layers: what a policy is asked about, and what is then replaced."""

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from hwcost.errors import UnknownOperation
from hwcost.graph.call import RuleKey
from hwcost.quant.layers.curve import Exp


class Add(nn.Module):
    """Sum of two streams.

    Args:
        signed: whether any of them can be below 0.
    """

    def __init__(self, signed: bool = True) -> None:
        super().__init__()
        self.signed = signed

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return left + right


class Concatenate(nn.Module):
    """Streams one behind the other along the channels.

    Args:
        signed: whether any of them can be below 0.
    """

    def __init__(self, signed: bool = True) -> None:
        super().__init__()
        self.signed = signed

    def forward(self, *streams: Tensor) -> Tensor:
        return torch.cat(streams, 1)


class Multiply(nn.Module):
    """Product of two streams."""

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return left * right


class Mean(nn.Module):
    """Mean over dimensions.

    Args:
        dim, keepdim: as torch.mean.
    """

    def __init__(self, dim: int | tuple[int, ...], keepdim: bool = False) -> None:
        super().__init__()
        self.dim, self.keepdim = dim, keepdim

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(self.dim, self.keepdim)


class Requantize(nn.Module):
    """A stream that hardware needs as integers of one scale, in front of a product.

    Args:
        signed: whether it can be below 0.
    """

    def __init__(self, signed: bool = True) -> None:
        super().__init__()
        self.signed = signed

    def forward(self, x: Tensor) -> Tensor:
        return x


class Position(nn.Module):
    """A constant that is added: learned positions.

    Args:
        value: a Parameter or a buffer; index: of the part that is added, None for all of it.
    """

    def __init__(self, value: Tensor, index: object = None) -> None:
        super().__init__()
        self.value, self.index = value, index

    def forward(self, x: Tensor) -> Tensor:
        return x + (self.value if self.index is None else self.value[self.index])  # type: ignore[index] # as given


class Prefix(nn.Module):
    """Constant vectors in front of a sequence: class tokens.

    Args:
        value: (1, count, features).
    """

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.value.expand(len(x), -1, -1), x], 1)


def _given(node: fx.Node, place: int, name: str, default: Any = None) -> Any:
    """An argument of a call, by position (the tensor is 0) or by name."""
    return node.args[place] if len(node.args) > place else node.kwargs.get(name, default)


def _simple(kind: type[nn.Module], **arguments: tuple[int, str, Any]) -> Callable[[fx.Node], nn.Module]:
    """A layer whose arguments are those of the function, at these positions and with these defaults."""

    def build(node: fx.Node) -> nn.Module:
        return kind(**{own: _given(node, *where) for own, where in arguments.items()})

    return build


def _mean(node: fx.Node) -> nn.Module:
    dim = _given(node, 1, "dim", _given(node, 1, "axis"))
    if dim is None:
        raise UnknownOperation("averages the whole batch; name the dimensions, as x.mean((2, 3))")
    more = node.args[1:] if node.op == "call_method" and all(isinstance(each, int) for each in node.args[1:]) else ()
    kept = bool(_given(node, 2, "keepdim", False)) if not len(more) > 2 else False
    return Mean(tuple(dim) if isinstance(dim, list | tuple) else int(dim), kept)


def _clamp(node: fx.Node) -> nn.Module:
    low, high = _given(node, 1, "min"), _given(node, 2, "max")
    if low == 0 and high is None:
        return nn.ReLU()
    if low is None or high is None:
        raise UnknownOperation(f"clips at {low} and {high}; give two bounds, or use a ReLU")
    return nn.ReLU6() if (low, high) == (0, 6) else nn.Hardtanh(float(low), float(high))


def _average(kind: Any) -> Callable[[fx.Node], nn.Module]:
    names: dict[str, tuple[int, str, Any]] = {
        "kernel_size": (1, "kernel_size", None),
        "stride": (2, "stride", None),
        "padding": (3, "padding", 0),
        "ceil_mode": (4, "ceil_mode", False),
        "count_include_pad": (5, "count_include_pad", True),
    }
    plain = _simple(kind, **names)

    def build(node: fx.Node) -> nn.Module:
        size = _given(node, 1, "kernel_size")
        if isinstance(size, fx.Node) or (isinstance(size, tuple | list) and any(isinstance(s, fx.Node) for s in size)):
            return nn.AdaptiveAvgPool1d(1) if kind is nn.AvgPool1d else nn.AdaptiveAvgPool2d(1)  # as large as the map
        return plain(node)

    return build


_CURVES: dict[Callable[[fx.Node], nn.Module], tuple[RuleKey, ...]] = {
    _simple(nn.ReLU): (F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_"),
    _simple(nn.ReLU6): (F.relu6,),
    _simple(nn.Sigmoid): (torch.sigmoid, F.sigmoid, "sigmoid", "sigmoid_", torch.sigmoid_),
    _simple(nn.Tanh): (torch.tanh, F.tanh, "tanh", "tanh_", torch.tanh_),
    _simple(nn.Hardtanh, min_val=(1, "min_val", -1.0), max_val=(2, "max_val", 1.0)): (F.hardtanh, F.hardtanh_),
    _simple(nn.GELU, approximate=(1, "approximate", "none")): (F.gelu,),
    _simple(nn.SiLU): (F.silu,),
    _simple(nn.Mish): (F.mish,),
    _simple(nn.Hardswish): (F.hardswish,),
    _simple(nn.Hardsigmoid): (F.hardsigmoid,),
    _simple(nn.LeakyReLU, negative_slope=(1, "negative_slope", 0.01)): (F.leaky_relu, F.leaky_relu_),
    _simple(nn.ELU, alpha=(1, "alpha", 1.0)): (F.elu, F.elu_),
    _simple(nn.CELU, alpha=(1, "alpha", 1.0)): (F.celu, F.celu_),
    _simple(nn.SELU): (F.selu, F.selu_),
    _simple(nn.Softplus, beta=(1, "beta", 1.0), threshold=(2, "threshold", 20.0)): (F.softplus,),
    _simple(nn.Softsign): (F.softsign,),
    _simple(nn.LogSigmoid): (F.logsigmoid,),
    _simple(Exp): (torch.exp, "exp", "exp_"),
    _clamp: (torch.clamp, "clamp", "clamp_", torch.clip, "clip"),
    _mean: (torch.mean, "mean"),
    _simple(nn.AdaptiveAvgPool1d, output_size=(1, "output_size", None)): (F.adaptive_avg_pool1d,),
    _simple(nn.AdaptiveAvgPool2d, output_size=(1, "output_size", None)): (F.adaptive_avg_pool2d,),
    _average(nn.AvgPool1d): (F.avg_pool1d, torch.avg_pool1d),
    _average(nn.AvgPool2d): (F.avg_pool2d,),
    _simple(nn.Dropout, p=(1, "p", 0.5)): (F.dropout,),
    _simple(nn.Dropout2d, p=(1, "p", 0.5)): (F.dropout2d,),
    _simple(nn.Dropout1d, p=(1, "p", 0.5)): (F.dropout1d,),
}

FUNCTIONS: Mapping[RuleKey, Callable[[fx.Node], nn.Module]] = MappingProxyType(
    {key: build for build, keys in _CURVES.items() for key in keys}
)
"""Function of one stream, or name of a tensor method -> its call -> the float layer that computes the same."""

SUMS = (operator.add, operator.iadd, torch.add, "add", "add_", "__add__", "__iadd__")
PRODUCTS = (operator.mul, operator.imul, torch.mul, torch.multiply, "mul", "mul_", "multiply")
JOINS = (torch.cat, torch.concat, torch.concatenate)
SCORES = (F.softmax, torch.softmax, "softmax", F.log_softmax, torch.log_softmax, "log_softmax")
"""Functions of two streams or more, and what only turns scores into probabilities."""

NONNEGATIVE = (nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Hardsigmoid, nn.Softplus, Exp)
"""Layers whose result is never below 0."""
