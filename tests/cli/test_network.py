"""Networks and recipes that a command names: what is wrong with them is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Hwcost, refused


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


def test_a_recipe_finds_the_modules_beside_it(hwcost: Hwcost, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "beside.py").write_text("from hwcost.zoo.lenet import QuantLeNet as Net\n")
    (folder / "mine.py").write_text("from beside import Net\n")
    assert hwcost("estimate", "elsewhere/mine.py:Net", "--input", "3,32,32").status == 0


FLOATS = """
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(F.relu(self.conv(x)).mean([2, 3]))
"""


def test_a_float_network_is_quantized_on_the_way(hwcost: Hwcost, tmp_path: Path) -> None:
    (tmp_path / "floats.py").write_text(FLOATS)
    ended = hwcost("estimate", "floats.py:Net", "--input", "1,8,8", "--quantize", "learned4")
    assert (ended.status, ended.err) == (0, "") and "conv" in ended.out and "relu" in ended.out
    refused(hwcost("estimate", "floats.py:Net", "--input", "1,8,8"), "float network", "--quantize", "learned8")
    refused(hwcost("estimate", "floats.py:Net", "--input", "1,8,8", "--quantize", "int7"), "int7", "learned8")
    refused(hwcost("estimate", "floats.py:Net", "--input", "3,8,8", "--quantize", "int8"), "(1, 3, 8, 8)", "batch")
    refused(hwcost("estimate", "lenet", "--quantize", "int8"), "lenet", "omit --quantize")
    refused(hwcost("estimate", "digits", "--quantize", "int8"), "digits", "omit --quantize")


def test_tokens_are_whole_numbers_up_to_the_rows_of_their_embedding(hwcost: Hwcost, tmp_path: Path) -> None:
    (tmp_path / "tokens.py").write_text(
        "from torch import nn\n\n\ndef net():\n    return nn.Sequential(nn.Embedding(30, 4), nn.Linear(4, 3))\n"
    )
    ended = hwcost("estimate", "tokens.py:net", "--input", "7", "--quantize", "learned8", "--json")
    assert (ended.status, ended.err) == (0, "") and '"input_bits": 5' in ended.out  # of tokens up to 29
    given = hwcost("estimate", "tokens.py:net", "--input", "7", "--quantize", "learned8", "--input-bits", "8")
    refused(given, "0 to 29", "omit --input-bits")


def test_a_network_of_brevitas_comes_in_as_it_is(hwcost: Hwcost, tmp_path: Path) -> None:
    pytest.importorskip("brevitas", reason="brevitas is not installed: nothing was imported; pip install brevitas")
    (tmp_path / "brevitas_net.py").write_text(
        "import brevitas.nn as qnn\nfrom torch import nn\n\n\ndef net():\n"
        "    return nn.Sequential(qnn.QuantIdentity(return_quant_tensor=True), qnn.QuantLinear(4, 3, bias=False))\n"
    )
    ended = hwcost("estimate", "brevitas_net.py:net", "--input", "4")
    assert (ended.status, ended.err) == (0, "")
    refused(hwcost("estimate", "brevitas_net.py:net", "--input", "4", "--quantize", "int8"), "Brevitas", "omit")
