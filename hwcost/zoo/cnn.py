"""A small convolutional network for small images, in float or with learned bit-widths, and its recipe."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from optuna.distributions import FloatDistribution, IntDistribution
from torch import nn

from hwcost.quant import IntQuantizer, QuantConv2d, QuantLinear, QuantReLU, learned_activation, learned_weight
from hwcost.sweep.headroom import Headroom
from hwcost.sweep.recipe import Params
from hwcost.zoo.floors import ROOMIEST, Searched
from hwcost.zoo.precision import HEADROOM


@dataclass(frozen=True, kw_only=True)
class Widths:
    """Floors of the learned widths, in bits, by kind of tensor."""

    conv: int
    dense: int
    activation: int


class SmallCNN(nn.Sequential):
    """(conv3x3 - batch norm - ReLU - max pool) per entry of `channels`, then dense - ReLU - dense.

    (N, *image) -> (N, classes) scores.

    Args:
        image: (channels, height, width) of a sample.
        channels: of the convolutions.
        hidden: features of the hidden layer.
        classes: scores.
        widths: floors of the learned widths; None builds the same network in float.
    """

    def __init__(
        self, *, image: tuple[int, int, int], channels: Sequence[int], hidden: int, classes: int, widths: Widths | None
    ) -> None:
        super().__init__()
        depth, height, width = image
        for number, (before, after) in enumerate(pairwise((depth, *channels)), start=1):
            self.add_module(
                f"conv{number}",
                QuantConv2d(
                    before, after, 3, padding=1, bias=False, weight_quant=_weight(widths.conv if widths else None)
                ),
            )
            self.add_module(f"norm{number}", nn.BatchNorm2d(after))
            self.add_module(f"relu{number}", QuantReLU(_activation(widths)))
            self.add_module(f"pool{number}", nn.MaxPool2d(2))
            height, width = height // 2, width // 2
        self.flatten = nn.Flatten()
        dense = widths.dense if widths else None
        self.fc1 = QuantLinear(channels[-1] * height * width, hidden, bias=False, weight_quant=_weight(dense))
        self.norm = nn.BatchNorm1d(hidden)
        self.relu = QuantReLU(_activation(widths))
        # one scale for all classes: the largest integer is the largest score
        self.fc2 = QuantLinear(hidden, classes, bias=False, weight_quant=_weight(dense, per_channel=False))


def _weight(base: int | None, *, per_channel: bool = True) -> IntQuantizer | None:
    return None if base is None else learned_weight(bits=base + HEADROOM, base=base, per_channel=per_channel)


def _activation(widths: Widths | None) -> IntQuantizer | None:
    if widths is None:
        return None
    return learned_activation(bits=widths.activation + HEADROOM, base=widths.activation, max_val=4.0)


def cnn_search(image: tuple[int, int, int], channels: tuple[int, int], classes: int) -> Searched:
    """Search the channels of `SmallCNN`, the floor of the widths of each kind of tensor, and the LUT budget.

    The learned widths settle between their floor and what the budget allows, which every trial can keep. The float
    network has the most channels.

    Args:
        image, classes: as in `SmallCNN`.
        channels: fewest and most of the first convolution; the second has twice, the hidden layer four times as many.
    """
    fewest, most = channels

    def network(first: int, widths: Widths | None) -> SmallCNN:
        return SmallCNN(image=image, channels=(first, 2 * first), hidden=4 * first, classes=classes, widths=widths)

    def quantized(params: Params) -> SmallCNN:
        return network(
            params["channels"],
            Widths(conv=params["conv_base"], dense=params["dense_base"], activation=params["activation_base"]),
        )

    def anchor(first: int, base: int, share: float) -> dict[str, float]:
        bases = dict.fromkeys(("conv_base", "dense_base", "activation_base"), base)
        return {"channels": first, **bases, "lut_headroom": share}

    return {
        "network": quantized,
        "float_network": lambda: network(most, None),
        "space": {
            "channels": IntDistribution(fewest, most),
            "conv_base": IntDistribution(2, 5),
            "dense_base": IntDistribution(2, 5),
            "activation_base": IntDistribution(2, 5),
            "lut_headroom": FloatDistribution(0, ROOMIEST),
        },
        "budget": lambda params: {"LUT": Headroom(params["lut_headroom"])},
        "anchors": (
            anchor(most, 4, ROOMIEST),
            anchor(fewest, 2, 0.0),
            anchor(most, 2, ROOMIEST / 2),
            anchor(fewest, 4, ROOMIEST / 2),
        ),
        "plain": anchor(most, 2, ROOMIEST) | {"activation_base": 1},  # the lowest floors: all room for `--bits`
    }  # fmt: skip
