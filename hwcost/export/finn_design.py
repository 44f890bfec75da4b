"""FINN's folding configuration in: the folds, multipliers and memories that a file gives the units of a pipeline."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from hwcost.errors import BadOption
from hwcost.graph.spec import MatVec
from hwcost.models import Fold, place
from hwcost.models.folding.folds import unit_names
from hwcost.models.resources import HasLayers

DENSE = ("MVAU", "MatrixVectorActivation", "StreamingFCLayer")
DEPTHWISE = ("VVAU", "VectorVectorActivation", "Vector_Vector_Activate")
"""Names that FINN has given its units, the newest first."""

OTHERS = (
    *("Thresholding", "ConvolutionInputGenerator", "ConvolutionInputGenerator1D", "FMPadding", "FMPadding_Pixel"),
    *("Pool", "StreamingMaxPool", "GlobalAccPool", "LabelSelect", "AddStreams", "DuplicateStreams", "ChannelwiseOp"),
    *("StreamingFIFO", "StreamingDataWidthConverter", "StreamingConcat", "StreamingSplit", "StreamingEltwise"),
    *(
        "UpsampleNearestNeighbour",
        "DownSampler",
        "Lookup",
        "IODMA",
        "TLastMarker",
        "CheckSum",
        "StreamingDataflowPartition",
    ),
    *("ElementwiseAdd", "ElementwiseMul", "ElementwiseSub", "ElementwiseDiv", "Crop", "Squeeze", "Unsqueeze"),
)
"""Other nodes, whose parallelism follows from that of the units."""

_NODE = re.compile(r"(.+?)(?:_Batch)?(?:_hls|_rtl)?_(\d+)")
_MULTIPLIERS = {"lut": "lut", "dsp": "dsp"}
_MEMORIES = {"distributed": "lutram", "block": "bram18", "ultra": "uram"}


@dataclass(frozen=True, kw_only=True)
class FinnDesign:
    """The choices of a file.

    Attributes:
        folds: unit -> Fold.
        multipliers, weight_memory: layer -> choice, where the file makes one.
        others: nodes of the file whose parallelism is not taken, because it follows from that of the units.
    """

    folds: Mapping[str, Fold]
    multipliers: Mapping[str, str]
    weight_memory: Mapping[str, str]
    others: tuple[str, ...]


def is_finn(table: Mapping[str, object]) -> bool:
    """Whether a table has names of FINN's nodes, or its defaults alone."""
    names = table.keys() - {"Defaults"}
    return not names or any(_operation(name)[0] in (*DENSE, *DEPTHWISE, *OTHERS) for name in names)


def finn_design(table: Mapping[str, object], pipeline: HasLayers) -> FinnDesign:
    """Read the contents of a folding file for the units of a pipeline.

    Nodes are numbered per operation in stream order; where a file has units of both HLS and RTL, its own order is
    that of the stream, as FINN writes it. A unit without PE or SIMD has those of the defaults, else 1.

    Args:
        table: node -> attribute -> value, with "Defaults": attribute -> [value, [operations or "all"]].
        pipeline: a traced network.

    Returns:
        The choices; which folds are legal is checked where they are used.

    Raises:
        BadOption: all entries that are no node of FINN or no unit of the pipeline, and units without one, at once.
    """
    placed = list(place(pipeline.layers()))
    units: dict[str, list[str]] = {"": [], "depthwise": []}
    layer_of: dict[str, str] = {}
    for index, name in unit_names(placed).items():
        block = placed[index].block
        assert isinstance(block, MatVec)
        units["" if block.groups == 1 else "depthwise"].append(name)
        layer_of[name] = placed[index].layer
    faults: list[str] = []
    found: dict[str, Mapping[str, object]] = {}
    for kind, names in (("", DENSE), ("depthwise", DEPTHWISE)):
        found |= _matched([name for name in table if _operation(name)[0] in names], units[kind], table, faults)
    known = {*DENSE, *DEPTHWISE, *OTHERS}
    strangers = [name for name in table if name != "Defaults" and _operation(name)[0] not in known]
    faults += [_stranger(name, table) for name in strangers]
    defaults = _defaults(table.get("Defaults", {}), faults)
    folds, multipliers, memories = {}, {}, {}
    for name, layer in layer_of.items():
        attributes = {**defaults, **found.get(name, {})}
        if "PE" not in attributes and "SIMD" not in attributes:
            faults.append(f"{name}: no entry of the file is this unit, and Defaults give no PE")
            continue
        sizes = [attributes.get(key, 1) for key in ("PE", "SIMD")]
        if any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in sizes):
            faults.append(f"{name}: PE={sizes[0]!r}, SIMD={sizes[1]!r}; give whole numbers above 0")
            continue
        folds[name] = Fold(pe=int(sizes[0]), simd=int(sizes[1]))  # type: ignore[call-overload] # checked
        if (way := _MULTIPLIERS.get(str(attributes.get("resType")))) is not None:
            multipliers[layer] = way
        style = _MEMORIES.get(str(attributes.get("ram_style")))
        style = "external" if attributes.get("mem_mode") == "external" else style
        if style is not None:
            memories[layer] = style
    if faults:
        raise BadOption("\n".join(faults))
    others = tuple(name for name in table if _operation(name)[0] in OTHERS)
    return FinnDesign(folds=folds, multipliers=multipliers, weight_memory=memories, others=others)


