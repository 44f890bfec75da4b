"""The command line. Exit status 0: done; 2: bad input, one line on standard error; 130: interrupted, all saved."""

from __future__ import annotations

import sys

import click

from hwcost.cli.calibrate import calibrate_command
from hwcost.cli.devices import devices_command
from hwcost.cli.estimate import estimate_command
from hwcost.cli.group import Group, complain
from hwcost.cli.report import report_command
from hwcost.cli.sweep import sweep_command
from hwcost.cli.train import train_command
from hwcost.cli.verify import verify_command


@click.group(
    cls=Group,
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


for _command in (
    sweep_command,
    train_command,
    report_command,
    estimate_command,
    devices_command,
    verify_command,
    calibrate_command,
):
    cli.add_command(_command)


def main() -> None:
    """Entry point of the `hwcost` command."""
    try:
        status = cli.main(prog_name="hwcost", standalone_mode=False)
    except click.ClickException as error:
        complain(error.format_message())
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("hwcost: interrupted", err=True)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
