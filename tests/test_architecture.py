"""The architecture, checked file by file: who may import whom, how large things are, what they are called.

A new arrow is a decision, made here. What does not meet a rule yet is listed in one of the sets PENDING_...; an entry
that has come to meet its rule fails until it is taken out, so the sets can only shrink. They end empty.
"""

import ast
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

import hwcost

PACKAGE = Path(hwcost.__file__).parent
TESTS = Path(__file__).parent

# A room is a package or a module of hwcost; it may import the rooms behind its arrow, and itself.
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "files": set(),
    "search": {"files", "errors"},
    "report": {"files", "errors"},
    "graph": {"errors"},
    "quant": {"graph", "errors"},
    "models": {"graph", "errors"},
    "importers": {"quant", "errors"},
    "integer": {"quant", "graph", "errors"},
    "cost": {"models", "quant", "graph", "errors"},
    "synth": {"models", "graph", "files", "errors"},
    "build": {"synth", "integer", "report", "models", "graph", "files", "errors"},
    "export": {"synth", "integer", "models", "quant", "graph", "errors"},
    "train": {"cost", "models", "quant", "graph", "errors"},
    "sweep": {"train", "cost", "search", "report", "models", "quant", "graph", "files", "errors"},
    "zoo": {"sweep", "train", "quant", "graph", "errors"},
    "cli": {
        "sweep",
        "export",
        "build",
        "importers",
        "synth",
        "report",
        "search",
        "cost",
        "models",
        "quant",
        "graph",
        "files",
        "errors",
    },
}

# Inside a room: what a sub-folder may import of its own room. A loose file of the room may import any sub-folder, as
# long as no circle results (tested below).
INNER_ARROWS: dict[str, set[str]] = {
    "models.formulas": {"models.amounts", "models.memo", "models.resources"},
    "models.unrolled": {
        "models.amounts",
        "models.rates",
        "models.formulas",
        "models.device",
        "models.options",
        "models.resources",
    },
    "models.folding": {
        "models.amounts",
        "models.rates",
        "models.formulas",
        "models.device",
        "models.links",
        "models.options",
        "models.resources",
    },
    "models.finn": {
        "models.amounts",
        "models.folding",
        "models.formulas",
        "models.dataflow",
        "models.device",
        "models.links",
        "models.options",
        "models.resources",
    },
    "models.timing": {"models.formulas"},
    "models.calibration": {"models.formulas", "models.unrolled", "models.resources"},
    "quant.kernels": set(),
    "quant.layers": {
        "quant.kernels",
        "quant.quantizers",
        "quant.int_quantizer",
        "quant.scale",
        "quant.measured_scale",
        "quant.bits",
        "quant.precision",
        "quant.tensor",
    },
    "build.route": set(),
    "search.samplers": set(),
    "search.storage": {"search.samplers", "search.study", "search.study_spec", "search.protocol", "search.trial_plan"},
}

FORBIDDEN_PACKAGES = {
    "search": {"torch"},
    "report": {"torch", "optuna"},
    "quant": {"optuna", "pandas", "matplotlib"},
    "models": {"optuna", "matplotlib"},
}

AVOIDED_NAMES = {"utils", "helpers", "core", "common", "base", "mixin", "impl", "manager"}

MOST_ENTRIES = 17
MOST_LINES = 300
MOST_PARAMETERS = 8

ENDINGS = {
    *("", "s", "es", "e", "ed", "d", "ing", "er", "r", "or", "ers", "ors", "y", "ies", "al", "able", "ive", "ity"),
    *("ion", "ions", "ate", "ation", "ator", "ment", "ments"),
}

PENDING_LINES: set[str] = set()

PENDING_PARAMETERS: set[str] = {}

PENDING_NAMES: set[tuple[str, str]] = set()

PENDING_READMES: set[str] = set()

SOURCES = sorted(PACKAGE.rglob("*.py"))


def _module(path: Path) -> str:
    """Dotted name inside hwcost; "" is the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module(path): path for path in SOURCES}
FOLDERS = {_module(path): path.parent for path in SOURCES if path.name == "__init__.py" and path.parent != PACKAGE}


def _room(module: str, depth: int = 1) -> str:
    return ".".join(module.split(".")[:depth])


@cache
def _text(module: str) -> str:
    return MODULES[module].read_text(encoding="utf-8")


@cache
def _nodes(module: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(_text(module))))


@cache
def _imports(module: str) -> frozenset[str]:
    """Everything that a module imports, by full name, a name of a package by that of the package too."""
    names: set[str] = set()
    for node in _nodes(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError(f"{module}: relative import; import from hwcost")
    return frozenset(names)


@cache
def _ours(module: str) -> frozenset[str]:
    """The modules of hwcost that a module imports, the deepest of each name alone."""
    found = {name.removeprefix("hwcost.") for name in _imports(module) if name.startswith("hwcost.")} & MODULES.keys()
    return frozenset(name for name in found if not any(other.startswith(name + ".") for other in found))


def _assert_no_cycle(arrows: dict[str, set[str]]) -> None:
    done: set[str] = set()
    while len(done) < len(arrows):
        ready = {room for room, needs in arrows.items() if room not in done and needs & arrows.keys() <= done}
        assert ready, f"a cycle among {sorted(set(arrows) - done)}"
        done |= ready


def _assert_pending_only(offenders: dict[str, object], pending: set[str], rule: str) -> None:
    assert not offenders.keys() - pending, f"{rule}: { {k: v for k, v in offenders.items() if k not in pending} }"
    assert not pending - offenders.keys(), f"{rule}: met now, take out of the pending set: {pending - offenders.keys()}"


def test_arrows() -> None:
    """The package's own `__init__` alone may import from anywhere."""
    for module in MODULES.keys() - {""}:
        room = _room(module)
        assert room in ARROWS, f"{room}: a new room; draw its arrows in this test"
        imported = {_room(name) for name in _ours(module)} - {room}
        assert imported <= ARROWS[room], f"{module}: {room} may not import {imported - ARROWS[room]}"
        packages = {name.split(".")[0] for name in _imports(module)} & FORBIDDEN_PACKAGES.get(room, set())
        assert not packages, f"{module}: {room} may not import {packages}"


