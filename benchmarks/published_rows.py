"""Our models and FINN's against published synthesis results; writes reports/calibration/published.md.

python benchmarks/published_rows.py --data fpga_published.json
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch

from hwcost.models import Dataflow, Fold, Placed
from hwcost.models.calibrate import SHAPE, fit_units, unit_terms
from hwcost.models.coefficients import values
from hwcost.models.latency import latency_cycles
from hwcost.models.shell import shell
from hwcost.ranges import Range, binary, dot, integers
from hwcost.spec import Block, MatVec, Thresholds, Window

Row = dict[str, Any]
FLOWS = ("rtl", "hls")


def wire(bits: int, *, signed: bool = True) -> Range:
    """One bit is bipolar, as in all of these designs."""
    return binary() if bits == 1 else integers(bits, signed=signed)


def finn_type(name: str) -> Range:
    """The range of a FINN data type."""
    if name == "BIPOLAR":
        return binary()
    return integers(int(name.lstrip("UINT")), signed=not name.startswith("U"))


def unit(row: Row) -> MatVec:
    """A matrix-vector micro-benchmark."""
    weight, inputs = wire(row["W"]), wire(row["A"], signed=False)
    return MatVec(
        rows=row["MH"],
        cols=row["MW"],
        vectors=row["n_out_pixels"],
        weight=weight,
        input=inputs,
        acc=integers(row["out_bits"], signed=True),
    )


def model_of(row: Row, *, memory: str) -> Dataflow:
    folding = {"unit": Fold(row["PE"], row["SIMD"])}
    return Dataflow(device="xc7z020", folding=folding, flow=row["impl"], weight_memory=memory, weight_banks="per_pe")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def spread(ratios: Sequence[float]) -> tuple[str, str, str]:
    """Median, mean absolute error and worst of estimate / measured."""
    errors = [abs(ratio - 1) for ratio in ratios]
    return f"{median(ratios):.2f}", f"{mean(errors):.1%}", f"{max(errors):.0%}"


def units_lut(rows: list[Row]) -> str:
    lines = []
    for flow in FLOWS:
        for kind in ("all", (1, 1), (1, 4), (4, 4)):
            chosen = [r for r in rows if r["impl"] == flow and kind in ("all", (r["W"], r["A"]))]
            ours = []
            for row in chosen:
                with torch.no_grad():
                    bill = model_of(row, memory="external").price([Placed("unit", unit(row))])
                ours.append(float(bill["LUT"]) / row["LUT"])
            finn = [r["finn_dev_estimate_const_mode"]["LUT"] / r["LUT"] for r in chosen]
            name = kind if isinstance(kind, str) else f"{kind[0]}x{kind[1]}"
            lines.append((flow, name, len(chosen), *spread(ours), *spread(finn)))
    head = ("flow", "W x A", "units", "ours median", "MAPE", "worst", "FINN median", "MAPE", "worst")
    return table(head, lines)


def units_left_out(rows: list[Row]) -> str:
    lines = []
    for flow in FLOWS:
        chosen = [r for r in rows if r["impl"] == flow]
        terms = [unit_terms(r["W"], r["A"], r["PE"], r["SIMD"], r["MW"], r["MH"], r["out_bits"]) for r in chosen]
        for kind in ((1, 1), (1, 4), (4, 4)):
            kept = [(r["W"], r["A"]) != kind for r in chosen]
            fit = fit_units(
                [t for t, keep in zip(terms, kept, strict=True) if keep],
                [r["LUT"] for r, keep in zip(chosen, kept, strict=True) if keep],
            )
            ratios = [fit.predict(t) / r["LUT"] for t, r, keep in zip(terms, chosen, kept, strict=True) if not keep]
            lines.append((flow, f"{kind[0]}x{kind[1]}", len(ratios), *spread(ratios)))
    return table(("flow", "left out", "units", "median", "MAPE", "worst"), lines)


def units_cycles(rows: list[Row]) -> str:
    late: Counter[int] = Counter()
    for row in rows:
        if (measured := row.get("cycles_measured_hls_cosim")) is not None:
            cycles = model_of(row, memory="external").price([Placed("unit", unit(row))])["cycles"]
            late[measured - int(cycles)] += 1
    return table(("measured - estimate, cycles", "units"), sorted(late.items()))


def units_bram(rows: list[Row]) -> str:
    lines = []
    for flow in FLOWS:
        ours, finn, count = 0, 0, 0
        for row in rows:
            if row["impl"] != flow or row.get("BRAM_reported") is None:
                continue
            measured = row["BRAM_reported"] * (1 if row["BRAM_unit"] == "RAMB18" else 2)
            bill = model_of(row, memory="auto").price([Placed("unit", unit(row))])
            ours += abs(int(bill["BRAM18"]) - measured) <= 1
            finn += abs(row["finn_dev_estimate_const_mode"]["BRAM_18K"] - measured) <= 1
            count += 1
        lines.append((flow, count, ours, finn))
    return table(("flow", "units", "ours within 1 block", "FINN within 1 block"), lines)


def network(row: Row) -> tuple[list[Placed], dict[str, Fold]]:
    """The units, windows and activations of a published network."""
    placed: list[Placed] = []
    folds = {}
    finn_flow = "mem_mode" in row["layers"][0]
    for index, layer in enumerate(row["layers"]):
        name, last = f"layer{index}", index == len(row["layers"]) - 1
        if finn_flow:
            weight, inputs = finn_type(layer["weight"]), finn_type(layer["input"])
            output, acc = finn_type(layer["output"]), dot(inputs, weight, layer["MW"])
        else:
            image = index == 0 and row["first_layer_input_bits"] == 8
            weight, output = wire(layer["WPI"]), wire(layer["API"])
            inputs = integers(8, signed=True) if image else output
            acc = integers(24 if image else 16, signed=True)  # the published threshold widths
        block = MatVec(
            rows=layer["MH"], cols=layer["MW"], vectors=layer.get("pix", 1), weight=weight, input=inputs, acc=acc
        )
        if layer["type"] == "conv":
            placed.append(Placed(name, _window(layer, inputs)))
        placed.append(Placed(name, block))
        folds[name] = Fold(layer["PE"], layer["SIMD"])
        if finn_flow or not last:
            placed.append(Placed(name, _activation(block, acc, output)))
    return placed, folds


def _window(layer: Row, inputs: Range) -> Block:
    side = (layer["IFM_DIM"],) * 2
    return Window(
        channels=layer["IFM_CH"],
        image=side,
        kernel=(layer["K"],) * 2,
        stride=(1, 1),
        dilation=(1, 1),
        padding=((0, 0),) * 2,
        output=(layer["OFM_DIM"],) * 2,
        input=inputs,
    )


def _activation(block: MatVec, acc: Range, output: Range) -> Block:
    return Thresholds(channels=block.rows, vectors=block.vectors, input=acc, output=output)


def network_model(row: Row, folds: dict[str, Fold]) -> Dataflow:
    """As built: HLS units; BNN-PYNQ with a memory per PE, FINN's flow with one streamed weight memory in BRAM."""
    streamed = "mem_mode" in row["layers"][0]
    return Dataflow(
        device="xc7z020",
        folding=folds,
        flow="hls",
        thresholds="parallel",
        weight_banks="shared" if streamed else "per_pe",
        weight_memory="bram18" if streamed else "auto",
    )


