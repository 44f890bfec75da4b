"""Finished trials on further parts: priced once, as a study of that part prices them, with a front of what fits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_recipe
from sweeps import experiment, run, with_settings

from hwcost.errors import BadFolding, BadOption, BadStudy, UnknownDevice
from hwcost.graph.trace import Pipeline
from hwcost.models import RESOURCES, Device
from hwcost.models.device import device
from hwcost.models.resources import OnPart
from hwcost.sweep import further_parts
from hwcost.sweep.architecture import dataflow
from hwcost.sweep.further_parts import PRICED, further
from hwcost.sweep.study_files import read_run, write_json
from hwcost.sweep.trial import Design

PARTS = ("PYNQ-Z1", "ZCU104", "ZCU102")
COUNTS = (*RESOURCES, "fps", "latency_us", "latency_cycles")


def test_a_part_is_named_once(tmp_path: Path) -> None:
    tiny = experiment(tiny_recipe.recipe, tmp_path, device=("PYNQ-Z1", "ZCU104"))
    assert {name: one.part.name for name, one in further(tiny).items()} == {"ZCU104": "ZCU104"}
    assert tiny.part.name == "PYNQ-Z1" and not further(with_settings(tiny, device="PYNQ-Z1"))
    with pytest.raises(BadOption, match="the part PYNQ-Z1 is named twice"):
        further(with_settings(tiny, device=("PYNQ-Z1", "PYNQ-Z1")))
    with pytest.raises(UnknownDevice):
        further(with_settings(tiny, device=("PYNQ-Z1", "xc9")))


@pytest.mark.slow
def test_each_trial_is_priced_once_as_a_study_of_that_part_prices_it(
    tmp_path: Path, undrawn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = experiment(tiny_recipe.recipe, tmp_path / "both", device=PARTS[:2])
    assert [part["finished"] for part in run(both, 2).parts] == [2]
    run(experiment(tiny_recipe.recipe, tmp_path / "alone", device="ZCU104"), 2)
    rows = json.loads((tmp_path / "alone" / "trials.json").read_text())["trials"]
    priced = json.loads((tmp_path / "both" / PRICED).read_text())["ZCU104"]
    alone = [{name: row[name] for name in (*COUNTS, "fits")} for row in rows]
    assert [{name: one[name] for name in (*COUNTS, "fits")} for one in priced.values()] == alone

    made: list[int] = []
    design = further_parts.design

    def counted(*given: Any) -> Design:
        made.append(given[3])
        return design(*given)

    monkeypatch.setattr(further_parts, "design", counted)
    more = run(with_settings(both, device=PARTS), 1)  # a part that joins later
    assert len(made) == 3 and [part["name"] for part in more.parts] == ["ZCU104", "ZCU102"]
    assert read_run(tmp_path / "both")["parts"] == list(more.parts)
    assert all(part["fitting"] == part["finished"] == 3 for part in more.parts)
    for part in more.parts:
        luts = [point["LUT"] for point in part["front"]]
        assert luts == sorted(luts) and part["capacity"]["LUT"] == device(part["name"]).LUT


@pytest.mark.slow
def test_a_front_has_what_fits_the_part_alone(tmp_path: Path, undrawn: None) -> None:
    both = experiment(tiny_recipe.recipe, tmp_path, device=PARTS[:2])
    run(both, 2)
    priced = json.loads((tmp_path / PRICED).read_text())
    (first, last) = priced["ZCU104"]
    priced["ZCU104"][first]["fits"] = False
    priced["ZCU104"][last] = {"error": "too slow"}
    write_json(tmp_path / PRICED, priced)
    (part,) = run(both, 1).parts
    assert (part["finished"], part["fitting"], [point["number"] for point in part["front"]]) == (3, 1, [2.0])
    write_json(tmp_path / PRICED, {"ZCU104": {"0-x": 3}})
    with pytest.raises(BadStudy, match=r"parts\.json: its entry ZCU104 is garbled"):
        run(both, 1)


def test_what_cannot_be_that_fast_on_a_part_is_said(tmp_path: Path, undrawn: None) -> None:
    def slower(params: object) -> dict[str, object]:
        return {"architecture": choose}

    def choose(pipeline: Pipeline, *, device: Device, **options: Any) -> OnPart:
        if device.name == "ZCU104":
            raise BadFolding("too slow there")
        return dataflow(pipeline, device=device, **options)

    recipe = replace(tiny_recipe.recipe, hardware=slower)
    (part,) = run(experiment(recipe, tmp_path, device=PARTS[:2]), 1).parts
    assert (part["fitting"], part["front"]) == (0, [])
    (figures,) = json.loads((tmp_path / PRICED).read_text())["ZCU104"].values()
    assert figures == {"error": "too slow there"}
