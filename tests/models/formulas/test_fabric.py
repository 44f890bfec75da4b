"""The fabric of each family: complete, and told apart by the multiplier of its parts."""

from __future__ import annotations

import pytest

from hwcost.errors import BadOption
from hwcost.models.calibration.corpus import FAMILIES
from hwcost.models.formulas.coefficients import COUNTED, coefficients, values
from hwcost.models.formulas.fabric import FABRICS, fabric, multiplier_of


def test_every_family_of_a_corpus_has_a_fabric() -> None:
    assert {one.family for one in FABRICS.values()} == set(FAMILIES)
    assert all(fabric(multiplier_of(family)).family == family for family in FAMILIES)
    assert fabric("MULT18X18D").words == 16 and fabric("DSP48E2").words == 64
    with pytest.raises(BadOption, match="dsp_kind='MULT9X9': no laws"):
        fabric("MULT9X9")
    with pytest.raises(BadOption, match="family 'ice40': unknown"):
        multiplier_of("ice40")


def test_a_family_with_constants_of_its_own_has_every_fitted_one_of_folded_units() -> None:
    known, own = coefficients(), coefficients("ecp5")
    constant = {"constant_adder_bit", "short_comparator", "constant_comparator", "constant_encoder", "constant_stage"}
    trained = {name for name, row in known.items() if "da4ml" in row.source}  # shared sums and their activations
    assert set(own) == set(known) - set(COUNTED) - constant - trained
    assert {name: row.unit for name, row in own.items()} == {name: known[name].unit for name in own}
    assert all(row.source.startswith("hwcost calibrate") or row.error == "not measured" for row in own.values())
    assert set(values("rtl", "ecp5")) == set(own) | set(COUNTED)
    with pytest.raises(BadOption, match="flow='hls': no unit of it was measured for ecp5; give flow='rtl'"):
        values("hls", "ecp5")
