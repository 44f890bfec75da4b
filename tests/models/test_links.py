"""Links between blocks: who reads what the graph says, and every model takes them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hwcost.graph.spec import Concat, LabelSelect, Link
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, Finn, Generic, Placed, Unrolled, place, target_fps
from hwcost.quant import QuantAdd, QuantConcat, QuantLinear, QuantReLU, learned_activation, learned_weight


class Branches(nn.Module):
    """A stream read twice, one branch longer, their sum, a concatenation, and the best label."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = QuantLinear(16, 16, bias=False, weight_quant=learned_weight(bits=4))
        self.grid = learned_activation(bits=4)
        self.act = QuantReLU(self.grid)
        self.long1 = QuantLinear(16, 16, bias=False, weight_quant=learned_weight(bits=4))
        self.act1 = QuantReLU(learned_activation(bits=4))
        self.long2 = QuantLinear(16, 16, bias=False, weight_quant=learned_weight(bits=4))
        self.act2 = QuantReLU(self.grid)
        self.add = QuantAdd(self.grid, ready=(0, 1))
        self.join = QuantConcat(learned_activation(bits=4))
        self.head = QuantLinear(32, 10, bias=False, weight_quant=learned_weight(bits=4, per_channel=False))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 16) -> (N,)."""
        short = self.act(self.stem(x))
        total = self.add(short, self.act2(self.long2(self.act1(self.long1(short)))))
        return torch.argmax(self.head(self.join(total, short)), 1)


def links(placed: Sequence[Placed]) -> list[tuple[str, str]]:
    """(kind of source, kind of sink) of every link."""
    return [
        (type(item.block.source).__name__ if item.block.source else "-", type(item.block.sink).__name__)
        for item in placed
        if isinstance(item.block, Link)
    ]


def test_every_block_reads_what_the_graph_says() -> None:
    net = Branches()
    layers = trace(net, torch.zeros(1, 16), input_bits=4).layers()
    placed = place(layers)
    assert links(placed) == [
        ("-", "MatVec"), ("MatVec", "Thresholds"), ("Thresholds", "MatVec"), ("MatVec", "Thresholds"),
        ("Thresholds", "MatVec"), ("MatVec", "Thresholds"), ("Thresholds", "Adder"), ("Thresholds", "Adder"),
        ("Adder", "Thresholds"), ("Thresholds", "Thresholds"), ("Thresholds", "Concat"), ("Thresholds", "Concat"),
        ("Concat", "MatVec"), ("MatVec", "LabelSelect"),
    ]  # fmt: skip
    assert [item.block for item in placed if not isinstance(item.block, Link)] == [
        block for layer in layers for block in layer.blocks
    ]


def test_a_branch_that_waits_has_a_fifo_and_copies_are_controlled() -> None:
    pipeline = trace(Branches(), torch.zeros(1, 16), input_bits=4)
    placed = place(pipeline.layers())
    model = Dataflow(device="xc7z020", folding=target_fps(pipeline, 1_000_000))
    into_adder = [job for job in model.plan(placed) if isinstance(job.block, Link) and job.layer == "add"]
    depths = [job.adapter.depth for job in into_adder if job.adapter]
    assert depths[0] > depths[1]
    copied = [job.layer for job in model.plan(placed) if job.adapter and job.adapter.copied]
    assert copied == ["long1", "add", "join"]


def test_the_order_of_blocks_does_not_matter() -> None:
    pipeline = trace(Branches(), torch.zeros(1, 16), input_bits=4)
    placed = place(pipeline.layers())
    model = Dataflow(device="xc7z020", folding=target_fps(pipeline, 500_000))
    forward, backward = model.price(placed), model.price(placed[::-1])
    for name, amounts in forward.items():
        assert torch.equal(amounts, backward[name].flip(0)), name


def test_every_model_takes_links() -> None:
    pipeline = trace(Branches(), torch.zeros(1, 16), input_bits=4)
    placed = place(pipeline.layers())
    rows = [isinstance(item.block, Link) for item in placed]
    folding = target_fps(pipeline, 500_000)
    for model in (Unrolled(device="xc7z020"), Generic()):
        with torch.no_grad():
            bill = model.price(placed)
        assert all(float(amounts[rows].sum()) == 0 for name, amounts in bill.items() if name != "cycles")
    finn = Finn(device="xc7z020", folding=folding)
    words = [attributes for op, attributes in finn.nodes(placed) if op == "StreamingDataWidthConverter_rtl"]
    assert len(words) == sum(rows) and any(word["inWidth"] != word["outWidth"] for word in words)


def test_a_stream_that_enters_a_merge_twice_is_read_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = QuantLinear(16, 16, bias=False, weight_quant=learned_weight(bits=4))
            self.join = QuantConcat(learned_activation(bits=4, signed=True))

        def forward(self, x: Tensor) -> Tensor:
            y = self.stem(x)
            out: Tensor = self.join(y, y * -1.0)
            return out

    placed = place(trace(Twice(), torch.zeros(1, 16), input_bits=4).layers())
    product = ("MatVec", "Thresholds")
    assert links(placed) == [("-", "MatVec"), product, product, ("Thresholds", "Concat"), ("Thresholds", "Concat")]


# -- depth against a simulation, cycle by cycle --------------------------------------------------------------------


def test_label_and_concat_are_described() -> None:
    layers = {layer.name: layer for layer in trace(Branches(), torch.zeros(1, 16), input_bits=4).layers()}
    label = layers["argmax"].blocks[0]
    assert isinstance(label, LabelSelect) and label.channels == 10 and int(label.output.bits) == 4
    joined = layers["join"].blocks[-1]
    assert isinstance(joined, Concat) and joined.streams == (16, 16)
