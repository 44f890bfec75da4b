"""Scales and widths: they keep full precision, declare how kernels may read them, and store how they are to be read."""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant.kernels import Largest, Number, Widths

FULL = (torch.float32, torch.float64)
FORMAT = 1
"""Version of the note in a state dict on how its numbers are to be read."""

Stored = dict[str, Any]
"""A state dict."""


class FullPrecision(nn.Module):
    """A module whose floating-point numbers stay float32 or float64.

    `model.bfloat16()` would round a learned width of 5.4999 up to 5.5, and so change the hardware.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        lines = [vars(kind) for kind in cls.__mro__]
        forward, plain = (
            next(place for place, line in enumerate(lines) if name in line) for name in ("forward", "plain")
        )
        if forward < plain:  # whoever computes something else takes back what an ancestor has declared
            cls.plain = FullPrecision.plain  # type: ignore[method-assign] # on purpose

    def plain(self) -> Widths | Number | Largest | None:
        """Declaration of what a call computes, for kernels that read numbers; None where only a call tells."""
        return None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        def kept(number: Tensor) -> Tensor:
            moved = fn(number)
            if number.is_floating_point() and moved.dtype not in FULL:
                return number.to(moved.device)
            return moved

        super()._apply(kept, recurse)  # type: ignore[no-untyped-call] # torch leaves it untyped
        return self


class Described(FullPrecision):
    """A part whose state dict also says how its numbers are to be read, so that no other part misreads them."""

    def reading(self) -> tuple[int, ...]:
        """Settings that the meaning of the stored numbers depends on, as whole numbers."""
        raise NotImplementedError(f"{type(self).__name__}.reading")

    def converted(self, state: Stored, prefix: str, reading: tuple[int, ...]) -> Stored:
        """A state dict that was stored with another `reading`, in terms of this part.

        Args:
            state: is not changed.
            prefix: of the keys of this part.
            reading: as it was stored.

        Raises:
            BadOption: it cannot be converted; names `prefix`, both sides and a remedy.
        """
        raise NotImplementedError(f"{type(self).__name__}.converted")

    def get_extra_state(self) -> Tensor:
        """(1 + n,) int64: the format, and the reading. A tensor, because not every file format stores more."""
        return torch.tensor([FORMAT, *self.reading()], device="cpu")

    def set_extra_state(self, state: Tensor) -> None:
        """Nothing is left to do: what was stored has been converted."""

    def _load_from_state_dict(
        self, state_dict: Stored, prefix: str, local_metadata: Stored, strict: bool, missing_keys: list[str], *rest: Any
    ) -> None:
        key = f"{prefix}_extra_state"
        if key in state_dict:
            stored, *reading = state_dict[key].tolist()
            if stored != FORMAT:
                raise BadOption(
                    f"{prefix[:-1]}: stored in format {stored}, and this version reads format {FORMAT}; load it with "
                    "the version of hwcost that saved it"
                )
            if tuple(reading) != self.reading():
                state_dict = self.converted(state_dict, prefix, tuple(reading))
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, *rest)
        if key not in state_dict and key in missing_keys:  # stored before 0.2, or without quantizers
            missing_keys.remove(key)
