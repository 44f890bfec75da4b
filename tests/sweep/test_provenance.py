"""The record of how a study was made."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import click
import pytest
import tiny_recipe
from command_line import command
from sweeps import experiment

from hwcost.cli import cli
from hwcost.report.checks import check_details
from hwcost.search.storage.masking import HIDDEN
from hwcost.sweep.fingerprint import fingerprint_of
from hwcost.sweep.provenance import command_line, provenance, python_call, trial_commands
from hwcost.sweep.settings import Settings


def test_a_call_from_python_names_what_differs_from_the_defaults(tmp_path: Path) -> None:
    plain = experiment(tiny_recipe.recipe, tmp_path)
    assert python_call(plain) == f"hwcost.run_sweep('tiny.py:recipe', out={str(tmp_path)!r})"
    other = experiment(tiny_recipe.recipe, tmp_path, trials=5, seed=3, data=Path("sets"), fps=10.0)
    call = python_call(other)
    assert call.endswith("data='sets', trials=5, seed=3, fps=10.0)")
    made: list[Settings] = []

    class Recorder:
        @staticmethod
        def run_sweep(recipe: str, **given: object) -> None:
            made.append(Settings(recipe=recipe, **{**given, "out": tmp_path, "data": Path("sets")}))  # type: ignore[arg-type]

    eval(call, {"hwcost": Recorder})
    assert made == [other.settings]


def test_a_command_holds_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/hwcost", "worker", "s", "--storage", "postgresql://me:secret@host/db"])
    told = command_line()
    assert told.startswith("hwcost worker s --storage ") and HIDDEN in told and "secret" not in told


def test_a_record_holds_part_data_and_settings(tmp_path: Path) -> None:
    sweep = experiment(tiny_recipe.recipe, tmp_path / "my study", seed=4, device="ZCU104")
    data = sweep.load()
    record = provenance(sweep, data, {"validation": 0.5}, fingerprint_of(sweep, data), "hwcost sweep tiny")
    check_details(record)
    assert (record["study"], record["command"], record["seed"]) == ("tiny", "hwcost sweep tiny", 4)
    assert record["trial_command"] == f"hwcost train --from '{tmp_path / 'my study'}' --trial {{number}}"
    assert record["device"]["name"] == "ZCU104" and record["device"]["LUT"] == 230_400
    assert (record["data"]["train"], record["data"]["validation"], record["data"]["test"]) == (48, 21, 18)
    assert record["float"] == {"validation": 0.5} and record["hwcost"] == version("hwcost")
    assert Settings.from_dict(record["settings"]) == sweep.settings
    bare = provenance(sweep, data, {}, fingerprint_of(sweep, data), None)
    assert bare["command"] == python_call(sweep)


def test_commands_of_a_trial_name_its_hardware_where_it_is_that_of_the_study(tmp_path: Path) -> None:
    sweep = experiment(tiny_recipe.recipe, tmp_path, device="ZCU104", fps=250.0, data=Path("sets"))
    found = dict(trial_commands(sweep))
    assert (
        found["export"]
        == f"hwcost export {tmp_path} --trial {{number}} --to qonnx -o {tmp_path}/trial-{{number}}.onnx --data sets"
    )
    on = f"hwcost estimate {tmp_path}/trial-{{number}}.onnx --device ZCU104 --fps 250 --clock 100"
    assert found["estimate"] == on
    assert found["verify"] == f"hwcost verify {tmp_path} --trial {{number}} --data sets"
    folder = f"{tmp_path}/trial-{{number}}-build"
    assert found["build"] == f"hwcost build {tmp_path} --trial {{number}} --out {folder} --data sets"
    for name, words in found.items():
        command(name).make_context(name, shlex.split(words.format(number=3))[2:], parent=click.Context(cli)).close()
    chosen = replace(tiny_recipe.recipe, hardware=lambda params: {"clock_mhz": 200.0})
    assert [name for name, _ in trial_commands(experiment(chosen, tmp_path))] == ["train", "export", "verify", "build"]
    unrolled = experiment(tiny_recipe.recipe, tmp_path, architecture="unrolled")
    assert [name for name, _ in trial_commands(unrolled)] == ["train", "export", "verify"]
    fast = dict(trial_commands(experiment(tiny_recipe.recipe, tmp_path, fps=1e6, clock_mhz=333.25)))
    assert fast["estimate"].endswith("--fps 1000000 --clock 333.25")
