"""The hardware that the options of a command describe."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
import torch
from torch import nn

from hwcost.cli.design import Build, Registers, named_folds, read_folding
from hwcost.cli.options import Target
from hwcost.errors import BadOption
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import Fold
from hwcost.quant import QuantLinear, const_weight


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    net = nn.Sequential(QuantLinear(16, 8, bias=False, weight_quant=const_weight(bits=4)))
    return trace(net, torch.zeros(1, 16), input_bits=4)


def test_a_folding_is_read_by_unit(tmp_path: Path) -> None:
    path = tmp_path / "folding.json"
    path.write_text("\ufeff" + json.dumps({"Defaults": {}, "conv1": {"PE": 16, "SIMD": 3, "ram_style": "auto"}}))
    assert named_folds(read_folding(path), path) == {"conv1": Fold(16, 3)}
    path.write_text('{"0": {"PE": 4}, "2": {"SIMD": 8}}')  # as in a file of FINN
    assert named_folds(read_folding(path), path) == {"0": Fold(4, 1), "2": Fold(1, 8)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "--folding .*folding.json: "),
        ("[]", "give an object"),
        ('{"fc": [1, 2]}', 'fc: .*give {"PE": 16'),
        ('{"fc": {}}', "fc: .*whole numbers above 0"),
        ('{"fc": {"PE": 4, "ram_style": "block"}}', "fc: ram_style='block' is no parallelism; .*--weight-memory"),
        ('{"fc": {"PE": true, "SIMD": 1}}', "fc: .*whole numbers above 0"),
        ('{"fc": {"PE": 0, "SIMD": 1}}', "fc: .*whole numbers above 0"),
    ],
)
def test_what_is_no_folding_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "folding.json"
    path.write_text(text)
    with pytest.raises(BadOption, match=message):
        named_folds(read_folding(path), path)
    with pytest.raises(BadOption, match=r"absent\.json"):
        read_folding(tmp_path / "absent.json")


def test_what_is_not_given_is_that_of_the_network(pipeline: Pipeline) -> None:
    defaults = SimpleNamespace(device="xc7z020", fps=1_000.0, clock_mhz=100.0)
    model = Build().model(pipeline, TARGET, defaults)
    assert (model.device.part, model.clock_mhz) == ("xc7z020clg400-1", 100.0)
    fast = Build(writable=True).model(pipeline, target(clock_mhz=200.0, fps=1e7), defaults)
    assert fast.clock_mhz == 200.0 and fast.styles.writable and fast.folding["0"].pe * fast.folding["0"].simd > 4


def test_registers_are_a_number_or_auto(pipeline: Pipeline) -> None:
    defaults = SimpleNamespace(device="xc7z020", fps=1_000.0, clock_mhz=300.0)
    kind = Registers()
    assert [kind.convert(text, None, None) for text in ("auto", "0", "3")] == ["auto", 0, 3]
    for text in ("-1", "some", "1.5"):
        with pytest.raises((click.BadParameter, BadOption), match=r"pipelining|whole number"):
            kind.convert(text, None, None)
    for pipelining in (2, "auto"):
        model = Build(pipelining=pipelining).model(pipeline, TARGET, defaults)
        assert model.styles.pipelining == pipelining


def test_ways_to_fold_exclude_each_other(pipeline: Pipeline, tmp_path: Path) -> None:
    defaults = SimpleNamespace(device="xc7z020", fps=1_000.0, clock_mhz=100.0)
    path = tmp_path / "folding.json"
    path.write_text('{"0": {"PE": 2, "SIMD": 4}}')
    assert Build(folding=path).model(pipeline, TARGET, defaults).folding == {"0": Fold(2, 4)}
    with pytest.raises(BadOption, match="--folding, --fastest and --fps exclude each other; give one"):
        Build(folding=path, fastest=True).model(pipeline, TARGET, defaults)
    with pytest.raises(BadOption, match="--multipliers any also chooses the folding, which --folding gives"):
        Build(folding=path, multipliers="any").model(pipeline, TARGET, defaults)


def target(**given: Any) -> Target:
    return Target(**{"part": None, "fps": None, "clock_mhz": None} | given)


TARGET = target()
