"""The command line: what it prints for people and machines, and one clear line for everything that can be wrong."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
import tiny_recipe

from hwcost.cli import COMMANDS, main
from hwcost.models import devices
from hwcost.search import JOURNAL
from hwcost.sweep.study_files import read_measured

TINY = Path(tiny_recipe.__file__)

NETWORKS = """
import torch
import torch.nn.functional as F
from torch import nn

from hwcost.quant import QuantConv2d, QuantLinear, QuantReLU, const_activation, const_weight


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = QuantLinear(4, 3, weight_quant=const_weight(bits=4))

    def forward(self, x):
        if x.sum() > 0:
            x = -x
        return self.fc(x)


def branches():
    return Branches()


def floating():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 3))


def widthless():
    return nn.Sequential(
        QuantLinear(4, 4, bias=False, weight_quant=None),
        QuantReLU(None),
        QuantLinear(4, 3, bias=False, weight_quant=const_weight(bits=4)),
    )


def fine():
    return nn.Sequential(
        QuantLinear(4, 8, bias=False, weight_quant=const_weight(bits=4)),
        QuantReLU(const_activation(bits=3)),
        QuantLinear(8, 3, bias=False, weight_quant=const_weight(bits=4, per_channel=False)),
    )


def broken():
    return missing_name


def nothing():
    return None


def needs(argument):
    return fine()


number = 7
"""


class Ended(NamedTuple):
    status: int
    out: str
    err: str


Hwcost = Callable[..., Ended]


@pytest.fixture
def hwcost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Hwcost]:
    """The command, in a folder of its own with a few files of a user in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    modules = set(sys.modules)
    shutil.copy(TINY, tmp_path / "tiny.py")
    (tmp_path / "nets.py").write_text(NETWORKS)
    (tmp_path / "odd.json").write_text('{"conv1": {"PE": 0, "SIMD": 3}}')

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["hwcost", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, out, err)

    yield call
    for name in set(sys.modules) - modules:
        if name.startswith("_hwcost_recipe_") or name in ("tiny", "nets", "beside"):
            del sys.modules[name]


def refused(ended: Ended, *parts: str) -> None:
    """Exit status 2, nothing on standard output, and one line that holds the parts."""
    assert ended.status == 2, ended
    assert ended.out == ""
    assert ended.err.startswith("hwcost: error: ")
    assert ended.err.endswith("\n") and ended.err.count("\n") == 1, ended.err
    for part in parts:
        assert part in ended.err, ended.err


def test_an_accelerator_that_is_not_there(hwcost: Hwcost, tmp_path: Path) -> None:
    refused(hwcost("sweep", "--accelerator", "cuda:99", "--out", "study"), "accelerator 'cuda:99'", "cpu")
    assert not (tmp_path / "study").exists()


def test_estimate_for_people(hwcost: Hwcost) -> None:
    ended = hwcost("estimate")
    assert (ended.status, ended.err) == (0, "")
    for layer in ("conv1", "relu1", "max_pool2d", "conv2", "fc1", "fc2", "fc3"):
        assert layer in ended.out
    assert "frames/s" in ended.out and "initiation interval" in ended.out and "fits PYNQ-Z1" in ended.out
    assert "…" not in ended.out  # nothing was cut off


def test_estimate_that_does_not_fit(hwcost: Hwcost) -> None:
    assert "does NOT fit PYNQ-Z1: too many LUT" in hwcost("estimate", "--fps", 90_000).out


def test_estimate_as_json_and_csv_are_the_same_numbers(hwcost: Hwcost) -> None:
    record = json.loads(hwcost("estimate", "--json", "--device", "zcu104", "--fps", 2000, "--clock", 200).out)
    assert record["device"] == "ZCU104"
    assert record["clock_mhz"] == 200
    assert record["fps"] == 200e6 / record["interval_cycles"] >= 2000
    table = hwcost("estimate", "--csv", "--device", "zcu104", "--fps", 2000, "--clock", 200).out
    rows = list(csv.DictReader(io.StringIO(table)))
    assert len(rows) == len(record["layers"]) == 11
    for row, layer in zip(rows, record["layers"], strict=True):
        assert row.keys() == layer.keys()
        for name, value in layer.items():
            assert row[name] == ("" if value is None else str(value))
    for name, total in record["total"].items():
        assert total == sum(layer[name] for layer in record["layers"])


