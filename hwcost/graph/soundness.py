"""Weights that hardware can hold: finite numbers, and variances that are not negative."""

from collections.abc import Iterator

import torch
from torch import nn

from hwcost.errors import DivergedTraining
from hwcost.graph.trace import Pipeline

_RUNNING = ("running_mean", "running_var")
"""The statistics of batch norm; the range of a quantizer may be NaN until it has met data."""


def check_weights(pipeline: object) -> None:
    """Refuse a network that no hardware computes, before it is priced or written.

    Args:
        pipeline: from `trace`; one without modules holds no weights, and passes.

    Raises:
        DivergedTraining: all layers with a weight that is NaN or infinite, or with a negative running variance.
    """
    if not isinstance(pipeline, Pipeline):
        return
    modules = {step.name: step.call.module for step in pipeline.steps if step.call is not None}
    faults = [
        f"{name}: {fault}; train it again, or restore its weights"
        for name, module in modules.items()
        if module is not None
        for fault in _faults(module)
    ]
    if faults:
        raise DivergedTraining("\n".join(faults))


def _faults(module: nn.Module) -> Iterator[str]:
    statistics = [(name, buffer) for name, buffer in module.named_buffers() if name.split(".")[-1].startswith(_RUNNING)]
    for name, tensor in (*module.named_parameters(), *statistics):
        if not tensor.is_floating_point():
            continue
        broken = int((~torch.isfinite(tensor)).sum())
        if broken:
            yield f"{name} has {broken} values of {tensor.numel()} that are NaN or infinite"
        elif name.split(".")[-1] == "running_var" and tensor.numel() and float(tensor.min()) < 0:
            yield f"{name} has a variance of {float(tensor.min()):g}, which is below zero"
