"""Our models and FINN's against published synthesis results; writes reports/calibration/published.md.

python benchmarks/published_rows.py --data fpga_published.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from left_out import left_out

from hwcost.graph.ranges import Range, binary, dot, integers
from hwcost.graph.spec import Block, Layer, LayerSpec, Link, MatVec, Pool, Signal, Thresholds, Window
from hwcost.models import Dataflow, Fold, Job, Placed, place
from hwcost.models.calibration.corpus import Measured, Unit
from hwcost.models.calibration.fit import STAGES
from hwcost.models.formulas.coefficients import values
from hwcost.models.formulas.formula import Adapter
from hwcost.models.latency import latency_cycles
from hwcost.models.shell import shell

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


def units_ff(rows: list[Row]) -> str:
    lines = []
    for flow in FLOWS:
        for what, heat in (("all but the heat map", False), ("heat map", True)):
            chosen = [r for r in rows if r["impl"] == flow and ("/heat/" in r["id"]) == heat and r.get("FF")]
            ours = [float(model_of(r, memory="auto").price([Placed("unit", unit(r))])["FF"]) / r["FF"] for r in chosen]
            lines.append((flow, what, len(chosen), *spread(ours)))
    return table(("flow", "units", "rows", "median", "MAPE", "worst"), lines)


def measured(row: Row) -> Measured:
    """A micro-benchmark as a row of the corpus of `hwcost calibrate`."""
    unit = Unit(
        kind="unit",
        weight="BIPOLAR" if row["W"] == 1 else f"INT{row['W']}",
        input="BIPOLAR" if row["A"] == 1 else f"UINT{row['A']}",
        output=f"INT{row['out_bits']}",
        pe=row["PE"],
        simd=row["SIMD"],
        structure=row["impl"],
        geometry=f"{row['MW']}x{row['MH']}",
    )
    source = "Vivado 2020.1, arXiv:2201.11409"
    return Measured(unit=unit, amounts={"LUT": int(row["LUT"])}, family="xcup", source=source)


def units_left_out(rows: list[Row]) -> str:
    lines = []
    for stage in STAGES:
        if not stage.groups[0].startswith("unit"):
            continue
        chosen = [measured(row) for row in rows if row["impl"] == stage.flow]
        predicted = left_out(chosen, stage, lambda one: one.weight + one.input, values(stage.flow))
        for kind in ((1, 1), (1, 4), (4, 4)):
            of_kind = [(r["W"], r["A"]) == kind for r in rows if r["impl"] == stage.flow]
            pairs = zip(predicted, chosen, of_kind, strict=True)
            ratios = [float(ours) / row.amounts["LUT"] for ours, row, belongs in pairs if belongs]
            told = spread(ratios) if isfinite(sum(ratios)) else ("", "has a constant of its own", "")
            lines.append((stage.flow, f"{kind[0]}x{kind[1]}", len(ratios), *told))
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


def network(row: Row) -> tuple[list[Layer], dict[str, Fold]]:
    """The units, windows, activations and poolings of a published network."""
    chain, folds = Chain(integers(8, signed=True)), {}
    before = wire(row.get("first_layer_input_bits", 1))
    finn_flow = "mem_mode" in row["layers"][0]
    for index, layer in enumerate(row["layers"]):
        name, last = f"layer{index}", index == len(row["layers"]) - 1
        if finn_flow:
            weight, inputs = finn_type(layer["weight"]), finn_type(layer["input"])
            output, acc = finn_type(layer["output"]), dot(inputs, weight, layer["MW"])
        else:
            image = index == 0 and row["first_layer_input_bits"] == 8
            weight, output = wire(layer["WPI"]), wire(layer["API"])
            inputs = integers(8, signed=True) if image else before
            acc = integers(24 if image else 16, signed=True)  # the published threshold widths
        before = output
        block = MatVec(
            rows=layer["MH"], cols=layer["MW"], vectors=layer.get("pix", 1), weight=weight, input=inputs, acc=acc
        )
        folds[name] = Fold(layer["PE"], layer["SIMD"])
        chain.add(name, acc, *([_window(layer, inputs)] if layer["type"] == "conv" else []), block)
        if finn_flow or not last:
            chain.add(f"{name}_act", output, _activation(block, acc, output))
        after = row["layers"][index + 1] if not last else layer
        if layer["type"] == "conv" and 0 < after.get("IFM_DIM", 0) < layer["OFM_DIM"]:
            chain.add(f"{name}_pool", output, *_pool(layer, output))
    return chain.layers, folds


class Chain:
    """Layers one behind the other."""

    def __init__(self, entering: Range) -> None:
        self._signal = Signal(range=entering, shape=(1,))
        self.layers: list[Layer] = []

    def add(self, name: str, output: Range, *blocks: Block) -> None:
        """One layer."""
        signal = Signal(range=output, shape=(1,))
        spec = LayerSpec(output=signal, blocks=blocks)
        self.layers.append(Layer(name=name, kind="published", inputs=(self._signal,), spec=spec))
        self._signal = signal


def _pool(layer: Row, element: Range) -> tuple[Block, Block]:
    """Maximum over 2 by 2, as between the convolutions of CNV."""
    side, channels = layer["OFM_DIM"], layer["OFM_CH"]
    window = Window(
        channels=channels,
        image=(side,) * 2,
        kernel=(2, 2),
        stride=(2, 2),
        dilation=(1, 1),
        padding=((0, 0),) * 2,
        output=(side // 2,) * 2,
        input=element,
        depthwise=True,
    )
    vectors = (side // 2) ** 2
    return window, Pool(kind="max", channels=channels, kernel=(2, 2), vectors=vectors, input=element, output=element)


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
    """Model of the network as built: HLS units, a memory per PE (BNN-PYNQ) or one streamed memory in BRAM (FINN)."""
    streamed = "mem_mode" in row["layers"][0]
    return Dataflow(
        device="xc7z020",
        folding=folds,
        flow="hls",
        thresholds="parallel",
        weight_banks="shared" if streamed else "per_pe",
        weight_memory="bram18" if streamed else "auto",
        writable=not streamed,
    )


VARIANTS = {
    "bnn-pynq/cnvW1A2": ("bnn-pynq/cnvW1A1", {"API": 2}, (40321, 56276, 263), (31678, 116)),
    "bnn-pynq/lfcW1A2": ("bnn-pynq/lfcW1A1", {"API": 2}, (48981, 45338, 220), (58082, 175)),
    "finn-nb/cybsec-w2a2-B": (
        "finn-nb/cybsec-w2a2-A",
        {"PE": (32, 4, 4, 1), "SIMD": (15, 16, 16, 1)},
        (7073, 7534, 36),
        (8038, 36),
    ),
}
"""Networks that differ from one of the file in a few attributes of their layers: (which, in what, measured LUT, FF and
BRAM18, FINN's LUT and BRAM18). Source: the same README files and notebook."""


def variant(row: Row, name: str) -> Row:
    """Another network, from one of the file."""
    _, changes, (lut, ff, bram), (finn_lut, finn_bram) = VARIANTS[name]
    layers = [dict(layer) for layer in row["layers"]]
    for attribute, value in changes.items():
        values = value if isinstance(value, tuple) else (*[value] * (len(layers) - 1), layers[-1][attribute])
        for layer, one in zip(layers, values, strict=True):
            layer[attribute] = one
    actual = {"LUT": lut, "FF": ff, "BRAM18_equiv": bram}
    finn = {"total": {"LUT": finn_lut, "BRAM_18K": finn_bram}}
    return {**row, "id": name, "layers": layers, "actual": actual, "finn_dev_estimate": finn}


DENSE_LANES = 64
"""Elements per word between the dense layers of BNN-PYNQ."""

FIFO_DEPTHS = {"cnv": (128, 128, 128, 128, 81, 1, 1, 128, 3)}
"""Words in front of every layer, as given by hand. Source: BNN-PYNQ, bnn/src/network/cnvW1A1/hw/top.cpp."""


def as_built(row: Row, jobs: list[Job]) -> list[Job]:
    """The jobs of a BNN-PYNQ network with its own streams: words of all channels between layers, FIFOs of given depth.

    A layer narrows the word to its SIMD, and widens what its PE give; poolings work on all channels at once.
    """
    kept = [_whole_width(job) for job in jobs if not isinstance(job.block, Link)]
    depths = next((depths for name, depths in FIFO_DEPTHS.items() if name in row["id"]), (0,) * len(row["layers"]))
    by_layer = {job.layer: job.block for job in jobs if isinstance(job.block, MatVec)}
    for (name, block), layer, depth in zip(by_layer.items(), row["layers"], depths, strict=True):
        first = name == "layer0"
        entering = layer["SIMD"] if first else layer.get("IFM_CH", DENSE_LANES)
        leaving = layer.get("OFM_CH", DENSE_LANES)
        words = [Adapter(entering, entering, depth if depth > 2 else 0), Adapter(entering, layer["SIMD"])]
        kept += [_stream(name, block.input, adapter) for adapter in words]
        if block is not list(by_layer.values())[-1]:
            kept.append(_stream(name, wire(layer["API"]), Adapter(layer["PE"], leaving)))
    return kept


def _stream(name: str, element: Range, adapter: Adapter) -> Job:
    link = Link(source=None, sink=Block(), wire=element)
    return Job(name, link, Fold(), "lut", "auto", adapter)


def _whole_width(job: Job) -> Job:
    if not job.layer.endswith("_pool"):
        return job
    assert isinstance(job.block, Window | Pool)
    channels = job.block.channels
    return replace(job, fold=Fold(simd=channels) if isinstance(job.block, Window) else Fold(pe=channels))


def networks(rows: list[Row]) -> str:
    lines = []
    known = {row["id"]: row for row in rows if row.get("layers")}
    for row in [*known.values(), *(variant(known[which], name) for name, (which, *_) in VARIANTS.items())]:
        layers, folds = network(row)
        model = network_model(row, folds)
        jobs = model.plan(place(layers))
        bill = model.price_jobs(jobs if "mem_mode" in row["layers"][0] else as_built(row, jobs))
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
            layers, folds = network(row)
            cycles = float(network_model(row, folds).price(place(layers))["cycles"].max())
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
        layers, folds = network(row)
        ours = latency_cycles(layers, network_model(row, folds))
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
    return f"""# Published synthesis results

Written by `python benchmarks/published_rows.py --data fpga_published.json`. FINN is FINN dev 73ba5ed on the same rows.
One set of constants per flow (`hwcost/models/coefficients.json`); nothing is tuned per row.

## LUT of single matrix-vector units

Vivado 2020.1 (arXiv:2201.11409). The weights of these units are constants that synthesis folds, so no weight memory is
counted. In sample. Flow "rtl" prices our own RTL, whose accumulators take one LUT a bit; these are FINN's, and fit two:
with a LUT more for each of their bits, as calibration counts them, the median is 0.98 and the MAPE 12.5% (error.md).

{units_lut(rows)}

Leaving one precision out: the constants that `hwcost calibrate` fits to these rows are fitted to the others. Those of
the arithmetic come from open synthesis, not from these rows, and are held.

{units_left_out(rows)}

## FF of single units

Flow "hls" in sample, but for the heat map: its grid of FF is partly transposed where it was published, so it was left
out of the fit. Flow "rtl" counts the registers of the RTL of this package (`reports/build`), which FINN's, measured
here, has seven times: it registers its inputs, its weights and its products. FINN has no estimate of flip-flops.

{units_ff(rows)}

## Cycles of single units

{units_cycles(rows)}

## BRAM18 of single units

One memory per PE; LUT RAM up to 64 words ("rtl") or 31 ("hls").

{units_bram(rows)}

## Whole networks

Layers as published; shell "pynq" is what LFC-W1A1 has beyond them, so that row is no test, the others are. FINN's
figures have no shell. Shell "none" is synthesis out of context. BNN-PYNQ chose stream widths and FIFO depths by hand,
and its rows are priced with those; the others with links as `place` finds them. CNV-W2A2 fills all BRAM of its part
(280 of 280), so that Vivado kept 6,970 LUT of memories in LUT RAM, 5,400 more than in CNV-W1A1: over half of what its
row is short of. The error band that `hwcost estimate` prints is the range of measured / estimated over these rows,
rounded outwards.

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
