"""Resources that the shell of a board takes."""

from __future__ import annotations

import pytest

from hwcost.errors import BadOption
from hwcost.models.resources import AREAS
from hwcost.models.shell import SHELLS, shell


def test_every_shell_has_every_area_and_a_source() -> None:
    for one in SHELLS:
        assert shell(one.name) is one and one.source
        assert all(getattr(one, area) >= 0 for area in AREAS)


def test_its_words_are_its_name_and_what_it_takes() -> None:
    assert repr(shell("none")) == "Shell(none)"
    assert repr(shell("pynq")) == "Shell(pynq, LUT 4,600, FF 15,300, DSP 4, BRAM18 12)"


def test_unknown_shell() -> None:
    with pytest.raises(BadOption, match="shell 'vck': unknown; choose one of none, pynq"):
        shell("vck")
