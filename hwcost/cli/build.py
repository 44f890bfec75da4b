"""`hwcost build`: a whole accelerator as Verilog, and its simulation."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from hwcost.cli.design import Build, with_design
from hwcost.cli.laboratory import Tools, with_tools
from hwcost.cli.network import RECIPES, input_step, pipeline_of
from hwcost.cli.options import COUNT, PLACE, TRIAL, Target, of_recipe, positive, step, with_target
from hwcost.cli.route import Routing, place_and_route, show_placed, with_routing, write_placed
from hwcost.cost.estimate import Estimate, estimate
from hwcost.errors import BadOption
from hwcost.graph.trace import Pipeline
from hwcost.models import Dataflow
from hwcost.sweep.trust import finder

if TYPE_CHECKING:
    from hwcost.build.trial_run import Checked

HARDWARE = [field.name for kind in (Target, Build) for field in fields(kind)]


class Which(click.ParamType[int | str]):
    """Number of a trial, or the word best."""

    name = "N|best"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Refuse everything else."""
        return "best" if value == "best" else TRIAL.convert(value, param, ctx)


@click.command("build")
@click.argument("network", default="digits")
@click.option("-o", "--out", type=PLACE, required=True, help="Folder to write.")
@click.option(
    "--trial", type=Which(), help="Build the trained network of this trial of a study; best: of the knee of its front."
)
@click.option("--retrain", is_flag=True, help="With --trial: train it again first; figures must equal the record.")
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
    help="Value of one integer step of the input, e.g. 0.5 or 1/256.  [default: 2^-input bits; as recorded in a study]",
)
@click.option("--name", default="accelerator", show_default=True, help="Name of the Verilog module.")
@click.option("--simulate", "frames", type=COUNT, help="Simulate this many frames and compare every code.")
@click.option(
    "--simulator",
    type=click.Choice(("auto", "verilator", "amaranth")),
    default="auto",
    show_default=True,
    help="Simulator; auto takes Verilator where it is installed.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of random frames.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written and measured as JSON.")
@with_target
@with_design
@with_tools
@with_routing
def build_command(
    network: str,
    out: Path,
    trial: int | str | None,
    refit: bool,
    retrain: bool,
    recipe: str | None,
    data: Path | None,
    shape: str | None,
    input_bits: int | None,
    input_step: float | None,
    name: str,
    frames: int | None,
    simulator: str,
    seed: int,
    as_json: bool,
    target: Target,
    design: Build,
    tools: Tools,
    routing: Routing,
) -> None:
    """Write NETWORK as a whole accelerator: Verilog, test bench, scripts.

    NETWORK is as in `hwcost estimate`, or the folder of a study with --trial. One Verilog file per unit and one that
    joins them behind AXI4-Stream ports, with the weights and thresholds in their memories. --simulate runs frames
    through it and compares every code with the network in integers, under random pauses on both sides. --route has
    Yosys and nextpnr build it for a Lattice ECP5, up to the bitstream.

    \b
    Example:
      hwcost build digits --out accelerator --simulate 100
      hwcost build reports/digits --trial 12 --out accelerator --simulate 1000
      hwcost build reports/digits --trial best --out accelerator --simulate 100 --route
    """
    if trial is None and (refit or retrain or recipe is not None or data is not None):
        raise BadOption("--refit, --retrain, --recipe and --data apply to a trial of a study; also give --trial")
    routing.check()
    if trial is None:
        pipeline, model, step = _of_a_network(network, shape, input_bits, target, design)
    else:
        pipeline, model, step = _of_a_study(Path(network), trial, recipe, data, refit=refit, retrain=retrain)
    priced = estimate(pipeline, model)
    from hwcost.cli.accelerator import Order, write

    order = Order(name=name, frames=frames, simulator=simulator, seed=seed, input_step=input_step or step)
    written = write(out, pipeline, model, priced, order, tools)
    checked, files = written.checked, written.files
    if not as_json:
        click.echo(f"{out}: {len(files)} files, {name}.v with a file for each unit; see README")
        if checked is not None:
            _show(checked, priced)
    placed = None
    if routing.route:
        from hwcost.build.route.flow import Source

        source = Source(top=name, files=written.design, units=written.units, in_dsp=written.in_dsp)
        placed = place_and_route(source, pipeline, model, priced, routing, tools)
        files = sorted([*files, *(made := write_placed(out, name, placed))])
        if not as_json:
            show_placed(placed)
            click.echo(f"-> {', '.join(str(out / file) for file in made)}")
    if as_json:
        found = {
            "folder": str(out),
            "files": files,
            "simulation": None if checked is None else checked.record(),
            "route": None if placed is None else placed.record(),
        }
        click.echo(json.dumps(found, indent=2))


def _of_a_network(
    network: str, shape: str | None, input_bits: int | None, target: Target, design: Build
) -> tuple[Pipeline, Dataflow, float | None]:
    pipeline, defaults = pipeline_of(network, shape, input_bits)
    return pipeline, design.model(pipeline, target, defaults), input_step(pipeline)


def _of_a_study(
    folder: Path, which: int | str, recipe: str | None, data: Path | None, *, refit: bool, retrain: bool
) -> tuple[Pipeline, Dataflow, float | None]:
    context = click.get_current_context()
    given = [name for name in (*HARDWARE, "shape", "input_bits")
             if context.get_parameter_source(name) is not ParameterSource.DEFAULT]  # fmt: skip
    if given:
        raise BadOption(f"{folder}: a study defines network and hardware; omit {', '.join(sorted(given))}")
    from hwcost.sweep.replay import best, recall, reproduce
    from hwcost.sweep.study_files import read_run

    find = finder(recipe, RECIPES)
    trial = best(folder, 1)[0] if isinstance(which, str) else which
    if retrain:
        recorded, again = reproduce(folder, trial, find, data)
        if recorded != again:
            raise BadOption(
                f"trial {trial}: trained again, its figures differ from the record; use the code and the packages that "
                "run.json names"
            )
        click.echo(f"trial {trial}: trained again, all figures as recorded", err=True)
    point = recall(folder, trial, find, data, refit=refit)
    if not isinstance(point.model, Dataflow):
        raise BadOption(f"{folder}: its hardware is {type(point.model).__name__}; only a folded pipeline is built")
    return point.pipeline, point.model, read_run(folder)["data"].get("step")


def _show(checked: Checked, priced: Estimate) -> None:
    click.echo(
        f"{checked.frames} frames, {checked.words} words equal to the integer network ({checked.simulator}, with "
        "random pauses)"
    )
    click.echo(f"cycles per frame: {checked.interval_cycles:g} measured, {priced.total['cycles']:.0f} priced")
    click.echo(f"latency in cycles: {checked.latency_cycles} measured, {priced.latency_cycles} priced")
    for name, (depth, high) in checked.fifos.items():
        click.echo(f"FIFO {name}: {depth} words priced, {high} held at most")
