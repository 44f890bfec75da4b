"""Values that enter a network, held against the integers that its recipe promises."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from hwcost.errors import BadData
from hwcost.graph.ranges import Range, integers
from hwcost.train.data import SPLITS, Data
from hwcost.train.split import CHUNK, Split, naming
from hwcost.train.tree import leaves

_MOST_PARTS = 16
"""Parts of the smallest difference between two values that are tried as the step."""


def check_input(where: str, data: Data, wire: Range, step: float | None) -> float | None:
    """Hold every input of a data set against the range that enters the hardware, and every target against its kind.

    Args:
        where: the recipe, for messages.
        data: all three splits are read.
        wire: of the recipe's `input`; of each input, where there are several.
        step: value of one integer, as the recipe gives it; None finds it in the training split.

    Returns:
        The value of one integer; None where the network quantizes what enters.

    Raises:
        BadData: a value that is not finite, off the grid or out of range, a label of no class, or samples that cannot
            be read; names split, sample, value and remedy.
    """
    for name in SPLITS:
        for start, x, y in _chunks(where, data, name):
            for what, one in (*_inputs(x), *_named(" as target", y)):
                if not bool(torch.isfinite(one).all()):
                    at, value = _worst(one, ~torch.isfinite(one))
                    raise BadData(f"{where}: {name} sample {start + at} holds {value}{what}; remove it, or fill it in")
            data.check_labels(name, y, start)
    if not wire.known:
        return None
    found = _step(data.train, wire) if step is None else step
    for name in SPLITS:
        for start, tree, _ in _chunks(where, data, name):
            for what, x in _inputs(tree):
                stray = torch.ones_like(x, dtype=torch.bool) if found is None else ~_fits(x, wire, found)
                if bool(stray.any()):
                    at, value = _worst(x, stray)
                    steps = "any step" if found is None else f"the step {found:.9g}"
                    raise BadData(
                        f"{where}: {name} sample {start + at} holds {value:.9g}{what}, which no integer from "
                        f"{float(wire.low.min()):g} to {float(wire.high.max()):g} (input=) gives with {steps}; "
                        "quantize in front (QuantIdentity, input=unknown()), or give the range with its input_step="
                    )
    return found


def fewest_bits(data: Data, most: int) -> tuple[int, bool] | None:
    """The narrowest integers that all inputs of a data set are, in steps of some value.

    Args:
        data: all three splits are read.
        most: bits, at most.

    Returns:
        Bits, and whether they are signed; None where no such integers are exactly what enters.
    """
    for signed in (False, True):
        for bits in range(1 + signed, most + 1):
            wire = integers(bits, signed=signed)
            if _step(data.train, wire) is None:
                continue
            with suppress(BadData):
                check_input(data.name, data, wire, None)
                return bits, signed
    return None


def _chunks(where: str, data: Data, name: str) -> Iterator[tuple[int, Any, Any]]:
    """Number of the first sample, inputs and targets of each chunk of a split."""
    with naming(f"{where}: {name}"):
        for at, (x, y) in enumerate(getattr(data, name).batches(CHUNK)):
            yield at * CHUNK, x, y


def _inputs(x: Any) -> Iterator[tuple[str, Tensor]]:
    return _named("" if isinstance(x, Tensor) else " as input", x)


def _named(where: str, tree: Any) -> Iterator[tuple[str, Tensor]]:
    """Each tensor of a tree, with the words for its place."""
    if isinstance(tree, Tensor):
        yield where, tree
        return
    for name, one in tree.items() if isinstance(tree, Mapping) else enumerate(tree):
        yield from _named(f"{where} {name!r}", one)


def _worst(x: Tensor, stray: Tensor) -> tuple[int, float]:
    """The first sample with a stray value, and its value that is farthest from 0."""
    at = int(torch.nonzero(stray.reshape(len(x), -1).any(1))[0])
    values = x[at][stray[at]]
    return at, float(values[values.abs().nan_to_num(torch.inf).argmax()])


def _fits(x: Tensor, wire: Range, step: float) -> Tensor:
    """Whether each value is a whole number of steps, but for the rounding of float32, inside the range."""
    low, high = (_per_channel(bound.to(x.device), x) for bound in (wire.low, wire.high))
    scaled = x.double() / step
    whole = scaled.round()
    near = (scaled - whole).abs() <= 2 * torch.finfo(torch.float32).eps * whole.abs()
    return near & (whole >= low) & (whole <= high)


def _per_channel(bound: Tensor, x: Tensor) -> Tensor:
    return bound if bound.ndim == 0 else bound.reshape(-1, *[1] * (x.ndim - 2))


def _step(split: Split, wire: Range) -> float | None:
    """The value of one integer: 2^-bits or 1, as of pixels, else the largest that fits the first samples."""
    inputs = leaves(split.take(slice(0, CHUNK))[0])
    values = torch.unique(torch.cat([x.double().flatten() for x in inputs])).cpu()
    differences = torch.cat([values.diff(), values[values != 0].abs()])
    differences = differences[differences > 1e-6 * values.abs().max()]
    whole = 2.0 ** -float(wire.bits.max())
    tried = [whole, 1.0]
    if len(differences):
        least = float(differences.min())
        tried += [_refined(values, least / parts) for parts in range(1, _MOST_PARTS + 1)]
    return next((step for step in tried if step > 0 and all(bool(_fits(x, wire, step).all()) for x in inputs)), None)


def _refined(values: Tensor, step: float) -> float:
    """A step that was measured between two rounded values, from all of them; 1 / n where it is that nearly."""
    codes = (values / step).round()
    square = float(codes.square().sum())
    if not square:
        return step
    fine = float((values * codes).sum()) / square
    inverse = round(1 / fine) if fine > 0 else 0
    return 1 / inverse if inverse and abs(fine * inverse - 1) < 1e-5 else fine
