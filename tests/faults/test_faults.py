"""A sample of the faults and of the inputs that the commands of the benchmarks try by the thousand."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform != "linux", reason="forks, process groups and /proc")
@pytest.mark.parametrize(("script", "count"), [("faults.py", 60), ("inputs.py", 150)])
def test_none_is_lost_and_nothing_is_a_traceback(script: str, count: int) -> None:
    ended = subprocess.run(
        [sys.executable, BENCHMARKS / script, "--count", str(count), "--seed", "7"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout[-8000:]}\n{ended.stderr[-3000:]}"
    assert f"{count} " in ended.stdout
