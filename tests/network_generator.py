"""Random quantized networks: a plan of layers drawn from a seed, which can lose layers and still be built.

A plan says nothing about channels or sizes; those follow from what enters, so that a part of a plan is a plan too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwcost.quant import (
    FLOAT,
    LOG,
    POW2,
    Accumulator,
    BiasQuantizer,
    BinaryQuantizer,
    BoundedQuantizer,
    ConstScale,
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    NarrowedBits,
    QuantAdd,
    QuantAffine,
    QuantAvgPool2d,
    QuantConcat,
    QuantConv1d,
    QuantConv2d,
    QuantConvTranspose2d,
    QuantHardTanh,
    QuantIdentity,
    QuantLinear,
    QuantReLU,
    QuantScaleBias,
    QuantSigmoid,
    QuantTanh,
    RunningScale,
    StatScale,
    TernaryQuantizer,
    abs_max,
    abs_mean,
)

Options = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """One layer of a plan.

    Attributes:
        kind: which builder makes it.
        inputs: positions of the streams that enter; 0 is the network's input, n is what node n - 1 makes.
        options: what was drawn for it.
    """

    kind: str
    inputs: tuple[int, ...]
    options: Options


@dataclass(frozen=True)
class Plan:
    """A network before it is built.

    Attributes:
        seed: from which it was drawn; also seeds its parameters.
        exact: all scales are powers of two and all float parameters short, so that float64 computes without rounding.
        image: spatial shape of the input; () for vectors.
        channels: of the input.
        input_bits: of integers that enter; None where floats enter and the first layer quantizes them.
        nodes: the layers.
    """

    seed: int
    exact: bool
    image: tuple[int, ...]
    channels: int
    input_bits: int | None
    nodes: tuple[Node, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return (self.channels, *self.image)

    def without(self, place: int) -> Plan:
        """The plan that remains when one node is left out and its readers read what it read."""
        source = self.nodes[place].inputs[0]

        def moved(stream: int) -> int:
            return source if stream == place + 1 else stream - (stream > place + 1)

        kept = [replace(node, inputs=tuple(map(moved, node.inputs))) for node in self.nodes if node is not None]
        del kept[place]
        return replace(self, nodes=tuple(kept))

    def __str__(self) -> str:
        head = f"seed {self.seed}, {'exact, ' if self.exact else ''}input {self.shape}, input_bits={self.input_bits}"
        lines = [f"  {place + 1}: {node.kind}{node.inputs} {node.options}" for place, node in enumerate(self.nodes)]
        return "\n".join([head, *lines])


class Network(nn.Module):
    """The layers of a plan; the last one's stream leaves."""

    def __init__(self, layers: Sequence[nn.Module | Callable[..., Tensor]], inputs: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        self.layers = nn.ModuleList([layer for layer in layers if isinstance(layer, nn.Module)])
        self.calls = layers
        self.inputs = inputs

    def forward(self, x: Tensor) -> Tensor:
        streams = [x]
        modules = iter(self.layers)
        for layer, inputs in zip(self.calls, self.inputs, strict=True):
            call = next(modules) if isinstance(layer, nn.Module) else layer
            streams.append(call(*(streams[place] for place in inputs)))
        return streams[-1]


# drawing


def drawn(seed: int) -> Plan:
    """The plan of a seed: about one in eight contains a layer at a place where it may make no sense."""
    random = Random(seed)
    exact = random.random() < 0.3
    image = random.choice([(6, 6), (6, 6), (5, 7), (9,), ()])
    drawing, stream = Drawing(random, exact, image), 0
    input_bits: int | None = random.choice([1, 2, 4, 8, None, None])
    if input_bits is None:
        if random.random() < 0.2:
            stream = drawing.append(random.choice(["norm", "flatten", "identity", "relu"]), 0)
        stream = drawing.activation(stream, "identity")
    wild = random.random() < 0.12
    for _ in range(random.randint(1, 4)):
        stream = drawing.part(stream, wild)
    flat = random.random() < 0.6
    if flat:
        stream = drawing.append("flatten", stream, form=random.choice(["module", "method", "function"]))
        if random.random() < 0.8:
            stream = drawing.append("linear", stream, **_product(random, exact))
        if random.random() < 0.3:
            stream = drawing.append("norm", stream)
    tail = random.random()
    if tail < 0.4:
        drawing.activation(stream)
    elif tail < 0.5 and flat:
        drawing.append("argmax", stream)
    return Plan(seed, exact, image, random.randint(1, 4), input_bits, tuple(drawing.nodes))


class Drawing:
    """A plan while it is drawn."""

    def __init__(self, random: Random, exact: bool, image: tuple[int, ...]) -> None:
        self.random, self.exact, self.image = random, exact, image
        self.nodes: list[Node] = []

    def append(self, kind: str, *inputs: int, **options: Any) -> int:
        """A node; returns the stream that leaves it."""
        self.nodes.append(Node(kind, inputs, options))
        return len(self.nodes)

    def activation(self, source: int, curve: str | None = None, *, common: bool = False) -> int:
        """A quantized activation."""
        return self.append("activation", source, **_activation(self.random, self.exact, curve, common=common))

    def product(self, source: int) -> int:
        """A layer that multiplies, and what may stand between it and its activation."""
        random = self.random
        kinds = (
            ["conv", "conv", "depthwise", "grouped", "transposed"] if len(self.image) == 2 else ["conv", "depthwise"]
        )
        kind = random.choice(kinds) if self.image else "linear"
        result = self.append(kind, source, **_product(random, self.exact))
        if random.random() < 0.5:
            result = self.append("norm", result)
        if random.random() < 0.15:
            result = self.append(random.choice(["relu", "identity", "dropout"]), result)
        if random.random() < 0.1 and self.image:
            result = self.append("max_pool", result, **_pool(random))
        if random.random() < 0.1 and len(self.image) == 2:
            result = self.append("avg_pool", result, size=random.choice([1, 2]), truncate=False, stride=None)
        return result

    def anything(self, stream: int) -> int:
        """A layer at a place where it may make no sense."""
        random = self.random
        kind = random.choice(["conv", "linear", "activation", "norm", "relu", "avg_pool", "scale_bias", "flatten"])
        options = {
            "activation": _activation(random, self.exact),
            "avg_pool": _average(random, self.exact),
            "scale_bias": _factors(random),
        }
        return self.append(kind, stream, **options.get(kind, _product(random, self.exact)))

    def residual(self, stream: int) -> int:
        """A sum of two ends on one grid, which may have made the first."""
        random = self.random
        grid = self.activation(stream, "identity", common=True)
        inner = self.append(
            "same_conv" if self.image else "same_linear", grid, **_product(random, self.exact, plain=True)
        )
        if random.random() < 0.5:
            inner = self.append("norm", inner)
        ready = (0,) if random.random() < 0.6 else ()
        made = self.append("sum", grid, inner, share=grid, ready=ready)
        return self.activation(made) if random.random() < 0.7 else made

    def joined(self, stream: int) -> int:
        """Two streams one behind the other."""
        random = self.random
        left = self.product(stream)
        same = self.nodes[left - 1]
        right = stream if random.random() < 0.1 else self.append(same.kind, stream, **same.options)
        quant = _activation(random, self.exact, "identity", common=True)
        return self.append("concat", left, right, quant=quant, share=None)

    def part(self, stream: int, wild: bool) -> int:
        """One of all of these."""
        random = self.random
        if wild and random.random() < 0.5:
            return self.anything(stream)
        part = random.random()
        if part < 0.5:
            return self.activation(self.product(stream))
        if part < 0.62:
            return self.residual(stream)
        if part < 0.7:
            return self.joined(stream)
        if part < 0.8 and self.image:
            return self.append("max_pool", stream, **_pool(random))
        if part < 0.88 and len(self.image) == 2:
            return self.append("avg_pool", stream, **_average(random, self.exact))
        if part < 0.94:
            return self.activation(self.append("scale_bias", stream, **_factors(random)))
        return self.append(random.choice(["dropout", "identity", "contiguous"]), stream)


def _pool(random: Random) -> Options:
    return {
        "size": random.choice([2, 2, 3]),
        "stride": random.choice([None, 1, 2]),
        "padding": random.choice([0, 0, 1]),
        "ceil": random.random() < 0.3,
        "function": random.random() < 0.3,
    }


def _average(random: Random, exact: bool) -> Options:
    truncate = random.random() < 0.6
    return {
        "size": random.choice([1, 2, 2] if exact else [1, 2, 2, 3]),
        "stride": random.choice([None, 1, 2]),
        "truncate": truncate,
        "corrected": truncate and random.random() < 0.5,
        "most": random.choice([4, 32]) if truncate else 32,
    }


def _factors(random: Random) -> Options:
    return {
        "bits": random.choice([2, 4, 6]),
        "bias": random.choice([False, "float", "quantized"]),
        "per_channel": random.random() < 0.3,
        "input_quant": random.random() < 0.2,
    }


def _activation(random: Random, exact: bool, kind: str | None = None, *, common: bool = False) -> Options:
    coding = random.choice(["int"] * 8 + ["binary", "ternary"])
    widths = "one" if common or random.random() < 0.95 else "per channel"
    steps = "one" if common or widths != "one" or random.random() < 0.9 else "per channel"
    kinds = ["relu", "relu", "relu", "identity", "identity", "hardtanh", "sigmoid", "tanh", "affine"]
    curved = {"sigmoid", "tanh"} if exact else set()
    return {
        "curve": kind or random.choice([each for each in kinds if each not in curved]),
        "coding": coding,
        "bits": random.randint(1, 6),
        "learned": random.random() < 0.5,
        "signed": random.random() < 0.4,
        "narrow": random.random() < 0.2,
        "scale": random.choice(["learned", "const", "running"]),
        "domain": "pow2" if exact or widths != "one" else random.choice(["float", "log", "pow2"]),
        "widths": widths,
        "steps": steps,
        "start": random.choice([0.25, 1.0, 2.0]),
        "share": random.choice([None, None, None, None, "quantizer", "scale", "bits"]),
    }


def _product(random: Random, exact: bool, *, plain: bool = False) -> Options:
    coding = random.choice(["int"] * 7 + ["binary", "ternary", "bounded"])
    widths = random.choice(["one"] * 6 + ["per channel", "per weight"])
    accumulator = None if plain or random.random() < 0.8 else random.choice(["saturate", "wrap", "truncate"])
    return {
        "coding": coding,
        "bits": random.randint(2, 6),
        "learned": random.random() < 0.5,
        "pruned": random.random() < 0.3,
        "per_channel": random.random() < 0.5,
        "widths": widths,
        "domain": "pow2" if exact or widths == "per weight" else random.choice(["float", "pow2"]),
        "scale": random.choice(["stat", "stat", "learned", "const"]),
        "outputs": random.choice([2, 3, 4, 6]),
        "kernel": random.choice([1, 2, 3, 3]),
        "stride": random.choice([1, 1, 1, 2]),
        "padding": random.choice([0, 0, 1, "same"]),
        "dilation": random.choice([1, 1, 1, 2]),
        "bias": random.choice([False, "quantized"] + ["float"] * (accumulator is None)),
        "bias_bits": random.choice([None, 4, 8]),
        "accumulator": accumulator,
        "acc_bits": random.choice([4, 6, 8, "narrowed"]),
        "keep_scale": random.random() < 0.3,
        "input_quant": None if plain or random.random() < 0.85 else _activation(random, exact, "identity"),
    }


# building


@dataclass(frozen=True)
class Stream:
    """A stream of a network under construction: values on some data, and the quantizer that made them."""

    values: Tensor
    maker: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return tuple(self.values.shape[1:])


class Builder:
    """Makes the layers of a plan, one by one."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        torch.manual_seed(plan.seed)
        # no layer of the network owns it, so it is made double here
        pixel = None if plan.input_bits is None else self._pixel(plan.input_bits).double()
        self.streams = [Stream(self.data(8).float(), pixel)]
        self.quantizers: dict[int, Any] = {}

    @staticmethod
    def _pixel(bits: int) -> IntQuantizer:
        return IntQuantizer(bits=bits, scale=ConstScale(1.0, domain=POW2), signed=False)

    def network(self) -> Network:
        """The network, with random parameters, in float64 and evaluation."""
        layers = [self._layer(place, node) for place, node in enumerate(self.plan.nodes)]
        net = Network(layers, [node.inputs for node in self.plan.nodes]).double()
        self._settle(net)
        return net.eval()

    def _layer(self, place: int, node: Node) -> Any:
        entering = [self.streams[each] for each in node.inputs]
        layer, maker = getattr(self, f"_{node.kind}")(node, entering, place + 1)
        if isinstance(layer, nn.Module):
            layer.train()
        with torch.no_grad():
            values = layer(*(stream.values for stream in entering))
        self.streams.append(Stream(values, maker))
        return layer

    def _settle(self, net: Network) -> None:
        """Biases, batch norms and running scales that are no round numbers, or, where all is exact, short ones."""
        exact = self.plan.exact
        for module in net.modules():
            bias = getattr(module, "bias", None)
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.uniform_(module.weight, -1.5, 1.5)
            if isinstance(bias, nn.Parameter):
                nn.init.uniform_(bias, -0.4, 0.4)
                if exact:
                    bias.data = torch.round(bias.data * 64) / 64
        with torch.no_grad():
            net.train()(self.data(16))
        for module in net.modules():
            if exact and isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eps = 2.0**-10  # so that eps + variance is 1 in float32 too
                module.weight.data = torch.where(module.weight.data < 0, -1.0, 1.0).double()
                module.running_mean = torch.round(torch.randn(module.num_features).double() * 8) / 64
                module.running_var = torch.full((module.num_features,), 1 - module.eps, dtype=torch.float64)

    def data(self, count: int) -> Tensor:
        """(count, *shape), float64: multiples of the step where integers enter."""
        shape = (count, *self.plan.shape)
        if self.plan.input_bits is None:
            x = torch.randn(shape, dtype=torch.float64)
            return torch.round(x * 64) / 64 if self.plan.exact else x
        return torch.randint(0, 2**self.plan.input_bits, shape).double() * self.step

    @property
    def step(self) -> float:
        """Value of one integer that enters, where integers do."""
        return 2.0 ** -(self.plan.input_bits or 0)

    # each builder returns the layer, and the quantizer whose grid the values are on (None: none)

    def _activation(self, node: Node, entering: list[Stream], place: int) -> tuple[nn.Module, Any]:
        options, (stream,) = node.options, entering
        kind = options["curve"]
        quantizer = self._quantizer(options, stream.shape, signed=SIGNED.get(kind))
        self.quantizers[place] = quantizer
        if kind == "affine":
            return QuantAffine(quantizer, gain=0.5, offset=-0.25), quantizer
        return ACTIVATIONS[kind](quantizer), quantizer

    def _quantizer(self, options: Options, shape: tuple[int, ...], *, signed: bool | None = None) -> Any:
        earlier = list(self.quantizers.values())
        if options["share"] is not None and earlier and options["widths"] == options["steps"] == "one":
            shared = earlier[-1]
            fits = isinstance(shared, IntQuantizer) and not shared.per_channel and not shared.several
            if fits and options["share"] == "quantizer" and signed in (None, shared.signed):
                return shared
            if fits and options["coding"] == "int":
                want = options["signed"] if signed is None else signed
                bits: Any = shared.bits if options["share"] == "bits" and (shared.bits.base >= 2) else 3
                scale = shared.scale if options["share"] == "scale" else self._scale(options, shape)
                return IntQuantizer(bits=bits, scale=scale, signed=want)
        want = options["signed"] if signed is None else signed
        if options["coding"] == "binary" and want:
            return BinaryQuantizer(scale=self._scale(options, shape), clipped=True)
        if options["coding"] == "ternary" and want:
            return TernaryQuantizer(scale=self._scale(options, shape))
        least = 2 if want else 1
        width = max(options["bits"], least)
        bits = LearnedBits(width, base=least) if options["learned"] else width
        if options["widths"] == "per channel":
            bits = LearnedBits(width, base=least, shape=(1, shape[0], *[1] * (len(shape) - 1)))
            bits.offset.data = torch.randint(0, 4, bits.offset.shape).float()
        narrow = options["narrow"] and want
        return IntQuantizer(bits=bits, scale=self._scale(options, shape), signed=want, narrow=narrow)

    def _scale(self, options: Options, shape: tuple[int, ...]) -> Any:
        domain = {"float": FLOAT, "log": LOG, "pow2": POW2}[options["domain"]]
        per_channel = options["steps"] == "per channel" and shape[0] > 1
        start: Any = options["start"] * (1 if self.plan.exact else 1 + 0.2 * float(torch.rand(())))
        if per_channel:
            start = start * torch.exp2(torch.randint(-1, 2, (1, shape[0], *[1] * (len(shape) - 1))).float())
        if options["scale"] == "running":
            place = {"channel_dim": 1, "channels": shape[0]} if per_channel else {}
            return RunningScale(abs_max, domain=domain, **place)
        return ConstScale(start, domain=domain) if options["scale"] == "const" else LearnedScale(start, domain=domain)

    def _weight_quant(self, options: Options, weight: tuple[int, ...], row: int = 0, *, groups: int = 1) -> Any:
        per_channel = options["per_channel"] and not (row == 1 and groups > 1)
        domain = POW2 if options["domain"] == "pow2" else FLOAT
        place = row if per_channel else None
        coding = options["coding"]
        if coding == "binary":
            return BinaryQuantizer(scale=StatScale(abs_mean, channel_dim=place, domain=domain))
        if coding == "ternary":
            return TernaryQuantizer(scale=StatScale(abs_mean, channel_dim=place, domain=domain))
        if coding == "bounded" and row == 0:
            scale: Any = StatScale(abs_max, channel_dim=place, domain=domain)
            return BoundedQuantizer(bits=options["bits"], scale=scale, acc_bits=12, input_bits=6)
        base = 0 if options["pruned"] else 2
        bits: Any = LearnedBits(options["bits"], base=base) if options["learned"] else options["bits"]
        if options["widths"] != "one":
            shape = (
                weight if options["widths"] == "per weight" else [n if d == row else 1 for d, n in enumerate(weight)]
            )
            if not (row == 1 and groups > 1):
                bits = LearnedBits(options["bits"], base=base, shape=tuple(shape))
                bits.offset.data = torch.randint(0, 5, bits.offset.shape).float()
        if options["scale"] == "learned":
            scale = LearnedScale.from_stat(abs_max, channel_dim=place, domain=domain)
        elif options["scale"] == "const" and place is None:
            scale = ConstScale(0.5 if self.plan.exact else 0.5 + 0.2 * float(torch.rand(())), domain=domain)
        else:
            scale = StatScale(abs_max, channel_dim=place, domain=domain)
        return IntQuantizer(bits=bits, scale=scale, signed=True, narrow=domain is FLOAT)

    def _behind(self, options: Options, stream: Stream) -> Options:
        """What products share: bias, accumulator, input quantizer, source."""
        chosen: Options = {"bias": bool(options["bias"])}
        input_quant = options["input_quant"]
        if input_quant is not None:
            chosen["input_quant"] = self._quantizer(input_quant, stream.shape)
        needs = options["bias"] == "quantized" or options["accumulator"] is not None
        if options["bias"] == "quantized":
            chosen["bias_quant"] = BiasQuantizer(bits=options["bias_bits"])
        mode = options["accumulator"]
        if mode is not None:
            bits: Any = options["acc_bits"]
            chosen["accumulator"] = Accumulator(
                bits=NarrowedBits(2) if bits == "narrowed" else bits,
                mode=mode,
                keep_scale=mode == "truncate" and options["keep_scale"],
            )
        if needs and input_quant is None:
            chosen["source"] = stream.maker
        return chosen

    def _conv(self, node: Node, entering: list[Stream], place: int, *, groups: int = 1, same: bool = False) -> Any:
        options, (stream,) = node.options, entering
        inputs, rank = stream.shape[0], len(stream.shape) - 1
        outputs = inputs if same else options["outputs"]
        if groups != 1:
            groups = inputs if groups == 0 else (2 if inputs % 2 == 0 else 1)
            outputs = groups * max(1, outputs // groups)
        kernel = min(3 if same else options["kernel"], *stream.shape[1:]) if stream.shape[1:] else 1
        make: Any = QuantConv2d if rank == 2 else QuantConv1d
        return make(
            inputs,
            outputs,
            kernel,
            stride=1 if same else options["stride"],
            padding="same" if same else options["padding"],
            dilation=1 if kernel > 2 or same else options["dilation"],
            groups=groups,
            weight_quant=self._weight_quant(options, (outputs, inputs // groups, *[kernel] * rank)),
            **self._behind(options, stream),
        ), None

    def _depthwise(self, node: Node, entering: list[Stream], place: int) -> Any:
        return self._conv(node, entering, place, groups=0)

    def _grouped(self, node: Node, entering: list[Stream], place: int) -> Any:
        return self._conv(node, entering, place, groups=2)

    def _same_conv(self, node: Node, entering: list[Stream], place: int) -> Any:
        return self._conv(node, entering, place, same=True)

    def _transposed(self, node: Node, entering: list[Stream], place: int) -> Any:
        options, (stream,) = node.options, entering
        inputs, outputs, kernel, stride = stream.shape[0], options["outputs"], options["kernel"], options["stride"]
        groups = inputs if options["dilation"] == 2 else 1
        outputs = groups * max(1, outputs // groups)
        return QuantConvTranspose2d(
            inputs,
            outputs,
            kernel,
            stride,
            min(1, kernel - 1) if options["padding"] == 1 else 0,
            stride - 1,
            groups=groups,
            weight_quant=self._weight_quant(options, (inputs, outputs // groups, kernel, kernel), 1, groups=groups),
            **self._behind(options, stream),
        ), None

    def _linear(self, node: Node, entering: list[Stream], place: int, *, same: bool = False) -> Any:
        options, (stream,) = node.options, entering
        inputs = stream.shape[0]
        outputs = inputs if same else options["outputs"]
        quantizer = self._weight_quant(options, (outputs, inputs))
        return QuantLinear(inputs, outputs, weight_quant=quantizer, **self._behind(options, stream)), None

    def _same_linear(self, node: Node, entering: list[Stream], place: int) -> Any:
        return self._linear(node, entering, place, same=True)

    def _norm(self, node: Node, entering: list[Stream], place: int) -> Any:
        (stream,) = entering
        return (nn.BatchNorm2d if len(stream.shape) == 3 else nn.BatchNorm1d)(stream.shape[0]), None

    def _relu(self, node: Node, entering: list[Stream], place: int) -> Any:
        return (nn.ReLU(), torch.relu)[place % 2], None

    def _identity(self, node: Node, entering: list[Stream], place: int) -> Any:
        return nn.Identity(), entering[0].maker

    def _dropout(self, node: Node, entering: list[Stream], place: int) -> Any:
        return nn.Dropout(0.0), entering[0].maker

    def _contiguous(self, node: Node, entering: list[Stream], place: int) -> Any:
        return _contiguous, entering[0].maker

    def _flatten(self, node: Node, entering: list[Stream], place: int) -> Any:
        form = {"method": _flattened, "function": _flat_function}.get(node.options.get("form", ""), nn.Flatten())
        return form, entering[0].maker

    def _max_pool(self, node: Node, entering: list[Stream], place: int) -> Any:
        options, (stream,) = node.options, entering
        size, rank = options["size"], len(stream.shape) - 1
        chosen = {
            "stride": options["stride"],
            "padding": min(options["padding"], size // 2),
            "ceil_mode": options["ceil"],
        }
        if options["function"] and rank == 2:
            return _pooled(size, chosen), stream.maker
        return (nn.MaxPool2d if rank == 2 else nn.MaxPool1d)(size, **chosen), stream.maker

    def _avg_pool(self, node: Node, entering: list[Stream], place: int) -> Any:
        options, (stream,) = node.options, entering
        chosen = {"truncate": options["truncate"]}
        if options["truncate"]:
            chosen |= {"corrected": options["corrected"], "most": options["most"], "source": stream.maker}
        return QuantAvgPool2d(options["size"], options["stride"], **chosen), None

    def _scale_bias(self, node: Node, entering: list[Stream], place: int) -> Any:
        options, (stream,) = node.options, entering
        scale = StatScale(abs_max, channel_dim=0 if options["per_channel"] else None, domain=POW2)
        quantized = options["bias"] == "quantized"
        entered = self._pixel(4) if options["input_quant"] else None
        layer = QuantScaleBias(
            stream.shape[0],
            bool(options["bias"]),
            weight_quant=IntQuantizer(bits=options["bits"], scale=scale),
            input_quant=entered,
            bias_quant=BiasQuantizer(bits=6) if quantized else None,
            source=stream.maker if quantized and entered is None else None,
        )
        return layer, None

    def _sum(self, node: Node, entering: list[Stream], place: int) -> Any:
        quantizer = self.quantizers.get(node.options["share"])
        if quantizer is None:  # its grid was left out of the plan
            quantizer = IntQuantizer(bits=4, scale=LearnedScale(1.0, domain=POW2))
        return QuantAdd(quantizer, ready=node.options["ready"]), None

    def _concat(self, node: Node, entering: list[Stream], place: int) -> Any:
        quantizer = self._quantizer(node.options["quant"], entering[0].shape)
        return QuantConcat(quantizer), quantizer

    def _argmax(self, node: Node, entering: list[Stream], place: int) -> Any:
        return _largest, None


def _contiguous(x: Tensor) -> Tensor:
    return x.contiguous()


def _flattened(x: Tensor) -> Tensor:
    return x.flatten(1)


def _flat_function(x: Tensor) -> Tensor:
    return torch.flatten(x, 1)


def _largest(x: Tensor) -> Tensor:
    return x.argmax(1)


def _pooled(size: int, options: Options) -> Callable[[Tensor], Tensor]:
    return lambda x: F.max_pool2d(x, size, **options)


SIGNED = {"relu": False, "sigmoid": False, "hardtanh": True, "tanh": True}
ACTIVATIONS: dict[str, Callable[[Any], nn.Module]] = {
    "identity": QuantIdentity,
    "relu": QuantReLU,
    "hardtanh": QuantHardTanh,
    "sigmoid": QuantSigmoid,
    "tanh": QuantTanh,
}