def test_estimate_explains(hwcost: Hwcost) -> None:
    shown = hwcost("estimate", "--explain").out
    assert "LUT of" in shown and "mult" in shown and "all layers" in shown
    assert "one bit less of" in shown and "8 -> 7" in shown and "the bit that saves most LUTs: " in shown
    assert "error band" in shown and "latency" in shown
    assert "LUT of" not in hwcost("estimate").out


def test_estimate_says_how_sure_it_is(hwcost: Hwcost) -> None:
    record = json.loads(hwcost("estimate", "--json").out)
    for name in ("LUT", "FF", "BRAM18"):
        low, high = record["bands"][name]
        assert low <= record["total"][name] <= high and low < high
    assert record["bands"]["DSP"] is None and record["bands"]["cycles"][1] > record["interval_cycles"]
    prices = {(row["layer"], row["stream"]): row for row in record["shadow_prices"]}
    assert prices["conv2", "weights"]["bits"] == 8 and prices["conv2", "weights"]["saves"]["LUT"] > 0


def test_estimate_with_a_shell(hwcost: Hwcost) -> None:
    bare, around = (json.loads(hwcost("estimate", "--json", *more).out) for more in ((), ("--shell", "pynq")))
    assert bare["shell"]["LUT"] == 0 < around["shell"]["LUT"]
    for name in bare["total"]:
        assert around["total"][name] == bare["total"][name] + around["shell"][name]
    assert "of that the shell pynq: " in hwcost("estimate", "--shell", "pynq").out


CNV = Path(__file__).parents[2] / "reports" / "calibration" / "cnv-w1a1.folding.json"


def test_estimate_with_a_published_folding(hwcost: Hwcost) -> None:
    options = ["--flow", "hls", "--thresholds", "parallel", "--weight-banks", "per_pe", "--writable", "--shell", "pynq"]
    record = json.loads(hwcost("estimate", "cnv-w1a1", "--folding", CNV, *options, "--json").out)
    assert record["interval_cycles"] == 32_768
    for name, measured in (("LUT", 26_072), ("FF", 41_312), ("BRAM18", 248)):
        low, high = record["bands"][name]
        assert low < measured < high or abs(record["total"][name] / measured - 1) < 0.3


def test_estimate_fills_a_part_or_picks_styles(hwcost: Hwcost) -> None:
    fastest = json.loads(hwcost("estimate", "--fastest", "--json").out)
    assert fastest["fps"] > 1_000 and fastest["fits"]
    mixed = json.loads(hwcost("estimate", "--multipliers", "any", "--fps", 60_000, "--json").out)
    plain = json.loads(hwcost("estimate", "--fps", 60_000, "--json").out)
    assert mixed["fps"] >= 60_000 and mixed["total"]["LUT"] < plain["total"]["LUT"]
    in_dsp = json.loads(hwcost("estimate", "--multipliers", "dsp", "--fps", 60_000, "--json").out)
    assert in_dsp["total"]["DSP"] > 0 and in_dsp["total"]["LUT"] < mixed["total"]["LUT"]


def test_estimate_of_a_recipe_and_of_ones_own_network(hwcost: Hwcost) -> None:
    assert "520,833 frames/s" in hwcost("estimate", "tiny.py:recipe").out
    own = hwcost("estimate", "nets.py:fine", "--input", "4", "--json")
    wide = hwcost("estimate", "nets:fine", "--input", "4", "--input-bits", 12, "--json")
    bits = [json.loads(ended.out)["layers"][0]["input_bits"] for ended in (own, wide)]
    assert bits == [8, 12]


def test_devices(hwcost: Hwcost) -> None:
    table = hwcost("devices")
    record = json.loads(hwcost("devices", "--json").out)
    assert table.status == 0
    assert [entry["name"] for entry in record] == [part.name for part in devices()]
    for part, entry in zip(devices(), record, strict=True):
        assert entry["LUT"] == part.LUT and entry["source"]
        assert part.name in table.out and f"{part.LUT:,}" in table.out
        assert all(alias in table.out for alias in part.aliases)


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_has_an_example(hwcost: Hwcost, command: tuple[str, ...]) -> None:
    ended = hwcost(*command, "--help")
    assert (ended.status, ended.err) == (0, "")
    assert "Usage: hwcost" in ended.out
    if command != ():
        assert f"hwcost {command[0]} " in ended.out.split("Example:")[1]


