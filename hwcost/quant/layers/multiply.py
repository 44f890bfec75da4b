"""Element-wise product of two streams: gates, squares, attention weights."""

from dataclasses import replace

from torch import Tensor, nn

from hwcost.errors import BadOption, UnknownOperation
from hwcost.graph.blocks import Multiplier, Repeat
from hwcost.graph.ranges import product, widest
from hwcost.graph.spec import Block, LayerSpec
from hwcost.graph.wire import Signal
from hwcost.quant.layers.signals import entering
from hwcost.quant.quantizers import Quantizer, checked
from hwcost.quant.tensor import QuantTensor


class QuantMul(nn.Module):
    """Product of two streams, whose step is the product of theirs; exact, as wide as both together.

    A stream that has one position, or one channel, where the other has several is multiplied with each of them, as the
    gate of a squeeze-and-excitation block is. A plain tensor gives a plain tensor, a QuantTensor a QuantTensor.

    Args:
        left_quant, right_quant: of the streams; None takes a stream as it comes.
    """

    def __init__(self, left_quant: Quantizer | None = None, right_quant: Quantizer | None = None) -> None:
        super().__init__()
        self.left_quant = checked(left_quant, "QuantMul: left_quant")
        self.right_quant = checked(right_quant, "QuantMul: right_quant")

    def forward(self, left: Tensor | QuantTensor, right: Tensor | QuantTensor) -> Tensor | QuantTensor:
        """left * right; each dimension of equal sizes, or of size 1 on one side."""
        if isinstance(left, Tensor) and isinstance(right, Tensor):
            a = left if self.left_quant is None else self.left_quant(left)
            return a * (right if self.right_quant is None else self.right_quant(right))
        if isinstance(left, Tensor) or isinstance(right, Tensor):
            raise BadOption("QuantMul: one plain tensor and one QuantTensor; give two of a kind")
        first = left if self.left_quant is None else self.left_quant.tensor(left.value)
        second = right if self.right_quant is None else self.right_quant.tensor(right.value)
        if first.scale.numel() != 1 or second.scale.numel() != 1:
            raise BadOption("QuantMul: a scale per channel; give the quantizers one scale for all channels")
        step = first.scale.reshape(()) * second.scale.reshape(())
        return QuantTensor(first.value * second.value, step, product(widest(first.range), widest(second.range)))

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """A multiplier per lane, with thresholds for input quantizers, and a buffer for a stream that is read again.

        Raises:
            UnknownPrecision: a stream of no width, or with an unabsorbed affine map.
            UnknownOperation: streams whose shapes only torch can join.
        """
        left, right = signals
        (a, before), (b, between) = entering(left, self.left_quant), entering(right, self.right_quant)
        blocks: list[Block] = [*before, *between]
        larger = a if a.positions >= b.positions else b
        output = replace(larger, shape=shape, outside=False)
        for each in (a, b):
            fits = len(each.shape) == len(shape) and each.channels_last in (
                output.channels_last,
                not each.positions > 1,
            )
            if not fits or any(size not in (1, whole) for size, whole in zip(each.shape, shape, strict=True)):
                raise UnknownOperation(
                    f"multiplies samples of shape {left.shape} and {right.shape}; give both as many dimensions, "
                    "each of equal sizes or of size 1"
                )
            if each.positions < output.positions:
                factors = tuple(whole // size for size, whole in zip(each.spatial, output.spatial, strict=True))
                blocks.append(
                    Repeat(channels=each.channels, image=each.spatial, factors=factors, input=widest(each.range))
                )
        wires = widest(a.range), widest(b.range)
        total = product(*wires)
        blocks.append(
            Multiplier(channels=output.channels, vectors=output.positions, left=wires[0], right=wires[1], output=total)
        )
        return LayerSpec(output=replace(output, range=total, grid=self), blocks=tuple(blocks))
