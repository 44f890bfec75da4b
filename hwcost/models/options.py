"""Choices that a designer makes besides the folding, for all layers at once or layer by layer; checked once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypedDict

from hwcost.errors import BadOption
from hwcost.graph.blocks import Multiplier
from hwcost.graph.spec import Link, MatVec, ScaleBias
from hwcost.models.amounts import whole
from hwcost.models.device import Device
from hwcost.models.formulas.coefficients import FLOWS, flows
from hwcost.models.formulas.dsp import DSP_KINDS
from hwcost.models.formulas.fabric import fabric
from hwcost.models.formulas.formula import Adapter, Fold, Job, Setting
from hwcost.models.formulas.memory import STYLES
from hwcost.models.resources import Placed

MULTIPLIERS = ("lut", "dsp")
MEMORIES = ("auto", *STYLES)
THRESHOLDS = ("search", "parallel")
BANKS = ("shared", "per_pe")

PerLayer = str | Mapping[str, str]


def choice(option: str, value: PerLayer, allowed: Sequence[str]) -> None:
    """Check a choice.

    Raises:
        BadOption: names the option, the value and what is allowed.
    """
    for one in value.values() if isinstance(value, Mapping) else (value,):
        if one not in allowed:
            raise BadOption(f"{option}={one!r}: unknown; choose one of {', '.join(allowed)}")


def check_priced(part: Device) -> None:
    """Refuse a part whose fabric no law prices.

    Raises:
        BadOption: names the part and its family.
    """
    if part.dsp_kind not in DSP_KINDS:
        raise BadOption(
            f"{part.name}: no law prices a part with {part.dsp_kind} slices ({part.family}); take one with "
            f"{', '.join(DSP_KINDS)}, `hwcost devices` lists them"
        )


def check_constants(part: Device) -> None:
    """Refuse a part for which no product with constants was measured.

    Raises:
        BadOption: names the part and its family.
    """
    check_priced(part)
    if fabric(part.dsp_kind).constants:
        raise BadOption(
            f"{part.name}: weights as constants were not measured for {part.family}; fold the network (Dataflow, "
            "--architecture dataflow), or take a part of AMD"
        )


def check_layers(option: str, value: object, known: Collection[str]) -> None:
    """Refuse an entry for a layer that does not exist: a misspelt name would leave the layer as it was.

    Args:
        option: name of the argument, for the message.
        value: name of a layer or unit -> choice; anything else is for all layers.
        known: names that exist.

    Raises:
        BadOption: names the entry, and the closest name that exists.
    """
    for name in value if isinstance(value, Mapping) else ():
        if name not in known:
            close = get_close_matches(str(name), known, n=1)
            remedy = f"do you mean {close[0]!r}?" if close else f"known names: {', '.join(known)}"
            raise BadOption(f"{option}[{name!r}]: the network has no such layer; {remedy}")


def chosen(value: PerLayer, option: str, layer: str) -> str:
    """The choice for one layer.

    Raises:
        BadOption: a mapping that does not name the layer.
    """
    if isinstance(value, str):
        return value
    if layer not in value:
        raise BadOption(f"{layer}: {option} names no choice for this layer; add {option}[{layer!r}]")
    return value[layer]


ANY = "any"
"""Lets a search choose, layer by layer."""


class StyleOptions(TypedDict, total=False):
    """The fields of `Styles` as keyword arguments."""

    multipliers: PerLayer
    weight_memory: PerLayer
    weight_banks: str
    thresholds: str
    flow: str
    writable: bool
    pipelining: int | str


@dataclass(frozen=True, kw_only=True)
class Styles:
    """The choices of a design besides its folding.

    Attributes:
        multipliers: "lut" or "dsp", for all units or per layer.
        weight_memory: "auto" (LUT RAM up to 64 words, 31 in flow "hls", else BRAM18), "lutram", "bram18", "uram", or
            "external" (streamed in, not counted); for all units or per layer.
        weight_banks: "shared" (one wide memory for all PE of a unit) or "per_pe" (a memory each).
        thresholds: "search" (one comparator per output bit) or "parallel" (one per threshold).
        flow: "rtl" or "hls": which units the constants were fitted to. In HLS, activations with "parallel" thresholds
            are part of the unit in front of them, and weights in "shared" memories come in through a register slice.
        writable: whether weights and thresholds can be exchanged at run time; then HLS keeps even a few words of
            thresholds in LUT RAM. The bus to write them is not in it.
        pipelining: registers on the way from the memories of a matrix-vector unit to its accumulators, and from the
            steps of an activation to what compares them: at most `pipelining` in each unit, where they shorten its path
            most, or "auto" for as few as the clock asks for. In flow "rtl" only: high-level synthesis places its own.

    Raises:
        BadOption: names the option, the value and what is allowed.
    """

    multipliers: PerLayer = "lut"
    weight_memory: PerLayer = "auto"
    weight_banks: str = "shared"
    thresholds: str = "search"
    flow: str = "rtl"
    writable: bool = False
    pipelining: int | str = 0

    def __post_init__(self) -> None:
        self._check_units()
        choice("weight_banks", self.weight_banks, BANKS)
        choice("thresholds", self.thresholds, THRESHOLDS)
        choice("flow", self.flow, FLOWS)
        if self.pipelining != "auto":
            object.__setattr__(self, "pipelining", whole("pipelining", self.pipelining, 0))  # frozen
        if self.pipelining and self.flow != "rtl":
            raise BadOption(
                f"pipelining={self.pipelining!r}: high-level synthesis places its own registers; give 0, or flow='rtl'"
            )

    def _check_units(self) -> None:
        choice("multipliers", self.multipliers, MULTIPLIERS)
        choice("weight_memory", self.weight_memory, MEMORIES)

    def check_names(self, layers: Collection[str]) -> None:
        """Refuse choices for layers that the network does not have."""
        check_layers("multipliers", self.multipliers, layers)
        check_layers("weight_memory", self.weight_memory, layers)

    def setting(self, dsp_kind: str) -> Setting:
        """The setting that all blocks share, on a part with these DSP slices."""
        return Setting(dsp_kind, self.thresholds, self.flow, self.weight_banks, self.writable)

    def check_part(self, part: Device) -> None:
        """Refuse what cannot be built on a part.

        Raises:
            BadOption: constants in the URAM of a part whose URAM has no initial contents; a part without laws, or one
                for which no unit of the flow was measured.
        """
        check_priced(part)
        known = flows(fabric(part.dsp_kind).constants)
        if self.flow not in known:
            raise BadOption(
                f"flow={self.flow!r}: no unit of it was measured for {part.name} ({part.family}); give {known[0]!r}"
            )
        memories = self.weight_memory.values() if isinstance(self.weight_memory, Mapping) else (self.weight_memory,)
        if "uram" in memories and part.URAM and not self.holds_in_uram(part):
            raise BadOption(
                f"weight_memory='uram': the URAM of {part.name} has no initial contents, so that weights must be "
                "written at run time; give writable=True, or another weight_memory"
            )

    def holds_in_uram(self, part: Device) -> bool:
        """Whether the URAM of a part can hold weights: written at run time, or from the bitstream."""
        return self.writable or part.uram_has_contents

    def job(self, item: Placed, fold: Fold | None) -> Job:
        """A block with its fold and the choices for its layer.

        Raises:
            BadOption: a choice per layer that does not name this one.
        """
        multiplies = isinstance(item.block, MatVec | ScaleBias | Multiplier)
        return Job(
            layer=item.layer,
            block=item.block,
            fold=fold,
            multipliers=chosen(self.multipliers, "multipliers", item.layer) if multiplies else "lut",
            weight_memory=chosen(self.weight_memory, "weight_memory", item.layer) if multiplies else "auto",
            adapter=Adapter() if isinstance(item.block, Link) else None,
        )


@dataclass(frozen=True, kw_only=True)
class OpenStyles(Styles):
    """Styles of which a search chooses multipliers and memories per layer, unless one is given for all.

    Attributes:
        multipliers: "lut", "dsp" or "any".
        weight_memory: "lutram", "bram18", "uram", "external", or "any" of the first three.
    """

    multipliers: PerLayer = ANY
    weight_memory: PerLayer = ANY

    def _check_units(self) -> None:
        for option, value, allowed in (
            ("multipliers", self.multipliers, MULTIPLIERS),
            ("weight_memory", self.weight_memory, STYLES),
        ):
            if isinstance(value, Mapping):
                raise BadOption(
                    f"{option}={value!r}: the search chooses per layer; give one of {', '.join(allowed)}, any"
                )
            choice(option, value, (*allowed, ANY))

    def ways(self, *, uram: bool) -> list[tuple[str, str]]:
        """Every (multipliers, weight_memory) that a unit may have.

        Args:
            uram: whether the part has any that can hold weights.
        """
        multipliers = MULTIPLIERS if self.multipliers == ANY else (str(self.multipliers),)
        found = ("lutram", "bram18", "uram") if uram else ("lutram", "bram18")
        memories = found if self.weight_memory == ANY else (str(self.weight_memory),)
        return [(way, memory) for way in multipliers for memory in memories]
