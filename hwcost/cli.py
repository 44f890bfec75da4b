"""The command line. Exit status 0: done; 2: bad input, one line on standard error; 130: interrupted, all saved."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

import click
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from hwcost.errors import BadOption, HwcostError
from hwcost.estimate import Estimate, estimate
from hwcost.models import AREAS, Dataflow, devices, target_fps
from hwcost.models.device import device
from hwcost.progress import watch
from hwcost.ranges import integers
from hwcost.recipe import Recipe, ask, load_object, load_recipe
from hwcost.sweep import publish, reproduce, run
from hwcost.trace import Pipeline, trace
from hwcost.trial import Sweep

RECIPES = {
    "digits": "hwcost.zoo.digits:recipe",
    "fashion-mnist": "hwcost.zoo.fashion_mnist:recipe",
}
NETWORKS = {"lenet": "hwcost.zoo.lenet:reference"}

WIDEST_TABLE = 132  # characters

Command = Callable[..., Any]


def _complain(message: str) -> None:
    """One line, whatever the message holds."""
    lines = (line.strip().removesuffix(";") for line in message.splitlines())
    click.echo(f"hwcost: error: {'; '.join(line for line in lines if line)}", err=True)


def _positive(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """Refuses 0, negative numbers, NaN and infinities."""
    if value is not None and not (isfinite(value) and value > 0):
        raise click.BadParameter(f"{value:g} is no finite number above 0.", ctx, param)
    return value


class _Group(click.Group):
    """Turns every error raised on purpose into one line and exit status 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HwcostError as error:
            _complain(str(error))
            ctx.exit(2)


