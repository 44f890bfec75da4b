"""Synthesize converters, register slices, copies, joins and label selects with Yosys: the ground truth of links.

    python benchmarks/links_yosys.py --yosys-python VENV/bin/python     # writes reports/calibration/links.md

VENV holds `pip install pyosys==0.70`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from hwcost.models import FORMULAS, Fold, Formula, Job, Setting
from hwcost.models.formula import Adapter
from hwcost.ranges import integers
from hwcost.spec import Block, Concat, LabelSelect, Link

FLAGS = "synth_xilinx -family xcup -noiopad -nodsp -flatten -top m"
SETTING = Setting("DSP48E2", "search", "rtl", "shared")
YOSYS = f"""
import json, sys
from pyosys import libyosys as ys
design = ys.Design()
ys.run_pass("read_verilog -sv " + sys.argv[1], design)
ys.run_pass("{FLAGS}", design)
ys.run_pass("tee -q -o " + sys.argv[2] + " stat -json", design)
"""


def module(ports: str, body: str) -> str:
    return f"module m(input clk, input rst, {ports});\n{body}\nendmodule\n"


def stream(inward: int, outward: int) -> str:
    return f"input iv, output ir, input [{inward - 1}:0] id, output ov, input ord, output [{outward - 1}:0] od"


def down(width: int, words: int) -> str:
    """A wide word, shifted out."""
    return module(
        stream(width * words, width),
        f"""reg [{width * words - 1}:0] s; reg [{words.bit_length() - 1}:0] c;
        assign ov = c != 0; assign od = s[{width - 1}:0]; assign ir = (c == 0) || (c == 1 && ord);
        always @(posedge clk) begin
          if (rst) c <= 0; else if (iv && ir) c <= {words}; else if (ov && ord) c <= c - 1;
          if (iv && ir) s <= id; else if (ov && ord) s <= s >> {width};
        end""",
    )


def up(width: int, words: int) -> str:
    """Words collected to a wide one."""
    return module(
        stream(width, width * words),
        f"""reg [{width * words - 1}:0] s; reg [{words.bit_length() - 1}:0] c;
        assign ov = c == {words}; assign od = s; assign ir = (c != {words}) || ord;
        always @(posedge clk) begin
          if (rst) c <= 0; else if (iv && ir) c <= (c == {words}) ? 1 : c + 1; else if (ov && ord) c <= 0;
          if (iv && ir) s <= {{id, s[{width * words - 1}:{width}]}};
        end""",
    )


def skid(width: int) -> str:
    """A register slice: two registers, so that neither side waits for the other in a cycle."""
    return module(
        stream(width, width)
        .replace("output ir", "output reg ir")
        .replace("output ov", "output reg ov")
        .replace("output [", "output reg ["),
        f"""reg [{width - 1}:0] b;
        always @(posedge clk) begin
          if (ir) b <= id;
          if (!ov || ord) od <= ir ? id : b;
          if (rst) begin ov <= 0; ir <= 1; end
          else if (!ov || ord) begin ov <= iv || !ir; ir <= 1; end
          else if (iv) ir <= 0;
        end""",
    )


def copies(width: int, count: int) -> str:
    """One stream for several readers, each at its own pace."""
    return module(
        f"input iv, output ir, input [{width - 1}:0] id, output [{count - 1}:0] ov, input [{count - 1}:0] ord, "
        f"output [{count * width - 1}:0] od",
        f"""reg [{count - 1}:0] done; assign ov = {{{count}{{iv}}}} & ~done; assign ir = &(done | ord);
        assign od = {{{count}{{id}}}};
        always @(posedge clk) if (rst || (iv && ir)) done <= 0; else done <= done | (ov & ord);""",
    )


def join(width: int, count: int) -> str:
    """The multiplexer of a concatenation."""
    select = max(1, (count - 1).bit_length())
    return module(
        f"input [{count * width - 1}:0] id, input [{select - 1}:0] s, output reg [{width - 1}:0] od",
        f"always @(posedge clk) od <= id >> (s * {width});",
    )


def label(width: int, labels: int) -> str:
    """The index of the largest of a stream of elements."""
    index = max(1, (labels - 1).bit_length())
    return module(
        stream(width, index).replace("output [", "output reg [").replace("input [", "input signed ["),
        f"""reg signed [{width - 1}:0] top; reg [{index}:0] c;
        assign ov = c == {labels}; assign ir = !ov || ord;
        wire better = (c == 0) || ov || (id > top);
        always @(posedge clk) begin
          if (rst) c <= 0; else if (iv && ir) c <= ov ? 1 : c + 1; else if (ov && ord) c <= 0;
          if (iv && ir && better) begin top <= id; od <= ov ? 0 : c[{index - 1}:0]; end
        end""",
    )


def synthesized(source: str, python: Path) -> tuple[int, int]:
    """LUT and FF."""
    with tempfile.TemporaryDirectory() as folder:
        verilog, found = Path(folder) / "m.v", Path(folder) / "stat.json"
        verilog.write_text(source, encoding="utf-8")
        command = [str(python), "-c", YOSYS, str(verilog), str(found)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        cells = json.loads(found.read_text(encoding="utf-8"))["design"]["num_cells_by_type"]
    lut = sum(count for kind, count in cells.items() if kind.startswith("LUT") or kind == "INV")
    return lut, sum(count for kind, count in cells.items() if kind.startswith("FD"))


def priced(block: Block, adapter: Adapter | None = None) -> tuple[int, int]:
    formula = FORMULAS[type(block)]
    assert isinstance(formula, Formula)
    found = formula.reference(Job("m", block, Fold(), "lut", "auto", adapter), SETTING)
    return found["LUT"], found["FF"]


def link(width: int) -> Link:
    wire = integers(width, signed=False)
    return Link(source=None, sink=Concat(streams=(1,), vectors=1, output=wire), wire=wire)


def slice_price(width: int) -> tuple[int, int]:
    """What an HLS unit pays per bit of a streamed weight word."""
    c = Setting("DSP48E2", "search", "hls", "shared").constants
    return int(c["weight_stream_bit"] * width), int(c["ff_weight_stream_bit"] * width)


def cases() -> Iterator[tuple[str, str, Callable[[], tuple[int, int]]]]:
    for width, words in ((4, 2), (4, 8), (8, 16), (16, 16), (2, 64)):
        yield (
            f"converter, {words} words of {width} bits to one",
            up(width, words),
            lambda w=width, n=words: priced(link(w), Adapter(1, n)),
        )
        yield (
            f"converter, one to {words} words of {width} bits",
            down(width, words),
            lambda w=width, n=words: priced(link(w), Adapter(n, 1)),
        )
    for width in (8, 64, 256):
        yield f"register slice, {width} bits", skid(width), lambda w=width: slice_price(w)
    for width, count in ((8, 2), (64, 2), (64, 3)):
        each = Adapter(copied=True)
        yield (
            f"{count} copies, {width} bits",
            copies(width, count),
            lambda w=width, n=count, a=each: tuple(n * part for part in priced(link(w), a)),
        )
    for width, count in ((8, 2), (32, 2), (32, 3), (32, 4)):
        block = Concat(streams=(1,) * count, vectors=1, output=integers(width, signed=False))
        yield f"join of {count}, {width} bits", join(width, count), lambda b=block: priced(b)
    for width, labels in ((8, 10), (16, 10), (24, 10), (16, 100), (16, 1000)):
        wire = integers(width, signed=True)
        choice = LabelSelect(channels=labels, vectors=1, input=wire, output=integers(10, signed=False))
        yield f"label select, {labels} of {width} bits", label(width, labels), lambda b=choice: priced(b)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--yosys-python", type=Path, required=True, help="An interpreter that has pyosys.")
    parser.add_argument("--out", type=Path, default=Path("reports/calibration/links.md"))
    options = parser.parse_args()
    rows = []
    with torch.no_grad():
        for name, source, price in cases():
            (lut, ff), (our_lut, our_ff) = synthesized(source, options.yosys_python), price()
            rows.append(f"| {name} | {lut} | {our_lut} | {ff} | {our_ff} |")
    text = "\n".join(
        [
            "# Links against synthesis",
            "",
            f"Written by `python benchmarks/links_yosys.py`. Yosys 0.70, `{FLAGS}`;",
            "LUT1 to LUT6 and INV are counted. The price of a join includes what its stream needs (control, an output",
            "register), which the netlist of the multiplexer alone does not have.",
            "",
            "| what | LUT | ours | FF | ours |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
