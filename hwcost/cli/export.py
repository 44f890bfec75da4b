"""hwcost export: a network as files for other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from hwcost.cli.design import Build, on_a_design
from hwcost.cli.network import pipeline_of
from hwcost.cli.options import on_a_part
from hwcost.errors import BadOption
from hwcost.export import finn_folding
from hwcost.models.device import device
from hwcost.trace import Pipeline

FORMS = ("finn", "qonnx", "onnx")


@click.command("export")
@click.argument("network", default="lenet")
@click.option("--to", "form", type=click.Choice(FORMS), default="finn", show_default=True, help="Kind of file.")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write.")
@click.option("--input", "shape", help="Shape of one sample, e.g. 3,32,32; for a network of your own.")
@click.option("--input-bits", type=click.IntRange(1, 32), help="Width of the unsigned input.  [default: 8]")
@click.option("--input-step", type=float, help="Value of one integer that enters, for onnx.  [default: 2^-input bits]")
@on_a_part
@on_a_design
def export_command(
    network: str,
    form: str,
    out: Path,
    shape: str | None,
    input_bits: int | None,
    input_step: float | None,
    part: str | None,
    fps: float | None,
    clock_mhz: float | None,
    **build: Any,
) -> None:
    """Write NETWORK for other tools.

    finn is FINN's folding configuration (JSON). qonnx is the network with Quant nodes, for FINN, hls4ml and the qonnx
    package; onnx is the same in standard nodes (QCDQ), for onnxruntime. NETWORK and the options of its design, which
    only finn takes, are those of `hwcost estimate`. A network by its name has untrained weights: from a script, use
    hwcost.export.qonnx on your own.

    \b
    Example:
      hwcost export cnv-w2a2 --to finn -o folding.json --fps 3000
      hwcost export cnv-w2a2 --to qonnx -o cnv.onnx
    """
    design = Build(**build)
    pipeline, defaults = pipeline_of(network, shape, input_bits)
    if form != "finn":
        _only_the_network(form, {"part", "fps", "clock_mhz", *build})
        _network(pipeline, form, out, input_step)
        return
    if input_step is not None:
        raise BadOption("--input-step: a folding has no values; leave it out")
    clock = defaults.clock_mhz if clock_mhz is None else clock_mhz
    target = device(defaults.device if part is None else part)
    nodes = finn_folding(pipeline, design.model(pipeline, target, clock, fps, defaults.fps))
    _write(out, (json.dumps(nodes, indent=2) + "\n").encode(), len(nodes) - 1)


def _only_the_network(form: str, others: set[str]) -> None:
    """Nothing was said about hardware that the file cannot hold."""
    context = click.get_current_context()
    given = [name for name in sorted(others) if context.get_parameter_source(name) is not ParameterSource.DEFAULT]
    if given:
        raise BadOption(f"--to {form}: holds a network without its folding; leave {', '.join(given)} out")


def _network(pipeline: Pipeline, form: str, out: Path, input_step: float | None) -> None:
    try:
        from hwcost.export.qonnx import plain_onnx, qonnx
    except ImportError as error:
        raise BadOption(f"{error.name} is not installed; pip install 'hwcost[onnx]'") from None
    (entering,) = pipeline.inputs
    if entering.range.known and input_step is None:
        input_step = 2.0 ** -float(entering.range.bits.detach())
    model = (qonnx if form == "qonnx" else plain_onnx)(pipeline, input_step=input_step)
    _write(out, model.SerializeToString(), len(model.graph.node))


def _write(out: Path, content: bytes, nodes: int) -> None:
    try:
        out.write_bytes(content)
    except OSError as error:
        raise BadOption(
            f"--out {out}: cannot be written ({error.strerror}); give a file in a folder that exists"
        ) from None
    click.echo(f"{out}: {nodes} nodes")
