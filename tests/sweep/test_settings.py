"""Settings: one validation, one spelling that is read back, one role for each."""

from __future__ import annotations

import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from hwcost.cli.settings import keys
from hwcost.cli.sweep import sweep_command
from hwcost.errors import BadOption
from hwcost.search import Share
from hwcost.sweep.settings import Settings
from hwcost.sweep.spelling import Role

FULL = Settings(
    recipe="digits",
    out=Path("reports/digits"),
    data=Path("data"),
    trials=7,
    seed=3,
    sampler="greybox",
    bits=(2, 8),
    warm=4,
    time="1h30m",
    ramp=12,
    architecture="unrolled",
    limits={"LUT": 8000.0, "BRAM18": 12.5},
    device=("PYNQ-Z1", "ZCU104"),
    fps=1e5,
    clock_mhz=150.0,
    accelerator="cuda:1",
    jobs=4,
    storage="postgresql://me:secret@host/db",
    artifacts="s3://bucket",
    heartbeat_s=5,
    watch=True,
    prune=True,
)
ALONE = replace(FULL, time=None, bits=None, warm=None, limits={}, prune=False, sampler="tpe", widths="channel")
FOLDED = replace(ALONE, ramp=None, widths=None, architecture="dataflow", channels=2)
"""The settings that do not go together with those of FULL."""


def test_every_setting_comes_back_from_toml_but_the_password() -> None:
    named = [field for field in fields(FULL) if field.name != "recipe"]
    assert all(
        field.default not in [getattr(one, field.name) for one in (FULL, ALONE, FOLDED)]
        or field.name in ("time", "bits", "warm", "ramp", "limits", "prune", "widths", "channels")
        for field in named
    )
    for full in (FULL, ALONE, FOLDED):
        text = tomli_w.dumps(full.to_dict())
        assert "secret" not in text
        back = Settings.from_dict(tomllib.loads(text))
        assert back == replace(full, storage="postgresql://me:***@host/db")


def test_defaults_are_the_defaults() -> None:
    assert Settings.from_dict({"out": "x"}) == Settings(out=Path("x"))
    assert Settings.from_dict({"out": "x", "bits": None}) == Settings(out=Path("x"))
    assert Settings(out=Path("x")).share is None
    assert Settings(out=Path("x")).bound == 32
    assert FULL.share == Share("postgresql://me:secret@host/db", "s3://bucket", 5)


def test_a_role_selects_what_a_worker_needs_and_what_the_fingerprint_holds() -> None:
    sent = FULL.to_dict(Role.STUDY, Role.RESOLVED)
    assert sent.keys() == {
        "seed", "sampler", "bits", "warm", "ramp", "architecture", "limit", "prune", "device", "fps", "clock",
        "accelerator",
    }  # fmt: skip
    assert FULL.chosen() == {"bits": "2:8", "warm": "4", "ramp": "12", "architecture": "unrolled", "prune": "True"}
    assert ALONE.chosen() == {"ramp": "12", "architecture": "unrolled", "widths": "channel"}
    assert FOLDED.chosen() == {"architecture": "dataflow", "channels": "2"}
    assert (FULL.granularity, ALONE.granularity, FULL.ramp_alone, ALONE.ramp_alone) == (None, "channel", False, True)
    assert Settings(out=Path("x")).chosen() == {}


def test_every_setting_is_a_flag_and_every_other_flag_is_none_of_a_study() -> None:
    flags = keys(sweep_command).keys()
    settings = FULL.to_dict().keys() | ALONE.to_dict().keys() | FOLDED.to_dict().keys()
    assert settings <= flags
    assert flags - settings <= {
        "polish",
        "repeat",
        "refit",
        "json",
        "quiet",
        "verbose",
        "input",
    }  # which the drafted recipe holds


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"trials": 0}, "trials=0: give a whole number from 1 to 1000000"),
        ({"jobs": True}, "jobs=True"),
        ({"heartbeat_s": 0}, "heartbeat=0"),
        ({"time": "soon"}, "time 'soon': give hours"),
        ({"time": 0}, "time 0: give hours"),
        ({"time": 9, "storage": "sqlite:///x", "artifacts": "x"}, "a shared study plans ahead; give --trials"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 2**32}, "from 0 to 4294967295"),
        ({"fps": float("inf")}, "fps=inf"),
        ({"clock_mhz": 0.0}, "clock=0"),
        ({"ramp": 3}, "ramp needs bits, or architecture unrolled; add one of them, or omit ramp"),
        ({"ramp": 3, "architecture": "dataflow"}, "ramp needs bits, or architecture unrolled"),
        ({"architecture": "folded"}, "architecture 'folded': give one of dataflow, unrolled, auto"),
        ({"widths": "weight"}, "widths 'weight' needs architecture unrolled, without bits"),
        ({"architecture": "unrolled", "widths": "row"}, "widths 'row': give one of weight, channel, layer"),
        ({"architecture": "unrolled", "widths": "layer", "bits": (2, 8)}, "widths 'layer' needs architecture unrolled"),
        ({"warm": 3}, "warm needs bits, which is not given; add bits, or omit warm"),
        ({"bits": (2, 8), "ramp": 0}, "ramp=0"),
        ({"storage": "sqlite:///x"}, "storage needs artifacts, which is not given"),
        ({"limits": {"LUT": 3.0}}, "the sampler tpe cannot keep them; give --bits"),
        ({"limits": {"score": float("nan")}}, "limit score=nan"),
        ({"bits": (2, 8), "sampler": "tpe", "limits": {"LUT": 3.0}}, "the sampler tpe cannot keep them"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], part: str) -> None:
    with pytest.raises(BadOption, match=part):
        Settings(out=Path("x"), **changes)


def test_a_time_alone_sets_no_number_of_trials() -> None:
    for given, trials in (({"time": "2m"}, None), ({"time": 120, "trials": 5}, 5), ({"trials": 6}, 6)):
        settings = Settings.from_dict({"out": "x", **given})
        assert settings.bound == trials and settings.time_s == (None if trials == 6 else 120.0)


def test_the_search_is_for_the_first_of_several_parts() -> None:
    for given, part, further in (
        (None, None, ()),
        ("A", "A", ()),
        (["A"], "A", ()),
        (["A", "B", "C"], "A", ("B", "C")),
    ):
        settings = Settings.from_dict({"out": "x", "device": given})
        assert (settings.part, settings.further) == (part, further)
