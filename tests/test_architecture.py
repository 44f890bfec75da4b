"""The arrows of the house: who may import whom. A new arrow is a decision, made here."""

import ast
from functools import cache
from pathlib import Path

import pytest

import hwcost

PACKAGE = Path(hwcost.__file__).parent

# A room is a package or a module of hwcost; it may import the rooms behind its arrow, and itself.
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "code_digest": set(),
    "pareto": {"errors"},
    "search": {"errors"},
    "report": {"pareto", "errors"},
    "graph": {"errors"},
    "quant": {"graph", "errors"},
    "models": {"graph", "errors"},
    "importers": {"quant", "errors"},
    "integer": {"quant", "graph", "errors"},
    "cost": {"models", "quant", "graph", "errors"},
    "synth": {"models", "graph", "code_digest", "errors"},
    "export": {"synth", "integer", "models", "quant", "graph", "errors"},
    "train": {"cost", "models", "quant", "graph", "errors"},
    "sweep": {"train", "cost", "search", "report", "models", "quant", "graph", "pareto", "code_digest", "errors"},
    "zoo": {"sweep", "train", "quant", "graph", "errors"},
    "cli": {"sweep", "export", "importers", "synth", "report", "search", "cost", "models", "quant", "graph", "errors"},
}

# Inside a room: what a sub-folder may import of its own room. A loose file of the room may import any sub-folder, as
# long as no circle results (tested below).
INNER_ARROWS: dict[str, set[str]] = {
    "models.formulas": {"models.resources"},
    "models.unrolled": {"models.formulas", "models.device", "models.options", "models.resources"},
    "models.folding": {"models.formulas", "models.device", "models.links", "models.options", "models.resources"},
    "models.finn": {
        "models.folding",
        "models.formulas",
        "models.dataflow",
        "models.device",
        "models.links",
        "models.options",
        "models.resources",
    },
    "models.calibration": {"models.formulas", "models.unrolled", "models.resources"},
    "quant.kernels": set(),
    "quant.layers": {"quant.kernels", "quant.quantizers", "quant.bits", "quant.precision", "quant.tensor"},
    "search.samplers": set(),
    "search.storage": {"search.samplers", "search.study", "search.protocol", "search.trial_plan"},
}

FORBIDDEN_PACKAGES = {
    "pareto": {"torch", "optuna", "pandas"},
    "search": {"torch"},
    "report": {"torch", "optuna"},
    "quant": {"optuna", "pandas", "matplotlib"},
    "models": {"optuna", "matplotlib"},
}

AVOIDED_NAMES = {"utils", "helpers", "core", "common", "base", "mixin", "impl", "manager"}


SOURCES = sorted(PACKAGE.rglob("*.py"))


def _module(path: Path) -> str:
    """Dotted name inside hwcost; "" is the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module(path): path for path in SOURCES}


def _room(module: str, depth: int = 1) -> str:
    return ".".join(module.split(".")[:depth])


@cache
def _imports(path: Path) -> frozenset[str]:
    """Everything that a file imports, by full name, a name of a package by that of the package too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError(f"{path}: relative import; import from hwcost")
    return frozenset(names)


def _ours(path: Path) -> set[str]:
    """The modules of hwcost that a file imports, the deepest of each name alone."""
    found = {name.removeprefix("hwcost.") for name in _imports(path) if name.startswith("hwcost.")} & MODULES.keys()
    return {name for name in found if not any(other.startswith(name + ".") for other in found)}


def _assert_no_cycle(arrows: dict[str, set[str]]) -> None:
    done: set[str] = set()
    while len(done) < len(arrows):
        ready = {room for room, needs in arrows.items() if room not in done and needs & arrows.keys() <= done}
        assert ready, f"a cycle among {sorted(set(arrows) - done)}"
        done |= ready


@pytest.mark.parametrize("path", SOURCES, ids=_module)
def test_arrows(path: Path) -> None:
    module = _module(path)
    room = _room(module)
    if not room:
        return  # the public names may come from anywhere
    assert room in ARROWS, f"{room}: a new room; draw its arrows in this test"
    imported = {_room(name) for name in _ours(path)} - {room}
    assert imported <= ARROWS[room], f"{room} may not import {imported - ARROWS[room]}"
    packages = {name.split(".")[0] for name in _imports(path)}
    assert not packages & FORBIDDEN_PACKAGES.get(room, set())


@pytest.mark.parametrize("path", SOURCES, ids=_module)
def test_inner_arrows(path: Path) -> None:
    module = _module(path)
    inner = _room(module, 2)
    if (PACKAGE / inner.replace(".", "/")).is_dir() and "." in inner:
        assert inner in INNER_ARROWS, f"{inner}: a new sub-folder; draw its arrows in this test"
        own = {_room(name, 2) for name in _ours(path) if _room(name) == _room(module)} - {inner}
        assert own <= INNER_ARROWS[inner], f"{inner} may not import {own - INNER_ARROWS[inner]}"


def test_every_arrow_is_used() -> None:
    used: dict[str, set[str]] = {room: set() for room in ARROWS}
    for module, path in MODULES.items():
        if module:
            used[_room(module)] |= {_room(name) for name in _ours(path)} - {_room(module)}
    assert used == {room: needs for room, needs in ARROWS.items()}


@pytest.mark.parametrize("depth", [1, 2])
def test_the_arrows_have_no_cycle(depth: int) -> None:
    """Neither among rooms, nor among sub-folders and loose files; what is drawn above has none either."""
    _assert_no_cycle(ARROWS)
    _assert_no_cycle(INNER_ARROWS)
    arrows: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        if module and (depth == 1 or "." in module or module in ("errors", "pareto", "code_digest")):
            room = _room(module, depth)
            arrows.setdefault(room, set()).update({_room(name, depth) for name in _ours(path)} - {room})
    _assert_no_cycle(arrows)


@pytest.mark.parametrize("path", SOURCES, ids=_module)
def test_files_are_nouns(path: Path) -> None:
    assert not set(path.relative_to(PACKAGE).with_suffix("").parts) & AVOIDED_NAMES


def test_the_top_of_the_package_is_small() -> None:
    entries = [path for path in PACKAGE.iterdir() if path.name not in ("__pycache__", "README.md")]
    assert len([path for path in entries if path.suffix == ".py"]) <= 4  # __init__, errors, pareto, code_digest
