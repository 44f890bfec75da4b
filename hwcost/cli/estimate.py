"""hwcost estimate: what a network costs on a part."""

import json
from dataclasses import replace
from pathlib import Path

import click
import pandas as pd

from hwcost.cli.bill import show
from hwcost.cli.design import ARCHITECTURE, Build, of_constants, with_design
from hwcost.cli.network import Defaults, pipeline_of
from hwcost.cli.options import PLACE, Target, with_target
from hwcost.cost.estimate import Estimate, estimate
from hwcost.errors import BadFolding, BadOption
from hwcost.files import parse_json
from hwcost.graph.trace import Pipeline
from hwcost.models.resources import OnPart


@click.command("estimate")
@click.argument("network", default="lenet")
@click.option("--input", "shape", help="Shape of one sample, e.g. 3,32,32, of your own network.")
@click.option("--quantize", metavar="PRESET", help="Quantize a float network first: learned8, int8, int4, ternary...")
@click.option("--input-bits", type=click.IntRange(1, 32), help="Width of the unsigned input in bits.  [default: 8]")
@with_target
@with_design
@ARCHITECTURE
@click.option("--explain", is_flag=True, help="Show where the LUTs go and what one bit less would save.")
@click.option("--corrections", "factors", type=PLACE, help="corrections.json of `hwcost verify`.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the layers as CSV.")
def estimate_command(
    network: str,
    shape: str | None,
    quantize: str | None,
    input_bits: int | None,
    target: Target,
    design: Build,
    architecture: str,
    explain: bool,
    factors: Path | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Price NETWORK on a part, layer by layer, at its current bit-widths.

    NETWORK is lenet (default), cnv-w1a1, cnv-w2a2, a recipe (at its first anchor), or a function without arguments that
    returns the network, as package.module:factory or file.py:factory; --input then gives the shape of a sample. A QONNX
    file, mynet.onnx, needs no --input; a Brevitas network comes in as it is, a float one with --quantize. With
    --architecture unrolled, every weight is a constant; layers take turns as far as --fps allows, and the integer
    weights that the network has now decide.

    \b
    Example:
      hwcost estimate mynet.py:build --input 3,32,32 --device ZCU104 --fps 5000 --explain
      hwcost estimate floatnet.py:Net --input 3,32,32 --quantize learned8
    """
    if as_json and as_csv:
        raise BadOption("--json and --csv both given; give one")
    pipeline, defaults = pipeline_of(network, shape, input_bits, quantize)
    trained = network.endswith(".onnx")
    try:
        model: OnPart = (
            design.model(pipeline, target, defaults)
            if architecture == "dataflow"
            else _constants(architecture, pipeline, target, design, defaults)
        )
    except BadFolding:
        if design.searched and not (as_json or as_csv):  # nothing fits: what the slowest pipeline takes, then the error
            slowest = design.slowest(pipeline, target, defaults)
            show(estimate(pipeline, slowest, shell=design.around(), trained=trained), explain=explain)
        raise
    result = estimate(pipeline, model, shell=design.around(), trained=trained)
    if factors is not None:
        result = _corrected(result, factors)
    if as_json:
        click.echo(json.dumps(result.record(), indent=2))
    elif as_csv:
        click.echo(result.layers.to_csv(index=False), nl=False)
    else:
        show(
            result,
            explain=explain,
            folded_for=design.default_rate(target, defaults) if architecture == "dataflow" else "",
        )


def _constants(architecture: str, pipeline: Pipeline, target: Target, design: Build, defaults: Defaults) -> OnPart:
    if design != Build(shell=design.shell):
        raise BadOption(
            f"--architecture {architecture} takes no folding, memories or styles of units; give --fps, --clock, --shell"
        )
    return of_constants(architecture, pipeline, target, defaults)


def _corrected(result: Estimate, path: Path) -> Estimate:
    """Scale the LUTs of every layer by measured / estimated, as `hwcost verify` found for this network."""
    try:
        found = parse_json(path.read_text(encoding="utf-8-sig"))
        layers = result.layers.copy()
        part, known = found["part"], {str(name): float(factor) for name, factor in found["layers"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadOption(
            f"--corrections {path}: cannot be read ({error}); give corrections.json of hwcost verify"
        ) from None
    if part != result.device.name:
        raise BadOption(f"--corrections {path}: measured on {part}, not on {result.device.name}; verify on that part")
    unknown = sorted(set(known) - set(layers["layer"]))
    if unknown:
        raise BadOption(f"--corrections {path}: no layer {unknown[0]} in this network; verify this one")
    times = layers["layer"].map(known).fillna(1.0).to_numpy()
    layers["LUT"] = (layers["LUT"] * times).round()
    layers["share"] = layers["LUT"] / result.device.LUT
    breakdown = result.breakdown.mul(pd.Series(times, index=layers["layer"]).reindex(result.breakdown.index), axis=0)
    total = result.total | {"LUT": float(layers["LUT"].sum()) + result.shell.LUT}
    return replace(result, layers=layers, total=total, breakdown=breakdown)
