"""Verilog of a fully unrolled network, made of the blocks that `hwcost.models.Unrolled` prices; needs hwcost[synth]."""

import re
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from hwcost.errors import BadOption
from hwcost.export.netlist import Port
from hwcost.export.rtl import Design, unrolled
from hwcost.graph.trace import Pipeline
from hwcost.models.options import THRESHOLDS, choice
from hwcost.models.unrolled.model import SUMS
from hwcost.synth.yosys import Yosys, find

PASSES = "read_rtlil top.il; hierarchy -check -top {name}; proc; opt_expr; opt_clean; write_verilog -noattr made.v"


@dataclass(frozen=True, eq=False, kw_only=True)
class Verilog:
    """Verilog file of a network.

    Attributes:
        text: the Verilog, with its ports and its latency in a comment at the top.
        interface: what the integers at its ports stand for, ready for JSON: value = step * integer + offset.
    """

    text: str
    interface: dict[str, object]


def verilog(
    pipeline: Pipeline,
    *,
    input_step: float | None = None,
    name: str = "network",
    thresholds: str = "search",
    sums: str = "apart",
    synthesizer: Yosys | None = None,
    limit_s: float = 600.0,
) -> Verilog:
    """Write a network of dense layers as Verilog, bit for bit equal to `hwcost.integer.IntegerNetwork`.

    Every weight and threshold is a constant, one result leaves per clock. Behind each product and each activation
    stands a register; within a product there is none.

    Args:
        pipeline: from `trace`; its current weights, thresholds and widths are written.
        input_step: value of one integer that enters; needed where the pipeline has an input range.
        name: of the module.
        thresholds: "search" (one comparator per output bit) or "parallel" (one per threshold).
        sums: "apart" (each output is a tree of its own) or "shared" (what outputs have in common is built once).
        synthesizer: the Yosys that writes the file; None takes what is installed.
        limit_s: seconds that it may take.

    Raises:
        UnknownOperation: all layers that cannot be built, at once. UnknownPrecision: a layer without integers.
        BadOption: an argument. MissingSynthesizer: no Yosys; pip install 'hwcost[synth]'.
    """
    choice("thresholds", thresholds, THRESHOLDS)
    choice("sums", sums, SUMS)
    if not re.fullmatch(r"[A-Za-z]\w*", name, flags=re.ASCII):
        raise BadOption(f"name={name!r}: give an identifier of Verilog: letters, digits and _, a letter first")
    tool = find() if synthesizer is None else synthesizer
    design = unrolled(pipeline, input_step=input_step, name=name, thresholds=thresholds, sums=sums)
    made = tool.convert(
        {"top.il": design.rtlil}, PASSES.format(name=name).replace("; ", "\n"), "made.v", limit_s=limit_s
    )
    interface = {
        "module": name,
        "latency_cycles": design.cycles,
        "interval_cycles": 1,
        "input": _port(design.entering, "x"),
        "output": _port(design.leaving, "y"),
    }
    body = made.split("\n", 1)[1] if made.startswith("/*") else made
    return Verilog(text=_header(design, interface, tool.name) + body, interface=interface)


def _port(port: Port, name: str) -> dict[str, object]:
    low, high = (int(bound) for bound in (port.wire.low, port.wire.high))
    return {
        "port": name,
        "count": port.count,
        "bits": port.bits,
        "coding": "bipolar" if port.wire.bipolar else "signed" if low < 0 else "unsigned",
        "low": low,
        "high": high,
        "step": _figures(port.meaning.step),
        "offset": _figures(port.meaning.offset),
    }


def _figures(number: Tensor) -> float | list[float]:
    """Convert to one number for all channels, or one for each."""
    found: float | list[float] = number.tolist()
    return found


def _header(design: Design, interface: dict[str, Any], tool: str) -> str:
    lines = [
        f"{interface['module']}: a fully unrolled network; written by hwcost with {tool}.",
        f"Latency {design.cycles} clock cycles, one result per clock; no stall. value = step * integer + offset.",
        "clk, rst: rst is synchronous, clears the valid bits, and may stay 0.",
        "in_valid: x holds an input. out_valid: y holds its result.",
    ]
    for port in (interface["input"], interface["output"]):
        bits, name = port["bits"], port["port"]
        lines.append(
            f"{name}[{port['count'] * bits - 1}:0]: {port['count']} integers {port['low']}..{port['high']}, "
            f"{port['coding']}, {bits} bits each; number i is {name}[{bits}*i +: {bits}]."
        )
        if port["coding"] == "bipolar":
            lines.append(f"{name}: a bit of 0 stands for -1, of 1 for +1.")
        for what in ("step", "offset"):
            lines.append(f"{name}: {what} {port[what]}")
    return "".join(f"// {line}\n" for line in lines)
