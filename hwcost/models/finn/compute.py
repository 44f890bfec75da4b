"""FINN's estimates of matrix-vector and vector-vector units, as coded in FINN dev 73ba5ed, defects included."""

from math import ceil, log, prod

from hwcost.models.finn.attributes import Figures, Node, cdiv

SHALLOW = 128
"""Up to this depth FINN takes an embedded memory for LUT RAM."""


def packed(width: int, depth: int, ports: tuple[int, int, int] = (9, 18, 36)) -> int:
    """FINN's count of BRAM18 for one memory; `ports` are the widths of its three shallow geometries."""
    narrow, middle, wide = ports
    if width == 1:
        return cdiv(depth, 16384)
    if width == 2:
        return cdiv(depth, 8192)
    if width <= 4:
        return cdiv(depth, 4096) * cdiv(width, 4)
    if width <= 9:
        return cdiv(depth, 2048) * cdiv(width, narrow)
    if width <= 18 or depth > 512:
        return cdiv(depth, 1024) * cdiv(width, middle)
    return cdiv(depth, 512) * cdiv(width, wide)


def mvau_hls(node: Node) -> Figures:
    """Matrix-vector activation in HLS."""
    return Figures(
        LUT=_lut(node, node.number("MW"), _mvau_thresholds(node), _mvau_depth(node)),
        DSP=_dsp_hls(node, node.number("PE") * node.number("SIMD")),
        BRAM_18K=_bram(node, _mvau_depth(node)),
        URAM=_mvau_uram(node),
        cycles=_mvau_cycles(node),
    )


def mvau_rtl(node: Node) -> Figures:
    """Matrix-vector activation in RTL; FINN has no LUT estimate for it."""
    pe, simd = node.number("PE"), node.number("SIMD")
    dsp = pe * cdiv(simd, 3) if node.versal else cdiv(pe, 4) * simd
    return Figures(DSP=dsp, BRAM_18K=_bram(node, _mvau_depth(node)), URAM=_mvau_uram(node), cycles=_mvau_cycles(node))


def vvau_hls(node: Node) -> Figures:
    """Vector-vector (depthwise) activation in HLS; its DSP estimate forgets SIMD."""
    words = 0 if node.number("noActivation") else node.number("Channels") // node.number("PE") / 64
    return Figures(
        LUT=_lut(node, prod(node.numbers("Kernel")), words, _vvau_depth(node)),
        DSP=_dsp_hls(node, node.number("PE")),
        BRAM_18K=_bram(node, _vvau_depth(node), vector=True),
        URAM=_vvau_uram(node),
        cycles=_vvau_cycles(node),
    )


def vvau_rtl(node: Node) -> Figures:
    """Vector-vector activation in RTL, on DSP58 only."""
    dsp = node.number("PE") * cdiv(node.number("SIMD"), 3)
    return Figures(
        DSP=dsp, BRAM_18K=_bram(node, _vvau_depth(node), vector=True), URAM=_vvau_uram(node), cycles=_vvau_cycles(node)
    )


def _mvau_depth(node: Node) -> int:
    return node.fold("MH", "PE") * node.fold("MW", "SIMD")


def _mvau_cycles(node: Node) -> int:
    return _mvau_depth(node) * node.vectors


def _vvau_depth(node: Node) -> int:
    # FINN takes PE that does not divide, and rounds down twice
    return prod(node.numbers("Kernel")) * node.number("Channels") // node.number("PE") // node.number("SIMD")


def _vvau_cycles(node: Node) -> int:
    work = node.number("Channels") * prod(node.numbers("Kernel")) * prod(node.numbers("Dim"))
    return work // (node.number("PE") * node.number("SIMD"))


def _acc_bits(node: Node, terms: int) -> int:
    """Accumulator width of the A2Q bound, at most that of accDataType."""
    inputs = node.type("inputDataType")
    alpha = log(terms, 2) + node.type("weightDataType").bits + inputs.bits - 1 - inputs.signed
    return min(node.type("accDataType").bits, ceil(alpha + log(1 + 2**-alpha, 2) + 1))


def _mvau_thresholds(node: Node) -> float:
    """Words of thresholds per PE and threshold, in LUT RAM; 0 unless FINN counts them."""
    if node.number("noActivation") or node.choice("ram_style_thresholds") != "distributed":
        return 0
    return cdiv(node.fold("MH", "PE"), 64)


def _lut(node: Node, terms: int, threshold_words: float, depth: int) -> int:
    pe, simd = node.number("PE"), node.number("SIMD")
    weight = node.type("weightDataType").bits
    product = weight + node.type("inputDataType").bits
    multipliers = 0 if node.choice("resType") == "dsp" else simd * (2 * cdiv(product, 6) - 1) * product
    acc = _acc_bits(node, terms)
    steps = 2 ** node.type("outputDataType").bits - 1 if threshold_words else 0
    per_pe = multipliers + product * (2 * simd - 1) + acc + steps * acc * threshold_words + steps * acc
    mode = node.choice("mem_mode")
    in_lut = (mode == "internal_decoupled" and node.choice("ram_style") == "distributed") or _embedded(node, depth)
    return int(300 + 1.1 * (pe * per_pe) + (pe * simd * weight * cdiv(depth, 64) if in_lut else 0))


def _dsp_hls(node: Node, multipliers: int) -> int:
    if node.choice("resType") != "dsp":
        return 0
    return multipliers * cdiv(node.type("weightDataType").bits + node.type("inputDataType").bits, 48)


def _embedded(node: Node, depth: int) -> bool:
    """Whether the weights are constants that FINN takes for LUT RAM."""
    return node.choice("mem_mode") == "internal_embedded" and depth <= SHALLOW


def _outside(node: Node) -> bool:
    return node.choice("mem_mode") == "external" or node.number("mlo_max_iter") > 0


def _width(node: Node) -> int:
    return node.number("PE") * node.number("SIMD") * node.type("weightDataType").bits


def _uram(node: Node, depth: int) -> int:
    return cdiv(_width(node), 72) * cdiv(depth, 4096)


def _bram(node: Node, depth: int, *, vector: bool = False) -> int:
    style, decoupled = node.choice("ram_style"), node.choice("mem_mode") == "internal_decoupled"
    if _outside(node) or _embedded(node, depth) or (decoupled and style in ("distributed", "ultra")):
        return 0
    if vector and style == "auto" and depth <= SHALLOW:
        return 0
    return packed(_width(node), depth, ports=(8, 16, 32) if vector else (9, 18, 36))


def _mvau_uram(node: Node) -> int:
    """FINN counts URAM in addition to BRAM for deep embedded weights."""
    depth = _mvau_depth(node)
    decoupled = node.choice("mem_mode") == "internal_decoupled"
    if _outside(node) or _embedded(node, depth) or (decoupled and node.choice("ram_style") != "ultra"):
        return 0
    return _uram(node, depth)


def _vvau_uram(node: Node) -> int:
    if _outside(node) or node.choice("mem_mode") != "internal_decoupled" or node.choice("ram_style") != "ultra":
        return 0
    return _uram(node, _vvau_depth(node))
