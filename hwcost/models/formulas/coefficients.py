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
def coefficients(family: str = "") -> Mapping[str, Coefficient]:
    """Every constant by name.

    Args:
        family: with a table of its own, coefficients_FAMILY.json; "" for that of AMD's parts.
    """
    name = f"coefficients_{family}.json" if family else "coefficients.json"
    table = json.loads((files("hwcost.models") / name).read_text(encoding="utf-8"))
    return immutabledict(
        {
            name: Coefficient(
                {flow: row[flow] for flow in FLOWS if flow in row}, row["unit"], row["source"], row["error"]
            )
            for name, row in table.items()
        }
    )


@cache
def flows(family: str = "") -> tuple[str, ...]:
    """The flows of which units of a family were measured."""
    return tuple(flow for flow in FLOWS if all(flow in row.value for row in coefficients(family).values()))


@cache
def values(flow: str, family: str = "") -> Mapping[str, float]:
    """The constants of one flow and family; what is counted from RTL is the same for all families.

    Raises:
        BadOption: an unknown flow, or one in which nothing was measured for the family.
    """
    if flow not in FLOWS:
        raise BadOption(f"flow={flow!r}: unknown; choose one of {', '.join(FLOWS)}")
    own = coefficients(family)
    if flow not in flows(family):
        raise BadOption(f"flow={flow!r}: no unit of it was measured for {family}; give flow={flows(family)[0]!r}")
    found = {name: row.value[flow] for name, row in own.items()}
    if family:
        found |= {name: row.value[flow] for name, row in coefficients().items() if name in COUNTED}
    return immutabledict(found)


COUNTED = (
    "ff_control", "ff_accumulator", "ff_tree", "ff_input_lane", "ff_replay_bit", "ff_lutram_bit", "ff_counter_bit",
    "negative_bit", "ff_weight_stream_bit", "stream_ff_bit", "stream_ff", "converter_bit", "converter_counter_ff",
    "converter_control_ff", "fifo_ff_bit", "weight_stream_bit", "input_lane", "replay_bit",
)  # fmt: skip
"""Constants that are counted from the RTL, which no family changes."""


def with_values(found: Mapping[str, Mapping[str, float]], flow: str, family: str = "") -> Mapping[str, float]:
    """The constants of a flow, with others in the place of some."""
    return immutabledict(dict(values(flow, family)) | dict(found.get(flow, {})))