def test_inner_arrows() -> None:
    for module in MODULES:
        inner = _room(module, 2)
        if "." in inner and inner in FOLDERS:
            assert inner in INNER_ARROWS, f"{inner}: a new sub-folder; draw its arrows in this test"
            own = {_room(name, 2) for name in _ours(module) if _room(name) == _room(module)} - {inner}
            assert own <= INNER_ARROWS[inner], f"{module}: {inner} may not import {own - INNER_ARROWS[inner]}"


def test_every_arrow_is_used() -> None:
    used: dict[str, set[str]] = {room: set() for room in ARROWS}
    for module in MODULES.keys() - {""}:
        used[_room(module)] |= {_room(name) for name in _ours(module)} - {_room(module)}
    assert used == ARROWS


@pytest.mark.parametrize("depth", [1, 2])
def test_the_arrows_have_no_cycle(depth: int) -> None:
    """Neither among rooms, nor among sub-folders and loose files; what is drawn above has none either."""
    _assert_no_cycle(ARROWS)
    _assert_no_cycle(INNER_ARROWS)
    arrows: dict[str, set[str]] = {}
    for module in MODULES.keys() - {""}:
        if depth == 1 or "." in module or module not in FOLDERS:
            room = _room(module, depth)
            arrows.setdefault(room, set()).update({_room(name, depth) for name in _ours(module)} - {room})
    _assert_no_cycle(arrows)


def test_files_are_nouns() -> None:
    found = {module for module in MODULES if {*module.split(".")} & AVOIDED_NAMES}
    assert not found, f"say what is in {found}"


def test_the_top_of_the_package_is_small() -> None:
    public = {"__pycache__", "__init__.py", "__init__.pyi", "README.md", "py.typed"}
    entries = {path.name for path in PACKAGE.iterdir()} - public
    assert len(entries) <= MOST_ENTRIES, sorted(entries)


def test_no_file_is_long() -> None:
    lines = {path.relative_to(PACKAGE).as_posix(): len(_text(module).splitlines()) for module, path in MODULES.items()}
    long = {path: count for path, count in lines.items() if count > MOST_LINES}
    _assert_pending_only({**long}, PENDING_LINES, f"more than {MOST_LINES} lines")


def _functions(node: ast.AST, name: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every function below a node, by its dotted name."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef):
            if isinstance(child, ast.FunctionDef):
                yield f"{name}.{child.name}", child
            yield from _functions(child, f"{name}.{child.name}")
        else:
            yield from _functions(child, name)


def test_no_function_has_many_parameters() -> None:
    """A layer's constructor lists its quantizers, and a command's function its flags; nothing else may be as wide."""
    wide: dict[str, object] = {}
    for module in MODULES:
        for name, function in _functions(_nodes(module)[0], module):
            layer = module.startswith("quant.layers.") and function.name == "__init__"
            command = any("click.command(" in ast.unparse(decorator) for decorator in function.decorator_list)
            given = function.args
            count = len(
                {argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)} - {"self", "cls"}
            )
            if count > MOST_PARAMETERS and not layer and not command:
                wide[name] = count
    _assert_pending_only(wide, PENDING_PARAMETERS, f"more than {MOST_PARAMETERS} parameters")


def _differ_by_an_ending(one: str, other: str) -> bool:
    """As `record` and `records`, `fold` and `folding`: one stem of four letters or more, two endings."""
    stems = (n for n in range(4, min(len(one), len(other)) + 1) if one[:n] == other[:n])
    return one != other and any(one[n:] in ENDINGS and other[n:] in ENDINGS for n in stems)


def test_no_two_names_differ_by_an_ending() -> None:
    """Modules and folders of the whole package; a module may be named for the folder that it lies in."""
    found = {
        (one, other)
        for one, other in combinations(sorted(MODULES.keys() - {""}), 2)
        if not other.startswith(f"{one}.") and _differ_by_an_ending(one.split(".")[-1], other.split(".")[-1])
    }
    assert found == PENDING_NAMES, f"rename {found - PENDING_NAMES}; renamed, take out {PENDING_NAMES - found}"
    assert _differ_by_an_ending("calibrate", "calibration") and not _differ_by_an_ending("data", "dataflow")


def test_every_folder_explains_itself() -> None:
    """A README.md of 10 to 20 lines: what the folder is for, its door, how data flow through it."""
    wrong: dict[str, object] = {}
    for folder, path in FOLDERS.items():
        readme = path / "README.md"
        lines = len(readme.read_text(encoding="utf-8").splitlines()) if readme.exists() else 0
        if not 10 <= lines <= 20:
            wrong[folder] = f"{lines} lines"
    _assert_pending_only(wrong, PENDING_READMES, "README.md of 10 to 20 lines")


def test_source_files_have_a_test_file_of_their_name() -> None:
    """hwcost/ROOM/FILE.py is tested by tests/ROOM/test_FILE.py; who adds or renames one gives it its test file."""
    own = {module: TESTS / path.relative_to(PACKAGE).with_name(f"test_{path.name}") for module, path in MODULES.items()}
    without = sorted(module for module in MODULES.keys() - FOLDERS.keys() - {""} if not own[module].exists())
    assert not without, f"no test file of their name: {', '.join(without)}"
