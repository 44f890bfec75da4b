"""A study on one page: tables in, HTML, Markdown, pictures, CSV and JSON out. No torch."""

from hwcost.report.comparison import write_comparison as write_comparison
from hwcost.report.files import write_report as write_report
from hwcost.report.study import Mark as Mark
from hwcost.report.study import Study as Study
from hwcost.report.study import read_study as read_study
