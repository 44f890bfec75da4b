"""Networks described by hand, as blocks, for the benchmarks of the hardware models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from hwcost.graph.ranges import Range, binary, dot, integers
from hwcost.graph.spec import Block, Layer, LayerSpec, MatVec, Pool, Signal, Thresholds, Window


@dataclass
class Network:
    """A chain of layers that grows layer by layer; every model takes it for a traced pipeline."""

    wire: Range
    built: list[Layer] = field(default_factory=list)

    def layers(self) -> Sequence[Layer]:
        return self.built

    def _append(self, name: str, output: Range, *blocks: Block) -> None:
        signal = Signal(range=self.wire, shape=(1,))
        spec = LayerSpec(output=Signal(range=output, shape=(1,)), blocks=blocks)
        self.built.append(Layer(name=name, kind="by hand", inputs=(signal,), spec=spec))
        self.wire = output

    def unit(
        self,
        name: str,
        rows: int,
        cols: int,
        weight: Range,
        *,
        vectors: int = 1,
        groups: int = 1,
        window: Block | None = None,
    ) -> None:
        """A matrix-vector unit, behind a window if it is a convolution."""
        acc = dot(self.wire, weight, cols)
        block = MatVec(rows=rows, cols=cols, groups=groups, vectors=vectors, weight=weight, input=self.wire, acc=acc)
        self._append(name, acc, *((window, block) if window else (block,)))

    def activation(self, name: str, channels: int, vectors: int, output: Range) -> None:
        """Thresholds."""
        block = Thresholds(channels=channels, vectors=vectors, input=self.wire, output=output)
        self._append(name, output, block)

    def window(
        self, channels: int, side: int, out: int, *, stride: int = 1, pad: int = 0, depthwise: bool = False
    ) -> Window:
        """A square window of 3 by 3."""
        return Window(
            channels=channels,
            image=(side, side),
            kernel=(3, 3),
            stride=(stride, stride),
            dilation=(1, 1),
            padding=((pad, pad), (pad, pad)),
            output=(out, out),
            input=self.wire,
            depthwise=depthwise,
        )

    def pool(self, name: str, channels: int, side: int) -> None:
        """Maximum over 2 by 2."""
        shape = {"stride": (2, 2), "dilation": (1, 1), "padding": ((0, 0), (0, 0)), "output": (side // 2, side // 2)}
        window = Window(channels=channels, image=(side, side), kernel=(2, 2), input=self.wire, depthwise=True, **shape)  # type: ignore[arg-type] # a dict of tuples
        vectors = (side // 2) ** 2
        pool = Pool(kind="max", channels=channels, kernel=(2, 2), vectors=vectors, input=self.wire, output=self.wire)
        self._append(name, self.wire, window, pool)


def _width(bits: int, *, signed: bool) -> Range:
    return binary() if bits == 1 else integers(bits, signed=signed)


def cnv(weight_bits: int, act_bits: int) -> Network:
    """CNV of FINN and BNN-PYNQ: six convolutions and three dense layers on 32 by 32 pixels of 8 bits."""
    net = Network(integers(8, signed=True))
    side, channels = 32, 3
    for index, rows in enumerate((64, 64, 128, 128, 256, 256)):
        out = side - 2
        weight = _width(weight_bits, signed=True)
        net.unit(f"conv{index}", rows, 9 * channels, weight, vectors=out**2, window=net.window(channels, side, out))
        net.activation(f"conv{index}_act", rows, out**2, _width(act_bits, signed=False))
        side, channels = out, rows
        if index in (1, 3):
            net.pool(f"pool{index}", channels, side)
            side //= 2
    for index, rows in enumerate((512, 512, 10)):
        net.unit(f"fc{index}", rows, channels, _width(weight_bits, signed=True))
        if rows != 10:
            net.activation(f"fc{index}_act", rows, 1, _width(act_bits, signed=False))
        channels = rows
    return net


def mobilenet_v1(bits: int) -> Network:
    """MobileNetV1 on 224 by 224 pixels: 27 convolutions and a dense layer, weights and activations of one width."""
    net = Network(integers(8, signed=False))
    side, channels = 112, 32

    def layer(name: str, rows: int, cols: int, groups: int, window: Block | None) -> None:
        net.unit(name, rows, cols, integers(bits, signed=True), vectors=side**2, groups=groups, window=window)
        net.activation(f"{name}_act", rows * groups, side**2, integers(bits, signed=False))

    layer("stem", 32, 27, 1, net.window(3, 224, 112, stride=2, pad=1))
    steps = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for index, (rows, stride) in enumerate(steps):
        window = net.window(channels, side, side // stride, stride=stride, pad=1, depthwise=True)
        side //= stride
        layer(f"depthwise{index}", 1, 9, channels, window)
        layer(f"pointwise{index}", rows, channels, 1, None)
        channels = rows
    net.unit("fc", 1000, channels, integers(bits, signed=True))
    return net


def mlp(sizes: Sequence[int], bits: int) -> Network:
    """Dense layers with activations between them."""
    net = Network(integers(bits, signed=False))
    for index, (cols, rows) in enumerate(pairwise(sizes)):
        net.unit(f"fc{index}", rows, cols, integers(bits, signed=True))
        if index < len(sizes) - 2:
            net.activation(f"fc{index}_act", rows, 1, integers(bits, signed=False))
    return net
