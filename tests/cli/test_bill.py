"""An estimate as tables: what is nothing is left out, what does not fit stands out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from hwcost.cli.bill import show
from hwcost.cost.estimate import Estimate, estimate
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, Fold
from hwcost.models.device import device
from hwcost.models.shell import shell
from hwcost.quant import QuantLinear, QuantReLU, const_activation, const_weight


@pytest.fixture(scope="module")
def result() -> Estimate:
    net = nn.Sequential(
        QuantLinear(64, 32, bias=False, weight_quant=const_weight(bits=4)), QuantReLU(const_activation(bits=3))
    )
    pipeline = trace(net, torch.zeros(1, 64), input_bits=4)
    return estimate(pipeline, Dataflow(device="xc7z020", folding={"0": Fold(4, 8)}), shell=shell("pynq"))


def test_every_layer_and_every_total_is_there(result: Estimate, capsys: pytest.CaptureFixture[str]) -> None:
    show(result, explain=False)
    out = capsys.readouterr().out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    for layer in result.layers.itertuples():
        assert f"{layer.LUT:,.0f}" in rows[str(layer.layer)]
    for name, limit in result.limits.items():
        assert rows[name][1] == f"{result.total[name]:,.0f}" and f"{limit:,.0f}" in rows[name]
    assert "DSP" not in out.splitlines()[0] and rows["URAM"][-1] == "-"
    assert f"of that the shell pynq: {shell('pynq').LUT:,} LUT" in out and result.verdict in out


def test_the_clock_is_told_with_what_misses_it(capsys: pytest.CaptureFixture[str]) -> None:
    net = nn.Sequential(QuantLinear(64, 32, bias=False, weight_quant=const_weight(bits=4)))
    pipeline = trace(net, torch.zeros(1, 64), input_bits=4)
    told = []
    for clock_mhz, pipelining in ((10.0, 0), (300.0, 0), (300.0, 1)):
        model = Dataflow(device="xc7z020", folding={"0": Fold(4, 16)}, clock_mhz=clock_mhz, pipelining=pipelining)
        show(estimate(pipeline, model), explain=False)
        told.append(" ".join(capsys.readouterr().out.split()))
    assert all("MHz on 7 series, limited by 0 (MatVec)" in one for one in told)
    assert "not reachable" not in told[0]
    assert "300 MHz is not reachable: 0 (MatVec) takes" in told[1] and "--pipelining auto cuts its path" in told[1]
    assert "1 register on its path" in told[2] and "--pipelining auto" not in told[2]


def test_an_explanation_adds_up_and_names_the_best_bit(result: Estimate, capsys: pytest.CaptureFixture[str]) -> None:
    show(result, explain=True)
    out = capsys.readouterr().out
    (sums,) = (line.split() for line in out.splitlines() if line.split()[:2] == ["all", "layers"])
    assert sums[-1] == f"{result.layers['LUT'].sum():,.0f}"
    best = max(result.shadow_prices, key=lambda price: price.saves["LUT"])
    assert f"saves most LUTs: {best.layer}, {best.stream}, {best.bits} -> {best.bits - 1}." in " ".join(out.split())


def test_the_energy_is_told_with_its_factor_where_it_is_known(
    result: Estimate, capsys: pytest.CaptureFixture[str]
) -> None:
    show(result, explain=False)
    out, energy = " ".join(capsys.readouterr().out.split()), result.energy()
    assert energy is not None
    assert f"energy: about {energy.uj:,.3g} uJ a frame, {energy.uj * 1e-6 * result.fps:.2g} W at full rate" in out
    assert f"within a factor of {energy.factor:.2g}" in out and energy.source in out
    show(replace(result, device=device("xczu3eg")), explain=False)
    assert "energy:" not in capsys.readouterr().out
