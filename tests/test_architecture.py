"""The arrows of the house: who may import whom. A new arrow is a decision, made here."""

import ast
from pathlib import Path

import pytest

import hwcost

PACKAGE = Path(hwcost.__file__).parent

# A room is a package or a module of hwcost; it may import the rooms behind its arrow, and itself.
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "ste": set(),
    "pareto": {"errors"},
    "search": {"errors"},
    "ranges": {"ste", "errors"},
    "spec": {"ranges", "errors"},
    "quant": {"ste", "ranges", "spec", "errors"},
    "models": {"ste", "ranges", "spec", "errors"},
    "rules": {"ranges", "spec", "errors"},
    "trace": {"rules", "ranges", "spec", "errors"},
    "integer": {"trace", "rules", "quant", "ranges", "spec", "errors"},
    "estimate": {"trace", "models", "ranges", "spec", "errors"},
    "loss": {"estimate", "trace", "models", "errors"},
    "control": {"loss", "errors"},
    "pieces": {"estimate", "trace", "models", "quant", "ranges", "spec", "errors"},
    "width_prices": {"pieces", "trace", "models", "errors"},
    "live_cost": {"pieces", "loss", "trace", "models", "ste", "errors"},
    "width_space": {"width_prices", "quant", "trace", "models", "errors"},
    "landing": {"loss", "pieces", "quant", "trace", "models"},
    "task": {"data"},
    "train": {"task", "control", "landing", "live_cost", "data", "estimate", "trace", "models", "quant", "errors"},
    "lightning": {"control", "landing", "live_cost", "models", "pieces", "quant", "trace", "errors"},
    "records": {"errors"},
    "warm": {"quant", "records", "errors"},
    "report": {"pareto", "errors"},
    "data": {"errors"},
    "recipe": {"task", "train", "data", "ranges", "errors"},
    "zoo": {"task", "recipe", "data", "train", "quant", "models", "trace", "ranges", "errors"},
    "accelerator": {"errors"},
    "exploration": {"accelerator", "data", "errors", "models", "recipe", "search", "width_space"},
    "trial": {
        "control",
        "data",
        "errors",
        "estimate",
        "exploration",
        "loss",
        "models",
        "recipe",
        "records",
        "search",
        "spec",
        "trace",
        "train",
        "warm",
        "width_space",
    },
    "baseline": {"data", "exploration", "records", "train"},
    "front": {"data", "errors", "exploration", "pareto", "records", "search", "train", "trial"},
    "ramped": {
        "control",
        "data",
        "errors",
        "exploration",
        "pareto",
        "pieces",
        "records",
        "search",
        "train",
        "trial",
        "warm",
        "width_space",
    },
    "provenance": {"data", "exploration", "models", "recipe", "source", "task"},
    "sweep": {
        "baseline",
        "data",
        "errors",
        "exploration",
        "front",
        "provenance",
        "ramped",
        "records",
        "report",
        "search",
        "train",
        "trial",
    },
    "progress": {"front", "sweep", "train"},
    "recorded": {
        "data",
        "errors",
        "exploration",
        "front",
        "models",
        "provenance",
        "ramped",
        "recipe",
        "records",
        "report",
        "search",
        "sweep",
        "trial",
    },
    "joining": {"exploration", "provenance", "recipe", "search", "sweep", "trial"},
    "workers": {"errors", "exploration", "recipe", "search", "sweep", "train"},
    "source": set(),
    "synth": {"source", "models", "ranges", "spec", "errors"},
    "qonnx_grids": {"quant", "errors"},
    "qonnx_streams": {"qonnx_grids", "errors"},
    "qonnx_pools": {"qonnx_streams", "qonnx_grids", "quant", "errors"},
    "qonnx_nodes": {"qonnx_pools", "qonnx_streams", "qonnx_grids", "quant", "errors"},
    "qonnx_network": {"qonnx_nodes", "qonnx_streams", "errors"},
    "brevitas_network": {"qonnx_network", "errors"},
    "export": {"synth", "integer", "quant", "trace", "rules", "ranges", "models", "spec", "errors"},
    "cli": {
        "export",
        "qonnx_network",
        "synth",
        "report",
        "progress",
        "workers",
        "joining",
        "search",
        "recorded",
        "exploration",
        "sweep",
        "recipe",
        "estimate",
        "trace",
        "models",
        "quant",
        "ranges",
        "errors",
    },
}

FORBIDDEN_PACKAGES = {
    "pareto": {"torch", "optuna", "pandas"},
    "search": {"torch"},
    "report": {"torch", "optuna"},
    "quant": {"optuna", "pandas", "matplotlib"},
    "models": {"optuna", "matplotlib"},
}

AVOIDED_NAMES = {"utils", "helpers", "core", "common", "base", "mixin", "impl", "manager"}


def _room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError(f"{path}: relative import; import from hwcost")
    return names


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows(path: Path) -> None:
    room = _room(path)
    if room == "__init__":
        return  # the public names may come from anywhere
    assert room in ARROWS, f"{room}: a new room; draw its arrows in this test"
    rooms = {_room(other) for other in SOURCES} - {"__init__"}
    imported = {name.split(".")[1] for name in _imports(path) if name.startswith("hwcost.")} & rooms
    assert imported <= ARROWS[room] | {room}, f"{room} may not import {imported - ARROWS[room] - {room}}"
    packages = {name.split(".")[0] for name in _imports(path)}
    assert not packages & FORBIDDEN_PACKAGES.get(room, set())


def test_the_arrows_have_no_cycle() -> None:
    seen: set[str] = set()
    while len(seen) < len(ARROWS):
        ready = {room for room, needs in ARROWS.items() if room not in seen and needs <= seen}
        assert ready, f"a cycle among {set(ARROWS) - seen}"
        seen |= ready


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_nouns(path: Path) -> None:
    assert not set(path.relative_to(PACKAGE).with_suffix("").parts) & AVOIDED_NAMES
