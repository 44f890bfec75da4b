"""hwcost estimate: what a network costs on a part."""

from __future__ import annotations

import json
from typing import Any

import click

from hwcost.cli.network import pipeline_of
from hwcost.cli.options import on_a_part
from hwcost.cli.table import console, table
from hwcost.errors import BadOption
from hwcost.estimate import Estimate, estimate
from hwcost.models import Dataflow, target_fps
from hwcost.models.device import device


@click.command("estimate")
@click.argument("network", default="lenet")
@click.option("--input", "shape", help="Shape of one sample, e.g. 3,32,32; for a network of your own.")
@click.option("--input-bits", type=click.IntRange(1, 32), help="Width of the unsigned input.  [default: 8]")
@on_a_part
@click.option("--json", "as_json", is_flag=True, help="For machines: everything as JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="For machines: the layers as CSV.")
def estimate_command(
    network: str,
    shape: str | None,
    input_bits: int | None,
    part: str | None,
    fps: float | None,
    clock_mhz: float | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Price NETWORK on a part, layer by layer, at its current bit-widths.

    NETWORK is lenet (default), a recipe (at its first anchor), or package.module:factory or file.py:factory, a
    function without arguments that returns the network; then --input gives the shape of a sample.

    \b
    Example:
      hwcost estimate mynet.py:build --input 3,32,32 --device ZCU104 --fps 5000
    """
    if as_json and as_csv:
        raise BadOption("--json and --csv both given; give one")
    pipeline, defaults = pipeline_of(network, shape, input_bits)
    target = defaults.fps if fps is None else fps
    clock = defaults.clock_mhz if clock_mhz is None else clock_mhz
    folding = target_fps(pipeline, target, clock_mhz=clock)
    result = estimate(
        pipeline, Dataflow(device=device(defaults.device if part is None else part), folding=folding, clock_mhz=clock)
    )
    if as_json:
        click.echo(json.dumps(result.record(), indent=2))
    elif as_csv:
        click.echo(result.layers.to_csv(index=False), nl=False)
    else:
        _show(result)


def _show(result: Estimate) -> None:
    """The table of layers, then the totals against the part."""
    names = {"weight_bits": "W", "input_bits": "A", "acc_bits": "acc", "output_bits": "out", "share": "part"}
    columns = [name for name in result.layers.columns if name not in ("DSP", "URAM") or result.layers[name].any()]
    layers = table(*(names.get(column, column) for column in columns))
    for column, header in zip(columns, layers.columns, strict=True):
        header.justify = "left" if column in ("layer", "kind", "geometry") else "right"
    for row in result.record()["layers"]:
        layers.add_row(*(_cell(column, row[column]) for column in columns))
    out = console()
    out.print(layers)
    part = result.device
    totals = table("", "used", f"{part.name} has", "share")
    for header in totals.columns[1:]:
        header.justify = "right"
    for name, limit in result.limits.items():
        used = result.total[name]
        share = f"{used / limit:.1%}" if limit else "-"
        totals.add_row(name, f"{used:,.0f}", f"{limit:,.0f}", share, style="bold red" if used > limit else None)
    out.print(totals)
    out.print(
        f"{result.fps:,.0f} frames/s at {result.clock_mhz:g} MHz, initiation interval {result.total['cycles']:,.0f} "
        f"cycles; {result.verdict}"
    )


def _cell(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if column == "share":
        return f"{value:.1%}"
    return value if isinstance(value, str) else f"{value:,.0f}"
