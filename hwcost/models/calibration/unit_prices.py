"""The price of a unit of a corpus: the same laws that price a network, with any constants."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

import torch
from immutabledict import immutabledict

from hwcost.errors import BadData, HwcostError
from hwcost.graph import spec
from hwcost.graph.inverse import Inverse, InverseTable
from hwcost.graph.ranges import add, between, dot, integers
from hwcost.models.calibration.corpus import Unit, wire
from hwcost.models.calibration.element_prices import ELEMENT_BLOCKS
from hwcost.models.formulas.arithmetic import EXACT, Geometry, Quantity
from hwcost.models.formulas.elementwise import AdderFormula, ScaleBiasFormula
from hwcost.models.formulas.fabric import multiplier_of
from hwcost.models.formulas.formula import Adapter, Fold, Job, Law, Parts, Setting
from hwcost.models.formulas.held import held_geometry, held_weights
from hwcost.models.formulas.inverse import InverseFormula
from hwcost.models.formulas.matvec import MatVecFormula, counters, steering
from hwcost.models.formulas.memory import bank_select, distributed_ram, log_repeated, memory, rom
from hwcost.models.formulas.streams import ConcatFormula, LabelSelectFormula, LinkFormula
from hwcost.models.formulas.thresholds import ThresholdsFormula
from hwcost.models.formulas.window import PoolFormula, WindowFormula
from hwcost.models.resources import COUNTED
from hwcost.models.unrolled.blocks import WIRED
from hwcost.models.unrolled.constant_product import actual_trees

B = TypeVar("B", bound=spec.Block)

ARITHMETIC = ("multipliers", "adders", "accumulators")
"""LUTs that a matvec of a corpus holds; its weights and its input come from ports."""


@dataclass(frozen=True)
class _Given(Setting):
    """A setting with constants of its own."""

    given: Mapping[str, Quantity] = field(default_factory=dict)

    @property
    def constants(self) -> Mapping[str, Quantity]:
        return self.given


def group_of(unit: Unit) -> str:
    """Units whose errors are averaged: the kind, parted where laws differ."""
    if unit.kind == "thresholds":
        return f"thresholds {unit.structure}{' constant' if unit.matrix else ''}"
    if unit.kind == "matvec":
        return "matvec dsp" if unit.structure == "dsp" else "matvec"
    if unit.kind in ("window", "memory", "pool", "unit", "converter", "fifo", "held", "inverse"):
        return f"{unit.kind} {unit.structure}"
    return unit.kind


def price(unit: Unit, family: str, constants: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """Resources of a unit.

    Args:
        unit: what is priced.
        family: one of FAMILIES.
        constants: of the laws, by name. Where a constant is a `Slope`, what it enters is not rounded, so that the price
            stays linear in it.

    Returns:
        Resource -> amount; only those that the law of a unit knows.

    Raises:
        BadData: columns that describe no unit of the kind.
    """
    flow = unit.structure if unit.kind == "unit" else "rtl"
    thresholds, _, table = (unit.structure if unit.kind == "thresholds" else "search").partition(" ")
    written = unit.kind == "thresholds" and not table
    setting = _Given(multiplier_of(family), thresholds, flow, "per_pe", written, given=constants)
    try:
        return PRICES[unit.kind](unit, setting)
    except HwcostError:
        raise
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:  # a row that nobody measured
        given = ", ".join(f"{one.name} {value!r}" for one in fields(unit) if (value := getattr(unit, one.name)) != "")
        remedy = "give structure, geometry and matrix as hwcost/models/calibration/corpus.py documents them"
        raise BadData(f"{given}: no such unit ({error}); {remedy}") from error


def block_of(unit: Unit) -> spec.Window:
    """The window that a unit's geometry describes."""
    (channels,), image, kernel, stride, dilation, padding = unit.numbers
    padded = [size + 2 * around for size, around in zip(image, padding, strict=True)]
    output = tuple(
        (size - d * (k - 1) - 1) // s + 1 for size, k, s, d in zip(padded, kernel, stride, dilation, strict=True)
    )
    return spec.Window(
        channels=channels,
        image=image,
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        padding=tuple((around, around) for around in padding),
        output=output,
        input=wire(unit.input),
    )


