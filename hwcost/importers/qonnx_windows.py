"""Sliding windows of a QONNX file: padding, and how many fit."""

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.errors import UnknownOperation
from hwcost.importers.qonnx_node import Node
from hwcost.importers.qonnx_reader import Reader
from hwcost.importers.qonnx_values import Value

Pads = tuple[tuple[int, int], ...]
Sizes = tuple[int, ...]


class ZeroPad(nn.Module):
    """Zeros around an image; a convolution behind it takes them up.

    Args:
        pads: (before, after) per spatial dimension, in pixels.
    """

    def __init__(self, pads: Pads) -> None:
        super().__init__()
        self.pads = pads

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, [pixels for pair in reversed(self.pads) for pixels in pair])


def pads_of(node: Node, image: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Pads:
    """Read the padding of a window.

    Raises:
        UnknownOperation: an unknown auto_pad, or negative pads.
    """
    mode, count = node.attribute("auto_pad", "NOTSET"), len(kernel)
    if not len(image) == count == len(stride) == len(dilation):
        raise UnknownOperation(f"a window of {count} dimension(s), strides {stride}, for an image of {len(image)}")
    if min((*kernel, *stride, *dilation)) < 1:
        raise UnknownOperation(f"kernel {kernel}, strides {stride}, dilations {dilation}; give at least 1")
    given = node.integers("pads", [0] * 2 * count)
    if len(given) != 2 * count or min(given) < 0:
        raise UnknownOperation(f"pads {list(given)}; give {2 * count} numbers of at least 0")
    if mode == "NOTSET":
        return tuple(zip(given[:count], given[count:], strict=True))
    if mode not in ("VALID", "SAME_UPPER", "SAME_LOWER") or any(given):
        raise UnknownOperation(f"auto_pad={mode} with pads {list(given)}; give SAME_UPPER, SAME_LOWER or VALID alone")
    if mode == "VALID":
        return ((0, 0),) * count
    pairs = []
    for size, taps, step, apart in zip(image, kernel, stride, dilation, strict=True):
        total = max((-(-size // step) - 1) * step + (taps - 1) * apart + 1 - size, 0)
        small, large = total // 2, total - total // 2
        pairs.append((small, large) if mode == "SAME_UPPER" else (large, small))
    return tuple(pairs)


def windows(image: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes, pads: Pads, *, ceil: bool) -> Sizes:
    """Count the windows of each dimension, as onnxruntime does."""
    counts = []
    for size, taps, step, apart, (before, after) in zip(image, kernel, stride, dilation, pads, strict=True):
        room = size + before + after - (taps - 1) * apart - 1
        count = -(-room // step) + 1 if ceil else room // step + 1
        if ceil and (count - 1) * step >= size + before:  # a window that would begin in the padding behind
            count -= 1
        counts.append(count)
    return tuple(counts)


def pad(reader: Reader, node: Node) -> None:
    """Read Pad: zeros around an image, which a convolution takes up."""
    if node.attribute("mode", "constant") != "constant":
        raise UnknownOperation("mode: only zeros around an image have a layer here")
    value = reader.plain(node.input(0))
    rank = len(value.shape)
    given = node.attribute("pads")
    widths = [int(one) for one in (reader.number(node.input(1)).tolist() if given is None else given)]
    filling = float(node.attribute("value", 0.0))
    if name := node.input(2):
        filling = reader.single(name)
    axes = list(range(rank))
    if name := node.input(3):
        axes = [int(axis) % rank for axis in reader.number(name).tolist()]
    pairs = dict.fromkeys(range(rank), (0, 0))
    if len(widths) != 2 * len(axes):
        raise UnknownOperation(f"pads {widths}; give two numbers for each of {len(axes)} axes")
    pairs |= {axis: (widths[place], widths[place + len(axes)]) for place, axis in enumerate(axes)}
    if filling or min(widths, default=0) < 0 or any(any(pairs[axis]) for axis in (0, 1)):
        raise UnknownOperation(f"pads {widths} with {filling:g}; only zeros around the pixels have a layer here")
    if not any(widths):
        reader.values[node.output] = value
        return
    made = reader.add(node, ZeroPad(tuple(pairs[axis] for axis in range(2, rank))), value)
    reader.passed(value, made)


def taken_pad(reader: Reader, value: Value) -> tuple[Value, Pads]:
    """Take up the zeros that stand in front of a convolution."""
    module = reader.made_by(value)
    if not isinstance(module, ZeroPad):
        return value, ((0, 0),) * (len(value.shape) - 2)
    source = reader.calls[value.tensor].inputs[0]
    return replace(value, tensor=source, shape=reader.shapes[source]), module.pads
