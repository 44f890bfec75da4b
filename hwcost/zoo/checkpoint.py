"""Published checkpoints of Brevitas' example networks, read tensor by tensor from a local file.

Source: Xilinx/brevitas, examples/README.md: quant_mobilenet_v1_4b, quant_proxylessnas_mobile14_4b, _4b5b, _hadamard_4b.
"""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from hwcost.errors import BadData, BadOption
from hwcost.quant import LearnedScale

THRESHOLD = re.compile(
    r"(?P<layer>.+)\.act_quant(_proxy)?\.fused_activation_quant_proxy\.tensor_quant\.scaling_impl\.(learned_)?value"
)
"""The threshold of an activation, as early and later Brevitas name it; both store its logarithm to base 2."""
OF_WEIGHTS = re.compile(r".+\.weight_quant(_proxy)?\.tensor_quant\..*parameter_list_stats\..+")
"""Copies of a weight that its statistic keeps; here the statistic is recomputed from the weight."""
NAMED = 8
"""Number of tensors that a message names for each fault."""


def load_published(net: nn.Module, path: Path | str) -> None:
    """Load a checkpoint of a Brevitas example into its counterpart here: weights, batch norms, thresholds.

    Args:
        net: a network of this zoo with the names of its layers as in the example, e.g. `MobileNetV1(Precision(4, 4),
            stem_padding=0)`; its Parameters stay the same objects.
        path: a file of `torch.save(state_dict)`, bare or below the key "state_dict"; nothing in it is executed.

    Raises:
        BadData: the file is not a checkpoint.
        BadOption: tensors are missing, superfluous or of another shape; all are listed, and nothing is loaded.
    """
    found = _read(Path(path))
    own = net.state_dict()
    renamed: dict[str, Tensor] = {}
    for key, value in found.items():
        name = key.removeprefix("module.")
        threshold = THRESHOLD.fullmatch(name)
        if threshold is not None:
            name = f"{threshold['layer']}.quant.scale.value"
        if OF_WEIGHTS.fullmatch(name):
            continue
        single = name in own and own[name].numel() == value.numel() == 1
        renamed[name] = value.reshape(own[name].shape) if single else value
    renamed |= {key: value for key, value in own.items() if key.endswith("num_batches_tracked") and key not in renamed}
    _check(net, own, renamed, Path(path))
    net.load_state_dict(renamed, strict=False)  # a shared threshold has more names here than in the file


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadData(f"{path}: torch.load cannot read it ({reason}); download the checkpoint again") from error
    if isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        found = found["state_dict"]
    if not isinstance(found, Mapping) or not found or not all(isinstance(value, Tensor) for value in found.values()):
        raise BadData(f"{path}: holds no state dict; save one with torch.save(net.state_dict(), path)")
    return found


def _check(net: nn.Module, own: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    """Compare all tensors; a shared threshold needs only one of its names."""
    shared = {id(scale.value): name for name, scale in _thresholds(net) if f"{name}.value" in found}
    lost = [f"{name}.value" for name, scale in _thresholds(net) if id(scale.value) not in shared]
    faults = {
        "missing": [key for key in own if key not in found and not _inside(key)] + lost,
        "not in the network": [key for key in found if key not in own],
        "of another shape": [
            f"{key} {tuple(found[key].shape)} for {tuple(own[key].shape)}"
            for key in own
            if key in found and own[key].shape != found[key].shape
        ],
    }
    if any(faults.values()):
        listed = "; ".join(f"{len(keys)} {fault}: {_few(keys)}" for fault, keys in faults.items() if keys)
        raise BadOption(
            f"{path}: belongs to another network: {listed}; build the network that the checkpoint was saved from"
        )


def _thresholds(net: nn.Module) -> list[tuple[str, LearnedScale]]:
    return [(name, scale) for name, scale in net.named_modules() if isinstance(scale, LearnedScale)]


def _inside(key: str) -> bool:
    """Whether a tensor belongs to a quantizer: thresholds are checked separately, learned widths keep their values."""
    return ".quant." in key or "_quant." in key or ".quants." in key


def _few(keys: list[str]) -> str:
    return ", ".join(keys[:NAMED]) + (f" and {len(keys) - NAMED} more" if len(keys) > NAMED else "")
