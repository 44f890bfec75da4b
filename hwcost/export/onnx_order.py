"""Operations that move, drop, insert or repeat elements, as nodes of a graph."""

from collections.abc import Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import nn

from hwcost.export.onnx_streams import Place, Stream, Writer
from hwcost.graph.call import Call, RuleKey
from hwcost.graph.order import (
    INTERLEAVED,
    PADS,
    PERMUTES,
    PICKS,
    REPEATS,
    RESHAPES,
    SHUFFLES,
    factors_of,
    padding,
    permutation,
    picked,
)


def _shaped(place: Place, tensor: str, shape: tuple[int, ...]) -> str:
    target = place.graph.constant([0, *shape], f"{place.layer}.shape")  # 0 keeps the batch
    return place.graph.add("Reshape", tensor, target, layer=place.layer)


def _reshape(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    if stream.signal.shape == place.output.shape:
        return stream.tensor
    if len(place.output.shape) == 1:
        return place.graph.add("Flatten", stream.tensor, layer=place.layer, axis=1)
    return _shaped(place, stream.tensor, place.output.shape)


def _permute(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    dims = [0, *permutation(call, len(stream.signal.shape))]
    return place.graph.add("Transpose", stream.tensor, layer=place.layer, perm=dims)


def _pick(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    bounds = picked(call, stream.signal)
    ends = {
        "starts": [low for low, _ in bounds],
        "ends": [high for _, high in bounds],
        "axes": list(range(1, len(bounds) + 1)),
    }
    constants = [place.graph.constant(value, f"{place.layer}.{name}") for name, value in ends.items()]
    kept = place.graph.add("Slice", stream.tensor, *constants, layer=place.layer)
    sizes = tuple(high - low for low, high in bounds)
    return kept if sizes == place.output.shape else _shaped(place, kept, place.output.shape)


def _pad(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    pairs = padding(call, len(stream.signal.shape))
    sizes = [0, *(before for before, _ in pairs), 0, *(after for _, after in pairs)]
    return place.graph.add("Pad", stream.tensor, place.graph.constant(sizes, f"{place.layer}.pads"), layer=place.layer)


def _repeat(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    factors = factors_of(stream.signal, place.output.shape)
    assert factors is not None  # the description has refused others
    scales = place.graph.constant(torch.tensor([1.0, 1.0, *factors]), f"{place.layer}.scales")
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return place.graph.add("Resize", stream.tensor, "", scales, layer=place.layer, **how)


def _shuffle(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    (channels, height, _), (after, rows, columns) = stream.signal.shape, place.output.shape
    graph, layer = place.graph, place.layer
    if isinstance(call.module, nn.PixelShuffle) or call.target is F.pixel_shuffle:
        return graph.add("DepthToSpace", stream.tensor, layer=layer, blocksize=rows // height, mode="CRD")
    factor = height // rows
    parted = _shaped(place, stream.tensor, (channels, rows, factor, columns, factor))
    moved = graph.add("Transpose", parted, layer=layer, perm=[0, 1, 3, 5, 2, 4])
    return _shaped(place, moved, (after, rows, columns))


def _interleave(call: Call, place: Place, streams: tuple[Stream, ...]) -> str:
    (stream,) = streams
    shape = stream.signal.shape
    groups = call.argument(1, "groups")
    parted = _shaped(place, stream.tensor, (groups, shape[0] // groups, *shape[1:]))
    perm = [0, 2, 1, *range(3, len(shape) + 2)]
    return _shaped(place, place.graph.add("Transpose", parted, layer=place.layer, perm=perm), shape)


ORDER_WRITERS: Mapping[RuleKey, Writer] = MappingProxyType(
    {
        **dict.fromkeys(RESHAPES, _reshape),
        **dict.fromkeys(PERMUTES, _permute),
        **dict.fromkeys(PICKS, _pick),
        **dict.fromkeys(PADS, _pad),
        **dict.fromkeys(REPEATS, _repeat),
        **dict.fromkeys(SHUFFLES, _shuffle),
        **dict.fromkeys(INTERLEAVED, _interleave),
    }
)
"""Writer of the nodes of each function, method or module that moves elements."""
