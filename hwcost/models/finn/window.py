"""FINN's estimates of sliding windows (FINN dev 73ba5ed; the HLS one from main 39f0c9a)."""

from dataclasses import dataclass

from hwcost.models.finn.attributes import Figures, Node, cdiv

PORTS = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2))
"""(depth, width) of a BRAM18, but for 16384 by 1."""


@dataclass(frozen=True)
class _Axes:
    """Geometry of one window, (height, width) each, and words per pixel."""

    kernel: tuple[int, int]
    image: tuple[int, int]
    output: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    words: int

    @property
    def flat(self) -> bool:
        return 1 in self.image

    @property
    def window(self) -> int:
        return self.kernel[0] * self.kernel[1]

    def span(self) -> int:
        """Pixels from the first to the last of a window, less one."""
        return (self.kernel[0] - 1) * self.dilation[0] * self.image[1] + (self.kernel[1] - 1) * self.dilation[1]


def _axes(node: Node) -> _Axes:
    return _Axes(
        kernel=node.pair("ConvKernelDim"),
        image=node.pair("IFMDim"),
        output=node.pair("OFMDim"),
        stride=node.pair("Stride"),
        dilation=node.pair("Dilation"),
        words=node.fold("IFMChannels", "SIMD"),
    )


def swg_rtl(node: Node) -> Figures:
    """Sliding window generator in RTL."""
    axes = _axes(node)
    parallel = bool(node.number("parallel_window")) or axes.kernel == (1, 1)
    width = node.number("SIMD") * node.type("inputDataType").bits
    style = node.choice("ram_style")
    depth = _buffer_depth(axes, parallel)
    lines, buffers = _line_buffers(axes) if parallel else (depth, 1)
    return Figures(
        LUT=300 + (width * cdiv(depth, 38) if style == "distributed" else 0),
        BRAM_18K=buffers * _bram(width, lines) if style in ("auto", "block") else 0,
        URAM=buffers * cdiv(lines, 4096) * cdiv(width, 72) if style == "ultra" else 0,
        cycles=_cycles(axes, parallel, bool(node.number("depthwise"))),
    )


def _buffer_depth(axes: _Axes, parallel: bool) -> int:
    if parallel:
        return axes.span() * axes.words + 2
    ahead = max(0, axes.stride[1] - 1 - axes.window)
    ahead += max(0, (axes.stride[0] - 1) * axes.image[1] - axes.window)
    return (axes.span() + 1 + ahead) * axes.words


def _line_buffers(axes: _Axes) -> tuple[int, int]:
    """(depth, number) of the line buffers of a parallel window; a flat one has none."""
    if axes.flat:
        return 0, 0
    shown = (axes.kernel[1] - 1) * axes.dilation[1] + 1
    return axes.image[1] - shown + axes.image[1] * (axes.dilation[0] - 1), axes.kernel[0] - 1


def _port(depth: int) -> int:
    return next((width for words, width in PORTS if depth <= words), 1)


def _bram(width: int, depth: int) -> int:
    across = cdiv(width, _port(depth))
    saved = across - cdiv(width, _port(depth % 16384)) if depth > 16384 else 0
    return cdiv(depth, 16384) * across - saved


def _cycles(axes: _Axes, parallel: bool, depthwise: bool) -> int:
    height, width = axes.image
    if parallel:
        return height * width * axes.words + 2
    if axes.flat:
        return _flat_cycles(axes, depthwise)
    out_h, out_w = axes.output
    row = max(out_w * axes.window * axes.words, axes.stride[1] * width * axes.words)
    first = (axes.span() + 1) * axes.words
    if depthwise:
        row += out_w * (axes.stride[1] - 1) * (axes.words - 1)
        first += (axes.stride[0] - 1) * width * axes.words
    return first + out_h * row


def _flat_cycles(axes: _Axes, depthwise: bool) -> int:
    along = 0 if axes.image[1] == 1 else 1
    out, kernel, stride = axes.output[along], axes.kernel[along], axes.stride[along]
    cycles = out * kernel * axes.words + 2
    if depthwise:
        cycles += axes.words * (kernel - 1) * (stride - 1) - (kernel - 1)
    return cycles


def swg_hls(node: Node) -> Figures:
    """Sliding window generator in HLS; FINN keeps it on main only."""
    axes = _axes(node)
    (kernel, _), (_, width), (out_h, out_w) = axes.kernel, axes.image, axes.output
    stride, word = axes.stride[0], node.number("SIMD") * node.type("inputDataType").bits
    row, lines = width * axes.words, kernel + stride
    style = node.choice("ram_style")
    rows = max(out_w * kernel * kernel * axes.words, stride * row)
    port, words = _port(row), next((depth for depth, _ in PORTS if row <= depth), 16384)
    return Figures(
        LUT=300 + (lines * word * cdiv(row, 64) if style == "distributed" else 0),
        BRAM_18K=lines * cdiv(word, port) * cdiv(row, words) if style in ("auto", "block") else 0,
        URAM=lines * cdiv(word, 64) * cdiv(row, 4096) if style == "ultra" else 0,
        cycles=row * kernel * axes.dilation[0] + out_h * rows,
    )
