"""Longest paths of units: LUTs and carry chains between registers, from widths, folds and styles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import log2, prod

from immutabledict import immutabledict
from torch import Tensor

from hwcost.graph import blocks, spec
from hwcost.graph.ranges import widest
from hwcost.models.formulas.arithmetic import EXACT, Arithmetic, Quantity
from hwcost.models.formulas.fabric import Fabric
from hwcost.models.formulas.formula import Job, Setting
from hwcost.models.formulas.memory import AUTO_LUTRAM_DEPTH, STYLES, style_index
from hwcost.models.formulas.window import buffer_words
from hwcost.models.timing.delays import Delays

LOGIC_BITS = 3
"""Bits of operands whose sum is plain logic, without a carry chain. Source: carry cells that Yosys 0.70 counts in
trees of ones and of products."""


@dataclass(frozen=True, kw_only=True)
class Path:
    """Logic that a signal passes from a register to the next.

    Attributes:
        levels: LUTs outside of carry chains.
        chains: carry chains that it enters.
        bits: of the widest of them, all of which it may run along; of each other one it runs along one more.
        reads: block RAMs that it begins in.
        slices: multipliers of DSP slices that it passes.
        load: destinations of its widest net, as a power of two.
    """

    levels: Quantity = 0
    chains: Quantity = 0
    bits: Quantity = 0
    reads: int = 0
    slices: int = 0
    load: float = 0.0

    def then(self, other: Path) -> Path:
        """One path behind another, without a register between them."""
        return Path(
            levels=self.levels + other.levels,
            chains=self.chains + other.chains,
            bits=EXACT.maximum(self.bits, other.bits),
            reads=self.reads + other.reads,
            slices=self.slices + other.slices,
            load=max(self.load, other.load),
        )

    def delay(self, found: Delays) -> Quantity:
        """Nanoseconds from clock to clock."""
        return (
            found.register
            + found.level * self.levels
            + found.chain * self.chains
            + found.carry * (self.bits + self.chains)
            + found.block_ram * self.reads
            + found.dsp * self.slices
            + found.load * self.load
        )


@dataclass(frozen=True, kw_only=True)
class Line:
    """The paths of a unit.

    Attributes:
        along: what lies between the places where registers can stand, in order; see `formulas.stages.places`.
        around: paths that no register cuts.
    """

    along: tuple[Path, ...] = ()
    around: tuple[Path, ...] = ()

    def cut(self, cuts: Sequence[int]) -> list[Path]:
        """Paths with registers at some places."""
        found: list[Path] = []
        for place, path in enumerate(self.along):
            if place == 0 or place - 1 in cuts:
                found.append(path)
            else:
                found[-1] = found[-1].then(path)
        return [*found, *self.around]


def delay(ops: Arithmetic, paths: Sequence[Path], found: Delays) -> Quantity:
    """Nanoseconds of the longest of some paths."""
    return reduce(ops.maximum, [path.delay(found) for path in paths])


Law = Callable[[Arithmetic, Sequence[Quantity], Job, Setting], Line]
"""(arithmetic, widths, block with its choices, what all share) -> paths."""


def _load(lanes: float) -> float:
    return log2(max(1.0, lanes))


def _table(depth: int, part: Fabric) -> int:
    """LUTs one after the other of a table in LUTs: one of a few words, one more for each two bits of address beyond."""
    if depth <= 1:
        return 0
    return 1 + max(0, -(-((depth - 1).bit_length() - part.lut_inputs) // 2))


def _product(ops: Arithmetic, weight: Quantity, inputs: Quantity, signs: tuple[bool, bool], part: Fabric) -> Path:
    """One product: rows of carry chains, a negative that is chosen, or a gate."""
    bipolar, bipolar_input = signs
    if bipolar and bipolar_input:
        return Path(levels=1)
    if bipolar or bipolar_input:
        other = inputs if bipolar else weight
        return Path(levels=1, chains=1, bits=other)
    few = (ops.minimum(weight, inputs) + ops.minimum(inputs, weight)) / 2  # of two alike, each has half of the slope
    many = ops.maximum(weight, inputs)
    logic = ops.special(few + many <= part.lut_inputs)
    single = ops.special(few <= 1)
    rows = ops.where(logic, 0.0 * few, few - 1)
    rows = ops.where(single, 0.0 * few, rows)
    levels = ops.where(logic, 2.0 + 0.0 * few, 1.0 + 0.0 * few)
    levels = ops.where(single, 1.0 + 0.0 * few, levels)
    return Path(levels=levels, chains=rows, bits=ops.where(rows > 0, many + few, 0.0 * few))


def _sum(ops: Arithmetic, width: Quantity) -> Path:
    """One adder of a tree, of operands so wide."""
    small = ops.special(width <= LOGIC_BITS)
    none = 0.0 * width
    return Path(
        levels=ops.where(small, 1.0 + none, none),
        chains=ops.where(small, none, 1.0 + none),
        bits=ops.where(small, none, width),
    )


def matvec(ops: Arithmetic, widths: Sequence[Quantity], job: Job, setting: Setting) -> Line:
    """Weights and inputs from their memories, products, the adder tree, the accumulator, and the counters."""
    block, fold = job.block, job.parallel
    assert isinstance(block, spec.MatVec)
    weight, inputs, acc = widths
    words, folds = block.cols // fold.simd, max(1, block.rows // fold.pe)
    depth = 1 if block.held else block.weights // (fold.pe * fold.simd)
    style = STYLES[style_index(job.weight_memory, depth, setting.flow, shared=setting.weight_banks == "shared")]
    stored = depth > 1 and style not in ("lutram", "external")
    lanes = fold.pe * fold.simd
    replay = 0 if folds == 1 else 3  # whether the fold is the first, whether a word is stored, which one is passed on
    operands = Path(
        levels=replay if stored else max(replay, _table(depth, setting.fabric)), reads=int(stored), load=_load(lanes)
    )
    signs = (widest(block.weight).bipolar, widest(block.input).bipolar)
    product = weight + inputs if not any(signs) else 1 if all(signs) else ops.maximum(weight, inputs) + 1
    multiplied = Path(slices=1) if job.multipliers == "dsp" else _product(ops, weight, inputs, signs, setting.fabric)
    along = [operands, multiplied.then(Path(load=_load(fold.pe)))]
    along += [_sum(ops, product + level) for level in range((fold.simd - 1).bit_length())]
    along.append(Path(chains=1, bits=acc))
    counters = Path(levels=3, chains=1, bits=(depth - 1).bit_length(), load=0.0)
    moving = Path(levels=3 if words > 1 or folds > 1 else 2, load=_load(lanes if job.cuts else fold.pe))
    return Line(along=tuple(along), around=(counters, moving))


def thresholds(ops: Arithmetic, widths: Sequence[Quantity], job: Job, setting: Setting) -> Line:
    """The steps of a channel from their table, a comparison, and what is known of the code."""
    block, fold = job.block, job.parallel
    assert isinstance(block, spec.Thresholds)
    compared = widths[0]
    folds, most = block.channels // fold.pe, AUTO_LUTRAM_DEPTH["rtl"]
    bits = int(widest(block.output).bits.detach().ceil())
    compared_with = Path(levels=1, chains=1, bits=compared)
    if setting.thresholds == "parallel":
        depths = [folds]
        load = _load(fold.pe * (2**bits - 1))
        for level in range(1, bits + 1):
            compared_with = compared_with.then(_sum(ops, level))
    else:
        depths = [1 << ((folds - 1).bit_length() + stage) for stage in range(bits)]
        load = 0.0
    tables = [_table(depth, setting.fabric) for depth in depths if depth <= most]
    along = (Path(levels=max(tables), load=load), compared_with) if tables else ()
    stored = len(tables) < len(depths)  # the word of a block RAM is compared as it comes
    return Line(along=along, around=(Path(reads=1, load=load).then(compared_with),) if stored else ())


def _pads(block: spec.Window) -> int:
    """LUTs that tell whether a word is padding."""
    return 2 if any(pad for pair in block.padding for pad in pair) or max(block.spread or (1,)) > 1 else 0


def room(job: Job) -> Path:
    """Whether a window that is read word by word has room: a difference of counters, compared."""
    block, simd = job.block, job.parallel.simd
    assert isinstance(block, spec.Window)
    words = block.channels // simd
    for size, (before, after) in zip(block.image, block.padding, strict=True):
        words *= size + before + after
    return Path(levels=1 + _pads(block), chains=2, bits=words.bit_length() + 1)


def window(ops: Arithmetic, widths: Sequence[Quantity], job: Job, setting: Setting) -> Line:
    """Whether a word is there or has room; which one is read next."""
    block, fold = job.block, job.parallel
    assert isinstance(block, spec.Window)
    words = block.channels // fold.simd
    if fold.parallel_window:
        held = prod(block.kernel) * fold.simd
        return Line(around=(Path(levels=3 + _pads(block), load=_load(held)),))
    depth = max(2, buffer_words(block, fold.simd))
    loops = sum(size > 1 for size in (words, *block.kernel, *block.output))
    around = 1 if depth & (depth - 1) == 0 else 3
    return Line(
        around=(
            room(job).then(Path(levels=2, chains=1)),
            Path(levels=loops + around - 1, chains=min(2, around), bits=(depth - 1).bit_length() + 1),
        )
    )


def pool(ops: Arithmetic, widths: Sequence[Quantity], job: Job, setting: Setting) -> Line:
    """The elements of a word, and the state of the window."""
    block, fold = job.block, job.parallel
    assert isinstance(block, spec.Pool)
    more = prod(block.kernel) > fold.simd
    if block.kind == "sum":
        chains = (fold.simd - 1).bit_length() + more
        return Line(around=(Path(levels=1, chains=chains, bits=widths[-1]),))
    compared = fold.simd - 1 + more
    return Line(around=(Path(levels=compared + 1, chains=compared, bits=widths[0]),))


def adder(ops: Arithmetic, widths: Sequence[Quantity], job: Job, setting: Setting) -> Line:
    """One sum."""
    return Line(
        around=(Path(chains=1, bits=ops.maximum(widths[0], widths[1])), Path(levels=2, load=_load(job.parallel.pe)))
    )


def scaled(ops: Arithmetic, widths: Sequence[Quantity], job: Job, setting: Setting) -> Line:
    """A product, and a sum behind it."""
    product = _product(ops, widths[0], widths[1], (False, False), setting.fabric)
    return Line(around=(Path(levels=1).then(product).then(Path(chains=1, bits=widths[0] + widths[1])),))


def label(ops: Arithmetic, widths: Sequence[Quantity], job: Job, setting: Setting) -> Line:
    """The elements of a word, one after the other, and the largest so far."""
    return Line(around=(Path(levels=job.parallel.pe + 1, chains=job.parallel.pe, bits=widths[0]),))


def link(ops: Arithmetic, widths: Sequence[Quantity], job: Job, setting: Setting) -> Line:
    """The state of a converter or FIFO, and the word that it moves."""
    lanes = 1 if job.adapter is None else max(job.adapter.produced, job.adapter.consumed)
    return Line(around=(Path(levels=3, load=_load(lanes)),))


def passing(ops: Arithmetic, widths: Sequence[Quantity], job: Job, setting: Setting) -> Line:
    """A register with a handshake, and a choice in front of it."""
    return Line(around=(Path(levels=3, load=_load(job.parallel.pe)),))


def _widths(*names: str) -> Callable[[spec.Block], tuple[Tensor, ...]]:
    return lambda block: tuple(widest(getattr(block, name)).bits for name in names)


LAWS: Mapping[type[spec.Block], tuple[Law, Callable[[spec.Block], tuple[Tensor, ...]]]] = immutabledict(
    {
        spec.MatVec: (matvec, _widths("weight", "input", "acc")),
        spec.Thresholds: (thresholds, _widths("input")),
        spec.Window: (window, _widths("input")),
        spec.Pool: (pool, _widths("input", "output")),
        spec.Adder: (adder, _widths("left", "right")),
        spec.ScaleBias: (scaled, _widths("input", "weight")),
        blocks.Multiplier: (scaled, _widths("left", "right")),
        spec.LabelSelect: (label, _widths("input")),
        spec.Saturate: (passing, _widths("input")),
        spec.Concat: (passing, _widths("output")),
        spec.Link: (link, _widths("wire")),
    }
)
"""Kind of block -> its law, and the widths that it depends on. The others have no RTL that was routed."""