def networks(rows: list[Row]) -> str:
    lines = []
    for row in rows:
        if not row.get("layers"):
            continue
        placed, folds = network(row)
        bill = network_model(row, folds).price(placed)
        around = shell("none" if "mem_mode" in row["layers"][0] else "pynq")
        actual = row["actual"]
        finn = row["finn_dev_estimate"]["total"] if "finn_dev_estimate" in row else row["finn_dev_estimate_mvau_only"]
        cells: list[object] = [row["id"], around.name]
        for ours, theirs in (("LUT", "LUT"), ("FF", ""), ("BRAM18", "BRAM_18K")):
            estimate = int(bill[ours].sum()) + int(getattr(around, ours))
            measured = actual["BRAM18_equiv" if ours == "BRAM18" else ours]
            cells += [f"{measured:,}", f"{estimate:,} ({estimate / measured - 1:+.0%})"]
            if theirs:
                cells.append(f"{finn[theirs]:,} ({finn[theirs] / measured - 1:+.0%})")
        lines.append(cells)
    head = ("network", "shell", "LUT", "ours", "FINN", "FF", "ours", "BRAM18", "ours", "FINN")
    return table(head, lines)


MLPS = {
    "finn-examples/kws-mlp-w3a3": (490, 256, 256, 256, 12),
    "finn-nb/tfc-w1a1": (784, 64, 64, 64, 10),
    "finn-examples/tfc-w1a1": (784, 64, 64, 64, 10),
}


