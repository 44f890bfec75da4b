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


def check_alike(net: nn.Module, start: nn.Module, flag: str) -> None:
    """Whether a network can start from the weights of the float network.

    Args:
        net: whose widths are searched.
        start: the float network.
        flag: that asks for the start, for the message.

    Raises:
        BadRecipe: they do not have the same layers; the message names the first tensor that differs.
    """
    if (found := _difference(net, start.state_dict())) is not None:
        raise BadRecipe(
            f"{flag} starts from the float network: {found}; let network() and float_network() name the same layers "
            "alike, one that enters a quantizer in front as an nn.Identity in the other; in a recipe with several "
            f"networks, let plain= build that of the float network; or omit {flag}"
        )


def _difference(net: nn.Module, state: Mapping[str, Tensor]) -> str | None:
    """The first tensor that a network and the state of another do not share, in words; None where they have the same.

    A state may lack scales and widths, as that of a float network does, but no weight.
    """
    mine, known = _weights(net), {name: tuple(one.shape) for name, one in net.state_dict().items()}
    for name in (*mine, *state):
        theirs = tuple(state[name].shape) if name in state else None
        if name not in known or theirs is None or (name in mine and mine[name] != theirs):
            there = "missing" if theirs is None else theirs
            return f"{name} is {known.get(name, 'missing')} in the network and {there} there"
    return None


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
    if (found := _difference(net, state)) is not None:
        raise BadStudy(f"{where}: {found}; its network must have the same layers, named alike")
    try:
        put_weights(net, state)
    except RuntimeError as error:
        words = str(error).splitlines()[-1].strip()
        raise BadStudy(f"{where}: {words}; its network must have the same layers") from error
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
