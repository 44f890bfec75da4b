"""A call in the graph of a network, and how the rule or description of its operation is found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, TypeVar, runtime_checkable

from torch import nn

from hwcost.errors import UnknownOperation
from hwcost.graph.spec import LayerSpec, Signal

RuleKey = type[nn.Module] | Callable[..., Any] | str
"""A class of modules, a function, or the name of a tensor method."""

Entry = TypeVar("Entry")


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call in the graph, with the values it had on the example.

    Attributes:
        module: the called module, or None for a function or a tensor method.
        target: the called function, or the name of the method; None for a module.
        args, kwargs: as called; tensors are those of the example.
    """

    module: nn.Module | None
    target: Callable[..., object] | str | None = None
    args: tuple[object, ...]
    kwargs: Mapping[str, object]

    def __getstate__(self) -> dict[str, object]:
        """Name a function that pickle takes for a local one, as it does PyTorch's own F.max_pool2d."""
        target = self.target
        if "<locals>" in getattr(target, "__qualname__", ""):
            place = (str(target.__module__), str(getattr(target, "__name__", "")))
            if getattr(import_module(place[0]), place[1], None) is target:
                return vars(self) | {"target": place}
        return vars(self)

    def __setstate__(self, state: dict[str, object]) -> None:
        target = state["target"]
        found = getattr(import_module(target[0]), target[1]) if isinstance(target, tuple) else target
        vars(self).update(state | {"target": found})

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """An argument by position (the tensor is 0) or name; of a module, its attribute."""
        if self.module is not None:
            return getattr(self.module, name)
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)


def entry(table: Mapping[RuleKey, Entry], call: Call) -> Entry | None:
    """Find the entry for a call: that of its function, or of the class of its module.

    The entry of a class also serves its subclasses, but none that replaces a method of that class: it computes
    something else.

    Args:
        table: `RULES`, or another table with the same kind of keys.
        call: whose target or module is looked up.

    Returns:
        The entry, or None if there is none.

    Raises:
        UnknownOperation: the module's class replaces a method of the class that has an entry.
    """
    if call.module is None:
        return None if call.target is None else table.get(call.target)
    kind = type(call.module)
    key = next((each for each in kind.__mro__ if each in table), None)
    if key is None:
        return None
    replaced = _replaced(kind, key)
    if replaced:
        raise UnknownOperation(
            f"{kind.__name__} replaces {', '.join(replaced)} of {key.__name__}, so it cannot be treated as one"
        )
    return table[key]


def _replaced(kind: type[nn.Module], key: type[nn.Module]) -> list[str]:
    """Methods of `key` that classes between it and `kind` define again; bookkeeping of nn.Module does not count."""
    between_them = kind.__mro__[: kind.__mro__.index(key)]
    names = {name for each in between_them for name in vars(each) if hasattr(key, name)}
    return sorted(
        name
        for name in names
        if name in ("forward", "__call__")
        or not (name == "describe" or name.startswith("__") or hasattr(nn.Module, name))
    )


@runtime_checkable
class Describes(Protocol):
    """A module that can be priced: everything `trace` asks of a layer."""

    def describe(self, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec:
        """Integer ranges and hardware blocks, from the live bit-widths, without data.

        Args:
            signals: what enters, in the order of forward's tensor arguments.
            shape: of one output sample, without the batch.
        """
        ...


def refuse_other_forward(module: nn.Module | None) -> None:
    """Refuse a `forward` that replaces another, on an object or in a class that inherits its `describe`."""
    kind = type(module)
    if module is not None and "forward" in vars(module):
        raise UnknownOperation(
            f"its forward was replaced on this very {kind.__name__}, so it cannot be treated as one; write a class "
            "with a forward and a describe() of its own"
        )
    if not isinstance(module, Describes):
        return
    for each in kind.__mro__:
        if "describe" in vars(each):
            return
        if "forward" in vars(each) or "__call__" in vars(each):
            parent = next(base for base in kind.__mro__ if "describe" in vars(base))
            raise UnknownOperation(
                f"{kind.__name__} has a forward of its own, but inherits the describe() of {parent.__name__}, which "
                "says what another forward does; give it a describe() too"
            )


class Rule(Protocol):
    """Describes one call: ranges and blocks from the signals that enter."""

    def __call__(self, call: Call, /, *signals: Signal, shape: tuple[int, ...]) -> LayerSpec: ...
