"""Sweeps with several processes: the same trials as one process would train, and none lost when one is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_recipe

pytestmark = pytest.mark.slow  # every process imports PyTorch

TINY = Path(tiny_recipe.__file__)
CHILDREN = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
COMMAND = Path(sys.executable).with_name("hwcost")

DEADLY = """

def _deadly(params):
    mark = Path(__file__).with_name(f"died-{params['base']}-{params['lut_budget']:.3f}")
    if params["base"] in DEADLY_BASES and not (ONCE and mark.exists()):
        mark.touch()
        WHAT()
    return TinyNet(params["base"])


recipe = __import__("dataclasses").replace(recipe, network=_deadly)
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """`hwcost sweep` of the tiny recipe in a process of its own."""
    shutil.copy(TINY, tmp_path / "tiny.py")

    def begin(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [COMMAND, "sweep", "tiny.py:recipe", *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that Ctrl-C can go to all of its processes, as a terminal sends it
        )

    return begin


def spoil(folder: Path, *, bases: tuple[int, ...], what: str, once: bool) -> None:
    """Building the network of such a trial does something terrible; only the first time, if so."""
    code = DEADLY.replace("DEADLY_BASES", repr(bases)).replace("ONCE", str(once)).replace("WHAT()", what)
    # the sweep rehearses in its own process, which must live
    code = code.replace("if params", "if __import__('multiprocessing').parent_process() and params")
    (folder / "tiny.py").write_text(TINY.read_text() + code)


def trials(study: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((study / "trials.json").read_text())["trials"]
    return found


def complete(study: Path) -> dict[int, dict[str, Any]]:
    """Seed -> the finished trial."""
    rows = [row for row in trials(study) if row["state"] == "COMPLETE"]
    found = {int(row["seed"]): row for row in rows}
    assert len(found) == len(rows), "a trial was counted twice"
    return found


def ended(process: subprocess.Popen[str], status: int = 0) -> tuple[str, str]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == status, err
    assert "Traceback" not in err
    return out, err


def test_two_processes_train_what_one_trains(sweep: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    out, _ = ended(sweep("--trials", "5", "--jobs", "2", "--out", "two", "--sampler", "random", "--json"))
    assert json.loads(out)["finished"] == 5 and json.loads(out)["page"] == str(Path("two", "index.html"))
    ended(sweep("--trials", "5", "--out", "one", "--sampler", "random"))
    two, one = complete(tmp_path / "two"), complete(tmp_path / "one")
    assert two.keys() == one.keys() and len(one) == 5
    for seed, row in one.items():
        for name in ("accuracy", "LUT", "BRAM18", "params"):
            assert two[seed][name] == row[name]
    settings = tomllib.loads((tmp_path / "two" / "config.toml").read_text())["sweep"]
    assert (settings["jobs"], settings["trials"], settings["out"]) == (2, 5, "two")
    again = subprocess.run(
        [COMMAND, "train", "--from", "two", "--trial", "3", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    figures = json.loads(again.stdout)
    assert figures["recorded"] == figures["again"]
    ended(sweep("--config", "two/config.toml", "--trials", "1"))  # the same study goes on
    assert len(complete(tmp_path / "two")) == 6


def test_a_killed_process_loses_no_trial(sweep: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    spoil(tmp_path, bases=(5,), what="os.kill(os.getpid(), 9)", once=True)
    (tmp_path / "tiny.py").write_text(
        "import os\n" + (tmp_path / "tiny.py").read_text().replace("from __future__ import annotations\n", "")
    )
    ended(sweep("--trials", "5", "--jobs", "2", "--out", "study", "--sampler", "random"))
    rows = trials(tmp_path / "study")
    dead = [row for row in rows if row["state"] == "FAIL"]
    assert dead and all("interrupted; retried as trial" in row["error"] for row in dead)
    assert len(complete(tmp_path / "study")) == 5


def test_out_of_memory_is_a_failed_trial(sweep: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    code = TINY.read_text().replace(
        "    def forward(self, input: Tensor) -> Tensor:\n",
        "    def forward(self, input: Tensor) -> Tensor:\n"
        "        if self.training and BIG.exists() and self.base == 5:\n"
        "            torch.empty(2**50)\n",
    )
    code = code.replace("        super().__init__(\n", "        super().__init__(\n", 1)
    code = code.replace("    def forward", "    base = None\n\n    def forward", 1)
    code = code.replace(
        '    return TinyNet(params["base"])',
        '    net = TinyNet(params["base"])\n    net.base = params["base"]\n    return net',
    )
    code = code.replace("HANG = ", 'BIG = Path(__file__).with_name("big")\nHANG = ', 1)
    (tmp_path / "tiny.py").write_text(code)
    (tmp_path / "big").touch()
    ended(sweep("--trials", "3", "--jobs", "2", "--out", "study", "--sampler", "random"))
    failed = [row for row in trials(tmp_path / "study") if row["state"] == "FAIL"]
    assert failed and all("ran out of memory" in row["error"] and "smaller batch" in row["error"] for row in failed)
    assert len(trials(tmp_path / "study")) == 3


def test_kill_9_of_the_process_that_holds_the_study(
    sweep: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = sweep("--trials", "6", "--jobs", "2", "--out", "study", "--sampler", "random")
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "study").glob("checkpoints/trial-*.pt"))) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()
    ended(sweep("--trials", "6", "--jobs", "2", "--out", "study", "--sampler", "random"))
    assert len(complete(tmp_path / "study")) >= 6


def test_ctrl_c_keeps_what_is_finished(sweep: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    process = sweep("--trials", "50", "--jobs", "2", "--out", "study", "--sampler", "random")
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "study").glob("checkpoints/trial-*.pt"))) < 3:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, err = ended(process, 130)
    assert "interrupted; everything finished is kept" in err and "resource_tracker" not in err
    assert len(complete(tmp_path / "study")) >= 2
    assert (tmp_path / "study" / "index.html").exists()


@pytest.mark.skipif(not CHILDREN.exists(), reason="this system does not list the children of a process in /proc")
def test_ctrl_c_while_the_processes_still_begin(sweep: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    process = sweep("--trials", "50", "--jobs", "2", "--out", "study", "--sampler", "random")
    deadline = time.monotonic() + 120
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")

    def training() -> list[Path]:  # not the tracker of what they share, which ignores the signal once it runs
        processes = [Path(f"/proc/{child}") for child in children.read_text().split()]
        return [one for one in processes if b"spawn_main" in (one / "cmdline").read_bytes()]

    while len(training()) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    lines = [line for one in training() for line in (one / "status").read_text().splitlines()]
    blocked = [int(line.split()[1], 16) for line in lines if line.startswith("SigBlk")]
    assert [bool(mask & 1 << signal.SIGINT - 1) for mask in blocked] == [True] * 2  # while they import PyTorch, too
    os.killpg(process.pid, signal.SIGINT)
    _, err = ended(process, 130)
    assert "interrupted; everything finished is kept" in err and "resource_tracker" not in err
