"""Estimate as tables."""

import pandas as pd
from rich.console import Console

from hwcost.cli.table import print_table, say, say_left_out
from hwcost.cost.estimate import Estimate
from hwcost.models.rates import duration_text, rate_text
from hwcost.models.timing.clock import PipelineClock, UnitClock

PARTS = {
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

WIDTHS = {
    "weight_bits": ("W", "weights"),
    "input_bits": ("A", "inputs"),
    "acc_bits": ("acc", "the accumulator"),
    "output_bits": ("out", "the output"),
}
"""Columns of widths: heading, and what has that width."""

SPARE = ("geometry", "out", "kind", "FF", "acc", "part", "LUTRAM", "URAM", "DSP")
"""Columns of the layers that a narrow terminal can do without, in this order."""

PART_WIDTH = 8
"""Characters that a column of the breakdown takes, for the number of those that fit."""


def show(result: Estimate, *, explain: bool, folded_for: str = "") -> None:
    """Print the table of layers, then the totals against the part, and the verdict on a line of its own.

    Args:
        result: the estimate.
        explain: whether to print where the LUTs go, and what one bit less would save.
        folded_for: the frame rate of the folding and how to change it; empty if the user gave it.
    """
    _layers(result)
    if explain:
        _breakdown(result.breakdown)
        _shadow_prices(result)
    _totals(result)
    for note in (*result.notes, folded_for):
        if note:
            say(f"note: {note}")
    say(
        f"{rate_text(result.fps)} frames/s at {result.clock_mhz:g} MHz: initiation interval "
        f"{result.total['cycles']:,.0f} cycles, latency {duration_text(result.latency_us)}"
    )
    if result.clock is not None:
        _clock(result, result.clock)
    if (energy := result.energy()) is not None:
        say(
            f"energy: about {energy.uj:,.3g} uJ a frame, {energy.uj * 1e-6 * result.fps:.2g} W at full rate, rough: "
            f"within a factor of {energy.factor:.2g}; the chip without processor and board, {energy.source}"
        )
    say(f"verdict: {result.verdict}")


def _clock(result: Estimate, found: PipelineClock) -> None:
    """Print the clock that the units reach, and what misses the one that is asked for."""
    slow = found.slowest
    say(
        f"clock: about {found.fmax_mhz:.0f} MHz on {found.family}, limited by {slow.layer} ({slow.kind}); {found.error}"
    )
    if short := found.shortfall(result.clock_mhz):
        say(f"note: {short}; {_remedy(slow)}")


def _remedy(slow: UnitClock) -> str:
    if slow.kind not in ("MatVec", "Thresholds"):
        return "no register cuts this path; --clock asks for less"
    return (
        f"{'narrower operands shorten' if slow.registers else '--pipelining auto cuts'} its path, --clock asks for less"
    )


def _layers(result: Estimate) -> None:
    columns = [
        name for name in result.layers.columns if name not in ("DSP", "URAM", "LUTRAM") or result.layers[name].any()
    ]
    names = {name: short for name, (short, _) in WIDTHS.items()} | {"share": "part"}
    headers = [names.get(column, column) for column in columns]
    rows = [[_cell(column, row[column]) for column in columns] for row in result.record()["layers"]]
    left_out = print_table(headers, rows, left=("layer", "kind", "geometry"), spare=SPARE)
    shown = {short: what for short, what in WIDTHS.values() if short in headers and short not in left_out}
    say(f"{', '.join(shown)}: bits of {', '.join(shown.values())}.")
    if "geometry" not in left_out:
        say("geometry: inputs × outputs of a product ·vectors per frame, or the shape of the stream.")
    say_left_out(left_out, "a wider terminal, --csv and --json show all")


def _totals(result: Estimate) -> None:
    rows, styles = [], {}
    for number, (name, limit) in enumerate(result.limits.items()):
        used, band = result.total[name], result.bands[name]
        share = f"{used / limit:.1%}" if limit else "-"
        spread = "-" if band is None or not used else f"{band[0]:,.0f} to {band[1]:,.0f}"
        if used > limit:
            styles[number] = "bold red"
        rows.append([name, f"{used:,.0f}", spread, f"{limit:,.0f}", share])
    print_table(["", "used", "error band", f"{result.device.name} has", "share"], rows, left=("",), styles=styles)
    if result.shell.name != "none":
        amounts = ", ".join(f"{getattr(result.shell, name):,} {name}" for name in result.limits)
        say(f"of that the shell {result.shell.name}: {amounts}")


def _breakdown(breakdown: pd.DataFrame) -> None:
    """Print where the LUTs go; where the terminal is narrow, the least parts in one column."""
    parts = breakdown.loc[:, breakdown.any()]
    room = max(1, (Console().width - max(map(len, map(str, parts.index)), default=0)) // PART_WIDTH - 2)
    if len(parts.columns) > room:
        most = list(parts.sum().sort_values(ascending=False).index[:room])
        kept = [name for name in parts.columns if name in most]
        parts = parts[kept].assign(other=parts.drop(columns=kept).sum(axis=1))
    sums = parts.sum()
    rows = [
        [str(layer), *(_cell("", value) if value else "-" for value in row), f"{row.sum():,.0f}"]
        for layer, row in parts.iterrows()
    ]
    rows.append(["all layers", *(_cell("", value) for value in sums), f"{sums.sum():,.0f}"])
    headers = ["LUT of", *(PARTS.get(str(name), str(name)) for name in parts.columns), "sum"]
    print_table(headers, rows, left=("LUT of",), styles={len(rows) - 1: "bold"})
    legend = [f"{PARTS[str(name)]}: {name}" for name in parts.columns if str(name) in PARTS]
    if legend:
        say(f"{', '.join(legend)}.")


def _shadow_prices(result: Estimate) -> None:
    """Print the savings of one bit less of each width."""
    saved = ("LUT", "FF", "BRAM18", "DSP")
    rows = [
        [price.layer, price.stream, f"{price.bits} -> {price.bits - 1}", *(f"{price.saves[n]:,.0f}" for n in saved)]
        for price in result.shadow_prices
    ]
    headers = ["one bit less of", "", "bits", "saves LUT", *saved[1:]]
    print_table(headers, rows, left=headers[:2], spare=("DSP", "FF", "BRAM18"))
    if best := max(result.shadow_prices, key=lambda price: price.saves["LUT"], default=None):
        say(
            f"the bit that saves most LUTs: {best.layer}, {best.stream}, {best.bits} -> {best.bits - 1}. One bit less "
            "of weights or inputs also narrows the accumulator by one bit: add its row"
        )


def _cell(column: str, value: object) -> str:
    if value is None:
        return "-"
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:.1%}" if column == "share" else f"{value:,.0f}"
