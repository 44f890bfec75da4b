"""Choices of a designer besides the folding: checked once, for all layers or by layer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from block_strategies import dense

from hwcost.errors import BadOption
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Thresholds
from hwcost.models import Dataflow, Fold, Placed, Unrolled
from hwcost.models.device import device
from hwcost.models.options import OpenStyles, Styles, check_layers, chosen


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"multipliers": {"fc": "DSP"}}, "multipliers='DSP': unknown; choose one of lut, dsp"),
        ({"weight_memory": "flash"}, "weight_memory='flash'.*auto, lutram, bram18, uram, external"),
        ({"weight_banks": "all"}, "weight_banks='all'.*shared, per_pe"),
        ({"thresholds": "none"}, "thresholds='none'.*search, parallel"),
        ({"flow": "vhdl"}, "flow='vhdl'"),
        ({"pipelining": -1}, "pipelining=-1: give a whole number of at least 0"),
        ({"pipelining": "some"}, "pipelining='some'"),
        ({"pipelining": "auto", "flow": "hls"}, "pipelining='auto': high-level synthesis places its own registers"),
    ],
)
def test_what_is_unknown_is_refused_with_what_is_known(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadOption, match=message):
        Styles(**options)


def test_a_misspelt_layer_is_named_with_the_nearest() -> None:
    check_layers("multipliers", "dsp", ["conv1"])
    check_layers("multipliers", {"conv1": "dsp"}, ["conv1"])
    with pytest.raises(BadOption, match=r"multipliers\['conv'\]: the network has no such layer; do you mean 'conv1'\?"):
        Styles(multipliers={"conv": "dsp"}).check_names(["conv1", "fc"])
    with pytest.raises(BadOption, match=r"weight_memory\['x'\].*known names: conv1, fc"):
        Styles(weight_memory={"x": "bram18"}).check_names(["conv1", "fc"])


def test_a_choice_is_for_all_layers_or_for_each() -> None:
    assert chosen("dsp", "multipliers", "fc") == chosen({"fc": "dsp"}, "multipliers", "fc") == "dsp"
    with pytest.raises(BadOption, match=r"fc: multipliers names no choice for this layer; add multipliers\['fc'\]"):
        chosen({"conv": "dsp"}, "multipliers", "fc")


def test_only_what_multiplies_has_multipliers() -> None:
    styles = Styles(multipliers={"fc": "dsp"}, weight_memory="uram")
    unit = styles.job(Placed("fc", dense(4, 4)), Fold(2, 2))
    assert (unit.multipliers, unit.weight_memory, unit.fold) == ("dsp", "uram", Fold(2, 2))
    act = Thresholds(channels=4, vectors=1, input=integers(8, signed=True), output=integers(2, signed=False))
    other = styles.job(Placed("act", act), Fold(2))
    assert (other.multipliers, other.weight_memory, other.adapter) == ("lut", "auto", None)


def test_constants_in_memory_without_contents_are_refused() -> None:
    with pytest.raises(BadOption, match=r"the URAM of .* has no initial contents.*writable=True"):
        Styles(weight_memory={"fc": "uram"}).check_part(device("ZCU104"))
    Styles(weight_memory="uram", writable=True).check_part(device("ZCU104"))
    Styles(weight_memory="uram").check_part(device("VCK190"))
    assert not Styles().holds_in_uram(device("ZCU104")) and Styles().holds_in_uram(device("VCK190"))


def test_ways_that_a_search_may_choose() -> None:
    assert OpenStyles().ways(uram=False) == [(w, m) for w in ("lut", "dsp") for m in ("lutram", "bram18")]
    assert OpenStyles(multipliers="dsp").ways(uram=True) == [("dsp", m) for m in ("lutram", "bram18", "uram")]
    assert OpenStyles(multipliers="lut", weight_memory="external").ways(uram=True) == [("lut", "external")]
    with pytest.raises(BadOption, match=r"multipliers=\{'fc': 'dsp'\}: the search chooses per layer"):
        OpenStyles(multipliers={"fc": "dsp"})
    with pytest.raises(BadOption, match="weight_memory='auto': unknown"):
        OpenStyles(weight_memory="auto")


def test_a_part_without_laws_is_refused_by_name() -> None:
    other = replace(device("ecp5-85k"), name="other", dsp_kind="MULT9X9", family="Other")
    for make in (lambda: Dataflow(device=other, folding={}), lambda: Unrolled(device=other)):
        with pytest.raises(BadOption, match=r"other: no law prices a part with MULT9X9 slices \(Other\)"):
            make()


def test_what_was_not_measured_for_a_family_is_refused_by_name() -> None:
    with pytest.raises(BadOption, match=r"flow='hls': no unit of it was measured for ECP5-85F \(ECP5\); give 'rtl'"):
        Dataflow(device="ecp5-85k", folding={}, flow="hls")
    with pytest.raises(BadOption, match=r"ECP5-85F: weights as constants were not measured for ECP5; fold the network"):
        Unrolled(device="ecp5-85k")
