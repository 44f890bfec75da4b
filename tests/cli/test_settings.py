"""Settings files."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
import tomli_w

from hwcost.cli import COMMANDS, cli
from hwcost.cli.design import read_folding
from hwcost.cli.settings import keys, settings
from hwcost.cli.sweep import chosen
from hwcost.errors import BadOption


def written(folder: Path, text: str) -> Path:
    path = folder / "hwcost.toml"
    path.write_text(text)
    return path


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


@pytest.mark.slow
def test_a_file_is_the_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, '[estimate]\nnetwork = "cnv-w1a1"\ndevice = "ZCU104"\nfps = 500\njson = true\n')
    cli.main(["estimate", "--config", str(path)], standalone_mode=False)
    from_file = capsys.readouterr().out
    flags = ["estimate", "cnv-w1a1", "--device", "ZCU104", "--fps", "500", "--json"]
    cli.main(flags, standalone_mode=False)
    assert from_file == capsys.readouterr().out
    assert json.loads(from_file)["device"] == "ZCU104"


def test_a_flag_wins_over_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, '[estimate]\ndevice = "ZCU104"\njson = true\n')
    cli.main(["estimate", "--device", "ZC706", "--config", str(path)], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["device"] == "ZC706"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_of_every_command_can_be_set(tmp_path: Path, name: str) -> None:
    named = keys(command(name))
    flags = {option.name for option in command(name).params} - {"help", "config"}
    assert {str(option.name) for option in named.values()} == flags
    for key in named:
        found = settings(written(tmp_path, f'[{name}]\n{key} = "7"\n'), command(name), COMMANDS)
        assert found in ({named[key].name: "7"}, {named[key].name: ["7"]})


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[estimate]\nfsp = 5\n", ["unknown key 'fsp'", "did you mean fps?"]),
        ("[estmate]\nfps = 5\n", ["unknown table 'estmate'", "did you mean estimate?"]),
        ("[estimate]\nconfig = 'other.toml'\n", ["unknown key 'config'"]),
        ("estimate = 5\n", ["estimate = 5", "give a table"]),
        ("[estimate]\nfps = [5, 6]\n", ["fps = [5, 6]", "give one value"]),
        ("[estimate\n", ["no TOML"]),
        ("[estimate]\nfps = true\n", ["fps = True", "for flags without a value"]),
        ("[estimate]\nnetwork = [true]\n", ["network = [True]", "for flags without a value"]),
        ("x = " + "[" * 100_000, ["no TOML"]),
        ("\udcff", ["no TOML"]),
    ],
)
def test_a_file_that_is_wrong_is_one_line(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = tmp_path / "hwcost.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(BadOption) as refused:
        settings(path, command("estimate"), COMMANDS)
    assert str(path) in str(refused.value)
    for part in parts:
        assert part in str(refused.value)


def test_no_file_and_a_bad_value(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="cannot be read"):
        settings(tmp_path / "none.toml", command("estimate"), COMMANDS)
    path = written(tmp_path, '[estimate]\nfps = "many"\n')
    with pytest.raises(click.BadParameter, match="many"):
        cli.main(["estimate", "--config", str(path)], standalone_mode=False)


def test_the_settings_of_a_sweep_are_the_same_call_again(tmp_path: Path) -> None:
    sweep = command("sweep")
    arguments = ["--out", "x", "--bits", "2:8", "--limit", "LUT=8000", "--limit", "BRAM18=60", "--trials", "3"]
    with sweep.make_context("sweep", [*arguments], parent=click.Context(cli)) as given:
        first = chosen(given.params)
    path = written(tmp_path, tomli_w.dumps({"sweep": first.to_dict()}))
    with sweep.make_context("sweep", ["--config", str(path)], parent=click.Context(cli)) as again:
        assert chosen(again.params) == first
    assert first.limits == {"LUT": 8000.0, "BRAM18": 60.0} and first.trials == 3


def test_a_table_of_limits(tmp_path: Path) -> None:
    path = written(tmp_path, '[sweep]\nout = "x"\nbits = "2:8"\nlimit = {LUT = 8000}\n')
    with command("sweep").make_context("sweep", ["--config", str(path)], parent=click.Context(cli)) as found:
        assert chosen(found.params).limits == {"LUT": 8000.0}


def test_a_list_of_studies(tmp_path: Path) -> None:
    for given, studies in (('["a", "b"]', ["a", "b"]), ('"a"', ["a"])):
        path = written(tmp_path, f"[report]\nstudies = {given}\n")
        with command("report").make_context("report", ["--config", str(path)], parent=click.Context(cli)) as found:
            assert [str(study) for study in found.params["studies"]] == studies


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    """Editors on Windows write one in front of UTF-8."""
    config = tmp_path / "hwcost.toml"
    config.write_text("\ufeff[estimate]\nfps = 5\n", encoding="utf-8")
    assert settings(config, command("estimate"), COMMANDS) == {"fps": "5"}
    folding = tmp_path / "folding.json"
    folding.write_text('\ufeff{"conv1": {"PE": 2, "SIMD": 3}}', encoding="utf-8")
    assert read_folding(folding) == {"conv1": {"PE": 2, "SIMD": 3}}
