"""The device that trainings run on: the processor, or a named accelerator that is really there."""

from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute on one thread, and restore the caller's number of threads at the end.

    Small networks gain nothing from more threads, and one thread adds up numbers in one order: the same seed gives the
    same training, bit for bit.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
