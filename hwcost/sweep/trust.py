"""Recipes that may run: those that ship, those that the user names, and those named before, known by their hash.

A recipe is Python, so whoever chooses it runs code as the user. A study folder or a database from somebody else names a
recipe too; that alone must not run it.
"""

import ast
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from hwcost.errors import BadRecipe
from hwcost.sweep.recipe import Recipe, checked, load_object, load_recipe

RECIPES = {
    "digits": "hwcost.zoo.digits:recipe",
    "fashion-mnist": "hwcost.zoo.fashion_mnist:recipe",
    "dry-bean": "hwcost.zoo.mlp:dry_bean",
    "letter": "hwcost.zoo.mlp:letter",
    "tfc": "hwcost.zoo.mlp:tfc",
    "sfc": "hwcost.zoo.mlp:sfc",
    "lfc": "hwcost.zoo.mlp:lfc",
    "ds-cnn": "hwcost.zoo.keywords:recipe",
    "lenet": "hwcost.zoo.lenet:recipe",
    "cnv": "hwcost.zoo.cnv:recipe",
    "autoencoder": "hwcost.zoo.autoencoder:recipe",
    "resnet8": "hwcost.zoo.resnet:recipe",
    "mobilenet-v1": "hwcost.zoo.mobilenet:recipe",
    "proxylessnas": "hwcost.zoo.proxylessnas:recipe",
    "proxylessnas-hadamard": "hwcost.zoo.proxylessnas:hadamard_recipe",
}
"""Recipes that ship: name -> `package.module:recipe`."""

Finder = Callable[[str], Recipe]


def known_recipes() -> Path:
    """The file with a line for each recipe that was named: its hash and its path, like the known hosts of ssh."""
    return Path(os.environ.get("HWCOST_KNOWN_RECIPES") or Path.home() / ".config" / "hwcost" / "known-recipes")


def named(reference: str, built_in: Mapping[str, str]) -> Recipe:
    """Load a recipe that the user names, and know it from then on.

    Args:
        reference: as the user typed it.
        built_in: name -> `package.module:recipe` of those that ship.

    Raises:
        BadRecipe: as `load_recipe`.
    """
    return checked(reference, named_object(reference, built_in))


def named_object(reference: str, built_in: Mapping[str, str]) -> Any:
    """Load whatever the user names in the place of a recipe, and know it from then on; arguments as of `named`."""
    known = None if _ships(reference, built_in) else hash_of(reference)
    found = load_object(built_in.get(reference, reference), built_in)
    if known is not None and known not in _known():
        path = known_recipes()
        with suppress(OSError):  # a home that cannot be written: it is named again the next time
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{known}  {' '.join(_shown(reference).split())}\n")
    return found


def found_in_a_record(reference: str, built_in: Mapping[str, str]) -> Recipe:
    """Load a recipe that a study folder or a database names: only one that ships, or that the user has named before.

    Args:
        reference: as recorded.
        built_in: as for `named`.

    Raises:
        BadRecipe: it was never named, or has changed since; nothing of it has run. Else as `load_recipe`.
    """
    if not _ships(reference, built_in):
        known = hash_of(reference)
        if known is None:
            raise BadRecipe(
                f"recipe {reference!r}: the study names it, but it is not here; name yours with --recipe, or give it "
                "to open_study()"
            )
        if known not in _known():
            raise BadRecipe(
                f"recipe {reference!r}: the study names it, and it would run as you; you have not named it before, or "
                f"it has changed since (SHA-256 {known[:16]}...). Read it, then name it once: --recipe {reference}"
            )
    return load_recipe(reference, built_in)


def finder(recipe: str | None, built_in: Mapping[str, str]) -> Finder:
    """Choose how the recipe of a record is found.

    Args:
        recipe: named by the user in its place; None takes the record's.
        built_in: as for `named`.
    """
    if recipe is None:
        return lambda reference: found_in_a_record(reference, built_in)
    return lambda reference: named(recipe, built_in)


def _ships(reference: str, built_in: Mapping[str, str]) -> bool:
    return reference in built_in or reference in built_in.values()


def _known() -> set[str]:
    try:
        lines = known_recipes().read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return set()
    return {line.split()[0] for line in lines if line.strip()}


def _shown(reference: str) -> str:
    where, _, name = reference.rpartition(":")
    return f"{Path(where).resolve()}:{name}" if where.endswith(".py") else reference


def hash_of(reference: str) -> str | None:
    """Hash of the file of a recipe and of all that it imports from its folder; nothing is imported for it.

    Args:
        reference: `package.module:name` or `file.py:name`.

    Returns:
        64 hexadecimal digits; None where there is no such file.
    """
    where = reference.rpartition(":")[0]
    try:
        folder, files = _start(where)
        content = sha256()
        for path in sorted(_reached(folder, files)):
            code = path.read_bytes()
            content.update(f"{path.relative_to(folder)} {len(code)}\n".encode() + code)
    except (OSError, ValueError):
        return None
    return content.hexdigest() if files else None


def _start(where: str) -> tuple[Path, list[Path]]:
    """The folder that a module is imported from, and the files that its import runs."""
    if where.endswith(".py"):
        path = Path(where).resolve()
        return path.parent, [path] if path.is_file() else []
    for entry in (Path.cwd(), *map(Path, sys.path)):
        if files := list(_module(entry.resolve(), where.split("."))):
            return entry.resolve(), files
    return Path.cwd(), []


def _module(folder: Path, parts: list[str]) -> Iterator[Path]:
    """Files that run when a dotted name is imported from a folder: its packages, and the module itself."""
    for count in range(1, len(parts) + 1):
        base = folder.joinpath(*parts[:count])
        yield from (path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file())


def _reached(folder: Path, files: list[Path]) -> set[Path]:
    """The files and what they import from the same folder, and so forth."""
    reached, left = set[Path](), list(files)
    while left:
        path = left.pop()
        if path not in reached:
            reached.add(path)
            left += [found for parts in _imports(folder, path) for found in _module(folder, parts)]
    return reached


def _imports(folder: Path, path: Path) -> Iterator[list[str]]:
    """Dotted names that a file imports, as seen from the folder."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # its import will say so
    package = list(path.relative_to(folder).parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = [*base, *(node.module.split(".") if node.module else [])]
            yield from ([*stem, alias.name] for alias in node.names)
