"""hwcost estimate: what it prints for people and machines, and one line for everything that can be wrong."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from command_line import ROOT, Hwcost, refused


def test_estimate_for_people(hwcost: Hwcost) -> None:
    ended = hwcost("estimate")
    assert (ended.status, ended.err) == (0, "")
    for layer in ("conv1", "relu1", "max_pool2d", "conv2", "fc1", "fc2", "fc3"):
        assert layer in ended.out
    assert "frames/s" in ended.out and "initiation interval" in ended.out and "fits PYNQ-Z1" in ended.out
    assert "…" not in ended.out  # nothing was cut off


def test_estimate_that_does_not_fit(hwcost: Hwcost) -> None:
    assert "does NOT fit PYNQ-Z1: too many LUT (" in hwcost("estimate", "--fps", 90_000).out


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


CNV = ROOT / "reports" / "calibration" / "cnv-w1a1.folding.json"


def test_estimate_with_a_published_folding(hwcost: Hwcost) -> None:
    options = ["--flow", "hls", "--thresholds", "parallel", "--weight-banks", "per_pe", "--writable", "--shell", "pynq"]
    record = json.loads(hwcost("estimate", "cnv-w1a1", "--folding", CNV, *options, "--json").out)
    assert record["interval_cycles"] == 32_768
    for name, measured in (("LUT", 26_072), ("FF", 41_312), ("BRAM18", 248)):
        low, high = record["bands"][name]
        assert low < measured < high or abs(record["total"][name] / measured - 1) < 0.3


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
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
        (["estimate", "tiny.py:recipe", "--input", "1,4,4"], ["--input", "omit"]),
        (["estimate", "tiny.py:recipe", "--input-bits", "8"], ["--input-bits", "omit"]),
        (["estimate", "nets.py:fine"], ["nets.py:fine", "--input"]),
        (["estimate", "nets.py:number"], ["nets.py:number", "int"]),
        (["estimate", "nets.py:nothing", "--input", "4"], ["NoneType", "torch.nn.Module"]),
        (["estimate", "nets.py:broken", "--input", "4"], ["NameError", "missing_name", "nets.py:45"]),
        (["estimate", "nets.py:needs", "--input", "4"], ["nets.py:needs", "argument"]),
        (["estimate", "nets.py:branches", "--input", "4"], ["nets.py:15", "if x.sum() > 0:"]),
        (["estimate", "nets.py:floating", "--input", "1,4,4"], ["float network", "--quantize"]),
        (["estimate", "nets.py:widthless", "--input", "4"], ["0: its weights are float", "weight_quant="]),
        (["estimate", "nets.py:fine", "--input", "4", "--corrections", "tiny.py"], ["--corrections", "tiny.py"]),
    ],
    ids=lambda value: "_".join(value),
)
def test_bad_input_is_one_line(hwcost: Hwcost, tmp_path: Path, arguments: list[str], parts: list[str]) -> None:
    before = sorted(tmp_path.rglob("*"))
    refused(hwcost(*arguments), *parts)
    assert [path for path in sorted(tmp_path.rglob("*")) if "__pycache__" not in path.parts] == before


@pytest.mark.parametrize("network", ["lenet", "cnv-w1a1", pytest.param("mobilenet-v1", marks=pytest.mark.slow)])
def test_tables_fit_a_terminal_of_80_columns(network: str, hwcost: Hwcost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = hwcost("estimate", network, "--explain").out
    tables = [line for line in shown.splitlines() if line.startswith(" ")]
    assert len(tables) > 30 and max(map(len, tables)) <= 80
    verdicts = [line for line in shown.splitlines() if line.startswith("verdict: ")]
    assert len(verdicts) == 1 and shown.splitlines()[-1] == verdicts[0]
    assert "W, A, acc: bits of weights, inputs, the accumulator." in shown or network == "mobilenet-v1"
    assert "mult: multipliers" in shown and "; a wider terminal, --csv and --json show all." in shown
    assert "…" not in shown or network == "mobilenet-v1"


def test_the_default_rate_is_stated(hwcost: Hwcost) -> None:
    assert "folded for 1,000 frames/s, the default; --fps N" in hwcost("estimate").out
    assert "folded for" not in hwcost("estimate", "--fps", 1000).out
    assert " frames/s, of the recipe; --fps N" in hwcost("estimate", "tiny.py:recipe").out


def test_what_does_not_fit_is_shown_all_the_same(hwcost: Hwcost) -> None:
    ended = hwcost("estimate", "--device", "Cora-Z7-07S", "--fastest")
    assert ended.status == 2 and "verdict: does NOT fit Cora-Z7-07S: too many BRAM18 (151 of 100)" in ended.out
    assert "needs at least 108 BRAM18 of 80" in ended.err and "what place and route usually fills" in ended.err
    assert "80% of BRAM18" in ended.err and "weights are zero" not in ended.out
    as_json = hwcost("estimate", "--device", "Cora-Z7-07S", "--fastest", "--json")
    assert as_json.status == 2 and as_json.out == "", "half a JSON document helps nobody"


def test_a_misspelt_network_is_recognized(hwcost: Hwcost) -> None:
    assert "did you mean lenet?" in hwcost("estimate", "lenett").err
    assert "did you mean" not in hwcost("estimate", "xyzzy").err


def test_an_untrained_network_is_not_scolded_for_its_zeros(hwcost: Hwcost) -> None:
    assert "weights are zero" not in hwcost("estimate", "cnv-w2a2").out


def test_estimate_of_constants_in_the_fabric(hwcost: Hwcost) -> None:
    record = json.loads(hwcost("estimate", "letter", "--architecture", "unrolled", "--json").out)
    assert record["interval_cycles"] == 1 and record["total"]["DSP"] == 0 and 1 < record["latency_cycles"] < 20
    shown = hwcost("estimate", "letter", "--architecture", "unrolled").out
    assert "initiation interval 1 cycles" in shown and "folded for" not in shown
    refused(
        hwcost("estimate", "--architecture", "unrolled", "--fastest"),
        "--architecture unrolled takes no folding, memories or styles of units; give --fps, --clock, --shell",
    )
