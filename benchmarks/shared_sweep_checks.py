"""Checks of the result of `benchmarks/shared_sweep.sh`: writes the transcript, exits with 1 if a check fails.

Called by the script, with its folder, the kind of server, the driver's package, and the server's version.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import optuna

from hwcost.search.storage.database import connect

NAMES = {"postgres": "PostgreSQL", "mysql": "MySQL (MariaDB)"}
FIGURES = ("accuracy", "LUT", "BRAM18", "params", "test_accuracy")


def trials(folder: Path) -> list[dict[str, Any]]:
    """Rows of a study."""
    found: list[dict[str, Any]] = json.loads((folder / "trials.json").read_text())["trials"]
    return found


def keeps_long_ones(url: str) -> bool:
    """Whether an attribute of 100 kB, as the epochs of a long training are, comes back whole."""
    long = ["epoch"] * 12_500
    study = optuna.create_study(storage=connect(url, 15), study_name="long attributes")
    study.ask().set_user_attr("epochs", long)
    kept: bool = (
        optuna.load_study(storage=connect(url, 15), study_name="long attributes").trials[0].user_attrs["epochs"] == long
    )
    return kept


def main(place: Path, kind: str, driver: str, server: str) -> int:
    """Print the transcript; the exit status."""
    rows, alone = trials(place / "leader" / "study"), trials(place / "alone" / "study")
    complete = [row for row in rows if row["state"] == "COMPLETE"]
    retried = [row for row in rows if "interrupted; retried" in (row["error"] or "")]
    by_seed = {row["seed"]: {name: row[name] for name in FIGURES} for row in complete}
    expected = {row["seed"]: {name: row[name] for name in FIGURES} for row in alone}
    said = {name: (place / f"{name}.out").read_text().strip().splitlines() for name in ("a1", "a2", "b3")}
    trained = {name: int(lines[-1].split()[0]) for name, lines in said.items() if lines}
    published = [path for path in (place / "leader" / "study").rglob("*") if path.is_file() and path.suffix != ".pt"]
    number = next(row["number"] for row in complete if row["test_accuracy"] is not None)
    again = subprocess.run(
        [Path(sys.executable).with_name("hwcost"), "train", "--from", "study", "--trial", str(number), "--json"],
        cwd=place / "leader",
        capture_output=True,
        text=True,
        check=False,
    )
    checks = {
        "40 trials finished, no more and no fewer": len(complete) == 40,
        "none is counted twice: 40 seeds": len(by_seed) == 40,
        "none is lost or left open: every other row is a retried one": len(rows) == 40 + len(retried),
        "the trials of both killed workers were retried": len(retried) == 2,
        "every trial has the figures of the sweep that one process ran": by_seed == expected,
        "the front is the same, test accuracies included": any(row["test_accuracy"] is not None for row in complete),
        "the workers that lived trained some": len(trained) == 3 and all(trained.values()),
        "a worker with another recipe file was refused": os.environ["REFUSED"] == "2"
        and "code was" in (place / "other.err").read_text(),
        "a trial trains again to its figures": again.returncode == 0,
        "an attribute of 100 kB is kept": keeps_long_ones(os.environ["STORAGE"]),
        "the report is there, and no file of it holds the password": (place / "leader/study/index.html").exists()
        and not any(b"not-to-be-published" in path.read_bytes() for path in published),
    }
    print(f"# A sweep of many processes on {NAMES[kind]}\n")
    print(f"`benchmarks/shared_sweep.sh {kind}` starts a private server on loopback, `hwcost sweep` in one")
    print("folder and four `hwcost worker` in two others; both of the second folder are killed with -9 inside a trial,")
    print("one is started again. 40 trials of the tests' recipe, sampler random, are compared one by one with those of")
    print("one process.\n")
    print(f"{server}; Optuna {version('optuna')}, SQLAlchemy {version('sqlalchemy')}, {driver} {version(driver)}.\n")
    print("| check | holds |\n|---|---|")
    for name, holds in checks.items():
        print(f"| {name} | {'yes' if holds else '**no**'} |")
    counts = ", ".join(f"{count} ({name})" for name, count in trained.items())
    print(
        f"\nThe leader said: `{(place / 'leader.out').read_text().strip()}`. The workers that lived trained {counts};"
    )
    print("the others are the leader's and the killed ones'.\n")
    print(f"The refused worker said:\n\n```\n{(place / 'other.err').read_text().strip()}\n```")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