def _operation(name: str) -> tuple[str, int]:
    """The operation of a node without its backend, and its number; ("", 0) where the name is none."""
    parts = _NODE.fullmatch(name)
    return (parts[1], int(parts[2])) if parts is not None else ("", 0)


def _matched(
    nodes: Sequence[str], units: Sequence[str], table: Mapping[str, object], faults: list[str]
) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Pair the nodes of a kind with its units, in the order of the stream."""
    kinds = {name.rpartition("_")[0] for name in nodes}
    if len(kinds) > 1:  # units of HLS and of RTL, numbered apart
        numbers: dict[str, int] = {}
        for name in nodes:
            kind, number = name.rpartition("_")[0], _operation(name)[1]
            if number != numbers.get(kind, 0):
                faults.append(f"{name}: the file has units of {', '.join(sorted(kinds))}; list them as the stream runs")
            numbers[kind] = number + 1
    for place_of, name in enumerate(nodes):
        number = place_of if len(kinds) > 1 else _operation(name)[1]
        entry = table[name]
        if not isinstance(entry, Mapping):
            faults.append(f'{name}: {entry!r}; give {{"PE": 16, "SIMD": 3}}')
        elif number >= len(units):
            there = f"units 0 to {len(units) - 1} ({', '.join(units)})" if units else "no unit of this kind"
            faults.append(f"{name}: the network has {there}")
        else:
            yield units[number], entry


def _stranger(name: str, table: Mapping[str, object]) -> str:
    known = [f"{kind}_{flow}" for kind in (*DENSE[:1], *DEPTHWISE[:1], *OTHERS) for flow in ("hls", "rtl")]
    close = get_close_matches(name.rpartition("_")[0], known, n=1)
    number = name.rpartition("_")[2]
    remedy = f"do you mean {close[0]}_{number}?" if close else "give names as FINN's, or those of layers alone"
    return f"{name}: no node of FINN; {remedy}"


def _defaults(given: object, faults: list[str]) -> dict[str, object]:
    """Read the attributes that all units have: those for "all", or for units by name."""
    found: dict[str, object] = {}
    for attribute, entry in given.items() if isinstance(given, Mapping) else ():
        if not (isinstance(entry, list | tuple) and len(entry) == 2 and isinstance(entry[1], list | tuple)):
            faults.append(f'Defaults: {attribute}={entry!r}; give [value, ["all"]], or operations in place of "all"')
        elif any(op == "all" or _operation(f"{op}_0")[0] in (*DENSE, *DEPTHWISE) for op in entry[1]):
            found[str(attribute)] = entry[0]
    if not isinstance(given, Mapping):
        faults.append(f"Defaults: {given!r}; give an object")
    return found
