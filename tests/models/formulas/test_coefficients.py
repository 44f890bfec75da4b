"""Every constant of the laws says where it comes from."""

from __future__ import annotations

import pytest

from hwcost.errors import BadOption
from hwcost.models.formulas import coefficients


def test_every_constant_has_unit_source_and_error() -> None:
    for name, row in coefficients.coefficients().items():
        assert row.unit and row.source and row.error, name
        assert all(value >= 0 for value in row.value.values()), name


def test_unknown_flow() -> None:
    with pytest.raises(BadOption, match="flow='vhdl'"):
        coefficients.values("vhdl")
