"""`hwcost devices`: the parts and boards of the device table."""

from __future__ import annotations

import json

import click

from hwcost.cli.table import console, table
from hwcost.models.device import devices


@click.command("devices")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def devices_command(as_json: bool) -> None:
    """List the FPGA parts that can be named with --device.

    \b
    Example:
      hwcost devices --json
    """
    resources = devices()[0].capacity  # names alone; the constants of hwcost.models import PyTorch
    fields = ("name", "aliases", "part", "family", *resources, "dsp_kind", "source")
    if as_json:
        click.echo(json.dumps([{name: getattr(entry, name) for name in fields} for entry in devices()], indent=2))
        return
    listed = table("name", "also", "die", "family", *resources, "DSP kind")
    for column in listed.columns[4:9]:
        column.justify = "right"
    for entry in devices():
        amounts = (f"{amount:,}" for amount in entry.capacity.values())
        listed.add_row(entry.name, ", ".join(entry.aliases), entry.die, entry.family, *amounts, entry.dsp_kind)
    console().print(listed)
