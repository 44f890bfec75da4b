"""Yosys as the synthesizer of a whole accelerator: units keep their boundaries, every cell is counted or refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hwcost.build.route.flow import AREAS, JOINT, Netlist, Source
from hwcost.synth.memory import SWAPS
from hwcost.synth.netlist import chain_ends, trimmed
from hwcost.synth.primitives import DELAY, primitives
from hwcost.synth.yosys import SynthesisFailed, Yosys, chains

PREPARE = ("proc", "opt_expr", "opt_clean", "opt_expr -fine", "opt_clean", "wreduce", "opt_clean")
"""Passes that prepare a unit, less those that dissolve its boundaries."""


@dataclass(frozen=True, kw_only=True)
class WholeDesign:
    """Synthesis of a whole design for one family.

    Attributes:
        yosys: the tool.
        command: its command for the family, without the top module.
        no_dsp: option that keeps all products out of DSP blocks.
        takes: kind of cell -> resource -> count; a kind that takes nothing is there, too.
        family: as units of it are synthesized apart, whose carry chains and memories a whole design has as well.
    """

    yosys: Yosys
    command: str
    family: str
    no_dsp: str
    takes: Mapping[str, Mapping[str, int]]

    @property
    def name(self) -> str:
        """Tool, version and command."""
        return f"{self.yosys.name}: {self.command}"

    def script(self, source: Source) -> str:
        """Passes, and what they map sums and products with."""
        return self.passes(source) + chains(self.family)

    def passes(self, source: Source) -> str:
        """Commands of Yosys.

        Small products fit LUTs, and a tool that is left to itself maps every product of two bits and more to a DSP
        block. So the design decides, not the tool: a unit that is priced with multipliers in LUTs has its products
        turned into carry chains before DSP blocks are looked for; without any other unit, an option forbids the blocks.
        """
        lines = [f"read_verilog {' '.join(source.files)}", f"hierarchy -check -top {source.top}", *PREPARE]
        bound = [f"{source.top}_{unit}" for unit in source.units if unit not in source.in_dsp]
        mapped = [f"techmap -map {primitives(self.family).chains} {unit}" for unit in bound]
        lines += [*mapped, "opt_expr", "opt_clean", f"setattr -set no_rw_check 1 m:* m:*{SWAPS}* %d", DELAY]
        command = f"{self.command} -noflatten -top {source.top}"
        if not source.in_dsp:
            command += f" {self.no_dsp}"
        return "\n".join([*lines, command, "write_json net.json"]) + "\n"

    def synthesize(self, source: Source, limit_s: float) -> Netlist:
        """Synthesize; see `Synthesizer`."""
        files = {**source.files, primitives(self.family).chains: chains(self.family)}
        design = json.loads(self.yosys.convert(files, self.passes(source), "net.json", limit_s=limit_s))
        modules = design["modules"]
        if (chain := primitives(self.family).chain) is not None:
            for module in modules.values():
                trimmed(module, chain)
        units = {unit: self._amounts(modules[f"{source.top}_{unit}"]) for unit in source.units}
        own = {f"{source.top}_{unit}" for unit in source.units}
        units[JOINT] = self._amounts(modules[source.top], own)
        units[JOINT]["pins"] = sum(len(port["bits"]) for port in modules[source.top]["ports"].values())
        amounts = {area: sum(unit[area] for unit in units.values()) for area in AREAS}
        return Netlist(text=json.dumps(design), amounts=amounts, units=units)

    def _amounts(self, module: Mapping[str, Any], inside: Iterable[str] = ()) -> dict[str, int]:
        found = dict.fromkeys(AREAS, 0)
        for cell in module["cells"].values():
            kind = cell["type"]
            if kind in inside:
                continue
            if kind not in self.takes:
                raise SynthesisFailed(f"a cell of kind {kind}: a primitive that is not counted; please report it")
            for area, count in self.takes[kind].items():
                found[area] += count
        if (chain := primitives(self.family).chain) is not None:
            for area, count in self.takes[chain[0]].items():
                found[area] += count * chain_ends(module, chain)
        return found