def test_without_a_command_it_helps(hwcost: Hwcost) -> None:
    assert hwcost() == hwcost("--help")
    assert "130 interrupted" in " ".join(hwcost().out.split())


def test_version(hwcost: Hwcost) -> None:
    ended = hwcost("--version")
    assert ended.status == 0 and "hwcost" in ended.out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["sweeep"], ["sweeep"]),
        (["sweep", "--trails", "4"], ["--trails"]),
        (["sweep", "--trials", "0"], ["--trials", "0"]),
        (["sweep", "--trials", "many"], ["--trials", "many"]),
        (["sweep", "--seed", "-1"], ["--seed"]),
        (["sweep", "--seed", str(2**64)], ["--seed"]),
        (["sweep", "tiny.py:recipe", "--sampler", "magic"], ["magic", "tpe", "nsga2", "random"]),
        (["sweep", "tiny.py:recipe", "--device", "xc7z999"], ["xc7z999", "xc7z020"]),
        (["sweep", "tiny.py:recipe", "--device", ""], ["''"]),
        (["sweep", "tiny.py:recipe", "--fps", "1e9"], ["frames/s"]),
        (["sweep", "tiny.py:recipe", "--fps", "0"], ["--fps", "0"]),
        (["sweep", "tiny.py:recipe", "--fps", "nan"], ["--fps", "nan"]),
        (["sweep", "tiny.py:recipe", "--clock", "inf"], ["--clock", "inf"]),
        (["sweep", "--data", "tiny.py"], ["--data", "leave"]),
        (["sweep", "fashion-mnist"], ["--data"]),
        (["sweep", "fashion-mnist", "--data", "nowhere"], ["nowhere", "no such file or folder"]),
        (["estimate", "--device", "xc7z999"], ["xc7z999"]),
        (["estimate", "--fastest", "--fps", "100"], ["--fastest", "give one"]),
        (["estimate", "--folding", "nowhere.json"], ["--folding nowhere.json", "No such file"]),
        (["estimate", "--folding", "odd.json"], ["conv1", '{"PE": 16, "SIMD": 3}']),
        (["estimate", "--folding", "odd.json", "--multipliers", "any"], ["odd.json"]),
        (["estimate", "--json", "--csv"], ["--json", "--csv"]),
        (["estimate", "--fps", "1e9"], ["conv1", "frames/s"]),
        (["estimate", "--input", "3,x"], ["--input", "3,x"]),
        (["estimate", "--input", "3,0,32"], ["--input", "3,0,32"]),
        (["estimate", "--input", "1,32,32"], ["conv1", "example"]),
        (["estimate", "--input-bits", "0"], ["--input-bits"]),
        (["estimate", "tiny.py:recipe", "--input", "1,4,4"], ["--input", "leave"]),
        (["estimate", "tiny.py:recipe", "--input-bits", "8"], ["--input-bits", "leave"]),
        (["estimate", "nets.py:fine"], ["nets.py:fine", "--input"]),
        (["estimate", "nets.py:number"], ["nets.py:number", "int"]),
        (["estimate", "nets.py:nothing", "--input", "4"], ["NoneType", "torch.nn.Module"]),
        (["estimate", "nets.py:broken", "--input", "4"], ["NameError", "missing_name", "nets.py:45"]),
        (["estimate", "nets.py:needs", "--input", "4"], ["nets.py:needs", "argument"]),
        (["estimate", "nets.py:branches", "--input", "4"], ["nets.py:15", "if x.sum() > 0:"]),
        (["estimate", "nets.py:floating", "--input", "1,4,4"], ["0: Conv2d", "rules="]),
        (["estimate", "nets.py:widthless", "--input", "4"], ["0: its weights are float", "weight_quant="]),
        (["train", "--trial", "1"], ["--from"]),
        (["train", "--from", "nowhere", "--trial", "1"], ["nowhere", "no study"]),
        (["train", "--from", "nowhere", "--trial", "-1"], ["--trial"]),
        (["report", "nowhere"], ["nowhere", "no study"]),
        (["report", "tiny.py"], ["tiny.py", "no study"]),
        (["report"], ["STUDIES"]),
        (["verify", "nowhere"], ["nowhere"]),
        (["verify", "nets.py:fine", "--input", "4", "--top", "2"], ["--top"]),
        (["verify", "nets.py:fine", "--input", "4", "--synthesizer", "vivado"], ["vivado", "pyosys"]),
        (["verify", "nets.py:fine", "--input", "4", "--import", "tiny.py"], ["tiny.py", "report_utilization"]),
        (["verify", "."], ["no study"]),
        (["calibrate", "--corpus", "nowhere.csv"], ["nowhere.csv"]),
        (["calibrate", "--check", "tiny.py"], ["tiny.py", "column"]),
        (["calibrate", "--check", "nets.py", "--synthesize"], ["--check", "--synthesize"]),
        (["estimate", "nets.py:fine", "--input", "4", "--corrections", "tiny.py"], ["--corrections", "tiny.py"]),
    ],
    ids=lambda value: "_".join(value),
)
def test_bad_input_is_one_line(hwcost: Hwcost, tmp_path: Path, arguments: list[str], parts: list[str]) -> None:
    before = sorted(tmp_path.rglob("*"))
    refused(hwcost(*arguments), *parts)
    assert [path for path in sorted(tmp_path.rglob("*")) if "__pycache__" not in path.parts] == before


