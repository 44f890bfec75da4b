"""hwcost verify: front points against synthesis."""

from __future__ import annotations

import csv
import io
import json
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from command_line import Hwcost, refused

from hwcost.cli import verify
from hwcost.sweep.study_files import read_measured


@pytest.mark.slow
def test_the_best_points_of_a_study_are_verified(hwcost: Hwcost, study: Path) -> None:
    if find_spec("pyosys") is None:  # never imported here: in one process with it, compiled PyTorch crashes
        pytest.skip("pyosys is not installed: no study was verified; pip install 'hwcost[synth]'")
    ended = hwcost("verify", "study", "--cache", "cache", "--jobs", 1)
    assert (ended.status, ended.err) == (0, "")
    (folder,) = (study / "verify").iterdir()
    assert {path.name for path in folder.iterdir()} == {"verify.csv", "verify.png", "corrections.json"}
    rows = list(csv.DictReader(io.StringIO((folder / "verify.csv").read_text())))
    assert sum(float(row["LUT_measured"] or 0) for row in rows) > 0
    (_, counted), *_ = read_measured(study).items()
    assert counted["LUT"] == sum(float(row["LUT_measured"]) for row in rows)
    page = hwcost("report", "study")
    assert page.status == 0 and "LUT synthesized" in (study / "index.html").read_text()
    told = hwcost("verify", "study", "--cache", "cache", "--json")
    ((name, parts),) = json.loads(told.out).items()
    assert name == folder.name.replace("-", " ") and len(parts) == len(rows)
    assert sum(part["LUT_measured"] or 0 for part in parts) == counted["LUT"]
    whole = (folder / "verify.csv").read_text()
    (folder / "verify.csv").write_text("torn")
    refused(hwcost("report", "study"), "verify.csv", "hwcost verify")
    (folder / "verify.csv").write_text(whole)
    number = int(folder.name.removeprefix("trial-"))
    trial = json.loads((study / "trials.json").read_text())["trials"][number]
    assert sum(float(row["LUT"]) for row in rows) == trial["LUT"]
    again = hwcost("verify", "study", "--cache", "cache", "--trial", number, "--json")
    assert json.loads(again.out) == json.loads(told.out)
    refused(hwcost("verify", "study", "--trial", number, "--top", 1), "--trial and --top exclude each other")
    corrected = hwcost("estimate", "tiny.py:recipe", "--corrections", folder / "corrections.json", "--json")
    found = json.loads((folder / "corrections.json").read_text())
    factors = found["layers"]
    other = hwcost("estimate", "tiny.py:recipe", "--corrections", folder / "corrections.json", "--device", "ZCU104")
    refused(other, "--corrections", found["part"], "ZCU104")
    plain = json.loads(hwcost("estimate", "tiny.py:recipe", "--json").out)["layers"]
    for layer, before in zip(json.loads(corrected.out)["layers"], plain, strict=True):
        assert layer["LUT"] == round(before["LUT"] * factors.get(layer["layer"], 1.0))


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["verify", "nowhere"], ["nowhere"]),
        (["verify", "nets.py:fine", "--input", "4", "--top", "2"], ["--top"]),
        (["verify", "nets.py:fine", "--input", "4", "--synthesizer", "vivado"], ["vivado", "pyosys"]),
        (["verify", "nets.py:fine", "--input", "4", "--import", "tiny.py"], ["tiny.py", "report_utilization"]),
        (["verify", "nets.py:fine", "--input", "4", "--trial", "2"], ["not a study", "--trial"]),
        (["verify", "."], ["not a study"]),
        (["verify", "nets.py:fine", "--input", "4", "--architecture", "systolic"], ["systolic", "unrolled"]),
        (["verify", "nets.py:fine", "--input", "4", "--whole", "--import", "tiny.py"], ["--whole", "--import"]),
    ],
    ids=lambda value: "_".join(value),
)
def test_bad_input_is_one_line(hwcost: Hwcost, tmp_path: Path, arguments: list[str], parts: list[str]) -> None:
    before = sorted(tmp_path.rglob("*"))
    refused(hwcost(*arguments), *parts)
    assert [path for path in sorted(tmp_path.rglob("*")) if "__pycache__" not in path.parts] == before


