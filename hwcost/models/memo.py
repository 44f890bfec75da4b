"""Remember the values of a pure function: the one cache of prices, with one rule of what is forgotten."""

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

MOST_KEPT = 2**16
"""Values that are kept unless said otherwise."""


class Memo(Generic[Key, Value]):
    """Values of a pure function by its arguments; the oldest are forgotten first.

    It changes no result, only when it is computed. A call may ask for more than is kept.

    Args:
        most: values that are kept.
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._known: dict[Key, Value] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, keys: Sequence[Key], compute: Callable[[list[int]], Sequence[Value]]) -> list[Value]:
        """The value of each key.

        Args:
            keys: arguments of the function; repetitions are computed once.
            compute: the values at some positions of `keys`, in that order; called at most once.
        """
        known = self._known
        first: dict[Key, int] = {}
        for position, key in enumerate(keys):
            if key not in known:
                first.setdefault(key, position)
        if not first:
            return [known[key] for key in keys]
        fresh = dict(zip(first, compute(list(first.values())), strict=True))
        found = [fresh[key] if key in fresh else known[key] for key in keys]
        known.update(fresh)
        for key in list(known)[: max(0, len(known) - self._most)]:
            del known[key]
        return found
