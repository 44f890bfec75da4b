"""The price of a unit of a corpus: the same laws that price a network, with any constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, SimpleNamespace
from typing import Any

import torch

from hwcost.graph.ranges import add, between, dot, integers
from hwcost.graph.spec import (
    Adder,
    Block,
    Concat,
    LabelSelect,
    Link,
    MatVec,
    Pool,
    Saturate,
    ScaleBias,
    Thresholds,
    Window,
)
from hwcost.models.calibration.corpus import Unit, wire
from hwcost.models.formulas.elementwise import AdderFormula, SaturateFormula, ScaleBiasFormula
from hwcost.models.formulas.formula import Adapter, Fold, Formula, Job, Setting
from hwcost.models.formulas.matvec import MatVecFormula
from hwcost.models.formulas.memory import bank_select, distributed_ram, log_repeated, memory, rom
from hwcost.models.formulas.relax import PLAIN, Arithmetic, Plain, Quantity
from hwcost.models.formulas.streams import ConcatFormula, LabelSelectFormula, LinkFormula
from hwcost.models.formulas.thresholds import ThresholdsFormula
from hwcost.models.formulas.window import PoolFormula, WindowFormula
from hwcost.models.resources import Placed
from hwcost.models.unrolled.blocks import WIRED
from hwcost.models.unrolled.constant_product import actual_trees

DSP_KINDS = {"xcup": "DSP48E2", "xc7": "DSP48E1"}
ARITHMETIC_PARTS = ("LUT:multipliers", "LUT:adders", "LUT:accumulators", "DSP")
"""What a matvec of a corpus holds; its weights and its input come from ports."""


STORED = (
    "LUT:thresholds",
    "LUT:lines",
    "LUT:weights",
    "LUT:replay",
    "LUT:fifos",
    "LUT:multiplexers",
    "BRAM18",
    "URAM",
    "DSP",
)
"""Parts in which no constant stands: always rounded."""


class Unrounded(Plain):
    """Python numbers without the rounding of a sum of parts: what is linear in the constants stays so."""

    def ceil(self, x: Quantity) -> Quantity:
        return x

    def floor(self, x: Quantity) -> Quantity:
        return x - 0.5  # a half was added to round to the nearest


UNROUNDED = Unrounded()


@dataclass(frozen=True)
class _Given(Setting):
    """A setting with constants of its own."""

    given: Mapping[str, float] = field(default_factory=dict)

    @property
    def constants(self) -> Mapping[str, float]:
        return self.given


def group_of(unit: Unit) -> str:
    """Units whose errors are averaged: the kind, parted where laws differ."""
    if unit.kind == "thresholds":
        return f"thresholds {unit.structure}{' constant' if unit.matrix else ''}"
    if unit.kind == "matvec":
        return "matvec dsp" if unit.structure == "dsp" else "matvec"
    if unit.kind in ("window", "memory", "pool", "unit", "converter", "fifo"):
        return f"{unit.kind} {unit.structure}"
    return unit.kind


def price(unit: Unit, family: str, constants: Mapping[str, float], *, whole: bool = False) -> dict[str, float]:
    """Resources of a unit.

    Args:
        unit: what is priced.
        family: "xcup" or "xc7".
        constants: of the laws, by name.
        whole: round as the models do; else linear in the constants.

    Returns:
        Resource -> amount; only those that the law of a unit knows.
    """
    ops: Arithmetic = PLAIN if whole else UNROUNDED
    flow = unit.structure if unit.kind == "unit" else "rtl"
    thresholds = unit.structure if unit.kind == "thresholds" else "search"
    setting = _Given(DSP_KINDS[family], thresholds, flow, "per_pe", given=constants)
    return PRICES[unit.kind](unit, ops, setting)


def block_of(unit: Unit) -> Window:
    """The window that a unit's geometry describes."""
    (channels,), image, kernel, stride, dilation, padding = unit.numbers
    padded = [size + 2 * around for size, around in zip(image, padding, strict=True)]
    output = tuple(
        (size - d * (k - 1) - 1) // s + 1 for size, k, s, d in zip(padded, kernel, stride, dilation, strict=True)
    )
    return Window(
        channels=channels,
        image=image,
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        padding=tuple((around, around) for around in padding),
        output=output,
        input=wire(unit.input),
    )


