"""Tables of a priced pipeline: the verdict, error bands, what is printed, plain data."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from hwcost.cost.estimate import estimate
from hwcost.cost.price_table import Estimate
from hwcost.graph.trace import Pipeline, trace
from hwcost.models import AREAS, Dataflow, Generic, target_fps
from hwcost.models.calibration.error_band import BANDS
from hwcost.models.device import device
from hwcost.models.energy import frame_energy
from hwcost.zoo.lenet import QuantLeNet


def lenet(weight_bits: int = 8, activation_bits: int = 8) -> Pipeline:
    net = QuantLeNet(weight_bits=weight_bits, activation_bits=activation_bits)
    return trace(net, torch.zeros(1, 3, 32, 32), input_bits=8)


def on(pipeline: Pipeline, part: str = "xc7z020", fps: float = 1_000.0, clock_mhz: float = 100.0) -> Dataflow:
    return Dataflow(device=part, folding=target_fps(pipeline, fps, clock_mhz=clock_mhz), clock_mhz=clock_mhz)


@pytest.fixture(scope="module")
def priced() -> Estimate:
    pipeline = lenet()
    return estimate(pipeline, on(pipeline))


def test_a_record_is_plain_data(priced: Estimate) -> None:
    record = priced.record()
    again = json.loads(json.dumps(record, allow_nan=False))
    assert again == record
    assert record["total"] == {name: priced.total[name] for name in AREAS}
    assert record["interval_cycles"] == priced.total["cycles"]
    for row in record["layers"]:
        for name in ("weight_bits", "input_bits", "acc_bits", "output_bits", "PE", "SIMD"):
            assert row[name] is None or type(row[name]) is int
        assert (row["acc_bits"] is None) == (row["weight_bits"] is None)


def test_it_fits_or_it_says_what_does_not(priced: Estimate) -> None:
    assert priced.fits and priced.verdict == "fits PYNQ-Z1"
    part = device("xc7z020")
    exact = {name: int(priced.total[name]) for name in AREAS}
    full = replace(priced, device=replace(part, **exact))
    assert full.fits and full.verdict.startswith("fits PYNQ-Z1, but tightly: LUT (2,816 of 2,816), FF (2,534 of 2,534)")
    assert full.verdict.endswith("place and route usually fills LUT 70%, FF 50%, BRAM18 80%, LUTRAM 70%")
    for name in ("LUT", "FF", "BRAM18"):
        short = replace(priced, device=replace(part, **{name: exact[name] - 1}))
        assert not short.fits and short.verdict.startswith(f"does NOT fit PYNQ-Z1: too many {name} (")
        assert short.verdict.endswith(f"{exact[name]:,} of {exact[name] - 1:,})")
        assert short.record()["fits"] is False


def test_an_error_band_around_every_measured_total(priced: Estimate) -> None:
    for name in ("LUT", "FF", "BRAM18", "cycles", "latency_cycles"):
        low, high = priced.bands[name] or (0.0, 0.0)
        amount = priced.latency_cycles if name == "latency_cycles" else priced.total[name]
        assert low <= amount <= high and high > low
        assert BANDS[name].source
    assert priced.bands["DSP"] is None is priced.bands["URAM"]


def test_a_total_near_the_limit_is_called_doubtful(priced: Estimate) -> None:
    _, most = priced.bands["BRAM18"] or (0.0, 0.0)
    roomy = {name: 10 * int(priced.total[name] + 1) for name in AREAS} | {"BRAM18": int(most) - 1}
    near = replace(priced, device=replace(device("xc7z020"), **roomy), total={**priced.total})
    if priced.total["BRAM18"] <= 0.8 * roomy["BRAM18"]:
        assert "unless BRAM18 comes out at the upper end" in near.verdict
    else:  # so near that place and route are the worry
        assert "tightly: BRAM18 (" in near.verdict and near.verdict.endswith("usually fills BRAM18 80%")


def test_an_estimate_prints_as_a_table_with_lut_first(priced: Estimate) -> None:
    head, *rows, verdict = str(priced).splitlines()
    assert head.split()[:3] == ["layer", "LUT", "FF"] and verdict == priced.verdict
    assert [row.split()[0] for row in rows] == [*priced.layers["layer"], "total"]
    assert rows[-1].split()[1] == f"{priced.total['LUT']:,.0f}"
    assert repr(priced) == (
        "Estimate(LUT 2,816, FF 2,534, DSP 0, BRAM18 151, URAM 0, LUTRAM 360, cycles 80,000; fits PYNQ-Z1)"
    )
    generic = str(estimate(lenet(), Generic()))
    assert generic.splitlines()[0].split()[:2] == ["layer", "MACs"], "weight_bits is a width and a total there"


def test_the_energy_of_a_frame_is_that_of_its_totals_on_parts_with_published_power(priced: Estimate) -> None:
    found = priced.energy()
    assert found is not None and found == frame_energy(priced.total, "DSP48E1") and priced.energy_uj == found.uj > 0
    assert priced.record()["energy"] == {"uj": found.uj, "factor": found.factor, "source": found.source}
    idle = priced.energy(activity=0.0)
    assert idle is not None and idle.uj < found.uj
    elsewhere = replace(priced, device=device("xczu3eg"))
    assert elsewhere.energy() is None and elsewhere.energy_uj is None and elsewhere.record()["energy"] is None