def rates(data: Row) -> str:
    lines: list[tuple[object, ...]] = []
    for row in data["networks"]:
        if row.get("layers") and "measured_perf" in row:
            placed, folds = network(row)
            cycles = float(network_model(row, folds).price(placed)["cycles"].max())
            perf = row["measured_perf"]
            lines.append(_rate(row["id"], perf["clk_MHz"], cycles, perf["fps"], "DMA" in perf["board"]))
    for row in data["throughput_latency"]:
        if row["id"] in MLPS:
            sizes = MLPS[row["id"]]
            shapes = zip(row["folding"], sizes[1:], sizes[:-1], strict=True)
            cycles = max(rows // pe * (cols // simd) for (pe, simd), rows, cols in shapes)
            bound = "DMA" in row.get("note", "") or "tfc" in row["id"]
            lines.append(_rate(row["id"], row["clk_MHz"], cycles, row["measured_fps"], bound))
    return table(("network", "MHz", "cycles", "frames/s", "ours", "error", "note"), lines)


def _rate(name: str, mhz: float, cycles: float, measured: float, dma: bool) -> tuple[object, ...]:
    ours = mhz * 1e6 / cycles
    note = "bound by DMA" if dma else ""
    return name, mhz, f"{cycles:,.0f}", f"{measured:,.0f}", f"{ours:,.0f}", f"{ours / measured - 1:+.1%}", note


def latencies(data: Row) -> str:
    lines: list[tuple[object, ...]] = []
    for row in data["networks"]:
        if not row.get("layers"):
            continue
        placed, folds = network(row)
        if "mem_mode" in row["layers"][0]:  # thresholds are part of these units
            placed = [item for item in placed if isinstance(item.block, MatVec)]
        ours = latency_cycles(network_model(row, folds), placed, input_cycles=1024 if "cnv" in row["id"] else 1)
        if "rtlsim" in row:
            lines.append((row["id"], "RTL simulation", *_against(ours, row["rtlsim"]["latency_cycles"])))
        elif "DMA" not in row["measured_perf"]["board"]:
            perf = row["measured_perf"]
            lines.append((row["id"], "board, driver included", *_against(ours, perf["us_batch1"] * perf["clk_MHz"])))
            for other in data["throughput_latency"]:
                if "latency_ms" in other and row["id"].split("/cnv")[1] in other["id"].replace("CNV-", ""):
                    measured = other["latency_ms"] * 1e3 * other["clk_MHz"]
                    lines.append((other["id"], "board, driver included", *_against(ours, measured)))
    return table(("network", "measured by", "cycles", "ours", "error"), lines)


def _against(ours: float, measured: float) -> tuple[str, str, str]:
    return f"{measured:,.0f}", f"{ours:,.0f}", f"{ours / measured - 1:+.1%}"


def report(data: Row) -> str:
    rows = data["mvu_microbench"]
    shape = ", ".join(f"{name} {values('rtl')[name]:g}" for name in SHAPE)
    return f"""# Published synthesis results

Written by `python benchmarks/published_rows.py --data fpga_published.json`. FINN is FINN dev 73ba5ed on the same rows.
One set of constants per flow (`hwcost/models/coefficients.json`); nothing is tuned per row.

## LUT of single matrix-vector units

Vivado 2020.1 (arXiv:2201.11409). The weights of these units are constants that synthesis folds, so no weight memory is
counted. In sample.

{units_lut(rows)}

Leaving one precision out: the constants of control, accumulator, input lane and replay are fitted to the others. The
shape constants ({shape}) are held; they were chosen with all rows in view, so this is no blind test of them.

{units_left_out(rows)}

## Cycles of single units

{units_cycles(rows)}

## BRAM18 of single units

One memory per PE; LUT RAM up to 64 words ("rtl") or 31 ("hls").

{units_bram(rows)}

## Whole networks

Layers as published; shell "pynq" is what LFC-W1A1 has beyond its units, so that row is no test, the others are. FINN's
figures have no shell. Shell "none" is synthesis out of context.

{networks(data["networks"])}

## Frames per second

{rates(data)}

## Latency of one frame

Empty pipeline. FINN's sum of all cycles gives 252 for the first network, and 249,362 for CNV-W1A1.

{latencies(data)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="fpga_published.json")
    parser.add_argument("--out", type=Path, default=Path("reports/calibration/published.md"))
    options = parser.parse_args()
    text = report(json.loads(options.data.read_text(encoding="utf-8")))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
