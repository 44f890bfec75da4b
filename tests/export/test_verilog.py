"""The exported Verilog, read back by Yosys and clocked, equals the integer network bit for bit."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
import torch
from torch import nn

pytest.importorskip("amaranth", reason="amaranth is not installed: no Verilog was written; pip install 'hwcost[synth]'")

from click.testing import CliRunner
from verilog_bench import STEP, agrees, extreme, simulated, trained

import hwcost
from hwcost.cli import cli
from hwcost.errors import BadOption, UnknownPrecision
from hwcost.export.qonnx import qonnx
from hwcost.export.verilog import Verilog, verilog
from hwcost.graph.ranges import integers
from hwcost.integer import IntegerNetwork
from hwcost.quant import (
    BinaryQuantizer,
    ConstScale,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    binary_weight,
    const_activation,
    const_weight,
    ternary_weight,
)
from hwcost.sweep.recipe import Recipe, load_recipe
from hwcost.sweep.replay import recall
from hwcost.zoo.mlp import MLP, TRIGGER
from hwcost.zoo.precision import Precision


@pytest.mark.slow
def test_the_trigger_network() -> None:
    net = trained(MLP((16, *TRIGGER, 5), Precision(2, 2)))
    pipeline = hwcost.trace(net, torch.zeros(1, 16), input_bits=4)
    made = agrees(pipeline, extreme(0, 15, 16, 100))
    assert made.interface["latency_cycles"] in (7, 8) and made.interface["interval_cycles"] == 1
    assert f"// Latency {made.interface['latency_cycles']} clock cycles" in made.text


def drawn(random: Random) -> nn.Sequential:
    """A small network of mixed widths."""
    sizes = [random.randint(2, 6), *(random.randint(3, 7) for _ in range(random.randint(1, 3))), random.randint(2, 4)]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes[:-1]):
        signed, bits = random.random() < 0.4, random.randint(1, 8 if len(sizes) == 3 else 4)
        weight = random.choice([binary_weight(), ternary_weight(), const_weight(bits=random.randint(2, 8))])
        layers += [QuantLinear(before, after, bias=random.random() < 0.5, weight_quant=weight)]
        layers += [nn.BatchNorm1d(after)] * (random.random() < 0.9)
        if bits == 1 or random.random() < 0.2:
            layers.append(QuantIdentity(BinaryQuantizer(scale=ConstScale(1.0), clipped=True)))
        else:
            layers.append(
                (QuantIdentity if signed else QuantReLU)(const_activation(bits=bits, max_val=2.0, signed=signed))
            )
    last = random.choice([binary_weight(per_channel=False), const_weight(bits=random.randint(2, 8), per_channel=False)])
    return nn.Sequential(*layers, QuantLinear(sizes[-2], sizes[-1], bias=random.random() < 0.5, weight_quant=last))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(18))
def test_small_networks_of_mixed_widths(seed: int) -> None:
    random = Random(seed)
    torch.manual_seed(seed)
    net, signed, bits = drawn(random), random.random() < 0.5, random.randint(2, 8)
    wire, features = integers(bits, signed=signed), net[0].in_features
    codes = extreme(int(wire.low), int(wire.high), features, 100)
    pipeline = hwcost.trace(trained(net, codes * STEP), torch.zeros(1, features), input_range=wire)
    agrees(pipeline, codes, thresholds=random.choice(("search", "parallel")), changes=seed not in (3, 4, 8))


def test_the_interface_gives_the_values() -> None:
    net = trained(MLP((4, 6, 3), Precision(3, 3)))
    x = extreme(0, 15, 4, 20)
    made = agrees(hwcost.trace(net, torch.zeros(1, 4), input_bits=4), x)
    found, _ = simulated(made, x, gaps=False)
    port = made.interface["output"]
    with torch.no_grad():
        value = net.double()(x.double() * made.interface["input"]["step"])
    torch.testing.assert_close(torch.tensor(found).double() * port["step"] + port["offset"], value)


def test_an_open_batch_norm_and_bad_names_are_refused() -> None:
    net = nn.Sequential(QuantLinear(3, 2, weight_quant=const_weight(bits=2)), nn.BatchNorm1d(2)).eval()
    pipeline = hwcost.trace(net, torch.zeros(1, 3), input_bits=4)
    with pytest.raises(UnknownPrecision, match=r"1: a batch norm .*QuantIdentity"):
        verilog(pipeline, input_step=STEP)
    with pytest.raises(BadOption, match=r"1net.*identifier"):
        verilog(pipeline, input_step=STEP, name="1net")


def test_the_command(tmp_path: Path) -> None:
    source, file = tmp_path / "dense.py", tmp_path / "dense.v"
    source.write_text(
        "from hwcost.zoo.mlp import MLP\nfrom hwcost.zoo.precision import Precision\n\n\n"
        "def build():\n    return MLP((4, 6, 3), Precision(3, 3))\n"
    )
    words = ["export", f"{source}:build", "--to", "verilog", "-o", str(file), "--input", "4", "--input-bits", "4"]
    told = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert told.exit_code == 0, told.output
    interface = json.loads(file.with_suffix(".json").read_text())
    assert interface["module"] == "dense" and interface["input"]["count"] == 4
    assert re.search(r"^module dense\(", file.read_text(), flags=re.MULTILINE)
    refused = CliRunner().invoke(cli, [*words, "--fps", "10"])
    assert refused.exit_code == 2 and "omit fps" in refused.output


RECIPE = """
from dataclasses import replace
from torch import nn
from hwcost.quant import QuantLinear, QuantReLU, learned_activation, learned_weight
from tiny_recipe import recipe as tiny