def _law(formula: Law[B], setting: Setting, block: B, fold: Fold, *, multipliers: str = "lut") -> Parts:
    job = Job(layer="unit", block=block, fold=fold, multipliers=multipliers, weight_memory="external")
    return formula.exact(job, setting)


def _areas(parts: Parts) -> dict[str, Quantity]:
    return parts.total(COUNTED)


def _matvec(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    block = spec.MatVec(
        rows=unit.pe, cols=unit.simd, weight=wire(unit.weight), input=wire(unit.input), acc=wire(unit.output)
    )
    parts = _law(MatVecFormula(), setting, block, Fold(unit.pe, unit.simd), multipliers=unit.structure)
    if unit.structure == "dsp":
        return {"DSP": parts.DSP}  # what corrects packed products is in no law
    return {"LUT": sum(parts.LUT[name] for name in ARITHMETIC), "DSP": parts.DSP}


def _whole_unit(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    """A published unit.

    The tool that built those of flow "rtl" has given each PE a negative of the inputs of its own; and they are FINN's,
    whose accumulators take a LUT more for each bit: they choose between a new and the old sum outside of its carry
    chain, where `hwcost.synth.matvec` does inside.
    """
    ((cols, rows),) = unit.numbers
    block = spec.MatVec(rows=rows, cols=cols, weight=wire(unit.weight), input=wire(unit.input), acc=wire(unit.output))
    found = _law(MatVecFormula(), setting, block, Fold(unit.pe, unit.simd))
    alone = unit.pe * _law(MatVecFormula(), setting, block, Fold(1, unit.simd)).LUT["multipliers"]
    if setting.flow == "rtl":
        chosen = found.LUT["accumulators"] + unit.pe * int(block.acc.bits)
        found = replace(found, LUT={**found.LUT, "multipliers": alone, "accumulators": chosen})
    return found.total(("LUT", "FF", "DSP"))


def _constant(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    matrix = torch.tensor(unit.constants)
    inputs, rows = wire(unit.input), matrix.shape[0]
    largest = max(1, int(matrix.abs().max()))
    weight = wire(f"NARROW{largest.bit_length() + 1}")
    acc = dot(inputs, weight, matrix.shape[1])
    block = spec.MatVec(rows=rows, cols=matrix.shape[1], weight=weight, input=inputs, acc=acc, integers=matrix)
    bits = float(actual_trees([matrix], [block], stage_levels=99).adder_bits)
    return {"LUT": setting.constants["constant_adder_bit"] * bits}


def _thresholds(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    channels = unit.numbers[0][0]
    block = spec.Thresholds(channels=channels, vectors=1, input=wire(unit.input), output=wire(unit.output))
    if not unit.matrix:
        found = _areas(_law(ThresholdsFormula(), setting, block, Fold(unit.pe)))
        # what is written has no handshake in the RTL of a corpus
        return {name: amount for name, amount in found.items() if name != "FF" or not setting.writable}
    return {"LUT": channels * WIRED[spec.Thresholds].exact(Job("unit", block), setting).total(("LUT",))["LUT"]}


def _window(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    fold = Fold(simd=unit.simd, parallel_window=unit.structure == "parallel")
    return _areas(_law(WindowFormula(), setting, block_of(unit), fold))


PORTS = {"ram": 2, "spram": 1}
STYLES = {"bram18": 1, "uram": 2}


def _memory(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    ((depth, bits),) = unit.numbers
    if unit.structure == "rom":
        return {"LUT": float(rom(EXACT, bits, depth, log_repeated(depth), setting.fabric))}
    if unit.structure in PORTS:
        return {"LUT": float(distributed_ram(EXACT, bits, depth, PORTS[unit.structure], setting.fabric)[0])}
    _, bram18, uram = memory(EXACT, bits, depth, STYLES[unit.structure], setting.dsp_kind)
    luts = bank_select(bits, depth, unit.structure, setting.dsp_kind)
    return {"LUT": float(luts), "BRAM18": float(bram18), "URAM": float(uram)}


def _control(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    return {"LUT": steering(EXACT, Geometry(**counters(unit.numbers[0])), setting.constants)}


def _pool(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    block = spec.Pool(
        kind=unit.structure,
        channels=unit.pe,
        kernel=unit.numbers[0],
        vectors=1,
        input=wire(unit.input),
        output=wire(unit.output),
    )
    return _areas(_law(PoolFormula(), setting, block, Fold(unit.pe, unit.simd)))


def _adder(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    left, right = wire(unit.input), wire(unit.output)
    block = spec.Adder(channels=unit.pe, vectors=1, left=left, right=right, output=add(left, right))
    return _areas(_law(AdderFormula(), setting, block, Fold(unit.pe)))


def _stream_between(setting: Setting, adapter: Adapter, bits: int) -> dict[str, Quantity]:
    element = integers(bits, signed=False)
    link = spec.Link(source=None, sink=spec.Concat(streams=(1,), vectors=1, output=element), wire=element)
    return _areas(LinkFormula().exact(Job("unit", link, Fold(), adapter=adapter), setting))


def _converter(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    ((words, bits),) = unit.numbers
    return _stream_between(setting, Adapter(1, words) if unit.structure == "up" else Adapter(words, 1), bits)


def _fifo(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    ((depth, bits),) = unit.numbers
    return _stream_between(setting, Adapter(depth=depth), bits)


def _copy(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    each = _stream_between(setting, Adapter(copied=True), 1)
    return {name: unit.numbers[0][0] * amount for name, amount in each.items()}


def _concat(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    block = spec.Concat(streams=(unit.pe,) * unit.numbers[0][0], vectors=1, output=wire(unit.input))
    return _areas(_law(ConcatFormula(), setting, block, Fold(unit.pe)))


def _label(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    channels = unit.numbers[0][0]
    output = between(0, channels - 1)
    block = spec.LabelSelect(channels=channels, vectors=1, input=wire(unit.input), output=output)
    return _areas(_law(LabelSelectFormula(), setting, block, Fold(unit.pe)))


def _inverse(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    (low, high), (index, bits) = unit.numbers
    table, z = InverseTable(unit.structure, index, bits, low, high), between(low, high)
    block = Inverse(vectors=1, input=z, output=table.range(z), kind=unit.structure, index_bits=index, bits=bits)
    return _areas(_law(InverseFormula(), setting, block, Fold()))


def _held(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    """The memories of streamed weights and their control, without the arithmetic behind."""
    ((rows, cols, held, vectors),) = unit.numbers
    weight = wire(unit.weight)
    block = spec.MatVec(
        rows=rows, cols=cols, vectors=vectors, weight=weight, input=weight, acc=weight, held=held,
        by_column=unit.structure == "cols",
    )  # fmt: skip
    g = Geometry(**held_geometry(block, Fold(unit.pe, unit.simd), setting))
    luts, _, bram18, control = held_weights(EXACT, int(weight.bits), g, setting)
    return {"LUT": luts + control, "BRAM18": bram18}


def _scale_bias(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    output = wire(unit.output)
    block = spec.ScaleBias(
        channels=unit.pe,
        vectors=1,
        input=wire(unit.input),
        weight=wire(unit.weight),
        bias=None if unit.structure == "scale" else output,
        output=output,
    )
    return _areas(_law(ScaleBiasFormula(), setting, block, Fold(unit.pe)))


def _on_its_own(unit: Unit, setting: Setting) -> dict[str, Quantity]:
    formula, block = ELEMENT_BLOCKS[unit.kind](unit)
    return _areas(_law(formula, setting, block, Fold(unit.pe)))


PRICES: Mapping[str, Callable[[Unit, Setting], dict[str, Quantity]]] = immutabledict(
    {
        "matvec": _matvec,
        "unit": _whole_unit,
        "constant": _constant,
        "thresholds": _thresholds,
        "window": _window,
        "memory": _memory,
        "control": _control,
        "pool": _pool,
        "adder": _adder,
        "scale_bias": _scale_bias,
        "converter": _converter,
        "fifo": _fifo,
        "copy": _copy,
        "concat": _concat,
        "label": _label,
        "inverse": _inverse,
        "held": _held,
        **dict.fromkeys(ELEMENT_BLOCKS, _on_its_own),
    }
)
"""Kind -> its price."""
