"""hwcost export: a network as files for other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from hwcost.cli.design import Build, on_a_design
from hwcost.cli.network import pipeline_of
from hwcost.cli.options import on_a_part
from hwcost.errors import BadOption
from hwcost.export import finn_folding
from hwcost.models.device import device


@click.command("export")
@click.argument("network", default="lenet")
@click.option("--to", "form", type=click.Choice(["finn"]), default="finn", show_default=True, help="Kind of file.")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write.")
@click.option("--input", "shape", help="Shape of one sample, e.g. 3,32,32; for a network of your own.")
@click.option("--input-bits", type=click.IntRange(1, 32), help="Width of the unsigned input.  [default: 8]")
@on_a_part
@on_a_design
def export_command(
    network: str,
    form: str,
    out: Path,
    shape: str | None,
    input_bits: int | None,
    part: str | None,
    fps: float | None,
    clock_mhz: float | None,
    **build: Any,
) -> None:
    """Write the folding of NETWORK as FINN's folding configuration (JSON).

    NETWORK and the options of its design are those of `hwcost estimate`.

    \b
    Example:
      hwcost export cnv-w2a2 --to finn -o folding.json --fps 3000
    """
    design = Build(**build)
    pipeline, defaults = pipeline_of(network, shape, input_bits)
    clock = defaults.clock_mhz if clock_mhz is None else clock_mhz
    target = device(defaults.device if part is None else part)
    nodes = finn_folding(pipeline, design.model(pipeline, target, clock, fps, defaults.fps))
    try:
        out.write_text(json.dumps(nodes, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadOption(
            f"--out {out}: cannot be written ({error.strerror}); give a file in a folder that exists"
        ) from None
    click.echo(f"{out}: {len(nodes) - 1} nodes")
