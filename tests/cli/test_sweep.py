"""hwcost sweep: bad input trains and writes nothing; a study that is another one, or corrupt, is refused."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from command_line import ROOT, TINY, Ended, Hwcost, command, refused

from hwcost.cli import sweep as sweep_module
from hwcost.cli.sweep import show_result
from hwcost.search import JOURNAL
from hwcost.sweep.listener import Listener
from hwcost.sweep.run import Result


def test_an_accelerator_that_is_not_there(hwcost: Hwcost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sweep.toml").write_text('[sweep]\naccelerator = "cuda:99"\n')
    refused(hwcost("sweep", "--config", "sweep.toml", "--out", "study"), "accelerator 'cuda:99'", "cpu")
    monkeypatch.setenv("HWCOST_ACCELERATOR", "cuda:98")
    refused(hwcost("sweep", "--out", "study"), "accelerator 'cuda:98'", "cpu")
    assert not (tmp_path / "study").exists()


def test_the_flags_are_few() -> None:
    shown = [option for option in command("sweep").params if isinstance(option, click.Option) and not option.hidden]
    assert len([option for option in shown if option.name != "config"]) <= 15


def test_a_retired_flag_is_refused_in_a_file_too_unless_it_had_no_effect(hwcost: Hwcost, tmp_path: Path) -> None:
    file = tmp_path / "old.toml"
    file.write_text("[sweep]\nrefit = 2\n")
    refused(hwcost("sweep", "--config", file), "sweep: --refit is now `hwcost finish STUDY --refit EPOCHS`")
    file.write_text("[sweep]\nrefit = 0\nclock = 'inf'\n")
    refused(hwcost("sweep", "tiny.py:recipe", "--config", file), "--clock", "inf")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["sweep", "--trails", "4"], ["--trails"]),
        (["sweep", "--trials", "0"], ["--trials", "0"]),
        (["sweep", "--trials", "many"], ["--trials", "many"]),
        (["sweep", "--seed", "-1"], ["--seed"]),
        (["sweep", "--seed", str(2**64)], ["--seed"]),
        (["sweep", "tiny.py:recipe", "--sampler", "magic"], ["magic", "tpe", "nsga2", "random"]),
        (["sweep", "tiny.py:recipe", "--device", "xc7z21"], ["xc7z21", "xc7z020"]),
        (["sweep", "tiny.py:recipe", "--device", ""], ["''"]),
        (["sweep", "tiny.py:recipe", "--fps", "1e9"], ["frames/s"]),
        (["sweep", "tiny.py:recipe", "--fps", "0"], ["--fps", "0"]),
        (["sweep", "tiny.py:recipe", "--fps", "nan"], ["--fps", "nan"]),
        (["sweep", "--clock", "100"], ["sweep: --clock is a setting now; put `clock = ...` into the table [sweep]"]),
        (["sweep", "--storage", "x"], ["--storage is a setting now; set HWCOST_STORAGE, or put `storage = ...` into"]),
        (["sweep", "--watch"], ["--watch is a setting now"]),
        (["sweep", "--polish", "2"], ["sweep: --polish is now `hwcost finish STUDY --polish ROUNDS`"]),
        (["sweep", "--repeat", "2"], ["sweep: --repeat is now `hwcost finish STUDY --repeat SEEDS`"]),
        (["sweep", "--refit", "2"], ["sweep: --refit is now `hwcost finish STUDY --refit EPOCHS`"]),
        (["sweep", "--warm", "2"], ["warm needs bits, which is not given; add bits, or omit warm"]),
        (["sweep", "--jobs", "2", "--verbose"], ["omit --jobs"]),
        (["sweep", "--data", "tiny.py"], ["--data", "omit"]),
        (["sweep", "fashion-mnist"], ["--data"]),
        (["sweep", "--input", "1,8,8"], ["digits: a recipe defines its own input; omit --input"]),
        (["sweep", "nets.py:floating"], ["nets.py:floating: a network, not a recipe; give its data set with --data"]),
        (["sweep", "nets.py:floating", "--data", "nowhere"], ["nowhere: no such file or folder"]),
        (["sweep", "nets.py:floating", "--data", "nowhere", "--input", "0"], ["--input 0", "3,32,32"]),
        (["sweep", "nets.py:number"], ["nets.py:number: int is not a hwcost.Recipe"]),
        (["sweep", "fashion-mnist", "--data", "nowhere"], ["nowhere", "no such file or folder"]),
    ],
    ids=lambda value: "_".join(value),
)
def test_bad_input_is_one_line(hwcost: Hwcost, tmp_path: Path, arguments: list[str], parts: list[str]) -> None:
    before = sorted(tmp_path.rglob("*"))
    refused(hwcost(*arguments), *parts)
    assert [path for path in sorted(tmp_path.rglob("*")) if "__pycache__" not in path.parts] == before


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
        ("budget=lambda params: {'LUTs': 300}", ["'LUTs'", "do you mean 'LUT'?"]),
        ("budget=lambda params: {}", ["budget"]),
        ("budget=lambda params: None", ["budget() returned None"]),
        ("budget=lambda params: {'LUT': 'few'}", ["budget()", "'few'", "finite amount"]),
        ("budget=lambda params: {'LUT': 10**400}", ["budget()", "finite amount"]),
        ("budget=lambda params: {'LUT': 0}", ["LUT", "0"]),
        ("hardware=lambda params: None", ["hardware() returned None"]),
        ("hardware=lambda params: {'fps': 'fast'}", ["'fast'"]),
        ("fps='fast'", ["fps='fast'"]),
        ("fps=10**400", ["fps="]),
        ("device=7", ["device=7"]),
        ("input=7", ["input=7", "between"]),
        ("input=between(5, 1)", ["5 to 1"]),
        ("task=None", ["task=None"]),
        ("training=None", ["training=None"]),
        ("example=(0, 4, 4)", ["example=(0, 4, 4)"]),
        ("network=lambda params: exit()", ["network()", "SystemExit"]),
        ("float_network=lambda: nn.Flatten()", ["float_network()", "(16,)"]),
        ("float_network=lambda: nn.Linear(17, 3)", ["float_network()", "shapes cannot be multiplied"]),
        ("data=lambda path: labelled(tiny.made(path), 5)", ["labels 5 to 7"]),
        ("data=lambda path: valued(tiny.made(path), float('nan'))", ["train sample 0 holds nan"]),
        (
            "data=lambda path: halved(tiny.made(path))",
            ["(1, 2, 4)", "give all the same shape"],
        ),
        ("budget=lambda params: {'LUT': -3}", ["LUT", "-3"]),
        ("objectives=('accuracy', 'LUTs')", ["'LUTs'", "BRAM18"]),
        ("objectives=('LUT',)", ["name score and each resource once"]),
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
        "from torch import nn\n"
        "from hwcost.graph.ranges import between\n"
        "from hwcost.train.data import Split\n"
        "from hwcost.train.loop import Training\n"
        "def labelled(data, more): return replace(data, train=Split(data.train.x, data.train.y + more))\n"
        "def halved(data): return replace(data, test=Split(data.test.x[:, :, :2], data.test.y))\n"
        "def valued(data, value): return replace(data, train=Split(data.train.x * value, data.train.y))\n"
        f"recipe = replace(tiny.recipe, {change})\n"
    )
    refused(hwcost("sweep", "mine.py:recipe"), *parts)
    assert not (tmp_path / "reports").exists()


@pytest.mark.slow
def test_a_float_network_and_a_file_of_samples_make_a_study(hwcost: Hwcost, tmp_path: Path) -> None:
    """The drafted recipe is an ordinary one: resumed, edited, reported, exported, trained again."""
    random = np.random.default_rng(0)
    np.savez(tmp_path / "d.npz", x=random.integers(0, 16, (90, 4, 4)), y=np.arange(90) % 3)
    named = ("sweep", "nets.py:floating", "--data", "d.npz", "--input", "1,4,4", "--trials", 1, "--quiet")
    first = hwcost(*named)
    assert first.status == 0 and "reports/floating/recipe.py: drafted, to be edited" in first.err
    again = hwcost(*named)
    assert again.out.startswith("2 trials") and "there already, and run as it is" in again.err
    study = "reports/floating"
    assert hwcost("sweep", f"{study}/recipe.py:recipe", "--out", study, "--trials", 1, "--quiet").out.startswith(
        "3 tri"
    )
    assert hwcost("report", study).status == 0
    assert hwcost("export", study, "--trial", 1, "--to", "qonnx", "-o", "trial.onnx").status == 0
    assert hwcost("train", "--from", study, "--trial", 1, "--quiet").status == 0
    assert hwcost("estimate", f"{study}/recipe.py:recipe").status == 0
    refused(hwcost(*named[:-4], "16"), "recipe.py: is there already, for another input, 1,4,4, not 16")


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (("--bits", "2:8", "--limit", "LUT=1"), "LUT"),
        (("--fps", "1e9"), "frames/s"),
        (("--device", "ZCU104", "--device", "ZCU104"), "named twice"),
    ],
)
def test_a_refused_first_call_leaves_no_drafted_recipe(
    hwcost: Hwcost, tmp_path: Path, flags: tuple[str, ...], part: str
) -> None:
    np.savez(tmp_path / "d.npz", x=np.random.default_rng(0).integers(0, 16, (90, 4, 4)), y=np.arange(90) % 3)
    ended = hwcost("sweep", "nets.py:floating", "--data", "d.npz", "--input", "1,4,4", *flags)
    assert ended.status == 2 and part in ended.err.splitlines()[-1]
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("out", ["tiny.py", "tiny.py/study"])
def test_a_file_in_the_way_of_the_study(hwcost: Hwcost, tmp_path: Path, out: str) -> None:
    refused(hwcost("sweep", "tiny.py:recipe", "--trials", 1, "--out", out), out, "--out")
    assert (tmp_path / "tiny.py").read_text() == TINY.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["checkpoints", "run.json"])
def test_something_in_the_way_inside_the_study(hwcost: Hwcost, tmp_path: Path, name: str) -> None:
    (tmp_path / "study").mkdir()
    if name == "checkpoints":
        (tmp_path / "study" / name).touch()
    else:
        (tmp_path / "study" / name).mkdir()
    refused(hwcost("sweep", "tiny.py:recipe", "--trials", 1, "--out", "study"), name)


@pytest.mark.slow
def test_what_can_be_wrong_with_a_study(hwcost: Hwcost, study: Path, tmp_path: Path) -> None:
    again = ("sweep", "tiny.py:recipe", "--trials", 1, "--out", "study", "--quiet")
    whole = {path.name: path.read_bytes() for path in study.iterdir() if path.is_file()}
    (tmp_path / "clock.toml").write_text("[sweep]\nclock = 200\n")

    for changed, parts in (
        (("--seed", 1), ["seed", "was 0, now 1"]),
        (("--sampler", "random"), ["sampler"]),
        (("--device", "ZCU104"), ["device", "ZCU104"]),
        (("--fps", 1000), ["fps", "1000"]),
        (("--config", "clock.toml"), ["clock_mhz"]),
    ):
        refused(hwcost(*again, *changed), "another study", *parts)
    source = tmp_path / "tiny.py"
    text = source.read_text()
    source.write_text(text.replace("epochs=6", "epochs=7"))
    refused(hwcost(*again), "another study", '"epochs": 6', '"epochs": 7')
    refused(hwcost("train", "--from", "study", "--trial", 1), "training", "changed")
    source.write_text(text.replace("between(0, 15)", "between(0, 31)"))
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


@pytest.mark.slow
def test_a_real_process_ends_with_status_2(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from hwcost.cli import COMMANDS, main; main()", "sweep", "--device", "xc7z999"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    refused(Ended(ended.returncode, ended.stdout, ended.stderr), "xc7z999")
    assert list(tmp_path.iterdir()) == []


def test_the_time_left_of_a_warm_sweep_is_of_its_own_epochs(hwcost: Hwcost, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    @contextmanager
    def watched(trials: int, epochs: int, **_: Any) -> Iterator[Listener]:
        asked.append(epochs)
        yield Listener()

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep_module, "watch", watched)
    monkeypatch.setattr(sweep_module, "run", stopped)
    assert hwcost("sweep", "--bits", "2:8", "--warm", "3").status == 130
    assert asked == [3]


def test_the_files_of_a_study_are_those_that_the_documentation_names(study: Path) -> None:
    page = (ROOT / "docs" / "reference" / "files.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.partition("## front.json")[0].splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    named -= {
        "verify/",
        "figures/",
        "ramp.json",
        "parts.json",
        "repeats.json",
        "refit.json",
        "recipe.py",
    }  # made by another command, or by another flag
    assert len(named) > 9 and {name for name in named if not (study / name).exists()} == set()


@pytest.mark.parametrize(
    ("finished", "interrupted", "status", "said"),
    [
        (3, False, None, ""),
        (0, False, 1, "no trial finished; the page lists"),
        (0, True, 130, "interrupted; everything"),
    ],
)
def test_a_study_without_a_finished_trial_is_no_success(
    capsys: pytest.CaptureFixture[str], finished: int, interrupted: bool, status: int | None, said: str
) -> None:
    """A score that is NaN in every trial ended with status 0 and an empty front."""
    ended = Result(page=Path("index.html"), finished=finished, front=finished, interrupted=interrupted)
    stopped: Any = nullcontext() if status is None else pytest.raises(SystemExit)
    with stopped as left:
        show_result(ended, as_json=False)
    assert status is None or left.value.code == status
    assert said in capsys.readouterr().err
