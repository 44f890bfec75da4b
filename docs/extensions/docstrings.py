"""Griffe extension: turns docstrings of the house style into those that the reference pages are rendered from.

Two habits of the house are not in Griffe's Google style: an entry that documents several parameters (`low, high:
bounds`), and an example without a heading.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_SECTION = re.compile(r"^(Args|Attributes):\n((?:[ ]{4}.*\n?|\n)+)", re.MULTILINE)
_ENTRY = re.compile(r"^ {4}((?:\*?\w+, )+\*?\w+):((?:.*\n?)(?:^ {5,}.*\n?|^\n(?= {5}))*)", re.MULTILINE)
_EXAMPLE = re.compile(r"(?<=\n\n)(>>> (?:.+\n?)+)")


def _one_entry_each(section: re.Match[str]) -> str:
    def split(entry: re.Match[str]) -> str:
        text = entry[2] if entry[2].endswith("\n") else entry[2] + "\n"
        return "".join(f"    {name}:{text}" for name in entry[1].split(", "))

    return f"{section[1]}:\n{_ENTRY.sub(split, section[2])}"


def _under_a_heading(example: re.Match[str]) -> str:
    return "Examples:\n" + re.sub(r"^", "    ", example[1].rstrip("\n"), flags=re.MULTILINE) + "\n"


def as_google_style(docstring: str) -> str:
    """Docstring with one entry for each parameter, and every bare example in a section of its own."""
    return _EXAMPLE.sub(_under_a_heading, _SECTION.sub(_one_entry_each, docstring))


class HouseDocstrings(griffe.Extension):
    """Rewrites each docstring before its sections are parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by Griffe for every module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = as_google_style(obj.docstring.value)
