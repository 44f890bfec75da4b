"""Estimated against measured: every block of a pipeline, or a vendor's report of the whole."""

from collections.abc import Mapping, Sequence

import pandas as pd

from hwcost.errors import BadOption
from hwcost.models import Dataflow, Mixed, Placed, Unrolled
from hwcost.models.formulas.fabric import VERSAL
from hwcost.models.resources import COUNTED
from hwcost.synth.measure import Laboratory, Progress
from hwcost.synth.parts import Part, parts
from hwcost.synth.unrolled_parts import unrolled_parts

MEASURED = tuple(f"{name}_measured" for name in COUNTED)

OTHER_ON_VERSAL = ("BRAM18", "URAM", "DSP")
"""Resources that a synthesizer for UltraScale+ does not count as Versal has them."""


def verify(
    placed: Sequence[Placed],
    model: Dataflow | Mixed | Unrolled,
    laboratory: Laboratory,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Synthesize the blocks of a pipeline and compare the counts with the estimate.

    Args:
        placed: blocks with their layers.
        model: the estimate; folded units in flow "rtl", constants in the fabric, or both.
        laboratory: where units are synthesized.
        progress: called for every batch of units.

    Returns:
        One row per part of a block: layer, block, part; every resource of COUNTED as estimated; and again with the
        suffix "_measured", NaN where there is no RTL, and for BRAM18, URAM and DSP of Versal, whose geometry no open
        synthesizer knows. Processing elements of a unit are alike, so that one is built and
        counted as often as it occurs; wide tables are measured by a slice. Of an unrolled design the products are
        built, without their registers.

    Raises:
        SynthesisFailed, MissingSynthesizer: as the synthesizer. BadOption: a flow without RTL. UnknownPrecision:
            constants whose values are not known.
    """
    found = _parts(placed, model)
    units = [unit for part in found for _, unit in part.terms or ()]
    measured = laboratory.measure(units, progress)
    unknown = OTHER_ON_VERSAL if model.device.dsp_kind == VERSAL else ()
    rows = []
    for part in found:
        counts = {name: count for name, count in (part.measure(measured) or {}).items() if name not in unknown}
        rows.append(
            {"layer": part.layer, "block": part.block, "part": part.name}
            | {name: part.estimate.get(name) for name in COUNTED}
            | {f"{name}_measured": counts.get(name) for name in COUNTED}
        )
    return pd.DataFrame(rows).astype({name: float for name in (*COUNTED, *MEASURED)})


def _parts(placed: Sequence[Placed], model: Dataflow | Mixed | Unrolled) -> list[Part]:
    """The parts of each block as its model builds it."""
    if isinstance(model, Dataflow):
        return parts(placed, model)
    if isinstance(model, Unrolled):
        return unrolled_parts(placed, model)

    def constant(part: Part) -> bool:
        return part.layer in model.constants and part.block != "Link"

    return [part for part in parts(placed, model.folded) if not constant(part)] + [
        part for part in unrolled_parts(placed, model.unrolled) if constant(part)
    ]


def whole_row(total: Mapping[str, float], counts: Sequence[Mapping[str, int]], model: Dataflow) -> pd.DataFrame:
    """One row in the columns of `verify`: all units of a pipeline.

    Args:
        total: resource -> estimate of the pipeline.
        counts: resource -> amount, of each unit that is built.
        model: the estimate's.
    """
    unknown = OTHER_ON_VERSAL if model.device.dsp_kind == VERSAL else ()
    measured = {name: sum(one[name] for one in counts) for name in COUNTED if name not in unknown}
    return pd.DataFrame([_row("whole network", total, measured)]).astype(
        {name: float for name in (*COUNTED, *MEASURED)}
    )


def by_layer(rows: pd.DataFrame) -> pd.DataFrame:
    """Sums per layer, in the order of the stream; of the parts with a measure only."""
    known = rows[rows["LUT_measured"].notna()]
    return known.groupby("layer", sort=False)[[*COUNTED, *MEASURED]].sum().reset_index()


def against(
    layers: Sequence[str], estimate: Mapping[str, Mapping[str, float]], report: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    """Compare a vendor's report with the estimate: per layer where its hierarchy names the layers, else in total.

    Args:
        layers: names, in order.
        estimate: layer -> resource -> amount.
        report: instance -> resource -> amount, "" for the whole; from `vivado.read_report`.

    Raises:
        BadOption: a report that has neither.
    """
    rows = []
    for layer in layers:
        instances = [name for name in report if layer and _names(name, layer)]
        if instances:
            counts = report[min(instances, key=len)]
            rows.append(_row(layer, estimate[layer], counts))
    if len(rows) < len(layers):
        if "" not in report:
            raise BadOption("--import: the report has no totals, and no instance for each layer; import a flat report")
        total = {name: sum(amounts[name] for amounts in estimate.values()) for name in COUNTED}
        rows = [_row("total", total, report[""])]
    return pd.DataFrame(rows).astype({name: float for name in (*COUNTED, *MEASURED)})


def _names(instance: str, layer: str) -> bool:
    return instance.split("_i")[0].endswith(layer.replace(".", "_")) or instance == layer


def _row(layer: str, estimate: Mapping[str, float], counts: Mapping[str, float]) -> dict[str, object]:
    row: dict[str, object] = {"layer": layer, "block": "", "part": "all"}
    row |= {name: estimate[name] for name in COUNTED}
    return row | {f"{name}_measured": counts.get(name) for name in COUNTED}


def corrections(rows: pd.DataFrame) -> dict[str, float]:
    """Layer -> measured LUT / estimated LUT: what the estimate of this network is to be multiplied with."""
    layers = by_layer(rows)
    return {
        str(row["layer"]): float(row["LUT_measured"] / row["LUT"]) for _, row in layers.iterrows() if row["LUT"] > 0
    }