@pytest.mark.parametrize(
    ("missing", "said"),
    [(1, "1 block has no RTL here and is left out"), (2, "2 blocks have no RTL here and are left out")],
)
def test_blocks_without_rtl_are_counted(missing: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = [
        "layer",
        "block",
        "part",
        *(column for area in ("LUT", "FF", "BRAM18", "DSP") for column in (area, f"{area}_measured")),
    ]
    built = ["a", "MatVec", "all", 10.0, 9.0, 4.0, 4.0, 0.0, 0.0, 0.0, 0.0]
    unbuilt = ["b", "Pool", "all", 5.0, None, 1.0, None, 0.0, None, 0.0, None]
    whole = ["whole network", "", "all", 18.0, 17.0, 9.0, 8.0, 0.0, 0.0, 0.0, 0.0]
    table = pd.DataFrame([built, *[unbuilt] * missing], columns=names)
    verify._show("net", table, pd.DataFrame([whole], columns=names))
    assert said in capsys.readouterr().out


@pytest.mark.slow
def test_the_whole_network_is_one_row(hwcost: Hwcost, tmp_path: Path) -> None:
    if find_spec("pyosys") is None:
        pytest.skip("pyosys is not installed: nothing was verified; pip install 'hwcost[synth]'")
    options = ["--input", "4", "--input-bits", "4", "--whole", "--cache", "cache", "--jobs", 1, "--out", "out"]
    ended = hwcost("verify", "nets.py:fine", *options)
    assert (ended.status, ended.err) == (0, "") and "whole network" in ended.out and "FF meas." in ended.out
    (folder,) = (tmp_path / "out").iterdir()
    (row,) = list(csv.DictReader(io.StringIO((folder / "whole.csv").read_text())))
    priced = json.loads(hwcost("estimate", "nets.py:fine", "--input", "4", "--input-bits", "4", "--json").out)["total"]
    assert float(row["LUT"]) == priced["LUT"]
    assert float(row["FF_measured"]) == pytest.approx(priced["FF"], rel=0.05)
    assert float(row["LUT_measured"]) == pytest.approx(priced["LUT"], rel=0.2)
    assert "whole network" not in (folder / "verify.csv").read_text()  # whose rows are summed for the report
    parts = json.loads(hwcost("verify", "nets.py:fine", *options, "--json").out)["nets.py:fine"]
    assert [part["layer"] == "whole network" for part in parts].count(True) == 1
    unrolled = hwcost("verify", "nets.py:fine", *options, "--architecture", "unrolled", "--fps", "1e8")
    refused(unrolled, "--whole builds folded pipelines", "Unrolled")


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["unrolled", "auto"])
def test_products_with_constants_are_verified(hwcost: Hwcost, architecture: str) -> None:
    if find_spec("pyosys") is None:
        pytest.skip("pyosys is not installed: nothing was verified; pip install 'hwcost[synth]'")
    options = ["--input", "4", "--input-bits", "4", "--architecture", architecture, "--fps", "1e8", "--json"]
    ended = hwcost("verify", "nets.py:fine", *options, "--cache", "cache", "--jobs", 1)
    assert (ended.status, ended.err) == (0, "")
    ((_, parts),) = json.loads(ended.out).items()
    sums = [part for part in parts if part["part"] == "sums"]
    assert [part["block"] for part in sums] == ["MatVec"] * 2 and all(part["FF_measured"] is None for part in sums)
    estimated, measured = (sum(part[name] for part in sums) for name in ("LUT", "LUT_measured"))
    assert 0.7 * estimated < measured < 1.4 * estimated


@pytest.mark.slow
def test_on_versal_it_says_what_it_cannot_verify(hwcost: Hwcost) -> None:
    if find_spec("pyosys") is None:
        pytest.skip("pyosys is not installed: nothing was verified; pip install 'hwcost[synth]'")
    options = ["--input", "4", "--input-bits", "4", "--cache", "cache", "--jobs", "1", "--json"]
    ended = hwcost("verify", "nets.py:fine", "--device", "VCK190", *options)
    assert ended.status == 0
    assert "VCK190: no open synthesizer knows Versal" in ended.err and "cannot be verified" in ended.err
    ((_, parts),) = json.loads(ended.out).items()
    assert parts and all(
        part["DSP_measured"] is part["BRAM18_measured"] is part["URAM_measured"] is None for part in parts
    )
    assert sum(part["LUT_measured"] or 0 for part in parts) > 0