def network(params):
    base = params["base"]
    first = QuantLinear(16, 6, bias=False, weight_quant=learned_weight(bits=6, base=base))
    last = QuantLinear(6, 3, bias=False, weight_quant=learned_weight(bits=6, base=base, per_channel=False))
    relu = QuantReLU(learned_activation(bits=4, base=2, max_val=4.0))
    return nn.Sequential(nn.Flatten(), first, nn.BatchNorm1d(6), relu, last)

recipe = replace(tiny, name="dense", network=network)
"""


@pytest.mark.slow
def test_the_trained_network_of_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    (tmp_path / "dense.py").write_text(RECIPE)
    recipe, study, file = f"{tmp_path / 'dense.py'}:recipe", tmp_path / "study", tmp_path / "dense.v"
    swept = CliRunner().invoke(cli, ["sweep", recipe, "--trials", "1", "--out", str(study)])
    assert swept.exit_code == 0, swept.output
    words = ["export", str(study), "--trial", "0", "--to", "verilog", "-o", str(file)]
    told = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert told.exit_code == 0, told.output
    with_own_step = file.read_bytes()  # that of the data, which the study records
    words += ["--input-step", str(STEP)]
    told = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert told.exit_code == 0, told.output
    assert file.read_bytes() == with_own_step
    made = Verilog(text=file.read_text(), interface=json.loads(file.with_suffix(".json").read_text()))
    point = recall(study, 0, load_recipe_of, None)
    codes = extreme(0, 15, 16, 100)
    whole = IntegerNetwork.of(point.pipeline, input_step=STEP)
    assert simulated(made, codes)[0] == whole.run(codes.reshape(-1, 1, 4, 4))["4"].tolist()
    words[words.index("verilog")], words[words.index(str(file))] = "qonnx", str(tmp_path / "dense.onnx")
    assert CliRunner().invoke(cli, words, catch_exceptions=False).exit_code == 0
    assert (tmp_path / "dense.onnx").read_bytes() == qonnx(point.pipeline, input_step=STEP).SerializeToString()


def load_recipe_of(reference: str) -> Recipe:
    """As the command line does, of a file."""
    return load_recipe(reference, {})
