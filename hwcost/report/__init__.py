"""A study on one page: tables in, HTML, Markdown, pictures, CSV and JSON out. No torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwcost.report.comparison import write_comparison as write_comparison
    from hwcost.report.files import write_report as write_report
    from hwcost.report.study import Mark as Mark
    from hwcost.report.study import Study as Study
    from hwcost.report.study import read_study as read_study

_HOME = {
    "write_comparison": "comparison",
    "write_report": "files",
    "Mark": "study",
    "Study": "study",
    "read_study": "study",
}


def __getattr__(name: str) -> Any:
    """Matplotlib and templates are imported when a page is written, not when a study is read."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
