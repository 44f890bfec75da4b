"""FINN's estimates as a hardware model: the nodes that FINN would build for our blocks."""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import product
from typing import Any, TypeAlias

import torch
from immutabledict import immutabledict
from torch import Tensor

from hwcost.errors import UnknownBlock
from hwcost.graph.ranges import widest
from hwcost.graph.spec import Adder, Block, Concat, LabelSelect, Link, MatVec, Pool, Thresholds, Window
from hwcost.graph.ste import with_gradient_of
from hwcost.models.dataflow import Dataflow
from hwcost.models.device import Device
from hwcost.models.finn import node
from hwcost.models.formulas.formula import Fold, Formula, Job
from hwcost.models.formulas.table import FORMULAS
from hwcost.models.options import PerLayer
from hwcost.models.resources import Placed

RESOURCES = ("LUT", "DSP", "BRAM18", "URAM", "cycles")
"""FINN has no estimate of flip-flops."""

_STYLES = {"auto": "auto", "lutram": "distributed", "bram18": "block", "uram": "ultra", "external": "auto"}
Attributes: TypeAlias = dict[str, object]
"""Attributes of a node, by FINN's names."""

FAR_BITS = 8
"""Bits over which the slope is taken where the next bit is free."""


def _type(bits: int, signed: bool) -> str:
    if signed:
        return "BIPOLAR" if bits == 1 else f"INT{bits}"
    return f"UINT{bits}"


def _unit(job: Job, block: MatVec, bits: Sequence[int]) -> tuple[str, Attributes]:
    if block.held or block.loop:
        raise UnknownBlock(
            f"{job.layer}: FINN has no unit with {'weights from a stream' if block.held else 'a loop'}; price it with "
            "Dataflow"
        )
    fold, (weight, inputs, acc) = job.parallel, bits
    attributes = {
        "PE": fold.pe,
        "SIMD": fold.simd,
        "weightDataType": _type(weight, block.weight.signed),
        "inputDataType": _type(inputs, block.input.signed),
        "outputDataType": _type(acc, True),
        "accDataType": _type(acc, True),
        "noActivation": 1,
        "resType": job.multipliers,
        "mem_mode": "external" if job.weight_memory == "external" else "internal_decoupled",
        "ram_style": _STYLES[job.weight_memory],
    }
    if block.groups == 1:
        sizes: Attributes = {"MW": block.cols, "MH": block.rows, "numInputVectors": [block.vectors]}
        return "MVAU_hls", attributes | sizes
    if block.rows > 1:
        raise UnknownBlock(
            f"{job.layer}: FINN has no unit for {block.groups} groups of {block.rows} outputs; use groups=1 or a "
            "depthwise layer, or price it with Dataflow"
        )
    return "VVAU_hls", attributes | {"Channels": block.groups, "Kernel": [block.cols, 1], "Dim": [block.vectors, 1]}


def _window(job: Job, block: Window, bits: Sequence[int]) -> tuple[str, Attributes]:
    def plane(values: Sequence[int]) -> list[int]:
        return [1, *values] if len(values) == 1 else list(values)

    padded = [size + before + after for size, (before, after) in zip(block.image, block.padding, strict=True)]
    return "ConvolutionInputGenerator_rtl", {
        "ConvKernelDim": plane(block.kernel),
        "IFMChannels": block.channels,
        "IFMDim": plane(padded),
        "OFMDim": plane(block.output),
        "SIMD": job.parallel.simd,
        "Stride": plane(block.stride),
        "Dilation": plane(block.dilation),
        "inputDataType": _type(bits[0], block.input.signed),
        "depthwise": int(block.depthwise),
        "parallel_window": int(job.parallel.parallel_window),
    }


def _thresholds(job: Job, block: Thresholds, bits: Sequence[int]) -> tuple[str, Attributes]:
    return "Thresholding_rtl", {
        "NumChannels": block.channels,
        "PE": job.parallel.pe,
        "inputDataType": _type(bits[0], block.input.signed),
        "weightDataType": _type(bits[0], block.input.signed),
        "outputDataType": _type(bits[1], widest(block.output).signed),
        "numInputVectors": [block.vectors],
    }


def _pool(job: Job, block: Pool, bits: Sequence[int]) -> tuple[str, Attributes]:
    return "Pool_hls", {
        "Channels": block.channels,
        "PE": min(job.parallel.pe, block.channels),
        "KernelSize": list(block.kernel),
        "OutImgDims": [block.vectors],
    }


def _adder(job: Job, block: Adder, bits: Sequence[int]) -> tuple[str, Attributes]:
    return "AddStreams_hls", {
        "NumChannels": block.channels,
        "PE": job.parallel.pe,
        "numInputVectors": [block.vectors],
    }


def _link(job: Job, block: Link, bits: Sequence[int]) -> tuple[str, Attributes]:
    adapter = job.adapter
    assert adapter is not None
    words: Attributes = {"inWidth": adapter.produced * bits[0], "outWidth": adapter.consumed * bits[0]}
    return "StreamingDataWidthConverter_rtl", words


def _label(job: Job, block: LabelSelect, bits: Sequence[int]) -> tuple[str, Attributes]:
    return "LabelSelect_hls", {"Labels": block.channels, "PE": job.parallel.pe}


def _concat(job: Job, block: Concat, bits: Sequence[int]) -> tuple[str, Attributes]:
    sizes: Attributes = {"NumChannels": block.channels, "PE": job.parallel.pe, "numInputVectors": [block.vectors]}
    return "AddStreams_hls", sizes  # FINN's StreamingConcat is estimated alike: folded transactions, no area


