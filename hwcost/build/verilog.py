"""Verilog of an accelerator: a file for each unit, one that joins them, and a test bench."""

import re
from importlib import resources

from hwcost.build.accelerator import Accelerator, Pipe, Probe
from hwcost.build.golden import Golden
from hwcost.errors import BadOption
from hwcost.integer.meaning import Meaning
from hwcost.synth.circuit import shape_of
from hwcost.synth.yosys import Yosys


def check_name(name: str) -> None:
    """Refuse a name that is no identifier of Verilog.

    Raises:
        BadOption: names it.
    """
    if not re.fullmatch(r"[A-Za-z]\w*", name, flags=re.ASCII):
        raise BadOption(f"name={name!r}: give an identifier of Verilog: letters, digits and _, a letter first")


def verilog(made: Accelerator, name: str, synthesizer: Yosys, *, limit_s: float = 600.0) -> dict[str, str]:
    """Write an accelerator as Verilog.

    Args:
        made: the accelerator.
        name: of the module that joins its units; theirs begin with it.
        synthesizer: the Yosys that writes the files.
        limit_s: seconds that it may take.

    Returns:
        File -> content; NAME.v first, then one file per unit.

    Raises:
        BadOption: the name. MissingSynthesizer, SynthesisFailed: of Yosys.
    """
    check_name(name)
    text = made.rtlil().replace("\\top.", f"\\{name}_").replace("module \\top\n", f"module \\{name}\n")
    units = [f"{name}_{unit}" for unit in made.units]
    passes = ["read_rtlil top.il", f"hierarchy -check -top {name}", "proc", "memory_collect"]
    passes += [f"flatten {unit}" for unit in units]
    passes += ["opt_expr", "opt_clean"]
    modules = (name, *units)
    for module in modules:
        passes += [f"select {module}", f"write_verilog -selected {module}.v", "select -clear"]
    files = [f"{module}.v" for module in modules]
    return synthesizer.written({"top.il": text}, "\n".join(passes) + "\n", files, limit_s=limit_s)


def bench(made: Accelerator, name: str, golden: Golden) -> dict[str, str]:
    """Write the test bench with its golden vectors: file -> content."""
    words_in, words_out = made.words
    probes = made.probes
    states = ", ".join(f"dut.{probe.name}_state" for probe in reversed(probes))
    levels = ", ".join(_level(probe) for probe in reversed(probes))
    values = {
        "FRAMES": golden.frames,
        "IN_WORDS": words_in,
        "OUT_WORDS": words_out,
        "IN_BITS": len(made.entering.data),
        "OUT_BITS": len(made.leaving.data),
        "PROBES": len(probes),
    }
    text = (resources.files("hwcost.build") / "bench.v").read_text(encoding="utf-8")
    for key, value in values.items():
        text = re.sub(rf"\b{key}\b", str(value), text)
    text = text.replace("{STATES}", f"{{{states}}}").replace("{LEVELS}", f"{{{levels}}}")
    text = re.sub(r"^  NAME dut", f"  {name} dut", text, flags=re.MULTILINE)
    return {
        "bench.v": text,
        "sent.hex": _hex(golden.sent, len(made.entering.data)),
        "wanted.hex": _hex(golden.wanted, len(made.leaving.data)),
    }


def _level(probe: Probe) -> str:
    return "32'd0" if probe.level is None else f"{{{32 - len(probe.level)}'d0, dut.{probe.name}_fifo_level}}"


def _hex(words: list[int], bits: int) -> str:
    digits = -(-bits // 4)
    return "".join(f"{word:0{digits}x}\n" for word in words)


def interface(made: Accelerator, name: str) -> dict[str, object]:
    """Ports of an accelerator and what their integers stand for, ready for JSON: value = step * integer + offset."""
    layout = made.layout
    network = layout.network
    assert layout.left is not None and layout.read is not None
    (source,) = network.inputs
    entered = source.meaning if layout.entering is None else network.steps[layout.entering].meaning
    left = network.steps[network.outputs[0] - 1].meaning
    words = made.words
    return {
        "module": name,
        "clock": "aclk",
        "reset": "aresetn, synchronous, low for at least one cycle",
        "order": "pixel by pixel, row by row; the channels of a pixel side by side, the first in the lowest bits",
        "input": _port(made.entering, "s_axis", words[0], layout.read[1], entered),
        "output": _port(made.leaving, "m_axis", words[1], layout.left.shape, left)
        | ({} if layout.left.order is None else {"elements": layout.left.order.tolist()}),
    }


def _port(pipe: Pipe, name: str, words: int, shape: tuple[int, ...], meaning: Meaning | None) -> dict[str, object]:
    wire = pipe.wire
    low, high = int(wire.low), int(wire.high)
    return {
        "port": name,
        "shape": list(shape),
        "words_per_frame": words,
        "lanes": pipe.lanes,
        "bits": shape_of(wire).width,
        "coding": "bipolar" if wire.bipolar else "signed" if low < 0 else "unsigned",
        "low": low,
        "high": high,
        "step": None if meaning is None else meaning.step.tolist(),
        "offset": None if meaning is None else meaning.offset.tolist(),
    }