def _on_a_part(command: Command) -> Command:
    """The options of everything that is priced on a part."""
    for option in (
        click.option("--clock", "clock_mhz", type=float, callback=_positive, help="Clock in MHz."),
        click.option("--fps", type=float, callback=_positive, help="Target frame rate, frames/s."),
        click.option("--device", "part", metavar="NAME", help="FPGA part or board; see `hwcost devices`."),
    ):
        command = option(command)
    return command


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    epilog="Exit status: 0 done; 2 bad input, one line says what and how to mend it; 130 interrupted.",
)
@click.version_option(package_name="hwcost")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """FPGA cost while you train: learned bit-widths, differentiable hardware models, Pareto search."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@cli.command()
@click.argument("recipe", default="digits")
@click.option("--trials", type=click.IntRange(min=1), default=32, show_default=True, help="Trials to add.")
@click.option("--out", type=click.Path(path_type=Path), help="Study folder.  [default: reports/NAME]")
@click.option("--data", type=click.Path(path_type=Path), help="Folder or file of the recipe's data set.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of search and training.")
@click.option("--sampler", default="tpe", show_default=True, help="tpe, nsga2 or random.")
@_on_a_part
@click.option("--quiet", is_flag=True, help="No progress display.")
def sweep(
    recipe: str,
    trials: int,
    out: Path | None,
    data: Path | None,
    seed: int,
    sampler: str,
    part: str | None,
    fps: float | None,
    clock_mhz: float | None,
    quiet: bool,
) -> None:
    """Search bit-widths and budgets for RECIPE; write a Pareto report.

    RECIPE is digits (default), fashion-mnist, package.module:recipe or file.py:recipe. Called again it resumes the
    study and adds trials; Ctrl-C keeps everything finished.

    \b
    Example:
      hwcost sweep fashion-mnist --data ~/fashion-mnist --trials 40 --device ZCU104
    """
    loaded = load_recipe(recipe, RECIPES)
    plan = Sweep(
        recipe=loaded,
        reference=recipe,
        out=out or Path("reports") / loaded.name,
        data=data,
        seed=seed,
        sampler=sampler,
        device=part,
        fps=fps,
        clock_mhz=clock_mhz,
    )
    with watch(trials, loaded.training.epochs, quiet=quiet) as listener:
        outcome = run(plan, trials, listener)
    click.echo(f"{outcome.finished} trials, {outcome.front} on the front -> {outcome.page}")
    if outcome.interrupted:
        click.echo(f"interrupted; everything finished is kept, continue with: {plan.command}", err=True)
        sys.exit(130)


@cli.command()
@click.option("--from", "study", type=click.Path(path_type=Path), required=True, help="Study folder.")
@click.option("--trial", type=click.IntRange(min=0), required=True, help="Number of the trial.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder or file of the recipe's data set.")
def train(study: Path, trial: int, data: Path | None) -> None:
    """Train one trial of a study again from its record, and compare.

    \b
    Example:
      hwcost train --from reports/digits --trial 7
    """
    recorded, again = reproduce(study, trial, lambda where: load_recipe(where, RECIPES), data)
    table = _table("", "recorded", "again")
    for name in recorded:
        table.add_row(name, f"{recorded[name]:.6g}", f"{again[name]:.6g}")
    _console().print(table)
    if recorded != again:
        raise BadOption(
            f"trial {trial}: the figures differ from the record: code or packages differ from those that made it"
        )


@cli.command()
@click.argument("study", type=click.Path(path_type=Path))
def report(study: Path) -> None:
    """Write the report of a STUDY folder again.

    \b
    Example:
      hwcost report reports/digits
    """
    click.echo(publish(study))


@cli.command("estimate")
@click.argument("network", default="lenet")
@click.option("--input", "shape", help="Shape of one sample, e.g. 3,32,32; for a network of your own.")
@click.option("--input-bits", type=click.IntRange(1, 32), help="Width of the unsigned input.  [default: 8]")
@_on_a_part
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
    pipeline, defaults = _pipeline(network, shape, input_bits)
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


@cli.command("devices")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def devices_command(as_json: bool) -> None:
    """List the FPGA parts that can be named with --device."""
    fields = ("name", "aliases", "part", "family", *AREAS, "dsp_kind", "source")
    if as_json:
        click.echo(json.dumps([{name: getattr(entry, name) for name in fields} for entry in devices()], indent=2))
        return
    table = _table("name", "also", "die", "family", *AREAS, "DSP kind")
    for column in table.columns[4:9]:
        column.justify = "right"
    for entry in devices():
        amounts = (f"{amount:,}" for amount in entry.capacity.values())
        table.add_row(entry.name, ", ".join(entry.aliases), entry.die, entry.family, *amounts, entry.dsp_kind)
    _console().print(table)


class _Defaults:
    """What `hwcost estimate` assumes of a bare network."""

    device, fps, clock_mhz = "xc7z020", 1_000.0, 100.0


def _pipeline(network: str, shape: str | None, input_bits: int | None) -> tuple[Pipeline, Recipe | type[_Defaults]]:
    built_in = RECIPES | NETWORKS
    found = load_object(built_in.get(network, network), built_in)
    if isinstance(found, Recipe):
        if shape is not None or input_bits is not None:
            raise BadOption(f"{network}: a recipe says itself what enters; leave --input and --input-bits out")
        if found.example is None:
            raise BadOption(f"{network}: the recipe has no example; add example=, the shape of one sample")
        net = ask(f"{network}: its network()", found.network, found.first_tries[0])
        return trace(net, torch.zeros(1, *found.example), input_range=found.input), found
    if not callable(found):
        raise BadOption(f"{network}: {type(found).__name__} is no function that returns a network")
    net = ask(network, found)
    if not isinstance(net, torch.nn.Module):
        raise BadOption(f"{network}: returned {type(net).__name__}, not a torch.nn.Module")
    if network in NETWORKS:
        shape = shape or "3,32,32"
    if shape is None:
        raise BadOption(f"{network}: give the shape of one sample, e.g. --input 3,32,32")
    example = torch.zeros(1, *_parse_shape(shape))
    return trace(net, example, input_range=integers(8 if input_bits is None else input_bits, signed=False)), _Defaults


def _parse_shape(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise BadOption(f"--input {text}: give whole numbers above 0, e.g. 3,32,32")
    return sizes


def _show(result: Estimate) -> None:
    """The table of layers, then the totals against the part."""
    names = {"weight_bits": "W", "input_bits": "A", "acc_bits": "acc", "output_bits": "out", "share": "part"}
    columns = [name for name in result.layers.columns if name not in ("DSP", "URAM") or result.layers[name].any()]
    table = _table(*(names.get(column, column) for column in columns))
    for column, header in zip(columns, table.columns, strict=True):
        header.justify = "left" if column in ("layer", "kind", "geometry") else "right"
    for row in result.record()["layers"]:
        table.add_row(*(_cell(column, row[column]) for column in columns))
    console = _console()
    console.print(table)
    part = result.device
    totals = _table("", "used", f"{part.name} has", "share")
    for header in totals.columns[1:]:
        header.justify = "right"
    for name, limit in result.limits.items():
        used = result.total[name]
        share = f"{used / limit:.1%}" if limit else "-"
        totals.add_row(name, f"{used:,.0f}", f"{limit:,.0f}", share, style="bold red" if used > limit else None)
    console.print(totals)
    console.print(
        f"{result.fps:,.0f} frames/s at {result.clock_mhz:g} MHz, initiation interval {result.total['cycles']:,.0f} "
        f"cycles; {result.verdict}"
    )


def _table(*headers: str) -> Table:
    """A table that loses nothing: its columns are as wide as what they hold."""
    table = Table(*headers, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in table.columns:
        column.no_wrap = True
    return table


def _console() -> Console:
    """Standard output; never narrower than our widest table, on a terminal or in a pipe."""
    console = Console()
    return console if console.width >= WIDEST_TABLE else Console(width=WIDEST_TABLE)


def _cell(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if column == "share":
        return f"{value:.1%}"
    return value if isinstance(value, str) else f"{value:,.0f}"


def main() -> None:
    """Entry point of the `hwcost` command."""
    try:
        status = cli.main(prog_name="hwcost", standalone_mode=False)
    except click.ClickException as error:
        _complain(error.format_message())
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("hwcost: interrupted", err=True)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
