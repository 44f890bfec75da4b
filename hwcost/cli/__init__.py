"""Command line of hwcost; `STATUSES` lists its exit statuses."""

import os
import sys

try:
    import click

    from hwcost.cli.group import Group, Lazy, complain
except KeyboardInterrupt:  # `main` cannot hear it yet
    sys.stderr.write("hwcost: interrupted\n")
    sys.exit(130)

STATUSES = {
    0: "done",
    1: "a fault of hwcost (the traceback shows where), or nothing reads the output any more",
    2: "bad input, reported in one line with its remedy",
    130: "interrupted, everything finished is saved",
}
"""Exit status -> what it means."""

COMMANDS = {
    "estimate": Lazy("hwcost.cli.estimate:estimate_command", "Price NETWORK on a part, layer by layer."),
    "train": Lazy("hwcost.cli.train:train_command", "Train one trial of a study again and compare."),
    "sweep": Lazy(
        "hwcost.cli.sweep:sweep_command", "Search bit-widths and budgets for RECIPE and write a Pareto report."
    ),
    "finish": Lazy("hwcost.cli.finish:finish_command", "Train the front of a STUDY further, repeat or refit it."),
    "worker": Lazy("hwcost.cli.worker:worker_command", "Train trials of STUDY for a sweep on another machine."),
    "report": Lazy("hwcost.cli.report:report_command", "Write the report of a STUDY folder again."),
    "verify": Lazy(
        "hwcost.cli.verify:verify_command", "Synthesize the blocks of TARGET and compare with the estimate."
    ),
    "calibrate": Lazy("hwcost.cli.law_constants:calibrate_command", "Fit the models' constants to synthesized units."),
    "export": Lazy("hwcost.cli.export:export_command", "Write NETWORK for other tools: FINN, QONNX, Verilog."),
    "build": Lazy(
        "hwcost.cli.build:build_command", "Write NETWORK as a whole accelerator: Verilog, test bench, scripts."
    ),
    "devices": Lazy("hwcost.cli.device_table:devices_command", "List the FPGA parts that --device can name."),
    "doctor": Lazy("hwcost.cli.doctor:doctor_command", "Report what works on this machine and how to get the rest."),
    "completion": Lazy("hwcost.cli.completion:completion_command", "Print the completion script of a shell."),
}


@click.group(
    cls=Group,
    lazy=COMMANDS,
    epilog=f"Exit status: {'; '.join(f'{status} {meaning}' for status, meaning in STATUSES.items())}. "
    "Every command takes --config FILE.toml.",
)
@click.version_option(package_name="hwcost")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """FPGA cost while you train: learned bit-widths, differentiable hardware models, Pareto search."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> None:
    """Entry point of the `hwcost` command."""
    try:
        # None: colours where a terminal shows them; see no-color.org
        status = cli.main(
            prog_name="hwcost", standalone_mode=False, color=False if os.environ.get("NO_COLOR") else None
        )
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        remedy = f"; see `{context.command_path} --help`" if context else ""
        complain(error.format_message().rstrip(".") + remedy)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("hwcost: interrupted", err=True)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
