"""Energy of a frame: constants that follow from the published rows, what they leave out, what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hwcost.errors import BadOption
from hwcost.models.energy import constants, frame_energy

AMOUNTS = {"LUT": 10_000.0, "FF": 12_000.0, "BRAM18": 40.0, "DSP": 0.0, "cycles": 1_000.0}


def measured() -> tuple[np.ndarray, np.ndarray]:
    """LUT and BRAM18 of the published networks, and their energy per cycle in pJ, each over that energy."""
    family = constants()["DSP48E1"]
    pj = np.array([row["watts"] for row in family["measured"]]) * 1e6 / family["clock_mhz"]
    areas = np.array([[row["LUT"], row["BRAM18"]] for row in family["measured"]], dtype=float)
    return areas / pj[:, None], np.ones(len(pj))


def test_the_constants_are_the_fit_to_the_published_rows() -> None:
    fitted = np.linalg.lstsq(*measured(), rcond=None)[0]
    stated = constants()["DSP48E1"]["pJ"]
    assert [stated["LUT"], stated["BRAM18"]] == pytest.approx(fitted, rel=2e-3)


def test_the_stated_error_is_that_of_leaving_out_each_row() -> None:
    areas, ones = measured()
    ratios = []
    for row in range(len(ones)):
        kept = np.arange(len(ones)) != row
        ratios.append(float(areas[row] @ np.linalg.lstsq(areas[kept], ones[kept], rcond=None)[0]))
    assert (round(min(ratios), 2), round(max(ratios), 2)) == (0.70, 1.16)
    factor = constants()["DSP48E1"]["factor"]
    assert factor["LUT"] == factor["BRAM18"] > max(max(ratios), 1 / min(ratios))


def test_every_resource_takes_its_own_in_every_cycle() -> None:
    found = frame_energy(AMOUNTS, "DSP48E1")
    assert found is not None and found.uj == pytest.approx((10_000 * 0.359 + 40 * 7.87) * 1e-3, rel=1e-12)
    twice = frame_energy({**AMOUNTS, "cycles": 2_000.0}, "DSP48E1")
    assert twice is not None and (twice.uj, twice.factor) == (2 * found.uj, found.factor)


def test_a_dsp_makes_it_less_certain() -> None:
    without, within = (frame_energy({**AMOUNTS, "DSP": count}, "DSP48E1") for count in (0.0, 200.0))
    assert without is not None and within is not None
    assert within.uj - without.uj == pytest.approx(200 * 16 * 1e-3, rel=1e-12)
    assert without.factor == pytest.approx(2) and 2 < within.factor < 3


def test_activity_moves_the_logic_and_no_memory() -> None:
    none, half = (frame_energy({**AMOUNTS, "DSP": 10.0}, "DSP48E1", activity=rate) for rate in (0.0, 0.5))
    assert none is not None and none.uj == pytest.approx(40 * 7.87e-3, rel=1e-12)
    assert half is not None and half.uj == pytest.approx(none.uj + 0.5 * (3.59 + 0.16), rel=1e-12)


@pytest.mark.parametrize("activity", [-0.1, math.nan, math.inf])
def test_an_impossible_activity_is_refused(activity: float) -> None:
    with pytest.raises(BadOption, match="give a finite number of at least 0"):
        frame_energy(AMOUNTS, "DSP48E1", activity=activity)


@pytest.mark.parametrize("kind", ["DSP48E2", "DSP58", "MULT18X18D"])
def test_a_family_without_published_power_has_none(kind: str) -> None:
    assert frame_energy(AMOUNTS, kind) is None


@pytest.mark.parametrize("missing", ["LUT", "cycles"])
def test_a_model_that_counts_no_such_thing_has_none(missing: str) -> None:
    assert frame_energy({name: value for name, value in AMOUNTS.items() if name != missing}, "DSP48E1") is None
