"""Layers on sequences against synthesis: attention, norms, LSTM and GRU, each block built as `hwcost verify` does.

    python benchmarks/sequence_synthesis.py        # writes reports/calibration/sequences.md

Each layer at widths of 4 and 8 bits, folded for two frame rates. Results of Yosys are kept in the cache folder.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

import hwcost
from hwcost.models import Dataflow, place, target_fps
from hwcost.quant import (
    POW2,
    IntQuantizer,
    LearnedScale,
    QuantGRU,
    QuantIdentity,
    QuantLayerNorm,
    QuantLSTM,
    QuantMultiheadAttention,
    const_activation,
    const_weight,
)
from hwcost.synth.measure import Laboratory
from hwcost.synth.verify import verify
from hwcost.synth.yosys import find

FOLDER = Path(__file__).parent.parent / "reports" / "calibration"
LENGTH, FEATURES = 16, 32


class Attention(nn.Module):
    """Self-attention of 16 tokens of 32 features, in two heads."""

    def __init__(self, bits: int, softmax: str) -> None:
        super().__init__()
        self.attention = QuantMultiheadAttention(
            FEATURES, 2, LENGTH, weight_quant=partial(const_weight, bits=bits),
            activation=partial(const_activation, bits=bits, signed=True), input_quant=_grid(bits), softmax=softmax,
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.attention(x, x, x)[0]
        return y


class Recurrent(nn.Module):
    """A layer with a state of 32 numbers over 16 steps."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)[0]
        return y


def _grid(bits: int) -> IntQuantizer:
    return IntQuantizer(bits=bits, scale=LearnedScale(4.0, domain=POW2))


def networks(bits: int) -> dict[str, nn.Module]:
    """A network of each kind."""
    options = {"weight_quant": partial(const_weight, bits=bits), "state_bits": bits, "gate_bits": min(bits, 6)}
    return {
        "attention": Attention(bits, "exp"),
        "attention, powers of two": Attention(bits, "pow2"),
        "layer norm": nn.Sequential(
            QuantLayerNorm(FEATURES, input_quant=_grid(bits)), QuantIdentity(const_activation(bits=bits, signed=True))
        ),
        "LSTM": Recurrent(QuantLSTM(FEATURES, FEATURES, input_quant=_grid(bits), **options)),
        "GRU": Recurrent(QuantGRU(FEATURES, FEATURES, input_quant=_grid(bits), **options)),
    }


def main() -> None:
    """Measure and write the report."""
    laboratory = Laboratory(synthesizer=find(), jobs=1)
    lines, blocks = [], []
    for bits in (4, 8):
        for name, net in networks(bits).items():
            torch.manual_seed(0)
            pipeline = hwcost.trace(net, torch.zeros(1, LENGTH, FEATURES))
            for fps in (2_000, 20_000):
                model = Dataflow(device="ZCU104", folding=target_fps(pipeline, fps))
                with torch.no_grad():
                    rows = verify(place(pipeline.layers()), model, laboratory)
                rows["network"] = name
                blocks.append(rows)
                known = rows[rows["LUT_measured"].notna()]
                estimate, measured = known["LUT"].sum(), known["LUT_measured"].sum()
                cells = [
                    name,
                    bits,
                    f"{fps:,}",
                    f"{estimate:,.0f}",
                    f"{measured:,.0f}",
                    f"{estimate / measured - 1:+.1%}",
                ]
                cells += [
                    f"{known['BRAM18'].sum():.0f}",
                    f"{known['BRAM18_measured'].sum():.0f}",
                    len(rows) - len(known),
                ]
                lines.append(f"| {' | '.join(map(str, cells))} |")
                print(lines[-1], flush=True)
    table = pd.concat(blocks)
    table = table[table["LUT_measured"] >= 4]
    table["kind"] = table["block"].where(table["part"] == "all", table["block"] + ", " + table["part"])
    each = []
    for kind, rows in table.groupby("kind"):
        ratio = rows["LUT"] / rows["LUT_measured"]
        error = (ratio - 1).abs()
        each.append(f"| {kind} | {len(rows)} | {ratio.median():.2f} | {error.mean():.1%} | {error.max():.0%} |")
    text = f"""# Layers on sequences against synthesis

`python benchmarks/sequence_synthesis.py`; Yosys 0.70, UltraScale+, multipliers in LUTs. Sequences of {LENGTH} steps of
{FEATURES} features, two heads. Every block with its links is built as `hwcost verify` does and counted; "not built" are
blocks without RTL, which stand in neither column.

| layer | bits | frames/s | LUT estimated | synthesized | error | BRAM18 estimated | synthesized | not built |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
{chr(10).join(lines)}

By block, of all rows above with 4 LUT and more:

| block | rows | median | MAPE | worst |
| --- | --- | --- | --- | --- |
{chr(10).join(each)}

A table is built with random words here; those of an exponential or a tanh of 8 bits take about as many LUTs. The
product of a number with itself is built from two different operands. The counter of the memory of a state is priced and
not built.
"""
    (FOLDER / "sequences.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
