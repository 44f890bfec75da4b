"""Price a pipeline for people: a table per layer, the totals, and what they mean for a part."""

from collections.abc import Iterator
from math import ceil
from typing import overload

import pandas as pd
import torch
from immutabledict import immutabledict

from hwcost.cost.bill import Bill, layer_bits, price
from hwcost.cost.per_layer import Separable
from hwcost.cost.price_table import NO_SHELL, WHOLE
from hwcost.cost.price_table import Estimate as Estimate
from hwcost.cost.price_table import PriceTable as PriceTable
from hwcost.errors import BadOption
from hwcost.graph.soundness import check_weights
from hwcost.graph.spec import Layer, MatVec
from hwcost.models import Dataflow, Device, Fold, HardwareModel, Mixed, Refolding, Unrolled
from hwcost.models.calibration.error_band import bands
from hwcost.models.explain import shadow_prices
from hwcost.models.latency import latency_cycles
from hwcost.models.resources import HasLayers, OnPart, check_traced
from hwcost.models.shell import Shell

SPARSE = 0.5
"""Share of zeros among the weights of a layer from which on an estimate speaks of them."""


@overload
def estimate(pipeline: HasLayers, model: OnPart, *, shell: Shell = NO_SHELL, trained: bool = True) -> Estimate: ...


@overload
def estimate(
    pipeline: HasLayers, model: HardwareModel, *, shell: Shell = NO_SHELL, trained: bool = True
) -> PriceTable: ...


def estimate(pipeline: HasLayers, model: HardwareModel, *, shell: Shell = NO_SHELL, trained: bool = True) -> PriceTable:
    """Price a pipeline for people: a table per layer and totals; on a part also frames per second, and whether it fits.

    Args:
        pipeline: from `trace`; read with its live widths.
        model: any hardware model. `Dataflow`, `Finn`, `Unrolled` and `Refolding` have a part and a clock.
        shell: what the board adds around it; nothing if left out.
        trained: whether the values of the weights mean anything yet; if not, no note speaks of those that are zero.

    Returns:
        An Estimate if the model has a part, else a PriceTable. Totals without the shell equal `hardware_cost` to the
        last bit. Only a Dataflow has a breakdown, shadow prices and error bands; a Refolding is estimated as the
        Dataflow that it folds to.

    Raises:
        BadOption: a shell around a model without a part. DivergedTraining: weights that are NaN or infinite. Else as
            `price`.
    """
    check_traced(pipeline)
    check_weights(pipeline)
    with torch.no_grad():
        bill = price(pipeline, model)
    if isinstance(model, Refolding):
        model = model.folded(bill.placed)
    folds = _folds(bill, model)
    device = model.device if isinstance(model, OnPart) else None
    rows = [_row(layer, bill, device, folds.get(layer.name)) for layer in bill.layers if layer.blocks]
    columns = [name for name in WHOLE if folds or name not in ("PE", "SIMD")]
    layers = pd.DataFrame(rows).drop(columns=[name for name in WHOLE if name not in columns])
    layers = layers.astype(dict.fromkeys(columns, "Int64"))
    total = {name: float(amount) + getattr(shell, name, 0) for name, amount in bill.total().items()}
    breakdown = _breakdown(bill, model) if isinstance(model, Dataflow) else pd.DataFrame(index=layers["layer"])
    notes = tuple(_notes(bill, trained)) if folds else ()
    if not isinstance(model, OnPart):
        if shell.name != NO_SHELL.name:
            raise BadOption(f"estimate: {type(model).__name__} has no part, so shell={shell.name!r} surrounds nothing")
        return PriceTable(layers=layers, total=total, breakdown=breakdown, notes=notes)
    return Estimate(
        device=model.device,
        clock_mhz=model.clock_mhz,
        layers=layers,
        total=total,
        latency_cycles=latency_of(bill, model),
        breakdown=breakdown,
        shell=shell,
        shadow_prices=tuple(shadow_prices(model, bill.placed)) if isinstance(model, Dataflow) else (),
        errors=bands(model.device.dsp_kind) if isinstance(model, Dataflow) else immutabledict(),
        notes=(*notes, *model.device.doubts),
        clock=model.clock(bill.placed) if isinstance(model, Dataflow) else None,
    )


def latency_of(bill: Bill, model: OnPart) -> int:
    """Cycles of one frame as the model tells it; else the sum of all cycles, as FINN has it: no block overlaps."""
    if isinstance(model, Dataflow):
        return latency_cycles(bill.layers, model)
    if isinstance(model, Mixed):
        return model.latency_cycles(bill.layers)
    if isinstance(model, Unrolled):
        return model.latency_cycles(bill.placed)
    return ceil(float(bill.amounts["cycles"].sum()))


def _notes(bill: Bill, trained: bool) -> Iterator[str]:
    """List what saves nothing in a folded unit."""
    for placed in bill.placed:
        if not isinstance(block := placed.block, MatVec):
            continue
        bits = block.weight.bits.detach()
        least, most = float(bits.min()), float(bits.max())
        if least < most:
            yield (
                f"{placed.layer}: weights of {least:g} to {most:g} bits share a stream, so all cost {most:g}; an "
                "unrolled unit pays each its own"
            )
        weights = block.constants() if trained else None
        if weights is not None and (zeros := float((weights == 0).float().mean())) >= SPARSE:
            yield f"{placed.layer}: {zeros:.0%} of its weights are zero; that saves nothing in a folded unit"


def _breakdown(bill: Bill, model: Dataflow) -> pd.DataFrame:
    rows: dict[str, dict[str, float]] = {}
    for placed, parts in zip(bill.placed, model.parts(bill.placed), strict=True):
        row = rows.setdefault(placed.layer, {})
        for part, amount in parts.items():
            row[part] = row.get(part, 0.0) + amount
    return pd.DataFrame.from_dict(rows, orient="index").fillna(0.0)


def _folds(bill: Bill, model: HardwareModel) -> dict[str, Fold]:
    """The fold of each layer's last block: of its unit, if it has one."""
    if not isinstance(model, Separable):
        return {}
    return {job.layer: job.fold for job in model.plan(bill.placed) if job.fold is not None}


def _row(layer: Layer, bill: Bill, device: Device | None, fold: Fold | None) -> dict[str, object]:
    bits = layer_bits(layer)
    amounts = bill.of(layer.name)
    return {
        "layer": layer.name,
        "kind": layer.kind,
        "geometry": _geometry(layer),
        **{name: bits.get(name) for name in ("weight_bits", "input_bits", "acc_bits", "output_bits")},
        "PE": fold.pe if fold else None,
        "SIMD": fold.simd if fold else None,
        **amounts,
        **({"share": amounts["LUT"] / device.LUT} if device is not None and "LUT" in amounts else {}),
    }


def _geometry(layer: Layer) -> str:
    """MW x MH of a matrix-vector unit with its vectors per frame; else the shape of the stream."""
    for block in layer.blocks:
        if isinstance(block, MatVec):
            groups = f"{block.groups}×" if block.groups > 1 else ""
            vectors = f" ·{block.vectors}" if block.vectors > 1 else ""
            return f"{groups}{block.cols}×{block.rows}{vectors}"
    return "×".join(map(str, layer.output.shape))
