"""Nodes of a QONNX file that move numbers, the enlarging ones among them, and the tails of classifiers."""

from dataclasses import replace
from math import prod

import torch
from torch import nn

from hwcost.errors import UnknownOperation
from hwcost.importers.qonnx_layers import DepthToSpace, IndexOfLargest, Narrow, Reshape
from hwcost.importers.qonnx_node import Node
from hwcost.importers.qonnx_reader import Reader
from hwcost.importers.qonnx_streams import MOST_VALUES
from hwcost.importers.qonnx_values import Value


def same(reader: Reader, node: Node) -> None:
    """Read Identity, Dropout in inference, and Cast between floats."""
    if node.op == "Dropout":
        for name in ("ratio", "seed", "is_test"):
            node.attribute(name)  # of the training
        node.input(1)
        if (name := node.input(2)) and bool(reader.number(name).any()):
            raise UnknownOperation("training_mode: drops at random in inference; export the network in evaluation")
    if node.op == "Cast":
        to = node.attribute("to")
        node.attribute("saturate")  # of other types
        if to not in (1, 10, 11, 16):  # FLOAT, FLOAT16, DOUBLE, BFLOAT16
            raise UnknownOperation(f"to={to}: converts a stream to another type than float")
    reader.values[node.output] = reader.value(node.input(0))


def shape_of(reader: Reader, node: Node) -> None:
    """Read Shape: a constant, because all shapes are known."""
    view = reader.value(node.input(0)).view
    start, end = node.attribute("start", 0), node.attribute("end")
    reader.constants[node.output] = torch.tensor(view[slice(int(start), None if end is None else int(end))])


def flatten(reader: Reader, node: Node) -> None:
    """Read Flatten."""
    view = reader.value(node.input(0)).view
    axis = int(node.attribute("axis", 1))
    if axis not in (1, 1 - len(view)) and not all(size == 1 for size in view[1:axis]):
        raise UnknownOperation(f"axis {axis} of a stream of shape {view}; a sample is flattened whole")
    if axis % len(view) == 0:
        raise UnknownOperation("axis 0: makes one sample of the batch")
    _reshaped(reader, node, (view[0], prod(view[1:])))


def reshape(reader: Reader, node: Node) -> None:
    """Read Reshape within a sample."""
    view = reader.value(node.input(0)).view
    given = [int(size) for size in reader.number(node.input(1)).reshape(-1).tolist()]
    if not node.attribute("allowzero", 0):
        given = [view[place] if size == 0 and place < len(view) else size for place, size in enumerate(given)]
    _reshaped(reader, node, _filled(view, given))


