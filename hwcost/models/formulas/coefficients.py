"""Fitted and counted constants: every number of the laws, with its unit, source and error."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from immutabledict import immutabledict

from hwcost.errors import BadOption

FLOWS = ("rtl", "hls")
"""Flows in which units are written: hand-written RTL, or C++ through high-level synthesis."""


@dataclass(frozen=True)
class Coefficient:
    """One constant of a law.

    Attributes:
        value: per flow, in `unit`.
        unit: what it counts, per what.
        source: where the number comes from.
        error: how wrong it is, and measured on what.
    """

    value: Mapping[str, float]
    unit: str
    source: str
    error: str


@cache
def coefficients() -> Mapping[str, Coefficient]:
    """Every constant by name."""
    table = json.loads((files("hwcost.models") / "coefficients.json").read_text(encoding="utf-8"))
    return immutabledict(
        {
            name: Coefficient({flow: row[flow] for flow in FLOWS}, row["unit"], row["source"], row["error"])
            for name, row in table.items()
        }
    )


@cache
def values(flow: str) -> Mapping[str, float]:
    """The constants of one flow."""
    if flow not in FLOWS:
        raise BadOption(f"flow={flow!r}: unknown; choose one of {', '.join(FLOWS)}")
    return immutabledict({name: row.value[flow] for name, row in coefficients().items()})


def with_values(found: Mapping[str, Mapping[str, float]], flow: str) -> Mapping[str, float]:
    """The constants of a flow, with others in the place of some."""
    return immutabledict(dict(values(flow)) | dict(found.get(flow, {})))
