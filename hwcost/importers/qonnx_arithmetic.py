"""Arithmetic of a QONNX file: on a stream and a constant, on two streams, and batch norms."""

from dataclasses import replace
from math import log2

import torch
from torch import nn

from hwcost import quant
from hwcost.errors import UnknownOperation
from hwcost.importers.qonnx_node import Node
from hwcost.importers.qonnx_quantizers import quantizer_of
from hwcost.importers.qonnx_reader import Reader, last_of, norm_of_rank
from hwcost.importers.qonnx_values import Grid, Value, by_channel, is_one, number, unified


def elementwise(reader: Reader, node: Node) -> None:
    """Read Add, Sub, Mul or Div of a stream and a constant, in either order, or of two streams."""
    left, right = node.inputs()
    if left in reader.constants or right in reader.constants:
        _with_constant(reader, node, left, right)
    elif node.op == "Add":
        _sum(reader, node, left, right)
    elif node.op == "Mul":
        _product(reader, node, left, right)
    else:
        raise UnknownOperation("meets two streams; only Add and Mul do")


def _with_constant(reader: Reader, node: Node, left: str, right: str) -> None:
    first = left in reader.constants
    constant, stream = (left, right) if first else (right, left)
    value = reader.read(stream)
    if node.op in ("Add", "Sub") and value.codes is not None:
        value = reader.plain(stream, ordered=True)
    given = value.aligned(reader.constants[constant])
    if node.op == "Mul" and constant in reader.codes and _factors(reader, node, constant, value):
        return
    if node.op == "Div" and first:
        raise UnknownOperation("divides by a stream")
    if node.op == "Div" and bool((given == 0).any()):
        raise UnknownOperation("divides by 0")
    if node.op in ("Mul", "Div"):
        made = value.scaled(given if node.op == "Mul" else 1 / given)
    elif node.op == "Add":
        made = value.shifted(given, constant)
    else:
        made = value.scaled(number(-1)).shifted(given) if first else value.shifted(-given)
    reader.values[node.output] = made


def _factors(reader: Reader, node: Node, constant: str, value: Value) -> bool:
    """Read one quantized factor per channel; False where the factor is one number for several channels."""
    numbers, channels = reader.constants[constant], value.shape[1] if len(value.shape) > 1 else 0
    view = (1,) * (len(value.shape) - numbers.ndim) + tuple(numbers.shape)
    axis = 1 if value.order is None else value.order.index(1)
    single = numbers.numel() == 1
    if not value.plain or view[axis] != numbers.numel() or (single and channels != 1) or numbers.numel() != channels:
        return False
    codes = reader.codes[constant]
    factor = unified(codes.factor.reshape(-1))
    layer = quant.QuantScaleBias(channels, bias=False, weight_quant=quantizer_of(replace(codes, factor=factor)))
    layer.weight.data = numbers.reshape(-1).float()
    base = reader.settled(value, node.output)
    made = reader.call(node.name, layer, node.output, base)
    reader.values[node.output] = replace(made, order=value.order)
    return True


def _sum(reader: Reader, node: Node, left: str, right: str) -> None:
    """Read a sum of two streams on grids that are equal, or powers of two apart."""
    pair = [_summand(reader, name) for name in (left, right)]
    if pair[0].view != pair[1].view:
        raise UnknownOperation(f"adds streams of shapes {pair[0].view} and {pair[1].view}; give equal shapes")
    if pair[0].order != pair[1].order:
        pair = [reader.plain(name) for name in (left, right)]
    offset = pair[0].offset + pair[1].offset
    bare = [replace(each, gain=number(1), offset=number(0)) for each in pair]
    grids = [reader.grid(each) for each in bare]
    if any(grid is None for grid in grids):
        raise UnknownOperation(
            "adds a stream that is not known to be integers of one step (it has a float bias, a scale for each "
            "channel, or no Quant node); put one in front of each"
        )
    layer, total = _adder([grid for grid in grids if grid is not None])
    made = reader.call(node.name, layer, node.output, *bare)
    reader.grids[made.tensor] = total
    reader.values[node.output] = replace(made, offset=offset, order=pair[0].order)