@pytest.mark.parametrize("command", ["sweep", "estimate"])
@pytest.mark.parametrize(
    ("where", "content", "parts"),
    [
        ("digitz", "", ["digitz", "digits", "fashion-mnist"]),
        ("no.such.module:recipe", "", ["no.such.module", "ModuleNotFoundError"]),
        ("lost.py:recipe", "", ["lost.py", "no such file"]),
        ("mine.py:recipe", "recipe = (", ["mine.py", "SyntaxError", "line 1"]),
        ("mine.py:recipe", "x = 1\ny = x / 0", ["ZeroDivisionError", "mine.py:2"]),
        ("mine.py:recipe", "raise RuntimeError('first\\nsecond')", ["first; second"]),
        ("mine.py:recipe", "import sys\nsys.exit(0)", ["SystemExit"]),
        ("mine.py:recipe", "import nothing_of_that_name", ["nothing_of_that_name", "mine.py:1"]),
        ("mine.py:recipe", "other = 1", ["'recipe'", "mine.py"]),
        ("mine.py:", "other = 1", ["mine.py:"]),
        ("mine.py:recipe", "recipe = 1", ["int"]),
        ("mine.py:recipe", "from hwcost import Recipe\nrecipe = Recipe(name='x')", ["TypeError", "float_network"]),
    ],
)
def test_a_recipe_that_does_not_import(
    hwcost: Hwcost, tmp_path: Path, command: str, where: str, content: str, parts: list[str]
) -> None:
    (tmp_path / "mine.py").write_text(content)
    refused(hwcost(command, where), *parts)


# What is wrong with a recipe as a whole: the tiny one, with something replaced.
@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ("network=lambda params: nets.branches()", ["nets.py:15", "if x.sum() > 0:"]),
        ("network=lambda params: nets.floating()", ["0: Conv2d"]),
        ("network=lambda params: nets.broken()", ["network()", "NameError", "nets.py:45"]),
        ("network=lambda params: None", ["network()", "NoneType"]),
        ("network=lambda params: tiny.TinyNet(params['bass'])", ["KeyError", "bass"]),
        ("float_network=lambda: 1 / 0", ["float_network()", "ZeroDivisionError"]),
        ("data=lambda path: [][0]", ["data()", "IndexError"]),
        ("data=lambda path: 3", ["data()", "int"]),
        ("data=lambda path: replace(tiny.made(path), classes=4)", ["(3,)", "4 classes"]),
        ("budget=lambda params: {'LUTs': 300}", ["'LUTs'", "LUT, FF"]),
        ("budget=lambda params: {}", ["budget"]),
        ("budget=lambda params: {'LUT': -3}", ["LUT", "-3"]),
        ("objectives=('accuracy', 'LUTs')", ["'LUTs'", "BRAM18"]),
        ("objectives=('LUT',)", ["accuracy"]),
        ("device='xc7z999'", ["xc7z999"]),
        ("fps=1e9", ["frames/s"]),
        ("anchors=({'base': 5},)", ["anchor"]),
        ("anchors=({'base': 9, 'lut_budget': 500.0},)", ["anchor", "outside"]),
        ("name='a/b'", ["'a/b'"]),
        ("training=Training(epochs=0)", ["epochs=0"]),
        ("training=Training(epochs=1.5)", ["epochs=1.5"]),
        ("training=Training(budget_strength=0.0)", ["strength=0.0"]),
    ],
)
def test_a_bad_recipe_trains_and_writes_nothing(hwcost: Hwcost, tmp_path: Path, change: str, parts: list[str]) -> None:
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\n"
        "import nets, tiny\n"
        "from hwcost.train.loop import Training\n"
        f"recipe = replace(tiny.recipe, {change})\n"
    )
    refused(hwcost("sweep", "mine.py:recipe"), *parts)
    assert not (tmp_path / "reports").exists()