def _filled(view: tuple[int, ...], given: list[int]) -> tuple[int, ...]:
    """Put the size that is left over in the place of a -1."""
    if -1 not in given:
        return tuple(given)
    known = max(abs(prod(given)), 1)
    return tuple(prod(view) // known if size == -1 else size for size in given)


def squeeze(reader: Reader, node: Node) -> None:
    """Read Squeeze or Unsqueeze: axes of one index are dropped or added."""
    view = list(reader.value(node.input(0)).view)
    axes = node.attribute("axes")
    if name := node.input(1):
        axes = reader.number(name).reshape(-1).tolist()
    if node.op == "Squeeze":
        gone = [place for place, size in enumerate(view) if size == 1] if axes is None else axes
        places = {int(axis) % len(view) for axis in gone}
        if any(view[place] != 1 for place in places):
            raise UnknownOperation(f"axes {axes} of a stream of shape {tuple(view)}; only those of one index go")
        shape = tuple(size for place, size in enumerate(view) if place not in places)
    else:
        rank = len(view) + len(axes or ())
        places = {int(axis) % rank for axis in axes or ()}
        rest = iter(view)
        shape = tuple(1 if place in places else next(rest) for place in range(rank))
    if 0 in places:
        raise UnknownOperation("axes: drops or moves the batch")
    _reshaped(reader, node, shape)


def _reshaped(reader: Reader, node: Node, shape: tuple[int, ...]) -> None:
    value = reader.plain(node.input(0), ordered=True)
    if value.order is not None and not _trivial(value):
        value = reader.plain(node.input(0))
    if shape == value.shape:
        reader.values[node.output] = replace(value, order=None)
        return
    if not shape or shape[0] != value.shape[0]:
        raise UnknownOperation(f"reshapes {value.view} to {shape}; the batch stays in front")
    made = reader.add(node, nn.Flatten() if len(shape) == 2 else Reshape(shape[1:]), replace(value, order=None))
    if made.shape != shape:
        raise UnknownOperation(f"reshapes {value.view} to {shape}, which holds another number of values")
    reader.passed(value, made)


def _trivial(value: Value) -> bool:
    """Whether another order of axes moves nothing but those of one index."""
    long = [axis for axis in value.order or () if value.shape[axis] != 1]
    return long == sorted(long)


def slices(reader: Reader, node: Node) -> None:
    """Read Slice of neighbouring elements of a sample."""
    value = reader.plain(node.input(0))
    given = [
        reader.number(node.input(place)).reshape(-1).tolist() if node.input(place) else None for place in range(1, 5)
    ]
    starts, ends = given[0] or [], given[1] or []
    axes, steps = given[2] or list(range(len(starts))), given[3] or [1] * len(starts)
    bounds: list[tuple[int, int, int]] = []
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        place = int(axis) % len(value.shape)
        first, last, _ = slice(int(start), int(end)).indices(value.shape[place])
        if step != 1 or last <= first or (place == 0 and (first, last) != (0, value.shape[0])):
            raise UnknownOperation(f"starts {starts}, ends {ends}, steps {steps}; give neighbours of every sample")
        bounds += [(place, first, last - first)] if place else []
    reader.passed(value, reader.add(node, Narrow(tuple(bounds)), value))


def transpose(reader: Reader, node: Node) -> None:
    """Read Transpose of a sample: a wire where a later one turns it back, or where the next node wants it so."""
    value = reader.value(node.input(0))
    rank = len(value.shape)
    order = node.integers("perm", list(reversed(range(rank))))
    if sorted(order) != list(range(rank)) or order[0] != 0:
        raise UnknownOperation(f"perm={list(order)} of a stream of rank {rank}; the batch stays in front")
    before = value.order or tuple(range(rank))
    after = tuple(before[axis] for axis in order)
    reader.values[node.output] = replace(value, order=None if after == tuple(range(rank)) else after)


def resize(reader: Reader, node: Node) -> None:
    """Read Resize or Upsample by repetition, by whole factors."""
    value = reader.plain(node.input(0))
    roi, scales = ("", node.input(1)) if node.count() == 2 else (node.input(1), node.input(2))
    if roi and reader.number(roi).numel():
        raise UnknownOperation("roi: a part of an image; only a whole one is enlarged")
    mode = node.attribute("mode", "nearest")
    old = node.op == "Upsample" or node.opset < 11
    place = node.attribute("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    rounds = node.attribute("nearest_mode", "floor" if old else "round_prefer_floor")
    node.only(antialias=0, exclude_outside=0, keep_aspect_ratio_policy="stretch", extrapolation_value=0.0)
    node.attribute("cubic_coeff_a")  # of another mode
    given = node.attribute("scales")  # of Upsample in old files
    factors = [float(one) for one in (reader.number(scales).tolist() if scales else given or [])]
    if name := node.input(3):
        sizes = reader.number(name).tolist()
        factors = [size / old for size, old in zip(sizes, value.shape, strict=True)]
    repeated = (place, rounds) in REPEATED
    square = len(factors) == len(value.shape) and all(one >= 1 and one == int(one) for one in factors)
    if mode != "nearest" or not square or factors[:2] != [1, 1] or not repeated or node.attribute("axes") is not None:
        raise UnknownOperation(
            f"mode={mode}, scales {factors}, {place}, {rounds}; only whole factors of the pixels, which repeat them, "
            "have a layer here"
        )
    if prod(factors) * prod(value.shape[1:]) > MOST_VALUES:
        raise UnknownOperation(
            f"scales {factors} of samples of {value.shape[1:]} make more than {MOST_VALUES:,} values"
        )
    scale = tuple(float(one) for one in factors[2:])
    layer = nn.Upsample(scale_factor=scale[0] if len({*scale}) == 1 else scale, mode="nearest")
    reader.passed(value, reader.add(node, layer, value))


REPEATED = {
    ("asymmetric", "floor"),
    *(("half_pixel", rounds) for rounds in ("round_prefer_floor", "round_prefer_ceil")),
    *(("pytorch_half_pixel", rounds) for rounds in ("round_prefer_floor", "round_prefer_ceil")),
}
"""(coordinate_transformation_mode, nearest_mode) that repeat every pixel where the factor is whole."""


def depth_to_space(reader: Reader, node: Node) -> None:
    """Read DepthToSpace, in either order."""
    value = reader.plain(node.input(0))
    block, mode = int(node.attribute("blocksize")), node.attribute("mode", "DCR")
    layer = nn.PixelShuffle(block) if mode == "CRD" else DepthToSpace(block)
    reader.passed(value, reader.add(node, layer, value))


def softmax(reader: Reader, node: Node) -> None:
    """Read Softmax or LogSoftmax of a vector."""
    value = reader.plain(node.input(0))
    axis = int(node.attribute("axis", -1 if node.opset >= 13 else 1))
    if len(value.shape) != 2 or axis not in (1, -1):
        raise UnknownOperation(f"axis {axis} of a stream of shape {value.shape}; give (N, labels) and the last axis")
    reader.add(node, nn.Softmax(1) if node.op == "Softmax" else nn.LogSoftmax(1), value)


def argmax(reader: Reader, node: Node) -> None:
    """Read ArgMax of a vector."""
    value = reader.plain(node.input(0))
    axis, keep = int(node.attribute("axis", 0)), bool(node.attribute("keepdims", 1))
    node.only(select_last_index=0)
    if len(value.shape) != 2 or axis not in (1, -1):
        raise UnknownOperation(f"axis {axis} of a stream of shape {value.shape}; give (N, labels) and the last axis")
    reader.add(node, IndexOfLargest(keep), value)


def top_k(reader: Reader, node: Node) -> None:
    """Read the index of the largest of a vector, the second output of TopK with k = 1."""
    value = reader.plain(node.input(0))
    axis, count = int(node.attribute("axis", -1)), node.attribute("k")
    if name := node.input(1):
        count = reader.single(name)
    node.only(largest=1)
    node.attribute("sorted")  # of one number
    if len(value.shape) != 2 or axis not in (1, -1) or count != 1:
        raise UnknownOperation(f"k={count:g}, axis {axis} of a stream of shape {value.shape}; label select has k=1")
    values, places = (str(name) for name in (*node.proto.output, "")[:2])
    if reader.readers.get(values, 0):
        raise UnknownOperation("its largest value is read; label select has its index alone")
    reader.values[places] = reader.call(node.name, IndexOfLargest(True), places, value)
