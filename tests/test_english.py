"""Check the English of the package and of its documentation: banned phrases, and how a docstring begins.

`python tests/test_english.py hwcost/sweep README.md` prints the offenders of these folders and files.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

# Folders and files still to be rewritten, one to a line; the files of a sub-folder are listed under that folder. Take
# a line out when `python tests/test_english.py FOLDER` prints nothing. The set ends empty.
PENDING: set[str] = set()

# Each phrase with what to write in its place.
BANNED = {
    r"so many": "name the number: EPOCHS epochs, `count` units",
    r"of now": "current, present",
    r"told": "given, passed, reported, notified; distinguished",
    r"pass(es|ed)? the front": "say what visits which points of the front",
    r"go(es)? on": "continue, resume, proceed",
    r"digests?": "hash",
    r"anew": "again, from scratch",
    r"as it stands": "unchanged, as is, in its present form",
    r"by itself": "on its own, alone, separately, automatically",
    r"beside": "besides, next to, in addition to, compared with",
}
_BANNED = re.compile(rf"\b({'|'.join(BANNED)})\b".replace(" ", r"[\s#]+"), re.IGNORECASE)  # also across lines

# A docstring begins with a verb or a noun (with its article or adjective), never with one of these.
WEAK_FIRST_WORDS = {
    *("of", "as", "whose", "when", "what", "where", "how", "so", "that", "which", "who", "whom", "why", "if", "by"),
    *("and", "or", "but", "than", "then", "there", "here", "while", "until", "too", "also", "since", "because"),
    *("though", "although", "in", "on", "at", "to", "from", "with", "without", "for", "into", "after", "before"),
    *("between", "behind", "inside", "outside", "among", "against", "over", "under", "through", "per", "like", "only"),
    *("is", "are", "was", "were", "be", "it", "this", "these", "those", "they", "we", "you", "its", "their"),
}

_CODE = re.compile(r"``.+?``|`[^`]*`", re.DOTALL)
_FENCE = re.compile(r"^[ ]*```.*?^[ ]*```$|<!--.*?-->", re.MULTILINE | re.DOTALL)


class Offence(NamedTuple):
    """A place in a file, what stands there, and what to write instead."""

    path: str
    line: int
    found: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.found!r}: {self.advice}"


def _advice(found: str) -> str:
    return next(advice for phrase, advice in BANNED.items() if re.fullmatch(phrase, found, re.IGNORECASE))


def _banned(path: str, line: int, text: str) -> Iterator[Offence]:
    """Banned phrases of one text that begins at `line`; code between backticks is not prose."""
    blank = _CODE.sub(lambda code: re.sub(r"[^\n]", "_", code[0]), text)
    for match in _BANNED.finditer(blank):
        phrase = re.sub(r"[\s#]+", " ", match[0])
        yield Offence(path, line + text[: match.start()].count("\n"), phrase, _advice(phrase))


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """String statements: docstrings of modules, classes and functions, and those below an attribute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value


def _comment_blocks(source: str) -> Iterator[tuple[int, str]]:
    """First line and text of each run of comments on consecutive lines."""
    block: list[str] = []
    start = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if block and token.start[0] != start + len(block):
                yield start, "\n".join(block)
                block = []
            start = start if block else token.start[0]
            block.append(token.string)
    if block:
        yield start, "\n".join(block)


def offences_of_source(path: str, source: str) -> list[Offence]:
    """Offences in the docstrings, comments, help texts and messages of a Python file, in the order of its lines."""
    tree = ast.parse(source)
    found: list[Offence] = []
    for docstring in _docstrings(tree):
        text = str(docstring.value).strip()
        first = re.match(r"[A-Za-z']+", text)
        if first is not None and first[0].lower() in WEAK_FIRST_WORDS:
            found.append(Offence(path, docstring.lineno, text[:40], "begin a docstring with a verb or a noun"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            found += _banned(path, node.lineno, node.value)
    for line, comment in _comment_blocks(source):
        found += _banned(path, line, comment)
    return sorted(set(found))


def offences_of_page(path: str, text: str) -> list[Offence]:
    """Offences in the prose of a page of Markdown; blocks of code and HTML comments are left out."""
    prose = _FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)
    return list(_banned(path, 1, prose))


def _files(place: str) -> list[Path]:
    """A file, or the files of a folder: sources and pages directly in it."""
    path = ROOT / place
    return [path] if path.is_file() else sorted([*path.glob("*.py"), *path.glob("*.md")])


def offences(place: str) -> list[Offence]:
    """Offences of a file, or of the files directly in a folder; `place` is relative to the root of the repository."""
    found: list[Offence] = []
    for path in _files(place):
        check = offences_of_source if path.suffix == ".py" else offences_of_page
        found += check(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    return found


def _places() -> list[str]:
    folders = [
        path.relative_to(ROOT).as_posix()
        for top in ("hwcost", "docs")
        for path in (ROOT / top, *sorted((ROOT / top).rglob("*")))
        if path.is_dir() and path.name != "__pycache__"
    ]
    return ["README.md", "CONTRIBUTING.md", *(folder for folder in folders if _files(folder))]


@pytest.mark.parametrize("place", sorted({*_places()} - PENDING))
def test_no_banned_phrase_and_no_riddle_at_the_start_of_a_docstring(place: str) -> None:
    assert not offences(place), "\n".join(str(offence) for offence in offences(place))


def test_what_is_pending_exists() -> None:
    assert {*_places()} >= PENDING


def test_the_checker_sees_docstrings_comments_messages_and_pages() -> None:
    source = '''
"""Of the widths."""
x = 1  # so many
# a comment that goes
# on for two lines
"""Read what ``told`` the `digest` is."""
raise ValueError(f"{x} was told")
'''
    assert [(offence.line, offence.found) for offence in offences_of_source("a.py", source)] == [
        (2, "Of the widths."),
        (3, "so many"),
        (4, "goes on"),
        (7, "told"),
    ]
    page = "# A page\n\nIt was told.\n\n```python\ntold = 1\n```\n\nIt stands beside\nthe bench, `anew`.\n"
    assert [(offence.line, offence.found) for offence in offences_of_page("a.md", page)] == [(3, "told"), (9, "beside")]


if __name__ == "__main__":
    asked = [place.rstrip("/") for place in sys.argv[1:]] or _places()
    found = [
        offence
        for place in sorted({*asked, *(p for p in _places() if p.startswith(tuple(f"{top}/" for top in asked)))})
        for offence in offences(place)
    ]
    print("\n".join(str(offence) for offence in found))
    sys.exit(1 if found else 0)