def test_a_recipe_finds_the_modules_beside_it(hwcost: Hwcost, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "beside.py").write_text("from hwcost.zoo.lenet import QuantLeNet as Net\n")
    (folder / "mine.py").write_text("from beside import Net\n")
    assert hwcost("estimate", "elsewhere/mine.py:Net", "--input", "3,32,32").status == 0


@pytest.mark.parametrize("out", ["tiny.py", "tiny.py/study"])
def test_a_file_in_the_way_of_the_study(hwcost: Hwcost, tmp_path: Path, out: str) -> None:
    refused(hwcost("sweep", "tiny.py:recipe", "--trials", 1, "--out", out), out, "--out")
    assert (tmp_path / "tiny.py").read_text() == TINY.read_text()


@pytest.mark.parametrize("name", ["checkpoints", "run.json.partial"])
def test_something_in_the_way_inside_the_study(hwcost: Hwcost, tmp_path: Path, name: str) -> None:
    (tmp_path / "study").mkdir()
    if name == "checkpoints":
        (tmp_path / "study" / name).touch()
    else:
        (tmp_path / "study" / name).mkdir()
    refused(hwcost("sweep", "tiny.py:recipe", "--trials", 1, "--out", "study"), name.removesuffix(".partial"))


@pytest.fixture
def study(hwcost: Hwcost, tmp_path: Path) -> Path:
    assert hwcost("sweep", "tiny.py:recipe", "--trials", 3, "--out", "study", "--quiet").status == 0
    return tmp_path / "study"


def test_a_trial_is_trained_again(hwcost: Hwcost, study: Path) -> None:
    ended = hwcost("train", "--from", "study", "--trial", 1)
    assert (ended.status, ended.err) == (0, "")
    accuracy = json.loads((study / "trials.json").read_text())["trials"][1]["accuracy"]
    (line,) = (line.split() for line in ended.out.splitlines() if "accuracy" in line)
    assert line[1] == line[2] == f"{accuracy:.6g}"
    content = (study / "trials.json").read_text()
    (study / "trials.json").write_text(content.replace(repr(accuracy), "0.125"))
    ended = hwcost("train", "--from", "study", "--trial", 1)
    assert ended.status == 2 and "0.125" in ended.out and "differ from the record" in ended.err


def test_calibrate_checks_a_corpus_of_ones_own(hwcost: Hwcost, tmp_path: Path) -> None:
    corpus = Path(__file__).parents[2] / "reports" / "calibration" / "corpus.csv"
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


@pytest.mark.slow
def test_a_report_for_machines(hwcost: Hwcost, study: Path) -> None:
    told = json.loads(hwcost("report", "study", "--json").out)
    assert told == {"page": "study/index.html", "tables": ["study/front.json", "study/trials.csv"]}
    assert json.loads((study / "front.json").read_text())["points"]
    assert json.loads(hwcost("report", "study", "--json").out) == told
    assert hwcost("sweep", "tiny.py:recipe", "--trials", 3, "--out", "other", "--seed", 1, "--quiet").status == 0
    told = json.loads(hwcost("report", "study", "other", "--out", "study", "--json").out)
    assert told == {"page": "study/index.html", "tables": []}  # those beside it are of the study


def test_every_figure_of_the_page_can_be_had_by_itself(hwcost: Hwcost, study: Path) -> None:
    assert hwcost("report", "study", "--figures").status == 0
    pictures = {path.name: path.read_bytes() for path in (study / "figures").iterdir()}
    names = {name.partition(".")[0] for name in pictures}
    assert set(pictures) == {f"{name}.{kind}" for name in names for kind in ("svg", "png")} and len(names) > 5
    assert all(
        content.startswith(b"\x89PNG" if name.endswith("png") else b"<?xml") for name, content in pictures.items()
    )
    page = (study / "index.html").read_text(encoding="utf-8")
    assert page.count("<svg") == len(names) + 2  # the front stands there twice: wide and narrow
    refused(hwcost("report", "study", "study", "--figures"), "--figures is for one study")


