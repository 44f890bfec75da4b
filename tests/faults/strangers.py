"""Faults that do not come from the process itself: killed workers and leaders, a second writer, damaged files."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from faults.harness import COLD, Harness, Plan, done, fork, hwcost, wait
from faults.shim import Fault, Shim
from faults.studies import Lost, figures, front_of, settled, trials_of
from hwcost.search import JOURNAL, LOCK

WHOLE = Path("whole")


def shared(harness: Harness) -> None:
    """Kill the leader of a study in a database, or a worker, at any of its operations; then lead it to its end."""
    folder, url = Path("shared"), f"sqlite:///{Path('shared.db').resolve()}"
    for path in (folder, Path("weights"), Path("workers")):
        shutil.rmtree(path, ignore_errors=True)
    for path in Path.cwd().glob("shared.db*"):
        path.unlink()
    given = {"HWCOST_STORAGE": url, "HWCOST_ARTIFACTS": str(Path("weights").resolve()), "HWCOST_HEARTBEAT": "1"}
    os.environ.update(given)
    victim = harness.random.choice(("leader", "worker"))
    fault = Fault("kill", harness.random.randrange(600 if victim == "leader" else 150))
    none = Fault("count", 0)
    said = f"{victim} killed at operation {fault.at}"
    try:
        words = [*COLD, "--out", str(folder), "--quiet", "--trials"]
        leader = fork([*words, "5"], Shim(Path.cwd(), fault if victim == "leader" else none))
        for _ in range(40):
            worker = hwcost("worker", "shared", "--quiet", shim=Shim(Path.cwd(), fault if victim == "worker" else none))
            if worker.status != 2:  # it came too early
                break
            time.sleep(0.05)
        led = wait(*leader)
        if not (led.clean and worker.clean):
            raise Lost(f"leader {led}, worker {worker}")
        if led.struck or worker.struck:
            harness.record("kill", f"{victim} of a database", "killed")
        told = led.told | worker.told
        harness.auditor.check_trials(folder, None, told, url) if (folder / "run.json").exists() else None
        left = 8 - len(settled(trials_of(folder, url)))
        again = done(hwcost(*words, left))
        harness.auditor.check(folder, 8, None, told | again.told, url)
        same = settled(trials_of(WHOLE / "trials"))
        for place, trial in settled(trials_of(folder, url)).items():
            if figures(trial) != figures(same[place]):
                raise Lost(f"place {place}: {figures(trial)} instead of {figures(same[place])}")
    except Exception as error:
        harness.lost.append(f"{said}: {type(error).__name__}: {error}")
        harness.record("lost", f"{victim} of a database", "LOST")
    finally:
        for name in given:
            del os.environ[name]


def writers(harness: Harness) -> None:
    """Start two commands on one study at the same time: the second is refused or comes later, and nothing is lost."""
    folder = Path("study")
    shutil.rmtree(folder, ignore_errors=True)
    plan = Plan("trials", COLD)
    words = [*COLD, "--trials", "2", "--out", str(folder), "--quiet"]
    second = harness.random.choice(
        (words, words, ["finish", str(folder), "--refit", "1", "--quiet"], ["doctor", str(folder)])
    )
    try:
        if second is not words:
            done(hwcost(*words[:-3], "--out", folder, "--quiet"))
        first = fork(words)
        time.sleep(harness.random.random())
        other, one = hwcost(*second), wait(*first)
        if not (one.clean and other.clean and 0 in (one.status, other.status)):
            raise Lost(f"{one} {other}")
        harness.record(
            "second writer", plan.name, "refused in one line" if 2 in (one.status, other.status) else "went on"
        )
        told = one.told | other.told
        harness.auditor.check_trials(folder, WHOLE / plan.name, told)
        again = done(hwcost(*COLD, "--trials", 8 - len(settled(trials_of(folder))), "--out", folder, "--quiet"))
        harness.auditor.check(folder, 8, WHOLE / plan.name, told | again.told)
    except Exception as error:
        harness.lost.append(f"two writers, {second[0]}: {type(error).__name__}: {error}")
        harness.record("lost", "two writers", "LOST")


COMMANDS = {
    "report": ["report", "study"],
    "doctor": ["doctor", "study"],
    "sweep": [*COLD, "--trials", "1", "--out", "study", "--quiet"],
    "finish": ["finish", "study", "--refit", "1", "--quiet"],
    "train": ["train", "--from", "study", "--trial", "NUMBER", "--quiet", "--json"],
    "export": ["export", "study", "--trial", "NUMBER", "--to", "qonnx", "--input-step", "0.0625", "-o", "net.onnx"],
}


def rot(harness: Harness) -> None:
    """Damage a file of a finished study, and call a command: it refuses in one line, or its result is right.

    What it refuses it leaves as it was. A damaged journal is repaired, and the study led to its end.
    """
    draw, folder = harness.random, Path("study")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(WHOLE / "trials", folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != LOCK)
    path = draw.choice([*files, *[folder / JOURNAL] * 8, *[one for one in files if one.suffix == ".json"]])
    kind, content = _damage(harness, path)
    name = draw.choice(list(COMMANDS))
    number = str(draw.randrange(8))
    words = [number if word == "NUMBER" else word for word in COMMANDS[name]]
    said = f"{path.name} with {kind}: hwcost {name} {number}"
    before = _hashes(folder)
    Path("net.onnx").unlink(missing_ok=True)
    try:
        ended = hwcost(*words)
        if not ended.clean or ended.status not in (0, 2):
            raise Lost(f"status {ended.status}: {ended.err[-3000:]}")
        harness.record(kind, name, "refused in one line" if ended.status else "went on")
        if (
            ended.status == 2
            and name not in ("sweep", "finish")
            and (changed := {one for one in before.items() ^ _hashes(folder).items() if one[0] != JOURNAL})
        ):
            raise Lost(f"refused ({ended.err}), but changed {changed}")
        if ended.status == 0:
            _check_output(name, number, folder)
        if path.name == JOURNAL:
            _repaired(harness, folder)
        elif ended.status == 0 and name in ("sweep", "finish"):
            if path.suffix == ".pt" and not path.exists() and "are gone" not in ended.err:
                raise Lost(f"not a word of missing weights: {ended.err}")
            if path.suffix != ".pt" and (not path.exists() or path.read_bytes() != content):
                harness.auditor.check_trials(folder, WHOLE / "trials", ended.told)
            _check_front(folder, more=name == "sweep")
    except Exception as error:
        harness.lost.append(f"{said}: {type(error).__name__}: {error}")
        harness.record("lost", name, "LOST")


def _damage(harness: Harness, path: Path) -> tuple[str, bytes]:
    draw, content = harness.random, bytearray(path.read_bytes())
    kind = draw.choice(("flipped bit", "flipped bit", "cut", "empty", "garbage", "missing"))
    if kind == "flipped bit" and content:
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del content[draw.randrange(len(content) or 1) :]
    elif kind == "garbage":
        content[:] = draw.randbytes(draw.randrange(1, 300))
    elif kind == "empty":
        content.clear()
    path.write_bytes(content)
    if kind == "missing":
        path.unlink()
    return kind, bytes(content)


def _hashes(folder: Path) -> Mapping[str, str]:
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != LOCK
    }


KNOWN: dict[tuple[str, str], Any] = {}


def _check_output(name: str, number: str, folder: Path) -> None:
    """Hold what a command wrote against what it writes of the sound study."""
    if name == "export":
        if (name, number) not in KNOWN:
            words = [number if word == "NUMBER" else word for word in COMMANDS[name]]
            made = Path("net.onnx").read_bytes()
            done(hwcost(words[0], WHOLE / "trials", *words[2:]))
            KNOWN[name, number] = Path("net.onnx").read_bytes()
            Path("net.onnx").write_bytes(made)
        if Path("net.onnx").read_bytes() != KNOWN[name, number]:
            raise Lost("exported another network")
    if name == "report":
        _check_front(folder, more=False)


def _check_front(folder: Path, *, more: bool) -> None:
    if (folder / "front.json").exists() and not more and front_of(folder) != front_of(WHOLE / "trials"):
        raise Lost(f"another front: {front_of(folder)} instead of {front_of(WHOLE / 'trials')}")


def _repaired(harness: Harness, folder: Path) -> None:
    """Repair a journal where that can be, and train again what it lost."""
    mended = hwcost("doctor", folder)
    if not mended.clean:
        raise Lost(f"doctor: {mended}")
    if mended.status == 2 or not (folder / JOURNAL).exists():
        return  # nothing is left to repair; it says so
    shutil.rmtree(folder / "figures", ignore_errors=True)
    left = max(1, 9 - len(settled(trials_of(folder))))
    again = hwcost(*COLD, "--trials", left, "--out", folder, "--quiet")
    if again.status == 2 and "its report has trials up to" in again.err:
        for name in ("trials.json", "trials.csv", "index.html", "front.json"):
            (folder / name).unlink(missing_ok=True)
        again = hwcost(*COLD, "--trials", left, "--out", folder, "--quiet")
    done(again)
    harness.auditor.check(folder, None, WHOLE / "trials", again.told, repaired=True)
