"""FINN's estimates of thresholds, FIFOs, width converters and element-wise streams (FINN dev 73ba5ed)."""

from math import ceil, lcm, log2, prod

from hwcost.models.finn.attributes import Figures, Node, cdiv
from hwcost.models.finn.compute import packed

PRIMITIVES = (
    *(("URAM", width, depth) for width, depth in ((72, 4096), (36, 8192), (18, 16384), (9, 32768))),
    *(("BRAM18", width, depth) for width, depth in ((36, 512), (18, 1024), (9, 2048))),
    ("LUTRAM", 1, 64),
)
"""(kind, width, depth) of the memories that FINN picks from, in its order."""


def thresholding_hls(node: Node) -> Figures:
    """Multi-threshold activation in HLS; the number of thresholds does not count there."""
    pe, depth = node.number("PE"), node.fold("NumChannels", "PE")
    word, style = pe * node.type("inputDataType").bits, node.choice("ram_style")
    stored = depth > 1
    return Figures(
        LUT=word + (word * cdiv(depth, 64) if stored and style == "distributed" else 0),
        BRAM_18K=cdiv(word, 16) * cdiv(depth, 1024) if stored and style == "block" else 0,
        cycles=depth * node.vectors,
    )


def thresholding_rtl(node: Node) -> Figures:
    """Multi-threshold activation in RTL; FINN looks its BRAM up under a wrong name and always finds 0."""
    pe, depth = node.number("PE"), node.fold("NumChannels", "PE")
    found: dict[str, int] = {}
    for width, words in _stages(node, depth):
        kind, count = _least_waste(width, words, _allowed(node, words))
        found[kind] = found.get(kind, 0) + pe * count
    return Figures(LUT=found.get("LUTRAM", 0), URAM=found.get("URAM", 0), cycles=depth * node.vectors)


def _stages(node: Node, depth: int) -> list[tuple[int, int]]:
    """(width, words) of the memory of each stage of the search."""
    bits = node.type("outputDataType").bits
    if node.number("uniform_thres"):
        return [(bits - stage, depth << stage) for stage in range(1, bits)]
    return [(node.type("weightDataType").bits, depth << stage) for stage in range(bits)]


def _allowed(node: Node, words: int) -> str | None:
    """The only kind of memory that the triggers leave; None for any."""
    bram, uram = node.number("depth_trigger_bram"), node.number("depth_trigger_uram")
    if bram == uram == 0:
        return None
    if words >= uram:
        return "URAM"
    return "BRAM18" if words >= bram else None


def _least_waste(width: int, words: int, only: str | None) -> tuple[str, int]:
    options = []
    for kind, port, depth in PRIMITIVES:
        if only in (None, kind):
            count = cdiv(width, port) * cdiv(words, depth)
            options.append((count * port * depth - width * words, kind, count))
    _, kind, count = min(options, key=lambda option: option[0])
    return kind, count


def fifo_rtl(node: Node) -> Figures:
    """Stream FIFO. FINN dev compares a flag with a name, so that every FIFO counts BRAM and URAM and no SRL."""
    depth, width = node.number("depth"), node.numbers("folded_shape")[-1] * node.type("dataType").bits
    if node.choice("impl_style") == "vivado":
        depth = 1 << (depth - 1).bit_length()
    return Figures(
        LUT=2 * ceil(log2(depth)),
        BRAM_18K=packed(width, depth),
        URAM=cdiv(depth, 4096) * cdiv(width, 72),
    )


def width_converter(node: Node) -> Figures:
    """Data-width converter: shift registers over the least common multiple of both widths."""
    inputs, outputs = node.number("inWidth"), node.number("outWidth")
    between = lcm(inputs, outputs)
    lut = 0
    if inputs != between:
        lut += abs(ceil(log2(inputs / between))) + between
    if between != outputs:
        lut += abs(ceil(log2(between / outputs))) + outputs
    return Figures(LUT=lut)


def transactions(node: Node) -> Figures:
    """An element-wise stream: one word per cycle."""
    return Figures(cycles=node.fold("NumChannels", "PE") * node.vectors)


def channelwise_hls(node: Node) -> Figures:
    """Estimate a per-channel operation as thresholds."""
    return thresholding_hls(node)


def global_accumulate(node: Node) -> Figures:
    """Global sum pooling: the image, then the sums."""
    words = node.fold("NumChannels", "PE")
    return Figures(cycles=words * node.vectors + words)


def label_select(node: Node) -> Figures:
    """Index of the largest elements."""
    return Figures(cycles=node.fold("Labels", "PE"))


def pool(node: Node) -> Figures:
    """Pooling behind a sliding window."""
    window = prod(node.numbers("KernelSize"))
    images = prod(node.numbers("OutImgDims")) * node.number("BatchSize")
    return Figures(cycles=node.fold("Channels", "PE") * window * images)


def padding(node: Node) -> Figures:
    """Zero padding: one word of the padded image per cycle; Padding is top, left, bottom, right."""
    height, width = node.pair("ImgDim")
    top, left, bottom, right = node.numbers("Padding")
    return Figures(cycles=(height + top + bottom) * (width + left + right) * node.fold("NumChannels", "SIMD"))


def nothing(node: Node) -> Figures:
    """FINN estimates nothing for this operation."""
    return Figures()
