"""An unrolled design: every weight is a constant in the fabric, nothing is streamed from memory."""

from collections.abc import Collection, Mapping, Sequence
from math import ceil
from typing import Any

import torch
from torch import Tensor

from hwcost.errors import BadOption, UnknownBlock
from hwcost.graph.spec import Block, Link, MatVec
from hwcost.graph.ste import with_gradient_of
from hwcost.models.amounts import whole
from hwcost.models.device import Device
from hwcost.models.device import device as find_device
from hwcost.models.formulas.formula import Job, Setting
from hwcost.models.options import THRESHOLDS, check_constants, check_layers, choice
from hwcost.models.rates import clock
from hwcost.models.resources import RESOURCES, Placed
from hwcost.models.unrolled.blocks import AFFINE, WIRED, WiredLaw
from hwcost.models.unrolled.constant_product import TreeCost, actual_trees, expected_trees, known
from hwcost.models.unrolled.liveness import live, trimmed
from hwcost.models.unrolled.shared_sums import shared_trees

STREAM = "stream"
SUMS = ("apart", "shared")
LEVEL_NS = 1.25
"""One adder with its wires, in ns. Source: the largest JSC network of HGQ (arXiv:2405.00645, table I) takes 30 ns on
xcvu9p for four dense layers, taken for 24 adders one after the other: coarse, one design, its weights not known."""

LEAST_SLOPE = 0.05
"""Least share of its expected price that a bit counts, even where the current weights cost next to nothing: it could
matter after the next step of training."""


