"""What the primitives of each family take, and what its synthesizer is asked for."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was built; pip install 'hwcost[synth]'")

from hwcost.errors import BadOption
from hwcost.models.calibration.corpus import FAMILIES
from hwcost.synth.primitives import PRIMITIVES, primitives
from hwcost.synth.yosys import Yosys, chains, resources_of


def test_every_family_of_a_corpus_can_be_synthesized() -> None:
    assert set(PRIMITIVES) == set(FAMILIES)
    for family in FAMILIES:
        known = primitives(family)
        kinds = [kind for takes in known.takes.values() for kind in takes]
        assert not set(kinds) & set(known.free) and "hwcost_rows" in chains(family)
    with pytest.raises(BadOption, match="family 'ice40': no synthesizer here knows it"):
        primitives("ice40")


def test_a_product_is_in_a_dsp_block_only_where_it_was_asked_for() -> None:
    tool = Yosys("yosys", "0.70", ())
    for family in FAMILIES:
        free, bound = (tool.script(family=family, dsp=dsp) for dsp in (True, False))
        assert "-nodsp" in bound and "carry_chains" in bound
        assert "-nodsp" not in free and "carry_chains" not in free


def test_lut4_as_nextpnr_counts_them() -> None:
    cells = {"LUT4": 3, "CCU2C": 2, "TRELLIS_DPR16X4": 1, "PFUMX": 5, "TRELLIS_FF": 7, "DP16KD": 1, "MULT18X18D": 2}
    assert resources_of(cells, "ecp5") == {"LUT": 13, "FF": 7, "DSP": 2, "BRAM18": 1, "URAM": 0}
