"""QONNX files in: the network that comes back computes and costs what the one that left did."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

pytest.importorskip("onnx", reason="onnx is not installed: nothing was read; pip install 'hwcost[onnx]'")

import onnx
from onnx import numpy_helper

from hwcost import Dataflow, estimate, target_fps, trace
from hwcost.cli import cli
from hwcost.errors import BadData, BadOption
from hwcost.export.qonnx import qonnx
from hwcost.graph.ranges import integers
from hwcost.graph.trace import Pipeline
from hwcost.importers.qonnx import from_qonnx
from hwcost.integer import IntegerNetwork
from hwcost.quant import (
    QuantAdd,
    QuantAffine,
    QuantAvgPool2d,
    QuantConcat,
    QuantConv1d,
    QuantConv2d,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    QuantScaleBias,
    binary_weight,
    const_activation,
    const_weight,
    learned_activation,
    learned_weight,
    ternary_weight,
)

STEP = 1 / 256


class Branches(nn.Module):
    """Everything that can be read, in one network."""

    def __init__(self) -> None:
        super().__init__()
        self.grid = learned_activation(bits=5, max_val=2.0, signed=True)
        self.enter = QuantConv2d(3, 6, 3, padding=1, bias=False, weight_quant=learned_weight(bits=6))
        self.norm, self.first = nn.BatchNorm2d(6), QuantIdentity(self.grid)
        self.inner = QuantConv2d(6, 6, 3, padding=1, groups=3, weight_quant=learned_weight(bits=4))
        self.second = QuantIdentity(self.grid)
        self.add = QuantAdd(self.grid, ready=(0, 1))
        self.relu, self.pool = QuantReLU(const_activation(bits=4, max_val=2.0)), nn.MaxPool2d(2)
        self.left = QuantConv2d(6, 4, 1, weight_quant=ternary_weight())
        self.right = QuantConv2d(6, 4, 1, weight_quant=binary_weight())
        self.join = QuantConcat(learned_activation(bits=4, max_val=2.0))
        self.mean = QuantAvgPool2d(2, source=self.join.quants[0])
        self.fc = QuantLinear(8 * 4, 5, weight_quant=const_weight(bits=5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.norm(self.enter(x)))
        x = self.pool(self.relu(self.add(x, self.second(self.inner(x)))))
        return self.fc(self.mean(self.join(self.left(x), self.right(x))).flatten(1))


def flat() -> nn.Module:
    return nn.Sequential(
        QuantConv1d(2, 4, 3, stride=2, weight_quant=learned_weight(bits=5)),
        QuantReLU(learned_activation(bits=3)),
        nn.MaxPool1d(2),
        nn.Flatten(),
        QuantLinear(12, 3, bias=False, weight_quant=learned_weight(bits=4, per_channel=False)),
    )


def scaled(per_channel: bool) -> nn.Module:
    scale = QuantScaleBias(4, weight_quant=learned_weight(bits=4, per_channel=per_channel))
    nn.init.uniform_(scale.weight, -1.0, 1.0)
    return nn.Sequential(
        QuantConv2d(3, 4, 3, bias=False, weight_quant=learned_weight(bits=4)),
        QuantReLU(learned_activation(bits=4)),
        scale,
        QuantIdentity(learned_activation(bits=5, signed=True)),
    )


def sent(net: nn.Module, shape: tuple[int, ...], file: Path) -> Pipeline:
    torch.manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    net.train()
    with torch.no_grad():
        net(pixels(shape, 8))
    pipeline = trace(net.eval(), torch.zeros(1, *shape), input_range=integers(8, signed=False))
    onnx.save(qonnx(pipeline, input_step=STEP), file)
    return pipeline


def pixels(shape: tuple[int, ...], count: int) -> Tensor:
    return torch.randint(0, 256, (count, *shape)).float() * STEP


def cost(pipeline: Pipeline) -> Any:
    folding = target_fps(pipeline, 10_000)
    return estimate(pipeline, Dataflow(device="xczu7ev", folding=folding)).total


@pytest.mark.slow
@pytest.mark.parametrize(
    ("net", "shape"),
    [(Branches(), (3, 8, 8)), (flat(), (2, 15)), (scaled(False), (3, 6, 6)), (scaled(True), (3, 6, 6))],
)
def test_what_comes_back_computes_and_costs_the_same(net: nn.Module, shape: tuple[int, ...], tmp_path: Path) -> None:
    before = sent(net, shape, tmp_path / "net.onnx")
    again = from_qonnx(tmp_path / "net.onnx")
    assert again.shape == shape
    after = trace(again, torch.zeros(1, *shape))
    x = pixels(shape, 20)
    whole, anew = IntegerNetwork.of(before, input_step=STEP), IntegerNetwork.of(after)
    torch.testing.assert_close(anew.values(x), whole.values(whole.codes(x)), rtol=1e-5, atol=1e-6)
    kinds = {"LUT", "FF", "DSP", "BRAM18", "URAM"}
    assert {name: float(cost(after)[name]) for name in kinds} == {name: float(cost(before)[name]) for name in kinds}


def test_an_affine_map_of_the_input_goes_out_and_comes_back(tmp_path: Path) -> None:
    """As CNV of Brevitas turns pixels into -1..1."""
    net = nn.Sequential(
        QuantAffine(const_activation(bits=6, max_val=1.0, signed=True), gain=2.0, offset=-1.0),
        QuantLinear(4, 3, bias=False, weight_quant=const_weight(bits=4)),
    )
    x = torch.rand(5, 4)
    onnx.save(qonnx(trace(net.eval(), x)), tmp_path / "net.onnx")
    again = from_qonnx(tmp_path / "net.onnx")
    torch.testing.assert_close(again(x), net(x))
    (first, *_) = again.layers.values()
    assert isinstance(first, QuantAffine) and (first.gain, first.offset) == (2.0, -1.0)
    with pytest.raises(BadOption, match="gain above 0"):
        QuantAffine(None, gain=-1.0, offset=0.0)


def test_the_command_prices_a_file(tmp_path: Path) -> None:
    sent(flat(), (2, 15), tmp_path / "net.onnx")
    run = CliRunner().invoke(cli, ["estimate", str(tmp_path / "net.onnx"), "--json"])
    assert run.exit_code == 0, run.output
    assert '"LUT"' in run.output
    run = CliRunner().invoke(cli, ["estimate", str(tmp_path / "net.onnx"), "--input", "2,15"])
    assert run.exit_code != 0 and "omit --input" in run.output


def test_what_is_no_model_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no model at all")
    for file in ("bad.onnx", "missing.onnx"):
        with pytest.raises(BadData, match="no ONNX model"):
            from_qonnx(tmp_path / file)
        run = CliRunner().invoke(cli, ["estimate", str(tmp_path / file)])
        assert run.exit_code != 0 and "no ONNX model" in run.output and "Traceback" not in run.output


@pytest.mark.slow  # Brevitas is installed for the slow tier
def test_a_network_of_brevitas_as_it_exports_it(tmp_path: Path) -> None:
    pytest.importorskip("onnxoptimizer", reason="onnxoptimizer is not installed: Brevitas exported nothing")
    pytest.importorskip("qonnx", reason="qonnx is not installed: Brevitas' file was not cleaned")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        qnn: Any = pytest.importorskip("brevitas.nn", reason="brevitas is not installed: none of its networks was read")
        from brevitas.export import export_qonnx
        from qonnx.util.cleanup import cleanup

        torch.manual_seed(0)
        net = nn.Sequential(
            qnn.QuantIdentity(bit_width=8),
            qnn.QuantConv2d(3, 8, 3, padding=1, bias=False, weight_bit_width=4),
            nn.BatchNorm2d(8),
            qnn.QuantReLU(bit_width=3),
            nn.MaxPool2d(2),
            qnn.QuantConv2d(8, 12, 3, bias=True, weight_bit_width=3),
            qnn.QuantReLU(bit_width=4),
            nn.Flatten(),
            qnn.QuantLinear(12 * 36, 10, bias=True, weight_bit_width=5),
        )
        for _ in range(3):
            net(torch.rand(4, 3, 16, 16))
        x = torch.rand(2, 3, 16, 16)
        export_qonnx(net.eval(), args=x[:1], export_path=str(tmp_path / "net.onnx"), dynamo=False)
        cleanup(str(tmp_path / "net.onnx"), out_file=str(tmp_path / "clean.onnx"))
        with torch.no_grad():
            wanted = net(x)
    again = from_qonnx(tmp_path / "clean.onnx")
    torch.testing.assert_close(again(x), wanted, rtol=1e-5, atol=1e-6)
    widths = [int(layer.weight_quant.width()) for layer in again.layers.values() if hasattr(layer, "weight_quant")]
    assert widths == [4, 3, 5]


def test_a_batch_norm_behind_an_activation_has_the_rank_of_its_stream() -> None:
    net = nn.Sequential(QuantReLU(learned_activation(bits=4)), nn.BatchNorm2d(3), QuantReLU(learned_activation(bits=3)))
    x = torch.randint(0, 16, (4, 3, 5, 5)) / 16
    net.train()(x)
    pipeline = trace(net.eval(), x, input_bits=4)
    again = from_qonnx(qonnx(pipeline, input_step=1 / 16))
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in again.layers.values())
    torch.testing.assert_close(again(x), net(x))


def _small() -> onnx.ModelProto:
    net = nn.Sequential(QuantLinear(4, 3, bias=False, weight_quant=const_weight(bits=4)))
    return qonnx(trace(net, torch.zeros(1, 4), input_bits=4), input_step=0.5)


def _spoiled(model: onnx.ModelProto, index: int, array: Any) -> onnx.ModelProto:
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    name = changed.graph.initializer[index].name
    changed.graph.initializer[index].CopyFrom(numpy_helper.from_array(array, name))
    return changed


@pytest.mark.parametrize("value", [1000.0, 1e38, -3.0, float("nan"), float("inf"), 0.5, None])
def test_numbers_in_a_file_that_make_no_sense_are_one_error(tmp_path: Path, value: float | None) -> None:
    """Each constant in turn, widths among them, becomes this number, or empty."""
    import numpy as np

    model = _small()
    for index, one in enumerate(model.graph.initializer):
        old = numpy_helper.to_array(one)
        array = np.zeros((0,), old.dtype) if value is None else np.full_like(old, value, dtype=np.float32)
        onnx.save(_spoiled(model, index, array), tmp_path / "net.onnx")
        ended = CliRunner().invoke(cli, ["estimate", str(tmp_path / "net.onnx")])
        assert ended.exception is None or isinstance(ended.exception, SystemExit), (one.name, ended.exception)
        if ended.exit_code:
            assert ended.exit_code == 2 and ended.output.startswith("hwcost: error: ") and ended.output.count("\n") == 1


def test_a_file_with_an_input_that_no_memory_holds_is_refused(tmp_path: Path) -> None:
    model = _small()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 2**40
    onnx.save(model, tmp_path / "net.onnx")
    ended = CliRunner().invoke(cli, ["estimate", str(tmp_path / "net.onnx")])
    assert ended.exit_code == 2 and ended.output.count("\n") == 1, ended.output


@pytest.mark.slow
def test_flipped_bits_in_a_file_are_one_error_or_another_network(tmp_path: Path) -> None:
    content = _small().SerializeToString()
    draw = torch.Generator().manual_seed(5)
    for _ in range(150):
        at, bit = int(torch.randint(len(content), (), generator=draw)), int(torch.randint(8, (), generator=draw))
        (tmp_path / "net.onnx").write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
        ended = CliRunner().invoke(cli, ["estimate", str(tmp_path / "net.onnx")])
        assert ended.exit_code in (0, 2), (at, bit, ended.exception)
        if ended.exit_code:
            assert ended.output.startswith("hwcost: error: ") and ended.output.count("\n") == 1, (at, bit, ended.output)
