"""hwcost export: the files it names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from command_line import Hwcost, refused
from torch import Tensor, nn

from hwcost.cli.export import _network
from hwcost.graph.trace import trace
from hwcost.quant import QuantAdd, QuantLinear, const_activation, const_weight


def test_an_export_for_machines(hwcost: Hwcost, tmp_path: Path) -> None:
    file = tmp_path / "folding.json"
    ended = hwcost("export", "tfc-w1a1", "-o", file, "--json")
    assert (ended.status, ended.err) == (0, "")
    nodes = len(json.loads(file.read_text())) - 1
    assert json.loads(ended.out) == {"form": "finn", "files": [{"file": str(file), "holds": f"{nodes} nodes"}]}


class Sum(nn.Module):
    """Two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = (QuantLinear(size, 3, weight_quant=const_weight(bits=4)) for size in (5, 8))
        self.add = QuantAdd(const_activation(bits=6, signed=True))

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        total: Tensor = self.add(self.left(left), self.right(right))
        return total


@pytest.mark.parametrize("form", ["qonnx", "onnx"])
def test_a_network_of_several_inputs_leaves(form: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="pip install 'hwcost[onnx]'")
    import onnx

    pipeline = trace(Sum(), (torch.zeros(1, 5), torch.zeros(1, 8)), input_bits=8)
    for step in (None, 1 / 256):
        written = _network(pipeline, form, tmp_path / "sum.onnx", step)
        assert list(written) == [tmp_path / "sum.onnx"]
        assert len(onnx.load(tmp_path / "sum.onnx").graph.input) == 2


@pytest.mark.slow
def test_the_folding_of_a_trial_is_that_of_its_study(hwcost: Hwcost, study: Path, tmp_path: Path) -> None:
    ended = hwcost("export", study, "--to", "finn", "--trial", 0, "-o", tmp_path / "folding.json")
    assert ended.status == 0, ended.err
    nodes = json.loads((tmp_path / "folding.json").read_text())
    assert next(iter(nodes)) == "Defaults" and any(name.startswith("MVAU") for name in nodes)
    refused(hwcost("export", study, "--to", "finn", "--trial", 0, "--fps", 5, "-o", "x.json"), "omit fps")


@pytest.mark.slow
def test_a_folding_of_a_trial_takes_no_values(hwcost: Hwcost, study: Path, tmp_path: Path) -> None:
    refused(hwcost("export", study, "--to", "finn", "--trial", 0, "--input-step", 1, "-o", "x.json"), "--to finn")
    assert not (tmp_path / "x.json").exists()
