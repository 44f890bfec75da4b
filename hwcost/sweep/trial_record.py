"""Layers and epochs of a trial as its record has them."""

from collections.abc import Mapping

from hwcost.graph.spec import Thresholds
from hwcost.graph.trace import Pipeline
from hwcost.models import RESOURCES
from hwcost.train.run import Epoch


def activations_of(pipeline: Pipeline) -> frozenset[str]:
    """Names of the layers that choose an activation's width; pooling only passes it on."""
    return frozenset(
        layer.name for layer in pipeline.layers() if any(isinstance(block, Thresholds) for block in layer.blocks)
    )


def layer_record(row: Mapping[str, object], activations: frozenset[str]) -> dict[str, object]:
    """Keep what a record has of a layer.

    Args:
        row: of the table of an estimate.
        activations: from `activations_of`.
    """
    keep = ("layer", "kind", "weight_bits", "input_bits", *RESOURCES)
    return {name: _whole(row.get(name)) for name in keep} | {
        "activation_bits": _whole(row["output_bits"]) if row["layer"] in activations else None,
        "pe": row.get("PE"),
        "simd": row.get("SIMD"),
    }


def _whole(value: object) -> object:
    """Undo a table, which turns whole numbers into floats where a neighbour is missing."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def epoch_record(epoch: Epoch, activations: frozenset[str]) -> dict[str, object]:
    """Keep what a record has of an epoch: loss, score, cost and widths.

    Args:
        epoch: of a training with a hardware model.
        activations: from `activations_of`.
    """
    widths = {
        f"{layer} {'weights' if 'weight_bits' in bits else 'activations'}": bits.get("weight_bits", bits["output_bits"])
        for layer, bits in epoch.widths.items()
        if "weight_bits" in bits or layer in activations
    }
    cost = {name: epoch.cost[name] for name in ("LUT", "DSP", "BRAM18")}
    return {"epoch": epoch.epoch, "loss": epoch.loss, "accuracy": epoch.accuracy, **cost, "widths": widths}
