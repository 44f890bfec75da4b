"""The parts of a priced block, each with the units that, synthesized, are its measure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import lcm, prod

import torch

from hwcost.errors import BadOption
from hwcost.graph import spec
from hwcost.graph.blocks import Embedding, Pad, Reorder, Repeat, State
from hwcost.graph.inverse import Inverse
from hwcost.graph.ranges import widest
from hwcost.models import Dataflow
from hwcost.models.calibration.corpus import Measured, Unit, name_of, wire
from hwcost.models.formulas.fabric import fabric
from hwcost.models.formulas.formula import Adapter, Formula, Job, Parts
from hwcost.models.formulas.memory import FEW_WORDS, STYLES, style_index
from hwcost.models.formulas.streams import MOST_SRL
from hwcost.models.resources import COUNTED, Placed
from hwcost.synth.element_units import element, ordered
from hwcost.synth.sequence_units import held, inverse

SLICE_BITS = 32
"""Tables in LUTs take a LUT for each bit, so a wide one is measured by a slice."""

Term = tuple[float, Unit]


@dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """A part of a block.

    Attributes:
        layer: of the block.
        block: kind, e.g. "MatVec".
        name: "arithmetic", "weights" (with every other block RAM) or "control" of a MatVec; "all" of the others.
        estimate: resource -> what the model says.
        terms: (factor, unit): the sum of factor * count is the measure; None where there is no RTL.
        unknown: resources that the units do not have as they are estimated.
    """

    layer: str
    block: str
    name: str
    estimate: Mapping[str, float]
    terms: tuple[Term, ...] | None
    unknown: tuple[str, ...] = ()

    def measure(self, found: Mapping[Unit, Measured]) -> dict[str, float] | None:
        """Resource -> what synthesis counted; None where there is no RTL."""
        if self.terms is None:
            return None
        known = [name for name in COUNTED if name not in self.unknown]
        return {name: sum(factor * found[unit].amounts[name] for factor, unit in self.terms) for name in known}


def parts(placed: Sequence[Placed], model: Dataflow) -> list[Part]:
    """Every block of a pipeline, cut into what is synthesized apart.

    Args:
        placed: blocks with their layers.
        model: prices them; in flow "rtl", because its units are those of this package.

    Raises:
        BadOption: another flow.
    """
    if model.setting.flow != "rtl":
        raise BadOption(f"verify: flow {model.setting.flow!r} is written by high-level synthesis; use flow 'rtl'")
    found: list[Part] = []
    for job in model.plan(placed):
        formula = model.formulas[type(job.block)]
        if not isinstance(formula, Formula):
            found.append(Part(layer=job.layer, block=type(job.block).__name__, name="all", estimate={}, terms=None))
            continue
        with torch.no_grad():
            found += _parts(job, formula.parts([job], model.setting), model)
    return found


ARITHMETIC = ("multipliers", "adders", "accumulators")
"""LUTs of a matrix-vector unit that are synthesized as its lanes."""


def _parts(job: Job, bill: Parts, model: Dataflow) -> list[Part]:
    amounts = {name: float(amount) for name, amount in bill.total(COUNTED).items()}
    if not isinstance(job.block, spec.MatVec):
        return [_part(job, "all", amounts, _terms(job, model))]
    arithmetic, weights = sum(float(bill.LUT[name]) for name in ARITHMETIC), float(bill.LUT["weights"])
    none = dict.fromkeys(COUNTED, 0.0)
    estimates = {
        "arithmetic": none | {"LUT": arithmetic, "DSP": amounts["DSP"]},
        "weights": none | {"LUT": weights, "BRAM18": amounts["BRAM18"], "URAM": amounts["URAM"]},
        "control": none | {"LUT": amounts["LUT"] - arithmetic - weights, "FF": amounts["FF"]},
    }
    terms = _matvec_terms(job, job.block, model)
    return [_part(job, name, estimate, terms[name]) for name, estimate in estimates.items()]


def _part(job: Job, name: str, estimate: Mapping[str, float], terms: tuple[Term, ...] | None) -> Part:
    return Part(layer=job.layer, block=type(job.block).__name__, name=name, estimate=estimate, terms=terms)


def _matvec_terms(job: Job, block: spec.MatVec, model: Dataflow) -> dict[str, tuple[Term, ...]]:
    fold, weight, inputs = job.parallel, widest(block.weight), widest(block.input)
    acc = "UINT" if weight.bipolar and inputs.bipolar else "INT"
    lane = Unit(
        kind="matvec",
        weight=name_of(weight),
        input=name_of(inputs),
        output=f"{acc}{int(widest(block.acc).bits.detach().ceil())}",
        simd=fold.simd,
        structure=job.multipliers,
    )
    if job.multipliers == "dsp":
        arithmetic = _groups(lane, fold.pe, _lanes(lane, model.device.dsp_kind))
    else:
        arithmetic = ((float(fold.pe), lane),)
    control: list[Term] = []
    depth = block.weights // (fold.pe * fold.simd)
    banks = fold.pe if model.setting.weight_banks == "per_pe" else 1
    word = fold.pe * fold.simd * int(weight.bits.detach().ceil()) // banks
    formula = model.formulas[spec.MatVec]
    assert isinstance(formula, Formula)
    style = STYLES[int(formula.geometry(job, model.setting)["style"])]
    words, folds = block.cols // fold.simd, max(1, block.rows // fold.pe)
    entry = fold.simd * max(1, fold.pe // block.rows) * int(inputs.bits.detach().ceil())
    small = style_index("auto", words, "rtl") == 0
    replay = ((1.0, _memory("spram" if small else "bram18", words, entry)),) if words > 1 and folds > 1 else ()
    stored = _stored(style, depth, word, banks)
    if block.held:
        stored = ((1.0, held(block, fold)),)
    control.append((1.0, Unit(kind="control", geometry=f"{words}x{folds}x{depth}")))
    passed, late = entry * (folds > 1), (style == "bram18" and depth > 1) * (depth - 1).bit_length()
    late += (not small and folds > 1) * (words - 1).bit_length()
    if passed or late:
        around = f"{passed}x{late}x{int(words == 1)}"
        control.append((1.0, Unit(kind="control", structure="passing", geometry=around)))
    if model.setting.writable and stored and not block.held:
        control.append((1.0, Unit(kind="control", structure="loader", geometry=f"{depth}x{word}x{banks}")))
    if small:
        return {"arithmetic": arithmetic, "weights": stored, "control": (*control, *replay)}
    return {"arithmetic": arithmetic, "weights": (*stored, *replay), "control": (*control,)}


def _lanes(unit: Unit, kind: str) -> int:
    """Products in one slice, as `synth.matvec` packs them."""
    weight, inputs = wire(unit.weight), wire(unit.input)
    bits, width = max(2, int(weight.bits)), max(2, int(inputs.bits))
    narrow = not weight.bipolar and float(weight.low) == -float(weight.high)
    return max(1, 1 + (fabric(kind).wide_port - (not narrow) - bits) // (bits + width - 1))


def _groups(lane: Unit, pe: int, lanes: int) -> tuple[Term, ...]:
    """PE that share slices are synthesized together."""
    whole, rest = divmod(pe, lanes)
    sizes = ((float(whole), lanes), (1.0, rest))
    return tuple((count, replace(lane, pe=size)) for count, size in sizes if count and size)


def _memory(structure: str, depth: int, bits: int) -> Unit:
    return Unit(kind="memory", structure=structure, geometry=f"{depth}x{bits}")


def _stored(style: str, depth: int, word: int, banks: int) -> tuple[Term, ...]:
    """The memory of the weights."""
    if style == "external" or depth == 1:
        return ()
    if style != "lutram":
        return ((float(banks), _memory(style, depth, word)),)
    if depth <= FEW_WORDS:  # columns repeat, so that a slice tells nothing of the whole
        return ((float(banks), _memory("rom", depth, word)),)
    slices, rest = divmod(word, SLICE_BITS)
    sizes = ((slices, SLICE_BITS), (1, rest))
    return tuple((float(banks * count), _memory("rom", depth, bits)) for count, bits in sizes if count and bits)


def _terms(job: Job, model: Dataflow) -> tuple[Term, ...] | None:
    block, fold = job.block, job.fold
    if fold is None:
        return None
    if isinstance(block, spec.Window):
        return ((1.0, _window(block, fold.simd, parallel=fold.parallel_window)),)
    if isinstance(block, spec.Link):
        assert job.adapter is not None
        return link_terms(block, job.adapter)
    if isinstance(block, spec.Concat):
        joined = Unit(kind="concat", input=name_of(widest(block.output)), geometry=str(len(block.streams)))
        return ((1.0, replace(joined, pe=fold.pe)),)
    if isinstance(block, State | Embedding):
        return _kept(block, fold.pe, model)
    if isinstance(block, Inverse):
        return ((1.0, inverse(block)),)
    if isinstance(block, spec.LabelSelect):
        chosen = Unit(kind="label", input=name_of(widest(block.input)), pe=fold.pe, geometry=str(block.channels))
        return ((1.0, chosen),)
    if isinstance(block, Repeat | Reorder | Pad):
        return ((1.0, ordered(block, fold.pe)),)
    one = _element(job, block, model) or element(block, fold.pe)
    return None if one is None else _line(one, fold.pe)


def _kept(block: State | Embedding, pe: int, model: Dataflow) -> tuple[Term, ...] | None:
    """The memory of a state or of an embedding; its counter is not built."""
    word, depth = pe * int(widest(block.output).bits.detach().ceil()), block.channels // pe
    if isinstance(block, Embedding):
        depth *= block.rows
        return _stored(STYLES[style_index("auto", depth, model.setting.flow)], depth, word, 1) or None
    style = "spram" if style_index("auto", depth, model.setting.flow) == 0 else "bram18"
    return ((1.0, _memory(style, depth, word)),) if depth > 1 else None


def _line(one: Unit, pe: int) -> tuple[Term, ...]:
    """Extrapolate to `pe` PE from one and two: the line through both separates what does not grow with them."""
    if pe <= 2:
        return ((1.0, _lanes_of(one, pe)),)
    return ((2.0 - pe, _lanes_of(one, 1)), (pe - 1.0, _lanes_of(one, 2)))


def link_terms(block: spec.Link, adapter: Adapter) -> tuple[Term, ...]:
    """Units of a link: a converter collects, shifts or both; the control of a copy is half of that of two."""
    bits = int(widest(block.wire).bits.detach().ceil())
    whole = lcm(adapter.produced, adapter.consumed)
    sides = (("up", adapter.produced), ("down", adapter.consumed))
    found = [
        (1.0, Unit(kind="converter", structure=structure, geometry=f"{whole // side}x{side * bits}"))
        for structure, side in sides
        if side != whole
    ]
    if adapter.depth:
        shallow = adapter.depth <= MOST_SRL["rtl"]
        depth = max(2, adapter.depth) if shallow else 1 << (adapter.depth - 1).bit_length()
        structure, word = "srl" if shallow else "bram18", adapter.produced if adapter.ahead else adapter.consumed
        found.append((1.0, Unit(kind="fifo", structure=structure, geometry=f"{depth}x{word * bits}")))
    if adapter.copied:
        found.append((0.5, Unit(kind="copy", geometry="2")))
    return tuple(found)


def _lanes_of(unit: Unit, pe: int) -> Unit:
    if unit.kind != "thresholds":
        return replace(unit, pe=pe)
    return replace(unit, pe=pe, geometry=str(pe * unit.numbers[0][0]))


def _element(job: Job, block: spec.Block, model: Dataflow) -> Unit | None:
    """One PE of an element-wise block."""
    fold = job.parallel
    if isinstance(block, spec.Thresholds):
        return Unit(
            kind="thresholds",
            input=name_of(widest(block.input)),
            output=name_of(widest(block.output)).replace("INT", "UINT").replace("UUINT", "UINT"),
            structure=model.setting.thresholds + ("" if model.setting.writable else " table"),
            geometry=str(block.channels // fold.pe),
        )
    if isinstance(block, spec.Pool):
        kernel = "x".join(map(str, block.kernel)) if len(block.kernel) == 2 else f"1x{prod(block.kernel)}"
        return Unit(
            kind="pool",
            input=name_of(widest(block.input)),
            output=name_of(widest(block.output)),
            simd=fold.simd,
            structure=block.kind,
            geometry=kernel,
        )
    if isinstance(block, spec.Adder):
        return Unit(kind="adder", input=name_of(widest(block.left)), output=name_of(widest(block.right)))
    if isinstance(block, spec.Saturate):
        return Unit(kind="saturate", input=name_of(widest(block.input)), output=name_of(widest(block.output)))
    if isinstance(block, spec.ScaleBias):
        return Unit(
            kind="scale_bias",
            input=name_of(widest(block.input)),
            weight=name_of(widest(block.weight)),
            output=name_of(widest(block.output)),
            structure="scale" if block.bias is None else "bias",
        )
    return None


def _window(block: spec.Window, simd: int, *, parallel: bool) -> Unit:
    def pair(sizes: Sequence[int], alone: int) -> str:
        return "x".join(map(str, sizes if len(sizes) > 1 else (alone, *sizes)))

    # of padding that differs from end to end, what enters is measured as if it were padded already
    even = all(before == after for before, after in block.padding)
    ends = [before if even else 0 for before, _ in block.padding]
    image = [
        size + (not even) * (before + after) for size, (before, after) in zip(block.image, block.padding, strict=True)
    ]
    groups = (pair(sizes, 1) for sizes in (image, block.kernel, block.stride, block.dilation))
    geometry = " ".join((str(block.channels), *groups, pair(ends, 0)))
    structure = "parallel" if parallel else "serial"
    return Unit(kind="window", input=name_of(block.input), simd=simd, structure=structure, geometry=geometry)
