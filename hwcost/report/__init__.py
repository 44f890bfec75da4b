"""A study on one page: tables in, HTML, Markdown, pictures, CSV and JSON out. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hwcost.report.study import Mark as Mark
from hwcost.report.study import Study as Study
from hwcost.report.study import read_study as read_study

if TYPE_CHECKING:
    from hwcost.report.comparison import write_comparison as write_comparison
    from hwcost.report.files import write_report as write_report
else:  # Matplotlib and templates are imported when a page is written, not when a study is read

    def write_comparison(*args: Any, **options: Any) -> Any:
        """See `hwcost.report.comparison.write_comparison`."""
        from hwcost.report.comparison import write_comparison as write

        return write(*args, **options)

    def write_report(*args: Any, **options: Any) -> Any:
        """See `hwcost.report.files.write_report`."""
        from hwcost.report.files import write_report as write

        return write(*args, **options)
