"""Estimate as tables."""

from rich.console import Console

from hwcost.cli.table import console, table
from hwcost.cost.estimate import Estimate
from hwcost.models.rates import rate_text

SHORT = {
    "multipliers": "mult",
    "adders": "add",
    "accumulators": "acc",
    "comparators": "comp",
    "thresholds": "thresh",
    "converters": "width",
    "multiplexers": "mux",
    "reduction": "pool",
}
"""Parts of a bill, abbreviated so that the table fits a terminal."""


def show(result: Estimate, *, explain: bool) -> None:
    """Print the table of layers, then the totals against the part."""
    names = {"weight_bits": "W", "input_bits": "A", "acc_bits": "acc", "output_bits": "out", "share": "part"}
    columns = [
        name for name in result.layers.columns if name not in ("DSP", "URAM", "LUTRAM") or result.layers[name].any()
    ]
    layers = table(*(names.get(column, column) for column in columns))
    for column, header in zip(columns, layers.columns, strict=True):
        header.justify = "left" if column in ("layer", "kind", "geometry") else "right"
    for row in result.record()["layers"]:
        layers.add_row(*(_cell(column, row[column]) for column in columns))
    out = console()
    out.print(layers)
    if explain:
        _explain(result, out)
    _totals(result, out)
    for note in result.notes:
        out.print(f"note: {note}", highlight=False)
    out.print(
        f"{rate_text(result.fps)} frames/s at {result.clock_mhz:g} MHz, initiation interval "
        f"{result.total['cycles']:,.0f} cycles, latency {result.latency_cycles:,} cycles "
        f"({result.latency_us:,.1f} us); {result.verdict}"
    )


def _totals(result: Estimate, out: Console) -> None:
    part = result.device
    totals = table("", "used", "error band", f"{part.name} has", "share")
    for header in totals.columns[1:]:
        header.justify = "right"
    for name, limit in result.limits.items():
        used, band = result.total[name], result.bands[name]
        share = f"{used / limit:.1%}" if limit else "-"
        spread = "-" if band is None or not used else f"{band[0]:,.0f} to {band[1]:,.0f}"
        style = "bold red" if used > limit else None
        totals.add_row(name, f"{used:,.0f}", spread, f"{limit:,.0f}", share, style=style)
    out.print(totals)
    if result.shell.name != "none":
        amounts = ", ".join(f"{getattr(result.shell, name):,} {name}" for name in result.limits)
        out.print(f"of that the shell {result.shell.name}: {amounts}")


def _explain(result: Estimate, out: Console) -> None:
    """Print where the LUTs go, and the savings of one bit less of each width."""
    parts = result.breakdown.loc[:, result.breakdown.any()]
    where = table("LUT of", *(SHORT.get(str(name), str(name)) for name in parts.columns), "sum")
    for header in where.columns[1:]:
        header.justify = "right"
    for layer, row in parts.iterrows():
        where.add_row(str(layer), *(_cell("", value) if value else "-" for value in row), f"{row.sum():,.0f}")
    sums = parts.sum()
    where.add_row("all layers", *(_cell("", value) for value in sums), f"{sums.sum():,.0f}", style="bold")
    out.print(where)
    prices = table("one bit less of", "", "bits", "saves LUT", "FF", "BRAM18", "DSP")
    for header in prices.columns[2:]:
        header.justify = "right"
    for price in result.shadow_prices:
        saves = (price.saves[name] for name in ("LUT", "FF", "BRAM18", "DSP"))
        prices.add_row(
            price.layer, price.stream, f"{price.bits} -> {price.bits - 1}", *(f"{amount:,.0f}" for amount in saves)
        )
    out.print(prices)
    if best := max(result.shadow_prices, key=lambda price: price.saves["LUT"], default=None):
        out.print(
            f"the bit that saves most LUTs: {best.layer}, {best.stream}, {best.bits} -> {best.bits - 1}. One bit less "
            "of weights or inputs also narrows the accumulator by one bit: add its row"
        )


def _cell(column: str, value: object) -> str:
    if value is None:
        return "-"
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:.1%}" if column == "share" else f"{value:,.0f}"
