"""Where trainings run: the processor, or a named accelerator that is really there."""

from __future__ import annotations

import torch

from hwcost.errors import BadOption


def accelerator(name: str) -> torch.device:
    """The device by PyTorch's name for it: cpu, cuda, cuda:1, mps, xpu.

    Raises:
        BadOption: no such name, or this machine or this build of PyTorch has no such device.
    """
    try:
        found = torch.device(name)
    except RuntimeError as error:
        raise BadOption(f"accelerator {name!r}: no such name; give cpu, cuda, cuda:0 or mps") from error
    if found.type == "cpu":
        return torch.device("cpu")
    kind = torch.accelerator.current_accelerator()
    if kind is None or not torch.accelerator.is_available():
        raise BadOption(f"accelerator {name!r}: PyTorch {torch.__version__} finds none on this machine; give cpu")
    count = torch.accelerator.device_count()
    if kind.type != found.type or (found.index or 0) >= count:
        raise BadOption(f"accelerator {name!r}: this machine has {count} of kind {kind.type}; give one of them, or cpu")
    return found