def _summand(reader: Reader, tensor: str) -> Value:
    """Look up a stream that is added: what is added to it itself may follow the sum."""
    value = reader.read(tensor)
    return value if value.codes is None and is_one(value.gain) else reader.plain(tensor, ordered=True)


def _adder(grids: list[Grid]) -> tuple[nn.Module, Grid]:
    steps = [float(grid.step) for grid in grids]
    least = min(steps)
    shifts = [log2(step / least) for step in steps]
    if any(abs(shift - round(shift)) > 1e-6 for shift in shifts):
        raise UnknownOperation(
            f"adds integers of steps {steps[0]:g} and {steps[1]:g}, which are no power of two apart; put Quant nodes "
            "of one scale in front"
        )
    units = [2 ** round(shift) for shift in shifts]
    low = sum(unit * grid.low for unit, grid in zip(units, grids, strict=True))
    high = sum(unit * grid.high for unit, grid in zip(units, grids, strict=True))
    total = Grid(step=number(least), low=low, high=high)
    made = [grid.quantizer for grid in grids]
    if units == [1, 1] and None not in made:
        return quant.QuantAdd([one for one in made if one is not None], ready=(0, 1)), total
    return quant.ShiftAdd((round(shifts[0]), round(shifts[1]))), total


def concat(reader: Reader, node: Node) -> None:
    """Read streams that are joined along their channels."""
    values = [reader.plain(name, ordered=True) for name in node.inputs()]
    axis = int(node.attribute("axis", 1))
    if any(each.order != values[0].order for each in values):
        values = [reader.plain(name) for name in node.inputs()]
    if values[0].axis(axis) != 1:
        raise UnknownOperation(f"axis {axis} of streams of shape {values[0].view}; only channels are joined")
    grids = [grid for grid in map(reader.grid, values) if grid is not None]
    made = [grid.quantizer for grid in grids if grid.quantizer is not None]
    if len(made) < len(values):
        raise UnknownOperation("joins a stream that no Quant node with one scale made; put one in front of each")
    steps = torch.stack([grid.step for grid in grids])
    if not torch.allclose(steps, steps[:1].expand_as(steps), rtol=1e-6, atol=0.0):
        raise UnknownOperation(f"joins integers of unequal steps {steps.tolist()}; put Quant nodes of one scale there")
    out = reader.add(node, quant.QuantConcat(made, ready=tuple(range(len(values)))), *values)
    low, high = min(grid.low for grid in grids), max(grid.high for grid in grids)
    widest = next((grid.quantizer for grid in grids if (grid.low, grid.high) == (low, high)), None)
    reader.grids[out.tensor] = Grid(step=steps[0], low=low, high=high, quantizer=widest)
    reader.values[node.output] = replace(out, order=values[0].order)


def batch_norm(reader: Reader, node: Node) -> None:
    """Read a batch norm in inference, of any rank, also (N, ..., C)."""
    x = node.input(0)
    weight, bias, mean, variance = (reader.number(node.input(place)).float() for place in range(1, 5))
    node.only(training_mode=0, spatial=1, is_test=1)
    node.attribute("momentum")  # of the training
    value = reader.channels_first(x) if node.channels_last else reader.plain(x, ordered=False)
    rank, channels = len(value.shape), value.shape[1] if len(value.shape) > 1 else 0
    if any(one.shape != (channels,) for one in (weight, bias, mean, variance)) or not 2 <= rank <= 5:
        raise UnknownOperation(f"numbers of shape {tuple(weight.shape)} for a stream of shape {value.shape}")
    norm = norm_of_rank(rank)(channels, eps=float(node.attribute("epsilon", 1e-5)))
    norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var = weight, bias, mean, variance
    made = reader.add(node, norm, value)
    if node.channels_last:
        reader.values[node.output] = replace(made, order=last_of(rank))