_NODES: Mapping[type[Block], Callable[[Job, Any, Sequence[int]], tuple[str, Attributes]]] = immutabledict(
    {
        MatVec: _unit,
        Window: _window,
        Thresholds: _thresholds,
        Pool: _pool,
        Adder: _adder,
        Concat: _concat,
        LabelSelect: _label,
        Link: _link,
    }
)


class Finn:
    """Price of a pipeline by FINN's own formulas: what FINN would print, not what synthesis would.

    Units are MVAU_hls or VVAU_hls without fused thresholds, windows ConvolutionInputGenerator_rtl, activations
    Thresholding_rtl, links data-width converters (FINN finds the depth of its FIFOs by simulation). Parallelism is
    chosen as in `Dataflow`.

    Args:
        device, folding, clock_mhz, multipliers, weight_memory: as `Dataflow`.

    Raises:
        UnknownDevice, BadOption: what the argument is, and what it may be.
    """

    resources: tuple[str, ...] = RESOURCES

    def __init__(
        self,
        *,
        device: Device | str,
        folding: Mapping[str, Fold],
        clock_mhz: float = 100.0,
        multipliers: PerLayer = "lut",
        weight_memory: PerLayer = "auto",
    ) -> None:
        self._dataflow = Dataflow(
            device=device,
            folding=folding,
            clock_mhz=clock_mhz,
            multipliers=multipliers,
            weight_memory=weight_memory,
            writable=True,  # as FINN wants it where weights are in URAM; no estimate of FINN's depends on it
        )
        self.device = self._dataflow.device
        self.folding = folding
        self.clock_mhz = self._dataflow.clock_mhz

    def price(self, placed: Sequence[Placed]) -> dict[str, Tensor]:
        """FINN's estimate of every block.

        Args:
            placed: blocks with the names of their layers.

        Returns:
            LUT, DSP, BRAM18, URAM and cycles, float64 (len(placed),) each: FINN's figures at whole widths, multilinear
            between. Gradient: what the next bit costs by FINN, or the next 8 where one is free; 0 where FINN's figure
            falls.

        Raises:
            UnknownBlock: FINN has no node for it. BadFolding: as `Dataflow`.

        Error: as FINN's own: median of estimate / measured 1.6 for LUT of 114 published HLS units
            (reports/calibration/published.md).
        """
        return self.price_jobs(self.plan(placed))

    def plan(self, placed: Sequence[Placed]) -> list[Job]:
        return self._dataflow.plan(placed)

    def check_names(self, layers: Collection[str], placed: Sequence[Placed]) -> None:
        self._dataflow.check_names(layers, placed)

    def price_jobs(self, jobs: Sequence[Job]) -> dict[str, Tensor]:
        rows = [self._block(job) for job in jobs]
        none = torch.zeros(0, len(RESOURCES), dtype=torch.float64)
        table = torch.cat([none, *(row[None] for row in rows)])
        return dict(zip(RESOURCES, table.T, strict=True))

    def nodes(self, placed: Sequence[Placed]) -> list[tuple[str, Attributes]]:
        """(operation, attributes) of every block, for `finn.node`; widths rounded up."""
        return [self._node(job, [int(w) for w in _widths(job).detach().ceil()]) for job in self._dataflow.plan(placed)]

    def _node(self, job: Job, bits: Sequence[int]) -> tuple[str, Attributes]:
        kind = type(job.block)
        if kind not in _NODES:
            raise UnknownBlock(
                f"{job.layer}: FINN has no node for a {kind.__name__} block; absorb it into thresholds, or price it "
                "with Dataflow"
            )
        return _NODES[kind](job, job.block, bits)

    def _figures(self, job: Job, bits: Sequence[int]) -> list[int]:
        op, attributes = self._node(job, bits)
        found = node(op, attributes, self.device.part)
        return [found["LUT"], found["DSP"], found["BRAM_18K"], found["URAM"], found["cycles"]]

    def _block(self, job: Job) -> Tensor:
        widths = _widths(job)
        fixed = [float(width) for width in widths.detach()]
        value = torch.zeros(len(RESOURCES), dtype=torch.float64)
        for corner in product(*({int(w // 1), int(-(-w // 1))} for w in fixed)):
            weight = 1.0
            for width, whole in zip(fixed, corner, strict=True):
                weight *= 1 - abs(width - whole)
            value += weight * torch.tensor(self._figures(job, corner), dtype=torch.float64)
        if not (widths.requires_grad and torch.is_grad_enabled()):
            return value
        return with_gradient_of(value, self._slopes(job, [int(w // 1) for w in fixed]) @ widths)

    def _slopes(self, job: Job, bits: Sequence[int]) -> Tensor:
        """(resources, widths): cost of one more bit, never below 0."""
        here = torch.tensor(self._figures(job, bits), dtype=torch.float64)
        columns = []
        for index in range(len(bits)):
            near, far = (
                torch.tensor(self._figures(job, [*bits[:index], bits[index] + more, *bits[index + 1 :]])) - here
                for more in (1, FAR_BITS)
            )
            columns.append(torch.where(near > 0, near, far / FAR_BITS).clamp(min=0))
        return torch.stack(columns, dim=1)


def _widths(job: Job) -> Tensor:
    """The widths that FINN's estimate depends on, as in `Dataflow`."""
    formula = FORMULAS[type(job.block)]
    assert isinstance(formula, Formula)
    return torch.stack(formula.widths(job.block)).to(torch.float64)
