"""`hwcost devices`: the parts and boards of the device table."""

import json

import click

from hwcost.cli.table import print_table, say, say_left_out
from hwcost.models.device import devices

SPARE = ("also", "slice", "family", "LUTRAM", "URAM", "FF")
"""Columns that a narrow terminal can do without, in this order."""


@click.command("devices")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def devices_command(as_json: bool) -> None:
    """List the FPGA parts that can be named with --device.

    \b
    Example:
      hwcost devices --json
    """
    resources = devices()[0].capacity  # names alone; the constants of hwcost.models import PyTorch
    fields = ("name", "aliases", "part", "family", *resources, "dsp_kind", "source", "unconfirmed")
    if as_json:
        click.echo(json.dumps([{name: getattr(entry, name) for name in fields} for entry in devices()], indent=2))
        return
    amounts = list(resources)
    rows = []
    for entry in devices():
        figures = [f"{getattr(entry, name):,}{'?' if name in entry.unconfirmed else ''}" for name in amounts]
        rows.append([entry.name, entry.die, entry.family, *figures, entry.dsp_kind, ", ".join(entry.aliases)])
    words = ("name", "die", "family", "slice", "also")
    left_out = print_table(["name", "die", "family", *amounts, "slice", "also"], rows, left=words, spare=SPARE)
    say("?: not checked against a public document; --json gives the source of every row")
    say_left_out(left_out, "a wider terminal and --json show all")
