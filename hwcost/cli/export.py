"""`hwcost export`: a network as files for other tools."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import click
from click.core import ParameterSource

from hwcost.cli.design import Build, with_design
from hwcost.cli.network import RECIPES, pipeline_of
from hwcost.cli.options import PLACE, TRIAL, Place, Target, of_recipe, positive, step, with_target
from hwcost.errors import BadOption
from hwcost.export import finn_folding
from hwcost.graph.trace import Pipeline
from hwcost.models import Dataflow, Unrolled
from hwcost.sweep.trial import Design
from hwcost.sweep.trust import Finder, finder

FORMS = ("finn", "qonnx", "onnx", "verilog")
HARDWARE = [field.name for kind in (Target, Build) for field in fields(kind)]
"""Options that only a folding file has a use for."""


@click.command("export")
@click.argument("network", default="lenet")
@click.option("--to", "form", type=click.Choice(FORMS), default="finn", show_default=True, help="Kind of file.")
@click.option("-o", "--out", type=Place(dir_okay=False), required=True, help="File to write.")
@click.option("--trial", type=TRIAL, help="Export the trained network of this trial of a study, or its folding.")
@click.option("--refit", is_flag=True, help="With --trial: the network after `hwcost finish --refit`.")
@of_recipe
@click.option("--data", type=PLACE, help="Folder or file of the data set of the study.")
@click.option("--input", "shape", help="Shape of one sample, e.g. 3,32,32, of your own network.")
@click.option("--input-bits", type=click.IntRange(1, 32), help="Width of the unsigned input in bits.  [default: 8]")
@click.option(
    "--input-step",
    type=step,
    callback=positive,
    metavar="NUMBER",
    help="Value of one integer step of the input, e.g. 0.5 or 1/256; not for finn.  "
    "[default: 2^-input bits; none for a study]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the written files and their content as JSON.")
@with_target
@with_design
def export_command(
    network: str,
    form: str,
    out: Path,
    trial: int | None,
    refit: bool,
    recipe: str | None,
    data: Path | None,
    shape: str | None,
    input_bits: int | None,
    input_step: float | None,
    as_json: bool,
    target: Target,
    design: Build,
) -> None:
    """Write NETWORK for other tools.

    finn is FINN's folding configuration (JSON). qonnx is the network with Quant nodes, for FINN, hls4ml and the qonnx
    package; onnx is the same in standard nodes (QCDQ), for onnxruntime. verilog is a network of dense layers, fully
    unrolled, with its interface in a JSON file next to it; a trial that was priced with shared sums has them. NETWORK
    is as in `hwcost estimate`, and so are the options of its design, which only finn takes. A named network has
    untrained weights: for trained ones name the folder of a study with --trial, or call hwcost.export.qonnx or
    hwcost.export.verilog from a script.

    \b
    Example:
      hwcost export cnv-w2a2 --to finn -o folding.json --fps 3000
      hwcost export cnv-w2a2 --to qonnx -o cnv.onnx
      hwcost export letter --to verilog -o letter.v
    """
    if trial is not None or refit or recipe is not None or data is not None:
        if form == "finn":
            _only_the_network(form, [*HARDWARE, "shape", "input_bits", "input_step"])
            _folding(_of_a_study(network, trial, finder(recipe, RECIPES), data, refit=refit), network, out, as_json)
            return
        _only_the_network(form, [*HARDWARE, "shape", "input_bits"])
        found = _of_a_study(network, trial, finder(recipe, RECIPES), data, refit=refit)
        pipeline, sums = found.pipeline, found.model.sums if isinstance(found.model, Unrolled) else "apart"
        if input_step is None:
            input_step = _recorded_step(network)
        if any(one.range.known for one in pipeline.inputs) and input_step is None:
            raise BadOption(f"{network}: the value of one integer step of its data is not recorded; give --input-step")
        _say(form, _network(pipeline, form, out, input_step, sums), as_json)
        return
    pipeline, defaults = pipeline_of(network, shape, input_bits)
    if form != "finn":
        _only_the_network(form, HARDWARE)
        _say(form, _network(pipeline, form, out, input_step), as_json)
        return
    if input_step is not None:
        raise BadOption("--input-step: a folding file has no values; omit it")
    nodes = finn_folding(pipeline, design.model(pipeline, target, defaults))
    _write(out, (json.dumps(nodes, indent=2) + "\n").encode())
    _say(form, {out: f"{len(nodes) - 1} nodes"}, as_json)


def _folding(design: Design, folder: str, out: Path, as_json: bool) -> None:
    """Write the folding of a trial as its study priced it."""
    if not isinstance(design.model, Dataflow):
        raise BadOption(
            f"{folder}: its hardware is {type(design.model).__name__}, which has no folding; FINN builds those of "
            "architecture dataflow"
        )
    nodes = finn_folding(design.pipeline, design.model)
    _write(out, (json.dumps(nodes, indent=2) + "\n").encode())
    _say("finn", {out: f"{len(nodes) - 1} nodes"}, as_json)


def _say(form: str, written: Mapping[Path, str], as_json: bool) -> None:
    """Print the files that were written: file -> content."""
    if as_json:
        files = [{"file": str(file), "holds": holds} for file, holds in written.items()]
        click.echo(json.dumps({"form": form, "files": files}, indent=2))
        return
    for file, holds in written.items():
        click.echo(f"{file}: {holds}")


def _only_the_network(form: str, others: Sequence[str]) -> None:
    """Refuse options of hardware, which the file cannot hold."""
    context = click.get_current_context()
    given = [name for name in sorted(others) if context.get_parameter_source(name) is not ParameterSource.DEFAULT]
    if given:
        holds = "that of the trial" if form == "finn" else "no folding"
        raise BadOption(f"--to {form}: the file holds {holds}; omit {', '.join(given)}")


def _of_a_study(folder: str, trial: int | None, find: Finder, data: Path | None, *, refit: bool) -> Design:
    from hwcost.sweep.replay import recall

    if trial is None:
        raise BadOption(
            f"{folder}: --data, --recipe and --refit apply to a study; also give --trial, the number of one of "
            "its trials"
        )
    return recall(Path(folder), trial, find, data, refit=refit)


def _recorded_step(folder: str) -> float | None:
    """The value of one integer that enters, as the study found it in its data; None in older studies."""
    from hwcost.sweep.study_files import read_run

    return read_run(Path(folder))["data"].get("step")


def _network(
    pipeline: Pipeline, form: str, out: Path, input_step: float | None, sums: str = "apart"
) -> dict[Path, str]:
    """Write the network; returns file -> content."""
    known = [one.range for one in pipeline.inputs if one.range.known]
    if known and input_step is None:
        input_step = 2.0 ** -float(known[0].bits.detach())
    if form == "verilog":
        return _verilog(pipeline, out, input_step, sums)
    try:
        from hwcost.export.qonnx import plain_onnx, qonnx
    except ImportError as error:
        raise BadOption(f"{error.name} is not installed; pip install 'hwcost[onnx]'") from None
    model = (qonnx if form == "qonnx" else plain_onnx)(pipeline, input_step=input_step)
    _write(out, model.SerializeToString())
    return {out: f"{len(model.graph.node)} nodes"}


def _verilog(pipeline: Pipeline, out: Path, input_step: float | None, sums: str) -> dict[Path, str]:
    try:
        from hwcost.export.verilog import verilog
    except ImportError as error:
        raise BadOption(f"{error.name} is not installed; pip install 'hwcost[synth]'") from None
    name = re.sub(r"\W", "_", out.stem, flags=re.ASCII)
    made = verilog(pipeline, input_step=input_step, name=name if name[:1].isalpha() else f"net_{name}", sums=sums)
    cycles = made.interface["latency_cycles"]
    interface = out.with_suffix(".json")
    _write(out, made.text.encode())
    _write(interface, (json.dumps(made.interface, indent=2) + "\n").encode())
    summary = f"module {made.interface['module']}, {cycles} clock cycles to a result"
    return {out: summary, interface: "meaning of its integers"}


def _write(out: Path, content: bytes) -> None:
    try:
        out.write_bytes(content)
    except OSError as error:
        raise BadOption(
            f"--out {out}: cannot be written ({error.strerror}); give a file in a folder that exists"
        ) from None