def test_the_files_of_a_study_are_those_that_the_documentation_names(study: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "files.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.partition("## front.json")[0].splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    named -= {
        "verify/",
        "figures/",
        "ramp.json",
        "repeats.json",
        "refit.json",
    }  # made by another command, or by another flag
    assert len(named) > 9 and {name for name in named if not (study / name).exists()} == set()


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
    corrected = hwcost("estimate", "tiny.py:recipe", "--corrections", folder / "corrections.json", "--json")
    found = json.loads((folder / "corrections.json").read_text())
    factors = found["layers"]
    other = hwcost("estimate", "tiny.py:recipe", "--corrections", folder / "corrections.json", "--device", "ZCU104")
    refused(other, "--corrections", found["part"], "ZCU104")
    plain = json.loads(hwcost("estimate", "tiny.py:recipe", "--json").out)["layers"]
    for layer, before in zip(json.loads(corrected.out)["layers"], plain, strict=True):
        assert layer["LUT"] == round(before["LUT"] * factors.get(layer["layer"], 1.0))


def test_what_can_be_wrong_with_a_study(hwcost: Hwcost, study: Path, tmp_path: Path) -> None:
    again = ("sweep", "tiny.py:recipe", "--trials", 1, "--out", "study", "--quiet")
    whole = {path.name: path.read_bytes() for path in study.iterdir() if path.is_file()}

    for changed, parts in (
        (("--seed", 1), ["seed", "was 0, now 1"]),
        (("--sampler", "random"), ["sampler"]),
        (("--device", "ZCU104"), ["device", "ZCU104"]),
        (("--fps", 1000), ["fps", "1000"]),
        (("--clock", 200), ["clock_mhz"]),
    ):
        refused(hwcost(*again, *changed), "another study", *parts)
    source = tmp_path / "tiny.py"
    text = source.read_text()
    source.write_text(text.replace("epochs=6", "epochs=7"))
    refused(hwcost(*again), "another study", "epochs=6", "epochs=7")
    refused(hwcost("train", "--from", "study", "--trial", 1), "training", "changed")
    source.write_text(text.replace("between(0, 15)", "between(0, 14)"))
    refused(hwcost(*again), "another study", "input")
    source.write_text(text)

    (study / JOURNAL).write_bytes(b"SQLite format 3\0" + bytes(100))
    refused(hwcost(*again), JOURNAL, "not a study")
    lines = whole[JOURNAL].splitlines(keepends=True)
    (study / JOURNAL).write_bytes(b"".join([*lines[:5], b"{torn\n", *lines[6:]]))
    refused(hwcost(*again), JOURNAL, "line 6", "corrupt")
    (study / JOURNAL).write_bytes(whole[JOURNAL])

    for name in ("run.json", "trials.json"):
        for content in (b"", b"[]", b"{}", b'{"trials": 3}', b'{"trials": [3]}', b'{"recipe": 3}', b"\xff\xfe"):
            (study / name).write_bytes(content)
            refused(hwcost("report", "study"))
            refused(hwcost("train", "--from", "study", "--trial", 1))
        (study / name).write_bytes(whole[name])
    (study / "trials.json").unlink()
    refused(hwcost("report", "study"), "trials.json", "hwcost sweep")
    (study / "trials.json").write_bytes(whole["trials.json"])

    refused(hwcost("train", "--from", "study", "--trial", 99), "no trial 99")
    (study / "float.json").write_bytes(b"{")
    refused(hwcost(*again), "float.json")
    (study / "float.json").write_bytes(whole["float.json"])

    (study / "test.json").unlink()
    checkpoint = next((study / "checkpoints").glob("trial-*.pt"))
    for broken in (study / "checkpoints").glob("trial-*.pt"):
        broken.write_bytes(b"PK\x03\x04")
    refused(hwcost(*again), "checkpoints", checkpoint.suffix)


def test_a_real_process_ends_with_status_2(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from hwcost.cli import COMMANDS, main; main()", "sweep", "--device", "xc7z999"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    refused(Ended(ended.returncode, ended.stdout, ended.stderr), "xc7z999")
    assert list(tmp_path.iterdir()) == []
