"""hwcost calibrate: constants and errors of a corpus."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import ROOT, Hwcost, refused


@pytest.mark.slow
def test_calibrate_checks_a_corpus_of_ones_own(hwcost: Hwcost, tmp_path: Path) -> None:
    corpus = ROOT / "reports" / "calibration" / "corpus.csv"
    lines = corpus.read_text().splitlines()
    own = [line for line in lines if line.startswith(("kind,", "matvec,"))]
    (tmp_path / "own.csv").write_text("\n".join(own) + "\n")
    ended = hwcost("calibrate", "--check", "own.csv")
    assert (ended.status, ended.err) == (0, "")
    assert "matvec" in ended.out and "thresholds" not in ended.out
    ended = hwcost("calibrate", "--check", "own.csv", "--json")
    told = json.loads(ended.out, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert told["constants"] == {} and {row["resource"] for row in told["errors"]} >= {"LUT"}
    ended = hwcost("calibrate", "--corpus", str(corpus), "--json")
    told = json.loads(ended.out)
    assert told["constants"] and all(set(flows) == {"rtl", "hls"} for flows in told["constants"].values())


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["calibrate", "--corpus", "nowhere.csv"], ["nowhere.csv"]),
        (["calibrate", "--check", "tiny.py"], ["tiny.py", "column"]),
        (["calibrate", "--check", "nets.py", "--synthesize"], ["--check", "--synthesize"]),
    ],
    ids=lambda value: "_".join(value),
)
def test_bad_input_is_one_line(hwcost: Hwcost, tmp_path: Path, arguments: list[str], parts: list[str]) -> None:
    before = sorted(tmp_path.rglob("*"))
    refused(hwcost(*arguments), *parts)
    assert [path for path in sorted(tmp_path.rglob("*")) if "__pycache__" not in path.parts] == before
