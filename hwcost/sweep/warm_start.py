"""A network that starts from the weights of another of the same layers, at widths of its own."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from hwcost.errors import BadRecipe, BadStudy
from hwcost.quant import LearnedBits
from hwcost.quant.granularity import fold_norms
from hwcost.quant.quantizers import ScaledQuantizer
from hwcost.sweep.study_files import read_net


def check_alike(net: nn.Module, start: nn.Module) -> None:
    """Whether a network can start from the weights of another.

    Raises:
        BadRecipe: not all weights and biases of the one have the shape that they have in the other.
    """
    mine, theirs = _weights(net), _weights(start)
    for name in mine | theirs:
        if mine.get(name) != theirs.get(name):
            raise BadRecipe(
                f"warm starts: {name} is {mine.get(name, 'missing')} in the network whose widths are searched and "
                f"{theirs.get(name, 'missing')} in the float network; give the recipe a plain= of the float network's "
                "layers, or leave --warm out"
            )


def _weights(net: nn.Module) -> dict[str, tuple[int, ...]]:
    plain = ("weight", "bias")
    return {name: tuple(one.shape) for name, one in net.named_parameters() if name.rpartition(".")[2] in plain}


def start_from(net: nn.Module, path: Path, recorded: str | None) -> dict[str, Tensor]:
    """Take over weights, scales and statistics of a checkpoint, and leave the widths.

    The checkpoint of a float network knows no scales: those of weights start at the statistic of their new weights,
    those of activations where they were built.

    Args:
        net: in place.
        path: of a checkpoint of a network with the same layers, quantized or float.
        recorded: its hash, as for `hwcost.sweep.study_files.read_net`.

    Returns:
        What the checkpoint holds.

    Raises:
        BadStudy: the file is missing or broken, or of another network.
    """
    state = read_net(path, recorded)
    take_over(str(path), net, state)
    return state


def start_folded(net: nn.Module, start: nn.Module, example: Tensor, path: Path, recorded: str | None) -> None:
    """Take over a float network whose batch norms are moved into the weights first, as those of `net` are.

    Args:
        net: in place.
        start: the float network; it takes the checkpoint, and its norms are folded.
        example: a batch that it accepts.
        path, recorded: as for `start_from`.
    """
    start.load_state_dict(dict(read_net(path, recorded)))
    fold_norms(start, example)
    take_over(str(path), net, start.state_dict())


def take_over(where: str, net: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Take over the tensors of another network as `start_from` does.

    Args:
        where: they come from, for the message.
        net: in place.
        state: of a network with the same layers.

    Raises:
        BadStudy: they are of another network.
    """
    strange = [name for name in state if name not in net.state_dict()]
    lacking = [*strange, *sorted(_weights(net).keys() - state.keys())]
    if lacking:
        raise BadStudy(f"{where}: {lacking[0]} is not in both networks; a warm start needs the same layers")
    try:
        put_weights(net, state)
    except RuntimeError as error:
        raise BadStudy(f"{where}: {str(error).splitlines()[-1].strip()}; a warm start needs the same layers") from error
    for name, module in net.named_modules():
        quantizer = getattr(module, "weight_quant", None)
        if isinstance(quantizer, ScaledQuantizer) and not any(key.startswith(f"{name}.weight_quant.") for key in state):
            _restart(module, quantizer)


def put_weights(net: nn.Module, state: Mapping[str, Tensor]) -> None:
    """All of a state but the widths; what it lacks stays as it is.

    Raises:
        RuntimeError: as `load_state_dict`.
    """
    learned = {name: module for name, module in net.named_modules() if isinstance(module, LearnedBits)}
    widths = {f"{name}.{key}" for name, module in learned.items() for key in module.state_dict()}
    net.load_state_dict(net.state_dict() | {name: tensor for name, tensor in state.items() if name not in widths})


@torch.no_grad()
def _restart(layer: nn.Module, quantizer: ScaledQuantizer) -> None:
    """Start its scale at the statistic of the weight that the layer has now."""
    scale = quantizer.scale
    if getattr(scale, "stat", None) is not None and hasattr(scale, "start"):
        scale.start(layer.weight)
