"""The doctests of hwcost.synth need its extra; without it they are left out, and the report says so."""

from importlib.util import find_spec

SYNTH = find_spec("amaranth") is not None
collect_ignore_glob = [] if SYNTH else ["hwcost/synth/*"]


def pytest_report_header() -> str:
    return "" if SYNTH else "hwcost.synth: NOT TESTED, amaranth is not installed; pip install 'hwcost[synth]'"
