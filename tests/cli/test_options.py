"""Every value that a command takes: a path that can be, a number with two ends; nonsense is one line."""

from __future__ import annotations

from math import inf

import click
import pytest
from command_line import Hwcost, command, refused

from hwcost.cli import COMMANDS, cli
from hwcost.cli.options import Place, positive

VALUES = [(name, option) for name in COMMANDS for option in command(name).params if option.name != "help"]


def test_every_number_has_two_ends() -> None:
    whole = [option for _, option in VALUES if isinstance(option.type, click.types.IntParamType)]
    real = [option for _, option in VALUES if isinstance(option.type, click.types.FloatParamType)]
    assert len(whole) > 15 and len(real) > 5
    for option in whole:
        assert isinstance(option.type, click.IntRange), option.name
        assert option.type.min is not None and option.type.max is not None, option.name
    for option in real:
        assert option.callback is positive, option.name


def test_every_path_can_be() -> None:
    paths = [(name, option) for name, option in VALUES if isinstance(option.type, click.Path)]
    assert len(paths) > 20
    for name, option in paths:
        assert isinstance(option.type, Place), (name, option.name)
    context = click.Context(command("sweep"))
    for path in ("", "x" * 300, "a/" + "x" * 300, "a\0b", "x/" * 3000):
        with pytest.raises(click.BadParameter):
            Place().convert(path, None, context)


def test_every_step_of_an_input_may_be_a_fraction() -> None:
    steps = [option for _, option in VALUES if option.name == "input_step"]
    assert len(steps) == 2 and {option.type_cast_value(click.Context(cli), "1/256") for option in steps} == {1 / 256}


@pytest.mark.parametrize("value", [0.0, -1.0, inf, -inf, float("nan")])
def test_an_amount_is_finite_and_above_0(value: float) -> None:
    with pytest.raises(click.BadParameter):
        positive(click.Context(command("sweep")), VALUES[0][1], value)


@pytest.mark.parametrize(
    "arguments",
    [
        ("sweep", "tiny.py:recipe", "--out", "x" * 300),
        ("sweep", "tiny.py:recipe", "--out", ""),
        ("sweep", "tiny.py:recipe", "--fps", "1e-300"),
        ("sweep", "tiny.py:recipe", "--bits", "2:1000"),
        ("sweep", "tiny.py:recipe", "--bits", "2:17"),
        ("sweep", "tiny.py:recipe", "--trials", "9" * 30),
        ("estimate", "nets.py:fine", "--input", ""),
        ("estimate", "nets.py:fine", "--input", "3,32,99999999"),
        ("verify", "nets.py:fine", "--input", "4", "--limit", "nan"),
        ("calibrate", "--share", "nan"),
        ("doctor", "x" * 300),
        ("report", "x" * 300),
        ("train", "--from", "x" * 300, "--trial", "0"),
        ("export", "lenet", "--to", "qonnx", "-o", "a.onnx", "--input-step", "inf"),
        ("export", "lenet", "--to", "qonnx", "-o", "a.onnx", "--input-step", "1e300"),
        ("export", "lenet", "--to", "qonnx", "-o", ""),
        ("build", "digits", "-o", "a", "--input-step", "1/0"),
    ],
    ids=lambda words: " ".join(words)[:60],
)
def test_nonsense_is_one_line(hwcost: Hwcost, arguments: tuple[str, ...]) -> None:
    refused(hwcost(*arguments))
