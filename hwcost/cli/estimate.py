"""hwcost estimate: what a network costs on a part."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pandas as pd

from hwcost.cli.network import folded
from hwcost.cli.options import on_a_part
from hwcost.cli.table import console, table
from hwcost.errors import BadOption
from hwcost.estimate import Estimate, estimate


@click.command("estimate")
@click.argument("network", default="lenet")
@click.option("--input", "shape", help="Shape of one sample, e.g. 3,32,32; for a network of your own.")
@click.option("--input-bits", type=click.IntRange(1, 32), help="Width of the unsigned input.  [default: 8]")
@on_a_part
@click.option("--corrections", "factors", type=click.Path(path_type=Path), help="corrections.json of `hwcost verify`.")
@click.option("--json", "as_json", is_flag=True, help="For machines: everything as JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="For machines: the layers as CSV.")
def estimate_command(
    network: str,
    shape: str | None,
    input_bits: int | None,
    part: str | None,
    fps: float | None,
    clock_mhz: float | None,
    factors: Path | None,
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
    result = estimate(*folded(network, shape, input_bits, part, fps, clock_mhz))
    if factors is not None:
        result = _corrected(result, factors)
    if as_json:
        click.echo(json.dumps(result.record(), indent=2))
    elif as_csv:
        click.echo(result.layers.to_csv(index=False), nl=False)
    else:
        _show(result)


def _corrected(result: Estimate, path: Path) -> Estimate:
    """The LUTs of every layer times measured / estimated, as `hwcost verify` found them for this network."""
    try:
        factors = json.loads(path.read_text(encoding="utf-8"))
        layers = result.layers.copy()
        known = {str(name): float(factors[name]) for name in factors}
    except (OSError, ValueError, TypeError) as error:
        raise BadOption(
            f"--corrections {path}: cannot be read ({error}); give corrections.json of hwcost verify"
        ) from None
    unknown = sorted(set(known) - set(layers["layer"]))
    if unknown:
        raise BadOption(f"--corrections {path}: no layer {unknown[0]} in this network; verify this one")
    times = layers["layer"].map(known).fillna(1.0).to_numpy()
    layers["LUT"] = (layers["LUT"] * times).round()
    layers["share"] = layers["LUT"] / result.device.LUT
    breakdown = result.breakdown.mul(pd.Series(times, index=layers["layer"]).reindex(result.breakdown.index), axis=0)
    total = result.total | {"LUT": float(layers["LUT"].sum())}
    return replace(result, layers=layers, total=total, breakdown=breakdown)


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
