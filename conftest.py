"""The doctests of optional rooms need their extra; without it they are left out, and the report says so."""

from importlib.util import find_spec

OPTIONAL = {"hwcost/synth/*": ("amaranth", "synth"), "hwcost/train/lightning.py": ("lightning", "lightning")}
"""Files: the package they import, the extra that installs it."""
MISSING = {files: need for files, need in OPTIONAL.items() if find_spec(need[0]) is None}
collect_ignore_glob = list(MISSING)


def pytest_report_header() -> list[str]:
    """Names what is not tested in this environment, in the head of every run."""
    return [
        f"{files}: NOT TESTED, {package} is not installed; pip install 'hwcost[{extra}]'"
        for files, (package, extra) in MISSING.items()
    ]
