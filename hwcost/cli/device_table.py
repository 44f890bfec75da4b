"""`hwcost devices`: the parts and boards of the device table."""

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
    fields = ("name", "aliases", "part", "family", *resources, "dsp_kind", "source", "unconfirmed")
    if as_json:
        click.echo(json.dumps([{name: getattr(entry, name) for name in fields} for entry in devices()], indent=2))
        return
    amounts = list(resources)
    listed = table("name", "also", "die", "family", *amounts, "slice")
    for column in listed.columns:
        column.min_width = max(len(str(column.header)), 6)
    for column, width in ((listed.columns[1], 11), (listed.columns[3], 17)):  # longer ones are wrapped
        column.no_wrap, column.min_width = False, width
    for column in listed.columns[4 : 4 + len(amounts)]:
        column.justify = "right"
    for entry in devices():
        figures = (f"{getattr(entry, name):,}{'?' if name in entry.unconfirmed else ''}" for name in amounts)
        listed.add_row(entry.name, ", ".join(entry.aliases), entry.die, entry.family, *figures, entry.dsp_kind)
    console().print(listed)
    console().print("?: not checked against a public document; --json gives the source of every row")