class Unrolled:
    """Price of a design in which every multiplication is by a constant: adders over the digits of the weights.

    Each weight is priced at its own width; a weight of zero bits, or of value 0, is free. Early in training, price by
    widths alone (`value_aware=False`); late, by the integers that the weights have become.

    Args:
        device: a Device, or its name.
        clock_mhz: of the fabric, above 0.
        reuse: cycles per inference that every layer keeps to, the initiation interval. A layer of v vectors (pixels)
            is built ceil(v / reuse) times. 1 builds every pixel of a convolution; "stream" builds every layer once.
            For all layers, or per layer. One vector cannot share its constants: that is what `Dataflow` does.
        value_aware: count the digits of the integer weights now, instead of those to be expected of their widths. What
            is constant, or what nobody uses, is then not built.
        sums: "apart" (each output is a tree of its own, as `hwcost.synth` writes it) or "shared" (sub-sums of several
            outputs are built once, as da4ml does); "shared" is value-aware.
        thresholds: "search" (one comparator per output bit), "parallel" (one per threshold) or "affine" (an addend, a
            shift and a clip, behind a constant factor of two digits where the steps are no powers of two); None takes
            "affine" with shared sums, as da4ml builds them, else "search".
        stage_levels: adders between two registers; None fits as many as the clock allows, see LEVEL_NS.
        wired: law per kind of block, other than MatVec.

    Raises:
        UnknownDevice, BadOption: what the argument is, and what it may be.
    """

    resources: tuple[str, ...] = (*RESOURCES, "levels")

    def __init__(
        self,
        *,
        device: Device | str,
        clock_mhz: float = 200.0,
        reuse: int | str | Mapping[str, int | str] = 1,
        value_aware: bool | None = None,
        sums: str = "apart",
        thresholds: str | None = None,
        stage_levels: int | None = None,
        wired: Mapping[type[Block], WiredLaw[Any]] = WIRED,
    ) -> None:
        clock_mhz = clock(clock_mhz)
        thresholds = (AFFINE if sums == "shared" else "search") if thresholds is None else thresholds
        choice("thresholds", thresholds, (*THRESHOLDS, AFFINE))
        choice("sums", sums, SUMS)
        if sums == "shared" and value_aware is False:
            raise BadOption("sums='shared': digits that outputs have in common are counted; omit value_aware=False")
        for factor in reuse.values() if isinstance(reuse, Mapping) else (reuse,):
            if isinstance(factor, str):
                choice("reuse", factor, (STREAM,))
            else:
                whole("reuse", factor)
        if stage_levels is None:
            stage_levels = max(1, int(1e3 / clock_mhz / LEVEL_NS))
        self.device = find_device(device) if isinstance(device, str) else device
        check_constants(self.device)
        self.clock_mhz, self.reuse, self.sums = clock_mhz, reuse, sums
        self.value_aware = sums == "shared" if value_aware is None else value_aware
        self.stage_levels, self.wired = whole("stage_levels", stage_levels), wired
        self.setting = Setting(self.device.dsp_kind, thresholds, "rtl", "shared")

    def __repr__(self) -> str:
        return (
            f"Unrolled({self.device.name}, {self.clock_mhz:g} MHz, reuse={self.reuse}, value_aware={self.value_aware})"
        )

    def price(self, placed: Sequence[Placed]) -> dict[str, Tensor]:
        """The cost of every block.

        Args:
            placed: blocks with the names of their layers, in any order.

        Returns:
            LUT, FF, DSP (0), BRAM18 (line buffers), URAM (0), cycles per inference, and levels: adders one after the
            other, which add up along a chain of layers. float64 (len(placed),) each; LUT and FF are expectations, so
            not whole. Gradient: to every width, above 0 or equal to it; value-aware, it is that of the expected cost,
            in proportion to what the weights cost now. No gradient to the weights.

        Raises:
            UnknownBlock: a kind without a law. UnknownPrecision: value-aware, with weights that are not known.
            BadOption: a layer without a reuse.

        Error: LUT of 40 synthesized products (Yosys 0.70): value-aware MAPE 6.2%, worst 36%; by widths 7 to 14% where
            widths show which weights are zero, useless (2.6 times too many) where only values do. Sub-expressions
            that outputs have in common are built once per output; da4ml, which shares them, estimates 0.87 of this
            price. FF and levels follow from the structure and are not measured.
        Source: structure; constants in coefficients.json.
        """
        kinds: dict[type[Block], list[int]] = {}
        for index, item in enumerate(placed):
            kinds.setdefault(type(item.block), []).append(index)
        self._check(placed, kinds)
        codes = self._codes(placed, kinds.get(MatVec, []))
        built = live(placed, codes)
        bills, order = [], []
        for kind, rows in kinds.items():
            items = [self._trimmed(placed[row], built.channels.get(row)) for row in rows]
            if kind is MatVec:
                bills.append(
                    self._products(items, [codes.get(row) for row in rows], [built.codes.get(row) for row in rows])
                )
            else:
                bills.append(self._wired(kind, items))
            order += rows
        back = torch.tensor(order, dtype=torch.int64).argsort()
        none = torch.zeros(0, dtype=torch.float64)
        return {name: torch.cat([none, *(bill[name] for bill in bills)])[back] for name in self.resources}

    @property
    def reads_weights(self) -> bool:
        """Whether digits of the integer weights are counted."""
        return self.value_aware

    def check_names(self, layers: Collection[str], placed: Sequence[Placed]) -> None:
        """Refuse a reuse factor for a layer that the network does not have."""
        check_layers("reuse", self.reuse, layers)

    def latency_cycles(self, placed: Sequence[Placed]) -> int:
        """Cycles of one inference through a chain of blocks: register stages, and the interval of what is reused.

        Args:
            placed: the blocks of the chain, in the order of the stream.

        Error: not measured; stages are filled evenly.
        Source: structure.
        """
        with torch.no_grad():
            bill = self.price([item for item in placed if not isinstance(item.block, Link)])
        stages = sum(max(1, ceil(levels / self.stage_levels)) for levels in bill["levels"].tolist())
        return stages + int(bill["cycles"].max()) - 1 if placed else 0

    def copies(self, layer: str, vectors: int) -> int:
        """Number of vectors that a layer works on at once, out of `vectors` per inference.

        Raises:
            BadOption: `reuse` does not name the layer.
        """
        factor = self.reuse
        if isinstance(factor, Mapping):
            if layer not in factor:
                raise BadOption(f"{layer}: reuse names no factor for this layer; add reuse[{layer!r}]")
            factor = factor[layer]
        return 1 if factor == STREAM else ceil(vectors / int(factor))

    def _check(self, placed: Sequence[Placed], kinds: Mapping[type[Block], list[int]]) -> None:
        for row in kinds.get(MatVec, []):
            block = placed[row].block
            if isinstance(block, MatVec) and (block.held or block.loop):
                what = "weights that arrive as a stream" if block.held else "a vector that waits for the one before"
                raise UnknownBlock(
                    f"{placed[row].layer}: {what} cannot be unrolled, where weights are constants and vectors copies; "
                    "price it with Dataflow"
                )
        for kind, rows in kinds.items():
            if kind is not MatVec and kind not in self.wired:
                raise UnknownBlock(
                    f"{placed[rows[0]].layer}: Unrolled has no law for a {kind.__name__} block; pass wired=WIRED | "
                    f"{{{kind.__name__}: law}}, or describe the layer with blocks that have one "
                    f"(MatVec, {', '.join(sorted(k.__name__ for k in self.wired))})"
                )

    def _codes(self, placed: Sequence[Placed], rows: Sequence[int]) -> dict[int, Tensor]:
        return {row: known(placed[row]) for row in rows} if self.value_aware else {}

    @staticmethod
    def _trimmed(item: Placed, channels: Tensor | None) -> Placed:
        return item if channels is None else Placed(item.layer, trimmed(item.block, channels))

    def _wired(self, kind: type[Block], items: Sequence[Placed]) -> dict[str, Tensor]:
        law = self.wired[kind]
        jobs = [Job(item.layer, item.block, copies=self.copies(item.layer, law.vectors(item.block))) for item in items]
        return law(jobs, self.setting)

    def _products(
        self, items: Sequence[Placed], codes: Sequence[Tensor | None], built: Sequence[Tensor | None]
    ) -> dict[str, Tensor]:
        blocks = [item.block for item in items if isinstance(item.block, MatVec)]
        copies = [self.copies(item.layer, block.vectors) for item, block in zip(items, blocks, strict=True)]
        cycles = [float(ceil(block.vectors / count)) for block, count in zip(blocks, copies, strict=True)]
        times = torch.tensor(copies, dtype=torch.float64)
        if self.sums == "shared":
            trees = shared_trees(
                [one for one in codes if one is not None],
                [one for one in built if one is not None],
                blocks,
                self.stage_levels,
                self.setting.constants,
            )
            per_bit = 1.0
        else:
            trees = self._apart(blocks, [one for one in built if one is not None])
            per_bit = self.setting.constants["constant_adder_bit"]
        return {
            "LUT": trees.adder_bits * times * per_bit,
            "FF": trees.register_bits * times,
            **dict.fromkeys(("DSP", "BRAM18", "URAM", "LUTRAM"), torch.zeros_like(times)),
            "cycles": torch.tensor(cycles, dtype=torch.float64),
            "levels": trees.levels,
        }

    def _apart(self, blocks: Sequence[MatVec], built: Sequence[Tensor]) -> TreeCost:
        expected = expected_trees(blocks, self.stage_levels)
        cost = actual_trees(built, blocks, self.stage_levels) if self.value_aware else expected
        slope = expected_trees(blocks, self.stage_levels, smooth=True)
        return TreeCost(*(_borrowed(name, cost, expected, slope) for name in ("adder_bits", "register_bits", "levels")))


def _borrowed(name: str, cost: TreeCost, expected: TreeCost, slope: TreeCost) -> Tensor:
    """The exact figure, with the gradient of the smooth one in proportion."""
    exact: Tensor = getattr(cost, name).detach()
    smooth: Tensor = getattr(slope, name)
    if not smooth.requires_grad:
        return exact
    share = exact / getattr(expected, name).detach().clamp(min=1)
    return with_gradient_of(exact, smooth * share.clamp(min=LEAST_SLOPE) if cost is not expected else smooth)
