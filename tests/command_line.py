"""The command line in a test: called in the process, in a folder with the files of a user."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import tiny_recipe

from hwcost.cli import cli, main

TINY = Path(tiny_recipe.__file__)
ROOT = Path(__file__).parents[1]

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


@contextmanager
def command_line(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Hwcost]:
    """The command, in a folder with tiny.py, nets.py and odd.json in it."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # it is stale where a test writes twice in a second
    modules = set(sys.modules)
    shutil.copy(TINY, folder / "tiny.py")
    (folder / "nets.py").write_text(NETWORKS)
    (folder / "odd.json").write_text('{"conv1": {"PE": 0, "SIMD": 3}}')

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


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


def flags(name: str) -> set[str]:
    return {flag for option in command(name).params for flag in option.opts}