def relu(reader: Reader, node: Node) -> None:
    """Read ReLU."""
    value = reader.plain(node.input(0), ordered=True)
    reader.values[node.output] = replace(reader.add(node, nn.ReLU(), value), order=value.order)


def curve(reader: Reader, node: Node) -> None:
    """Read a function of one number, which a quantizer behind it takes up."""
    value = reader.plain(node.input(0), ordered=True)
    alpha, beta = node.attribute("alpha"), node.attribute("beta")
    function = _function(node, alpha, beta)
    if function is None:
        raise UnknownOperation(f"alpha={alpha}, beta={beta}: no layer has this {node.op}")
    reader.values[node.output] = replace(reader.add(node, function, value), order=value.order)


def _function(node: Node, alpha: float | None, beta: float | None) -> nn.Module | None:
    plain = {"Sigmoid": nn.Sigmoid, "Tanh": nn.Tanh, "HardSwish": nn.Hardswish, "Softplus": nn.Softplus}
    plain |= {"Softsign": nn.Softsign, "Mish": nn.Mish, "Exp": quant.Exp}
    if node.op in plain and alpha is None and beta is None:
        return plain[node.op]()
    if node.op == "LeakyRelu":
        return nn.LeakyReLU(0.01 if alpha is None else alpha)
    if node.op in ("Elu", "Celu"):
        return (nn.ELU if node.op == "Elu" else nn.CELU)(1.0 if alpha is None else alpha)
    if node.op == "Gelu":
        return nn.GELU(approximate=node.attribute("approximate", "none"))
    sixth = alpha is not None and abs(alpha - 1 / 6) < 1e-6 and beta in (None, 0.5)
    return nn.Hardsigmoid() if node.op == "HardSigmoid" and sixth else None


CURVES = (
    *("Sigmoid", "Tanh", "HardSwish", "Softplus", "Softsign", "Mish", "Exp", "LeakyRelu", "Elu", "Celu", "Gelu"),
    "HardSigmoid",
)
"""Kinds of nodes that are functions of one number."""


def prelu(reader: Reader, node: Node) -> None:
    """Read PRelu with a slope for each channel, or one."""
    value = reader.plain(node.input(0))
    slopes = value.aligned(reader.number(node.input(1)))
    if slopes.ndim and not by_channel(slopes):
        raise UnknownOperation(f"slopes of shape {tuple(slopes.shape)}; give one for each channel, or one")
    layer = nn.PReLU(slopes.numel())
    layer.weight.data = slopes.reshape(-1).float()
    reader.add(node, layer, value)


def negative(reader: Reader, node: Node) -> None:
    """Read Neg."""
    x = node.input(0)
    value = reader.read(x)
    reader.values[node.output] = (value if value.codes is None else reader.plain(x, ordered=True)).scaled(number(-1))


def _product(reader: Reader, node: Node, left: str, right: str) -> None:
    """Read a product of two streams."""
    pair = [reader.plain(name, ordered=True) for name in (left, right)]
    if pair[0].order != pair[1].order:
        pair = [reader.plain(name) for name in (left, right)]
    sizes = zip(pair[0].shape[1:], pair[1].shape[1:], strict=True) if len(pair[0].shape) == len(pair[1].shape) else ()
    if not sizes or any(1 not in (a, b) and a != b for a, b in sizes):
        raise UnknownOperation(f"multiplies streams of shapes {pair[0].view} and {pair[1].view}; give them equal ranks")
    made = reader.call(node.name, quant.QuantMul(), node.output, *pair)
    first, second = (reader.grid(each) for each in pair)
    if first is not None and second is not None:
        ends = [a * b for a in (first.low, first.high) for b in (second.low, second.high)]
        reader.grids[made.tensor] = Grid(step=first.step * second.step, low=min(ends), high=max(ends))
    reader.values[node.output] = replace(made, order=pair[0].order)