def _law(
    formula: Formula,
    block: Block,
    fold: Fold,
    ops: Arithmetic,
    setting: Setting,
    *,
    dsp: bool = False,
    adapter: Adapter | None = None,
) -> dict[str, Any]:
    multipliers = "dsp" if dsp else "lut"
    job = Job(layer="unit", block=block, fold=fold, multipliers=multipliers, weight_memory="external", adapter=adapter)
    widths = [int(bits) for bits in formula.widths(block)]
    geometry = {name: int(v) if float(v).is_integer() else v for name, v in formula.geometry(job, setting).items()}
    found = formula.law(ops, widths, SimpleNamespace(**geometry), setting)
    whole = formula.law(PLAIN, widths, SimpleNamespace(**geometry), setting)
    return found | {name: whole[name] for name in STORED if name in whole}


def _sums(parts: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, amount in parts.items():
        resource = name.split(":", maxsplit=1)[0]
        found[resource] = found.get(resource, 0.0) + float(amount)
    found.pop("cycles", None)
    return found


def _matvec(unit: Unit, ops: Arithmetic, setting: Setting) -> dict[str, float]:
    block = MatVec(
        rows=unit.pe, cols=unit.simd, weight=wire(unit.weight), input=wire(unit.input), acc=wire(unit.output)
    )
    dsp = unit.structure == "dsp"
    parts = _law(MatVecFormula(), block, Fold(unit.pe, unit.simd), ops, setting, dsp=dsp)
    sums = _sums({name: parts[name] for name in ARITHMETIC_PARTS})
    return {"DSP": sums["DSP"]} if dsp else sums  # what corrects packed products is in no law


def _whole_unit(unit: Unit, ops: Arithmetic, setting: Setting) -> dict[str, float]:
    ((cols, rows),) = unit.numbers
    block = MatVec(rows=rows, cols=cols, weight=wire(unit.weight), input=wire(unit.input), acc=wire(unit.output))
    sums = _sums(_law(MatVecFormula(), block, Fold(unit.pe, unit.simd), ops, setting))
    return {name: sums[name] for name in ("LUT", "FF", "DSP")}


def _constant(unit: Unit, ops: Arithmetic, setting: Setting) -> dict[str, float]:
    matrix = torch.tensor(unit.constants)
    inputs, rows = wire(unit.input), matrix.shape[0]
    largest = max(1, int(matrix.abs().max()))
    weight = wire(f"NARROW{largest.bit_length() + 1}")
    acc = dot(inputs, weight, matrix.shape[1])
    block = MatVec(rows=rows, cols=matrix.shape[1], weight=weight, input=inputs, acc=acc, integers=matrix)
    bits = float(actual_trees([Placed("unit", block)], [block], stage_levels=99).adder_bits)
    return {"LUT": setting.constants["constant_adder_bit"] * bits}


def _thresholds(unit: Unit, ops: Arithmetic, setting: Setting) -> dict[str, float]:
    channels = unit.numbers[0][0]
    block = Thresholds(channels=channels, vectors=1, input=wire(unit.input), output=wire(unit.output))
    if not unit.matrix:
        return _sums(_law(ThresholdsFormula(), block, Fold(unit.pe), ops, setting))
    widths = [int(block.input.bits), int(block.output.bits)]
    found = WIRED[Thresholds].law(ops, widths, SimpleNamespace(), setting)
    return {"LUT": channels * float(found["LUT"])}


def _window(unit: Unit, ops: Arithmetic, setting: Setting) -> dict[str, float]:
    fold = Fold(simd=unit.simd, parallel_window=unit.structure == "parallel")
    return _sums(_law(WindowFormula(), block_of(unit), fold, ops, setting))


PORTS = {"ram": 2, "spram": 1}
STYLES = {"bram18": 1, "uram": 2}


def _memory(unit: Unit, ops: Arithmetic, setting: Setting) -> dict[str, float]:
    ((depth, bits),) = unit.numbers
    if unit.structure == "rom":
        return {"LUT": float(rom(PLAIN, bits, depth, log_repeated(depth)))}
    if unit.structure in PORTS:
        return {"LUT": float(distributed_ram(PLAIN, bits, depth, PORTS[unit.structure]))}
    _, bram18, uram = memory(PLAIN, bits, depth, STYLES[unit.structure])
    luts = bank_select(bits, depth, unit.structure)
    return {"LUT": float(luts), "BRAM18": float(bram18), "URAM": float(uram)}


def _control(unit: Unit, ops: Arithmetic, setting: Setting) -> dict[str, float]:
    bits = sum((size - 1).bit_length() for size in unit.numbers[0])
    constants = setting.constants
    return {"LUT": float(ops.ceil_fixed(constants["mvu_control"] + constants["mvu_counter_bit"] * bits))}


def _pool(unit: Unit, ops: Arithmetic, setting: Setting) -> dict[str, float]:
    block = Pool(
        kind=unit.structure,
        channels=unit.pe,
        kernel=unit.numbers[0],
        vectors=1,
        input=wire(unit.input),
        output=wire(unit.output),
    )
    return _sums(_law(PoolFormula(), block, Fold(unit.pe, unit.simd), ops, setting))


def _adder(unit: Unit, ops: Arithmetic, setting: Setting) -> dict[str, float]:
    left, right = wire(unit.input), wire(unit.output)
    block = Adder(channels=unit.pe, vectors=1, left=left, right=right, output=add(left, right))
    return _sums(_law(AdderFormula(), block, Fold(unit.pe), ops, setting))


def _stream_between(unit: Unit, ops: Arithmetic, setting: Setting, adapter: Adapter, bits: int) -> dict[str, float]:
    element = integers(bits, signed=False)
    link = Link(source=None, sink=Concat(streams=(1,), vectors=1, output=element), wire=element)
    return _sums(_law(LinkFormula(), link, Fold(), ops, setting, adapter=adapter))


def _converter(unit: Unit, ops: Arithmetic, setting: Setting) -> dict[str, float]:
    ((words, bits),) = unit.numbers
    return _stream_between(unit, ops, setting, Adapter(1, words) if unit.structure == "up" else Adapter(words, 1), bits)


def _fifo(unit: Unit, ops: Arithmetic, setting: Setting) -> dict[str, float]:
    ((depth, bits),) = unit.numbers
    return _stream_between(unit, ops, setting, Adapter(depth=depth), bits)


def _copy(unit: Unit, ops: Arithmetic, setting: Setting) -> dict[str, float]:
    each = _stream_between(unit, ops, setting, Adapter(copied=True), 1)
    return {name: unit.numbers[0][0] * amount for name, amount in each.items()}


def _concat(unit: Unit, ops: Arithmetic, setting: Setting) -> dict[str, float]:
    block = Concat(streams=(unit.pe,) * unit.numbers[0][0], vectors=1, output=wire(unit.input))
    return _sums(_law(ConcatFormula(), block, Fold(unit.pe), ops, setting))


def _label(unit: Unit, ops: Arithmetic, setting: Setting) -> dict[str, float]:
    channels = unit.numbers[0][0]
    output = between(0, channels - 1)
    block = LabelSelect(channels=channels, vectors=1, input=wire(unit.input), output=output)
    return _sums(_law(LabelSelectFormula(), block, Fold(unit.pe), ops, setting))


def _saturate(unit: Unit, ops: Arithmetic, setting: Setting) -> dict[str, float]:
    block = Saturate(channels=unit.pe, vectors=1, input=wire(unit.input), output=wire(unit.output))
    return _sums(_law(SaturateFormula(), block, Fold(unit.pe), ops, setting))


def _scale_bias(unit: Unit, ops: Arithmetic, setting: Setting) -> dict[str, float]:
    output = wire(unit.output)
    block = ScaleBias(
        channels=unit.pe,
        vectors=1,
        input=wire(unit.input),
        weight=wire(unit.weight),
        bias=None if unit.structure == "scale" else output,
        output=output,
    )
    return _sums(_law(ScaleBiasFormula(), block, Fold(unit.pe), ops, setting))


PRICES: Mapping[str, Callable[[Unit, Arithmetic, Setting], dict[str, float]]] = MappingProxyType(
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
        "saturate": _saturate,
        "scale_bias": _scale_bias,
        "converter": _converter,
        "fifo": _fifo,
        "copy": _copy,
        "concat": _concat,
        "label": _label,
    }
)
"""Kind -> its price."""
