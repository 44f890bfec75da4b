"""A test bench that Yosys itself runs: the exported Verilog read back, clocked, and its outputs listed."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from hwcost.export.verilog import Verilog, verilog
from hwcost.graph.trace import Pipeline
from hwcost.integer import IntegerNetwork
from hwcost.synth.yosys import find

BENCH = """\
module bench(input clk, output [{y}:0] y, output valid);
  reg [{x}:0] rom [0:{last}];
  reg [{last}:0] sent = {count}'d{sent};
  reg [15:0] t = 0;
  initial begin
{lines}  end
  always @(posedge clk) t <= t + 1;
  {module} dut(.clk(clk), .rst(1'b0), .in_valid(t <= {last} && sent[t]), .x(rom[t]), .y(y), .out_valid(valid));
endmodule
"""
PASSES = """\
read_verilog net.v bench.v
hierarchy -check -top bench
proc
flatten
sim -q -clock clk -n {cycles} -vcd out.vcd
"""


def simulated(net: Verilog, codes: Tensor, gaps: bool = True) -> tuple[list[list[int]], list[int]]:
    """Outputs of an exported network, and the clock cycles from each input to its output.

    Args:
        net: as exported.
        codes: int64 (batch, numbers) that enter, one per clock.
        gaps: leave every third clock without an input: its number must not come out.
    """
    entering, leaving = net.interface["input"], net.interface["output"]
    count, pauses = len(codes), [gaps and place % 3 == 1 for place in range(2 * len(codes))]
    slots = [place for place, pause in enumerate(pauses) if not pause][:count]
    words = {slot: _word(row, entering) for slot, row in zip(slots, codes.tolist(), strict=True)}
    last = slots[-1]
    width = entering["count"] * entering["bits"]
    bench = BENCH.format(
        x=width - 1,
        y=leaving["count"] * leaving["bits"] - 1,
        last=last,
        count=last + 1,
        sent=sum(1 << slot for slot in slots),
        lines="".join(f"    rom[{place}] = {width}'h{words.get(place, 0):x};\n" for place in range(last + 1)),
        module=net.interface["module"],
    )
    passes = PASSES.format(cycles=last + net.interface["latency_cycles"] + 5)
    seen = _seen(find().convert({"net.v": net.text, "bench.v": bench}, passes, "out.vcd", limit_s=120))
    assert len(seen) == count
    delays = [cycle - slot for slot, (cycle, _) in zip(slots, seen, strict=True)]
    return [_numbers(word, leaving) for _, word in seen], delays


def _word(row: list[int], port: dict[str, int]) -> int:
    """Integers side by side, as the interface says."""
    codes = [(value + 1) // 2 if port["coding"] == "bipolar" else value % 2 ** port["bits"] for value in row]
    return sum(code << (port["bits"] * place) for place, code in enumerate(codes))


def _numbers(word: int, port: dict[str, int]) -> list[int]:
    bits, found = port["bits"], []
    for place in range(port["count"]):
        code = word >> (bits * place) & 2**bits - 1
        code -= 2**bits if port["coding"] == "signed" and code >> (bits - 1) else 0
        found.append(2 * code - 1 if port["coding"] == "bipolar" else code)
    return found


def _seen(vcd: str) -> list[tuple[int, int]]:
    """Clock cycle and word of every valid output."""
    head, body = vcd.split("$enddefinitions $end")
    ids = {name: re.search(rf"\$var wire \d+ (\S+) {name} ", head)[1] for name in ("y", "valid")}  # type: ignore[index]
    now, found = {}, []
    for block in re.split(r"^#", body, flags=re.MULTILINE)[1:]:
        time, *changes = block.split("\n")
        for change in changes:
            if change:
                value, name = change.split()
                now[name] = value[1:]
        if int(time) % 10 == 0 and now[ids["valid"]] == "1" and int(time) // 10 * 10 == int(time):
            found.append((int(time) // 10, int(now[ids["y"]], 2)))
    return found


STEP = 1 / 16


def trained(net: nn.Module, x: Tensor | None = None) -> nn.Module:
    """Batch norms as a training on x leaves them; some turn their channel around."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.weight, -1.5, 2.5)
            nn.init.uniform_(module.bias, -0.5, 1.5)
    for _ in range(0 if x is None else 30):
        net.train()(x)
    return net.eval()


def extreme(low: int, high: int, features: int, count: int) -> Tensor:
    """Codes of every input at its ends, alternating, and at random."""
    alternating = torch.tensor([low, high] * features)
    ends = [
        torch.full((features,), low),
        torch.full((features,), high),
        alternating[:features],
        alternating[1:][:features],
    ]
    return torch.cat([torch.stack(ends), torch.randint(low, high + 1, (count - 4, features))])


def agrees(
    pipeline: Pipeline, codes: Tensor, floats: Tensor | None = None, *, changes: bool = True, **options: str
) -> Verilog:
    """Every integer that leaves, of every input, at the clock that the file says."""
    step = STEP if floats is None else None
    net = verilog(pipeline, input_step=step, **options)
    whole = IntegerNetwork.of(pipeline, input_step=step)
    last = whole.steps[whole.outputs[0] - 1]
    wanted = whole.run(codes.reshape(-1, *pipeline.inputs[0].shape) if floats is None else floats)[last.name]
    found, delays = simulated(net, codes)
    assert found == wanted.flatten(1).tolist()
    assert (len({tuple(row) for row in found}) > 1) == changes, "outputs that never change test little"
    assert delays == [net.interface["latency_cycles"]] * len(codes)
    return net
