"""Identity of what users write: the code of their functions, with all of their own that it calls."""

import ast
import inspect
import sys
import sysconfig
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
import torch

_FOREIGN = tuple(
    Path(folder).resolve()
    for folder in {
        *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
        str(Path(__file__).parents[1]),
    }
)


def code_digest(written: Callable[..., object]) -> str | None:
    """Hash of the code of a function, class or object, of its own that it calls, and of the values that it closes over.

    Comments, docstrings and layout do not count. What is installed, or ships with hwcost, counts by its name.

    Returns:
        16 hexadecimal digits; None where nothing in it is the user's own.
    """
    texts = list(_texts(written, {}))
    return (
        sha256("\n".join(texts).encode()).hexdigest()[:16] if any(text.startswith("own ") for text in texts) else None
    )


def _texts(value: Any, seen: dict[int, object]) -> Iterator[str]:
    if (text := _constant(value)) is not None:
        yield text
        return
    if id(value) in seen:
        return
    seen[id(value)] = value  # kept alive: another object must not get its id
    if isinstance(value, Mapping | tuple | list):
        for one in value.items() if isinstance(value, Mapping) else value:
            yield from _texts(one, seen)
    elif isinstance(value, ModuleType):
        yield from _whole_module(value)
    elif isinstance(value, FunctionType):
        yield from _of_function(value, seen)
    elif isinstance(value, type):
        yield from _of_class(value, seen)
    elif inspect.ismethod(value):
        yield from _texts(value.__func__, seen)
        yield from _texts(value.__self__, seen)
    else:
        yield from _texts(type(value), seen)
        yield from _texts(getattr(value, "__dict__", None) or _partial(value), seen)


def _constant(value: Any) -> str | None:
    """Text of a value that is no container and no code; of a path its last part, as folders differ between machines."""
    if isinstance(value, Path):
        return value.name
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
    if isinstance(value, set | frozenset):
        return str(sorted(map(repr, value)))
    return repr(value) if value is None or isinstance(value, bool | int | float | complex | str | bytes) else None


def _partial(value: Any) -> tuple[Any, ...]:
    """The function and arguments of a `functools.partial`; nothing of other objects."""
    return tuple(getattr(value, name) for name in ("func", "args", "keywords") if hasattr(value, name))


def _whole_module(module: ModuleType) -> Iterator[str]:
    yield module.__name__
    if _is_own(module):
        yield f"own {_normal(Path(str(module.__file__)).read_text(encoding='utf-8'))}"


def _of_function(function: FunctionType, seen: dict[int, object]) -> Iterator[str]:
    yield function.__qualname__
    if not _is_own(function):
        return
    yield f"own {_source(function)}"
    cells = [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
    yield from _texts([function.__defaults__, function.__kwdefaults__ or {}, cells], seen)
    for name in dict.fromkeys(_names(function.__code__)):
        yield from _of_global(name, function.__globals__, seen)


def _of_global(name: str, module: Mapping[str, Any], seen: dict[int, object]) -> Iterator[str]:
    """A global name: code and constants as they are, an object, which may change, by the statement that makes it."""
    value = module.get(name)
    plain = _constant(value) is not None or isinstance(value, FunctionType | type | ModuleType)
    statements = [] if plain or id(value) in seen else _assignments(module.get("__file__"), name)
    if name not in module or not statements:
        yield from () if name not in module else _texts(value, seen)
        return
    seen[id(value)] = value
    yield from _texts(type(value), seen)
    for statement in statements:
        yield ast.dump(statement)
        for node in ast.walk(statement):
            if isinstance(node, ast.Name):
                yield from _of_global(node.id, module, seen)


def _assignments(file: str | None, name: str) -> list[ast.stmt]:
    """Statements of a module that assign to a name; empty for a module without a file."""
    if file is None:
        return []
    with suppress(OSError, SyntaxError, ValueError):
        found = ast.parse(Path(file).read_text(encoding="utf-8")).body
        return [
            one
            for one in found
            if isinstance(one, ast.Assign | ast.AnnAssign)
            and any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(one))
        ]
    return []


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _of_class(kind: type, seen: dict[int, object]) -> Iterator[str]:
    yield kind.__qualname__
    if not _is_own(kind):
        return
    yield f"own {_source(kind)}"
    yield from _texts(kind.__bases__, seen)
    for function in vars(kind).values():
        function = getattr(function, "__func__", getattr(function, "fget", function))
        if isinstance(function, FunctionType):
            yield from _texts(function, seen)


def _names(code: CodeType) -> Iterator[str]:
    """Global names and attributes of a code object and of those within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_own(thing: Any) -> bool:
    try:
        file = inspect.getsourcefile(thing)
    except TypeError:  # built in, typed in, or of a module that was forgotten
        module = getattr(thing, "__module__", "builtins")
        return module == "__main__" or module not in sys.modules
    if file is None or not Path(file).is_absolute():
        return file is not None or isinstance(thing, FunctionType)
    return not any(Path(file).resolve().is_relative_to(folder) for folder in _FOREIGN)


def _source(thing: FunctionType | type) -> str:
    try:
        return _normal(inspect.getsource(thing))
    except (OSError, TypeError):  # typed in: its instructions stand for it
        code = getattr(thing, "__code__", None)
        return thing.__qualname__ if code is None else f"{code.co_code.hex()} {code.co_names}"


def _normal(source: str) -> str:
    """A source without comments, docstrings and layout; a part of a statement unchanged."""
    try:
        tree = ast.parse(textwrap.dedent(source))
    except SyntaxError:
        return " ".join(source.split())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            first.value.value = ""
    return ast.dump(tree)
