"""Random QONNX graphs, sound and malformed, in the forms that tools write; every number dyadic, so that sums are exact.

A plan is drawn from a seed: a chain of parts, each of a group (a kind of node, or a way to write one). `drawn` gives
the model and the names of its groups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
LAST = "qonnx.custom_op.channels_last"
ROUNDINGS = ("ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN", "round")


@dataclass
class Stream:
    """The current end of a chain: its name, its shape with the batch, and the step of its integers, if it has one."""

    name: str
    shape: tuple[int, ...]
    step: float | None = None


@dataclass
class Builder:
    """A graph under construction.

    Attributes:
        draw: source of randomness.
        nodes, constants, groups: so far.
        domain: of the quantizers.
        shapes: of tensors for which the executor cannot infer them.
    """

    draw: np.random.Generator
    domain: str = DOMAINS[0]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    opset: int = 13
    trunc: int = 1
    count: int = 0
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def pick(self, choices: Sequence[Any]) -> Any:
        return choices[int(self.draw.integers(len(choices)))]

    def chance(self, share: float) -> bool:
        return bool(self.draw.random() < share)

    def fresh(self, stem: str = "t") -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def constant(self, value: Any, kind: Any = np.float32, stem: str = "c") -> str:
        name = self.fresh(stem)
        self.constants.append(numpy_helper.from_array(np.asarray(value).astype(kind), name))
        return name

    def add(self, op: str, *inputs: str, domain: str = "", outputs: int = 1, **options: Any) -> str:
        names = [self.fresh() for _ in range(outputs)]
        label = self.pick((f"node{self.count}", "keys", "Q", "l.1", "l_1", f"/a/{op}_{self.count}"))
        self.nodes.append(helper.make_node(op, list(inputs), names, name=label, domain=domain, **options))
        return names[0]

    def dyadic(self, shape: tuple[int, ...], most: int = 8, unit: float = 0.25) -> np.ndarray:
        return self.draw.integers(-most, most + 1, shape) * unit

    def step(self) -> float:
        return float(self.pick((0.125, 0.25, 0.5, 1.0)))

    def quantized(self, x: str, step: Any, bits: int, *, signed: int = 1, narrow: int = 0, **options: Any) -> str:
        numbers = [self.constant(step), self.constant(options.pop("zero", 0.0)), self.constant(float(bits))]
        op = self.pick(("Quant", "Quant", "IntQuant"))
        options.setdefault("rounding_mode", "ROUND")
        return self.add(op, x, *numbers, domain=self.domain, signed=signed, narrow=narrow, **options)

    def weight(self, shape: tuple[int, ...], axis: int) -> tuple[str, float | None]:
        """A quantized constant; its steps lie along an axis, or are one. Returns that one."""
        form = self.pick(("quant", "quant", "quant", "channel", "bipolar", "qcdq", "int8", "rounded", "less"))
        values = self.constant(self.dyadic(shape, 12, 0.125), stem="w")
        step = self.step()
        along = [size if place == axis else 1 for place, size in enumerate(shape)]
        if form == "bipolar":
            return self.add("BipolarQuant", values, self.constant(step), domain=self.domain), step
        if form == "channel":
            steps = np.array([self.step() for _ in range(shape[axis])]).reshape(along)
            made = self.quantized(values, steps, int(self.draw.integers(2, 6)), narrow=int(self.chance(0.5)))
            return made, None
        if form == "qcdq":
            scale, zero = self.constant(step), self.constant(0, np.int8)
            codes = self.add("QuantizeLinear", values, scale, zero)
            clipped = self.add("Clip", codes, self.constant(-7, np.int8), self.constant(7, np.int8))
            return self.add("DequantizeLinear", clipped, scale, zero), step
        if form == "int8":
            whole = self.constant(self.draw.integers(-7, 8, shape), np.int8)
            return self.add("DequantizeLinear", whole, self.constant(step), self.constant(0, np.int8)), step
        if form == "rounded":
            scale = self.constant(step)
            whole = self.add("Round", self.add("Div", values, scale))
            clipped = self.add("Clip", whole, self.constant(-8.0), self.constant(7.0))
            return self.add("Mul", clipped, scale), step
        if form == "less":
            below = self.add("Less", values, self.constant(0.0))
            return self.add("Where", below, self.constant(-step), self.constant(step)), step
        bits, signed = int(self.draw.integers(2, 6)), int(self.chance(0.8))
        options = {"rounding_mode": self.pick(ROUNDINGS)} if self.chance(0.3) else {}
        made = self.quantized(values, step, bits, signed=signed, narrow=int(self.chance(0.5)), **options)
        return made, step


Part = Callable[[Builder, Stream], Stream]


def rank(*ranks: int) -> Callable[[Part], Part]:
    """Note the ranks of streams that a part takes."""

    def mark(part: Part) -> Part:
        part.ranks = ranks  # type: ignore[attr-defined]
        return part

    return mark


@rank(2, 3, 4)
def quant(b: Builder, s: Stream) -> Stream:
    bits, signed, narrow = int(b.draw.integers(1, 7)), int(b.chance(0.6)), int(b.chance(0.3))
    step: Any = b.step()
    options: dict[str, Any] = {}
    if b.chance(0.4):
        options["rounding_mode"] = b.pick(ROUNDINGS)
    if b.chance(0.15):
        options["zero"] = float(b.draw.integers(-3, 4))
    if b.chance(0.15) and len(s.shape) > 2:
        steps = np.array([b.step() for _ in range(s.shape[1])]).reshape(1, -1, *[1] * (len(s.shape) - 2))
        return Stream(b.quantized(s.name, steps, bits, signed=signed, narrow=narrow, **options), s.shape)
    return Stream(b.quantized(s.name, step, bits, signed=signed, narrow=narrow, **options), s.shape, step)


@rank(2, 3, 4)
def bipolar(b: Builder, s: Stream) -> Stream:
    step = b.step()
    if b.chance(0.5):
        return Stream(b.add("BipolarQuant", s.name, b.constant(step), domain=b.domain), s.shape, step)
    below = b.add("Less", s.name, b.constant(0.0))
    return Stream(b.add("Where", below, b.constant(-step), b.constant(step)), s.shape, step)


@rank(2, 3, 4)
def qcdq(b: Builder, s: Stream) -> Stream:
    signed, step = b.chance(0.5), b.step()
    kind = np.int8 if signed else np.uint8
    zero = int(b.draw.integers(-3, 4)) if b.chance(0.3) else 0
    zero = max(zero, 0) if not signed else zero
    scale, axis, options = b.constant(step), 1, {}
    if b.chance(0.2) and len(s.shape) > 2:
        scale = b.constant([b.step() for _ in range(s.shape[1])])
        options = {"axis": axis}
        place = b.constant(np.full(s.shape[1], zero), kind)
    else:
        place = b.constant(zero, kind)
    codes = b.add("QuantizeLinear", s.name, scale, place, **options)
    if b.chance(0.7):
        low, high = (-8, 7) if signed else (0, b.pick((7, 15, 6)))
        codes = b.add("Clip", codes, b.constant(low, kind), b.constant(high, kind))
    made = b.add("DequantizeLinear", codes, scale, place, **options)
    return Stream(made, s.shape, None if options else step)


@rank(2, 3, 4)
def rounded(b: Builder, s: Stream) -> Stream:
    step = b.step()
    scale = b.constant(step)
    whole = b.add(b.pick(("Round", "Floor", "Ceil")), b.add("Div", s.name, scale))
    if b.chance(0.8):
        whole = b.add("Clip", whole, b.constant(-8.0), b.constant(7.0))
    return Stream(b.add("Mul", whole, scale), s.shape, step)


@rank(2, 3, 4)
def multi_threshold(b: Builder, s: Stream) -> Stream:
    levels, rows = int(b.pick((1, 3, 7))), s.shape[1] if b.chance(0.6) else 1
    thresholds = np.sort(b.dyadic((rows, levels), 16, 0.25), axis=1)
    scale = b.step()
    bias = float(b.pick((0.0, -scale, -2 * scale, -scale / 2, 0.3125)))
    options = {} if len(s.shape) == 3 else {"data_layout": {2: "NC", 4: "NCHW"}[len(s.shape)]}
    if len(s.shape) == 3:
        options = {"data_layout": "NCW"}
    elif b.chance(0.3):
        options = {}
    made = b.add(
        "MultiThreshold",
        s.name,
        b.constant(thresholds),
        domain=b.domain,
        out_dtype="UINT4",
        out_scale=scale,
        out_bias=bias,
        **options,
    )
    return Stream(made, s.shape, scale)


@rank(2)
def matmul(b: Builder, s: Stream) -> Stream:
    outputs, features = int(b.draw.integers(1, 6)), s.shape[1]
    form = b.pick(("MatMul", "Gemm", "Gemm", "Transpose"))
    if form == "MatMul":
        weight, step = b.weight((features, outputs), 1)
        made = b.add("MatMul", s.name, weight)
    elif form == "Transpose":
        weight, step = b.weight((outputs, features), 0)
        made = b.add("MatMul", s.name, b.add("Transpose", weight, perm=[1, 0]))
    else:
        turned = int(b.chance(0.5))
        weight, step = b.weight((outputs, features) if turned else (features, outputs), 1 - turned)
        options: dict[str, Any] = {"transB": turned} if turned else {}
        if b.chance(0.2):
            options |= {"alpha": 0.5}
        inputs = [s.name, weight]
        if b.chance(0.5):
            shape = b.pick(((outputs,), (1, outputs), (1,), ()))
            inputs.append(b.constant(b.dyadic(shape)))
            options |= {"beta": 2.0} if b.chance(0.2) else {}
            step = None
        made = b.add("Gemm", *inputs, **options)
        step = step if "alpha" not in options else None
    if form != "Gemm" and b.chance(0.4):
        made = b.add("Add", made, b.constant(b.dyadic(b.pick(((outputs,), (1, outputs))))))
        step = None
    return Stream(made, (s.shape[0], outputs), None if step is None or s.step is None else step * s.step)


def conv_sizes(b: Builder, image: tuple[int, ...]) -> tuple[list[int], dict[str, Any], tuple[int, ...]]:
    """A kernel, attributes, and the size of the image that leaves."""
    count = len(image)
    kernel = [int(b.draw.integers(1, min(4, size + 1))) for size in image]
    stride = [int(b.draw.integers(1, 3)) for _ in image]
    dilation = [1 if size < 2 * taps or b.chance(0.8) else 2 for size, taps in zip(image, kernel, strict=True)]
    options: dict[str, Any] = {}
    if b.chance(0.7) or max(stride) > 1:
        options["strides"] = stride
    else:
        stride = [1] * count
    if max(dilation) > 1 or b.chance(0.3):
        options["dilations"] = dilation
    way = b.pick(("none", "even", "uneven", "SAME_UPPER", "SAME_LOWER", "VALID"))
    if way.startswith("SAME") and any(taps < step for taps, step in zip(kernel, stride, strict=True)):
        way = "none"  # onnxruntime makes the padding negative
    before = after = [0] * count
    if way == "even":
        before = after = [int(b.draw.integers(0, (taps + 1) // 2 + 1) if taps > 1 else 0) for taps in kernel]
    elif way == "uneven":
        before, after = ([int(b.draw.integers(0, (taps + 1) // 2)) for taps in kernel] for _ in range(2))
    if way in ("even", "uneven"):
        options["pads"] = [*before, *after]
    elif way != "none":
        options["auto_pad"] = way
    if way.startswith("SAME"):
        out = tuple(-(-size // step) for size, step in zip(image, stride, strict=True))
        if max(dilation) > 1:
            options.pop("dilations")
            dilation = [1] * count
    else:
        sizes = zip(image, kernel, stride, dilation, before, after, strict=True)
        out = tuple((size + a + z - (taps - 1) * d - 1) // step + 1 for size, taps, step, d, a, z in sizes)
    return kernel, options, out


@rank(3, 4)
def conv(b: Builder, s: Stream) -> Stream:
    channels, image = s.shape[1], s.shape[2:]
    groups = b.pick([g for g in (1, 1, channels) if channels % g == 0])
    outputs = groups * int(b.draw.integers(1, 4))
    name, shape = s.name, image
    if b.chance(0.15):
        widths = [int(b.draw.integers(0, 2)) for _ in range(2 * len(image))]
        count = len(image)
        pads = [0, 0, *widths[:count], 0, 0, *widths[count:]]
        name = b.add("Pad", name, b.constant(pads, np.int64), *([b.constant(0.0)] if b.chance(0.5) else []))
        shape = tuple(size + widths[i] + widths[i + count] for i, size in enumerate(image))
    kernel, options, out = conv_sizes(b, shape)
    weight, step = b.weight((outputs, channels // groups, *kernel), 0)
    inputs = [name, weight]
    if b.chance(0.3):
        inputs.append(b.constant(b.dyadic((outputs,))))
        step = None
    if groups > 1:
        options["group"] = groups
    if b.chance(0.7):
        options["kernel_shape"] = kernel
    made = b.add("Conv", *inputs, **options)
    return Stream(made, (s.shape[0], outputs, *out), None if step is None or s.step is None else step * s.step)


@rank(4)
def conv_transpose(b: Builder, s: Stream) -> Stream:
    channels, image = s.shape[1], s.shape[2:]
    outputs, kernel = int(b.draw.integers(1, 4)), [int(b.draw.integers(1, 4)) for _ in image]
    stride = [int(b.draw.integers(1, 3)) for _ in image]
    pads = [int(b.draw.integers(0, (taps + 1) // 2)) for taps in kernel]
    more = [int(b.chance(0.3)) if step > 1 else 0 for step in stride]
    weight, step = b.weight((channels, outputs, *kernel), 1)
    made = b.add(
        "ConvTranspose", s.name, weight, strides=stride, pads=[*pads, *pads], output_padding=more, kernel_shape=kernel
    )
    sizes = zip(image, kernel, stride, pads, more, strict=True)
    out = tuple((size - 1) * st - 2 * p + k + extra for size, k, st, p, extra in sizes)
    return Stream(made, (s.shape[0], outputs, *out), None if step is None or s.step is None else step * s.step)


@rank(4)
def channels_last(b: Builder, s: Stream) -> Stream:
    turned = b.add("Transpose", s.name, perm=[0, 2, 3, 1])
    channels, (height, width) = s.shape[1], s.shape[2:]
    b.shapes |= {s.name: s.shape, turned: (s.shape[0], height, width, channels)}
    kind = b.pick(("Conv", "MaxPool", "Quant"))
    step, out = s.step, (s.shape[0], channels, height, width)
    if kind == "Conv":
        outputs = int(b.draw.integers(1, 4))
        values, step = b.weight((outputs, 1, 1, channels), 0)
        b.shapes[values] = (outputs, 1, 1, channels)
        turned = b.add(
            "Conv",
            turned,
            values,
            domain=LAST,
            kernel_shape=[1, 1],
            strides=[1, 1],
            pads=[0] * 4,
            dilations=[1, 1],
            group=1,
        )
        out = (s.shape[0], outputs, height, width)
        step = None if step is None or s.step is None else step * s.step
    elif kind == "MaxPool" and min(height, width) > 1:
        turned = b.add(
            "MaxPool", turned, domain=LAST, kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4, dilations=[1, 1]
        )
        out = (s.shape[0], channels, height // 2, width // 2)
    else:
        step = b.step()
        turned = b.quantized(turned, step, 4)
    b.shapes[turned] = (out[0], out[2], out[3], out[1])
    if b.chance(0.5):
        turned = b.add("Relu", turned)
        step = None
    if b.chance(0.8):
        return Stream(b.add("Transpose", turned, perm=[0, 3, 1, 2]), out, step)
    return Stream(turned, (out[0], out[2], out[3], out[1]), step)


@rank(2, 3, 4)
def norm(b: Builder, s: Stream) -> Stream:
    channels = s.shape[1]
    numbers = [b.dyadic((channels,)), b.dyadic((channels,)), b.dyadic((channels,))]
    variance = b.draw.choice([0.75, 3.75], channels)
    inputs = [b.constant(one) for one in (*numbers, variance)]
    options = {"momentum": 0.9} if b.chance(0.5) else {}
    return Stream(b.add("BatchNormalization", s.name, *inputs, epsilon=0.25, **options), s.shape)


@rank(2, 3, 4)
def affine(b: Builder, s: Stream) -> Stream:
    op = b.pick(("Add", "Sub", "Mul", "Div"))
    shapes = [(), (1,), (1, s.shape[1], *[1] * (len(s.shape) - 2)), (s.shape[-1],), (1, *s.shape[1:])]
    shape = b.pick(shapes)
    numbers = b.dyadic(shape) if op in ("Add", "Sub") else b.draw.choice([0.5, 1.0, 2.0, 4.0, -2.0], shape)
    inputs = [s.name, b.constant(numbers)]
    if op != "Div" and b.chance(0.3):
        inputs.reverse()
    return Stream(b.add(op, *inputs), s.shape)


@rank(2, 3, 4)
def factors(b: Builder, s: Stream) -> Stream:
    shape = (1, s.shape[1], *[1] * (len(s.shape) - 2))
    made = b.quantized(b.constant(b.dyadic(shape)), b.step(), 4)
    return Stream(b.add("Mul", s.name, made), s.shape)


@rank(2, 3, 4)
def add_streams(b: Builder, s: Stream) -> Stream:
    step = b.step()
    left = b.quantized(s.name, step, 4)
    other = step if b.chance(0.5) else b.pick((step * 2, step / 4, step * 3))
    right = b.quantized(b.add("Relu", s.name), other, 3, signed=int(b.chance(0.5)))
    if b.chance(0.2):
        right = b.add("Add", right, b.constant(0.5))
    return Stream(b.add("Add", left, right), s.shape, min(step, other))


@rank(2, 3, 4)
def multiply(b: Builder, s: Stream) -> Stream:
    """Two streams multiplied, one of them a gate of one element for each channel, perhaps."""
    left = b.quantized(s.name, 0.5, 4)
    gate = len(s.shape) == 4 and b.chance(0.5)
    right = b.quantized(b.add("GlobalMaxPool", s.name) if gate else s.name, b.step(), 3, signed=int(b.chance(0.5)))
    return Stream(b.add("Mul", *b.pick(((left, right), (right, left)))), s.shape)


@rank(2)
def add_products(b: Builder, s: Stream) -> Stream:
    x = b.quantized(s.name, 0.25, 4)
    outputs, first, second = 3, b.step(), b.step()
    products = []
    for step in (first, second):
        values = b.constant(b.dyadic((s.shape[1], outputs), 12, 0.125))
        products.append(b.add("MatMul", x, b.quantized(values, step, 4)))
    if b.chance(0.3):
        products[0] = b.add("Add", products[0], b.constant(b.dyadic((outputs,))))
    return Stream(b.add("Add", *products), (s.shape[0], outputs), 0.25 * min(first, second))


@rank(2)
def shared(b: Builder, s: Stream) -> Stream:
    """A product that is read twice: through a bias, and bare."""
    values = b.constant(b.dyadic((s.shape[1], 4), 12, 0.125))
    made = b.add("MatMul", b.quantized(s.name, 0.25, 4), b.quantized(values, 0.25, 4))
    biased = b.add("Add", made, b.constant([1.0, 2.0, 3.0, 4.0]))
    left, right = b.quantized(biased, 0.5, 4), b.quantized(made, 0.5, 4)
    return Stream(b.add("Add", left, right), (s.shape[0], 4), 0.5)


@rank(3, 4)
def concat(b: Builder, s: Stream) -> Stream:
    step = b.step()
    other = step if b.chance(0.8) else step * 2
    left, right = b.quantized(s.name, step, 4), b.quantized(s.name, other, 3)
    axis = b.pick((1, 1, 1 - len(s.shape), len(s.shape) - 1))
    shape = list(s.shape)
    shape[axis] *= 2
    return Stream(b.add("Concat", left, right, axis=axis), tuple(shape), step)


@rank(3, 4)
def max_pool(b: Builder, s: Stream) -> Stream:
    kernel, options, out = conv_sizes(b, s.shape[2:])
    if "auto_pad" not in options and b.chance(0.4):
        options["ceil_mode"] = 1
        out = None  # type: ignore[assignment]
    pads = options.get("pads", [0] * 2 * len(kernel))
    if any(pad >= taps for pad, taps in zip(pads, kernel * 2, strict=True)):
        options.pop("pads")
        out = None  # type: ignore[assignment]
    made = b.add("MaxPool", s.name, kernel_shape=kernel, **options)
    return Stream(made, (*s.shape[:2], *out) if out is not None else measured(b, made, s), s.step)


@rank(3, 4)
def average(b: Builder, s: Stream) -> Stream:
    step = b.step()
    x = b.quantized(s.name, step, 4, signed=int(b.chance(0.5)))
    image = s.shape[2:]
    side = b.pick([k for k in (2, 3) if k <= min(image)] or [1])
    form = b.pick(("plain", "plain", "area", "trunc", "any"))
    if form == "any":
        kernel, options, _ = conv_sizes(b, image)
        for name in ("dilations", "auto_pad"):
            options.pop(name, None)
        pads = options.get("pads", [])
        if any(pad >= taps for pad, taps in zip(pads, kernel * 2, strict=False)):
            options.pop("pads")
        options |= {"count_include_pad": 1} if b.chance(0.5) else {}
        options |= {"ceil_mode": 1} if b.chance(0.3) else {}
        made = b.add("AveragePool", x, kernel_shape=kernel, **options)
        return Stream(made, measured(b, made, s))
    stride = [b.pick((1, 2))] * len(image)
    made = b.add("AveragePool", x, kernel_shape=[side] * len(image), strides=stride)
    shape = (*s.shape[:2], *[(size - side) // stride[0] + 1 for size in image])
    area = side ** len(image)
    if form == "plain":
        return Stream(made, shape, None)
    if form == "area":
        total = b.add("Mul", made, b.constant(float(area)))
        return Stream(b.quantized(total, step, 8), shape, step)
    shift = b.pick((0, 1, 2))
    if b.trunc == 1:
        total = b.add("Mul", made, b.constant(float(area)))
        numbers = [b.constant(float(one)) for one in (step, 0.0, 8.0, 8.0 - shift)]
        return Stream(b.add("Trunc", total, *numbers, domain=b.domain, rounding_mode="FLOOR"), shape, step)
    numbers = [b.constant(float(one)) for one in (step / area, 0.0, 8.0, step / area * 2**shift, 8.0)]
    options = {"signed": 1, "narrow": 0, "rounding_mode": b.pick(("FLOOR", "ROUND", "CEIL"))}
    return Stream(b.add("Trunc", made, *numbers, domain=b.domain, **options), shape, None)


@rank(2, 3, 4)
def trunc(b: Builder, s: Stream) -> Stream:
    """Trunc of codes, without an average."""
    step, signed = b.step(), int(b.chance(0.5))
    x = b.quantized(s.name, step, 6, signed=signed)
    shift, mode = b.pick((0, 1, 2)), b.pick(("FLOOR", "ROUND", "CEIL", "HALF_UP"))
    if b.trunc == 1:
        numbers = [b.constant(float(one)) for one in (step, 0.0, 6.0, 6.0 - shift)]
        return Stream(b.add("Trunc", x, *numbers, domain=b.domain, rounding_mode=mode), s.shape, step)
    numbers = [b.constant(float(one)) for one in (step, 0.0, 6.0, step * 2**shift, float(b.pick((3, 4, 6))))]
    options = {"signed": int(b.chance(0.5)), "narrow": int(b.chance(0.3)), "rounding_mode": mode}
    return Stream(b.add("Trunc", x, *numbers, domain=b.domain, **options), s.shape, step * 2**shift)


@rank(3, 4)
def whole_map(b: Builder, s: Stream) -> Stream:
    x = b.quantized(s.name, b.step(), 4)
    op = b.pick(("GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMean"))
    shape = (*s.shape[:2], *[1] * (len(s.shape) - 2))
    if op != "ReduceMean":
        return Stream(b.add(op, x), shape)
    keep = int(b.chance(0.5))
    made = b.add(op, x, axes=list(range(2, len(s.shape))), keepdims=keep)
    return Stream(made, shape if keep else s.shape[:2])


@rank(2, 3, 4)
def move(b: Builder, s: Stream) -> Stream:
    flat = (s.shape[0], prod(s.shape[1:]))
    forms = ("flatten", "reshape", "shape", "unsqueeze", "squeeze", "transpose", "identity", "dropout", "cast", "slice")
    form = b.pick(forms)
    if form == "slice" and s.shape[-1] > 2:
        ends = [b.constant([number], np.int64) for number in (1, b.pick((-1, 2, 9)), b.pick((-1, len(s.shape) - 1)))]
        made, last = b.add("Slice", s.name, *ends), b.constants[-2]
        stop = int(numpy_helper.to_array(last)[0])
        kept = len(range(s.shape[-1])[1:stop])
        return Stream(made, (*s.shape[:-1], kept), s.step)
    if form == "flatten":
        return Stream(b.add("Flatten", s.name, **b.pick(({}, {"axis": 1}))), flat, s.step)
    if form == "reshape":
        target = b.pick(([1, -1], [-1, flat[1]], [0, -1], list(s.shape)))
        out = s.shape if len(target) == len(s.shape) > 2 else flat
        return Stream(b.add("Reshape", s.name, b.constant(target, np.int64)), out, s.step)
    if form == "shape":  # as exporters of PyTorch write flatten
        size = b.add("Gather", b.add("Shape", s.name), b.constant(0, np.int64), axis=0)
        first = b.add("Unsqueeze", size, b.constant([0], np.int64))
        target = b.add("Concat", first, b.constant([-1], np.int64), axis=0)
        return Stream(b.add("Reshape", s.name, target), flat, s.step)
    if form == "unsqueeze" and len(s.shape) < 4:
        return Stream(b.add("Unsqueeze", s.name, b.constant([len(s.shape)], np.int64)), (*s.shape, 1), s.step)
    if form == "squeeze" and len(s.shape) > 2 and s.shape[-1] == 1:
        return Stream(b.add("Squeeze", s.name, b.constant([-1], np.int64)), s.shape[:-1], s.step)
    if form == "transpose" and len(s.shape) > 2:
        order = [0, *(int(axis) for axis in b.draw.permutation(range(1, len(s.shape))))]
        return Stream(b.add("Transpose", s.name, perm=order), tuple(s.shape[axis] for axis in order), s.step)
    if form == "dropout":
        return Stream(b.add("Dropout", s.name, b.constant(0.5)), s.shape, s.step)
    if form == "cast":
        return Stream(b.add("Cast", s.name, to=1), s.shape, s.step)
    return Stream(b.add("Identity", s.name), s.shape, s.step)


@rank(4)
def resize(b: Builder, s: Stream) -> Stream:
    scales = [1.0, 1.0, float(b.pick((1, 2, 3))), float(b.pick((1, 2)))]
    modes = b.pick(
        (
            ("asymmetric", "floor"),
            ("half_pixel", "round_prefer_floor"),
            ("asymmetric", "ceil"),
            ("align_corners", "floor"),
        )
    )
    made = b.add(
        "Resize",
        s.name,
        b.constant(np.zeros(0)),
        b.constant(scales),
        mode=b.pick(("nearest", "nearest", "nearest", "linear")),
        coordinate_transformation_mode=modes[0],
        nearest_mode=modes[1],
    )
    return Stream(made, (*s.shape[:2], *[int(n * f) for n, f in zip(s.shape[2:], scales[2:], strict=True)]), s.step)


@rank(4)
def depth_to_space(b: Builder, s: Stream) -> Stream:
    values = b.weight((8, s.shape[1], 1, 1), 0)[0]
    x = b.add("Conv", s.name, values)
    made = b.add("DepthToSpace", x, blocksize=2, **b.pick(({}, {"mode": "CRD"}, {"mode": "DCR"})))
    return Stream(made, (s.shape[0], 2, s.shape[2] * 2, s.shape[3] * 2))


@rank(2, 3, 4)
def function(b: Builder, s: Stream) -> Stream:
    op = b.pick(("Relu", "Sigmoid", "Tanh", "Clip", "LeakyRelu", "HardSigmoid", "PRelu", "Neg", "Elu"))
    numbers: dict[str, tuple[Any, ...]] = {"Clip": (0.0, 6.0), "PRelu": ([b.pick((0.25, 0.3))],)}
    options = {"LeakyRelu": {"alpha": 0.125}, "HardSigmoid": b.pick(({}, {"alpha": 1 / 6, "beta": 0.5}))}
    made = b.add(op, s.name, *(b.constant(each) for each in numbers.get(op, ())), **options.get(op, {}))
    if b.chance(0.7):
        step = 1 / 8 if op in ("Sigmoid", "Tanh") else b.step()
        return Stream(b.quantized(made, step, 4, signed=int(op == "Tanh" or b.chance(0.2))), s.shape, step)
    return Stream(made, s.shape)


@rank(2)
def tail(b: Builder, s: Stream) -> Stream:
    form = b.pick(("Softmax", "LogSoftmax", "ArgMax", "TopK", "both"))
    if form in ("Softmax", "LogSoftmax"):
        return Stream(b.add(form, s.name, axis=b.pick((-1, 1))), s.shape)
    name = b.add("Softmax", s.name, axis=-1) if form == "both" else s.name
    if form == "TopK":
        b.add("TopK", s.name, b.constant([1], np.int64), outputs=2, axis=-1, largest=1, sorted=1)
        return Stream(b.nodes[-1].output[1], (s.shape[0], 1))
    keep = int(b.chance(0.5))
    made = b.add("ArgMax", name, axis=b.pick((-1, 1)), keepdims=keep)
    return Stream(made, (s.shape[0], 1) if keep else (s.shape[0],))


@rank(2, 3, 4)
def unknown(b: Builder, s: Stream) -> Stream:
    """What no layer is there for; it must be refused, or be right."""
    form = b.pick(("Erf", "per input", "float weight", "domain"))
    if form == "per input" and len(s.shape) == 2:
        values = b.constant(b.dyadic((s.shape[1], 3)))
        steps = np.array([b.step() for _ in range(s.shape[1])]).reshape(-1, 1)
        return Stream(b.add("MatMul", s.name, b.quantized(values, steps, 4)), (s.shape[0], 3))
    if form == "float weight" and len(s.shape) == 2:
        return Stream(b.add("MatMul", s.name, b.constant(b.dyadic((s.shape[1], 3)))), (s.shape[0], 3))
    return Stream(b.add(form if form == "Erf" else "Abs", s.name), s.shape)


PARTS: dict[str, Part] = {
    part.__name__: part
    for part in (
        *(quant, bipolar, qcdq, rounded, multi_threshold, matmul, conv, conv_transpose, channels_last, norm, affine),
        *(
            factors,
            multiply,
            add_streams,
            add_products,
            shared,
            concat,
            max_pool,
            average,
            trunc,
            whole_map,
            move,
            resize,
        ),
        *(depth_to_space, function, tail, unknown),
    )
}
"""Group -> what adds one part of it to a chain."""


def measured(b: Builder, name: str, s: Stream) -> tuple[int, ...]:
    """The shape of a pool that is the last node; without ceil_mode where onnx and onnxruntime count windows apart."""
    node, port = b.nodes[-1], helper.make_tensor_value_info
    ends = [port(node.input[0], TensorProto.FLOAT, s.shape)], [port(name, TensorProto.FLOAT, None)]
    imports = [helper.make_opsetid("", b.opset)]
    made = helper.make_model(helper.make_graph([node], "g", *ends), opset_imports=imports, ir_version=8)
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    (out,) = session.run(None, {node.input[0]: np.zeros(s.shape, np.float32)})
    inferred = onnx.shape_inference.infer_shapes(made).graph.output[0].type.tensor_type.shape.dim
    if tuple(out.shape) == tuple(side.dim_value for side in inferred):
        return tuple(out.shape)
    kept = [one for one in node.attribute if one.name != "ceil_mode"]
    del node.attribute[:]
    node.attribute.extend(kept)
    return measured(b, name, s)


@dataclass(frozen=True)
class Graph:
    """A drawn graph.

    Attributes:
        model: as from_qonnx gets it.
        reference: the same for the qonnx executor, which knows one domain.
        groups: of its parts.
        broken: how it was broken on purpose; "" if it was not.
    """

    model: onnx.ModelProto
    reference: onnx.ModelProto
    groups: tuple[str, ...]
    broken: str = ""


def drawn(seed: int, only: str = "") -> Graph:
    """Draw a graph; `only` names a group that it has."""
    draw = np.random.default_rng(seed)
    b = Builder(draw, domain=DOMAINS[int(draw.integers(3))], trunc=int(draw.integers(1, 3)))
    b.opset = b.pick((13, 13, 14, 17))
    size = b.pick((2, 3, 4, 4))
    shape = (1, *(int(draw.integers(1, 5)) if place == 0 else int(draw.integers(3, 9)) for place in range(size - 1)))
    if size == 2:
        shape = (1, int(draw.integers(2, 7)))
    stream = Stream("x", shape)
    if b.chance(0.9):
        stream = quant(b, stream)
        b.groups.append("quant")
    names = sorted(PARTS)
    length = int(draw.integers(1, 6))
    wanted = [only] * bool(only)
    while len(b.groups) < length or wanted:
        pool = [n for n in (wanted or names) if len(stream.shape) in PARTS[n].ranks]  # type: ignore[attr-defined]
        if not pool:
            if len(stream.shape) > 2 and len(b.groups) < 12:
                stream = Stream(b.add("Flatten", stream.name), (1, prod(stream.shape[1:])), stream.step)
                continue
            break
        name = b.pick(pool)
        if min(stream.shape) < 1 or prod(stream.shape) > 4000:
            break
        stream = PARTS[name](b, stream)
        b.groups.append(name)
        wanted = []
        if name == "tail":
            break
    model, broken = _model(b, shape, stream, declared=b.chance(0.6)), ""
    if b.chance(0.2):
        kind = b.pick(BROKEN)
        broken = kind.__name__ if kind(b, model) else ""
    return Graph(model, _executable(model, b.trunc), tuple(b.groups), broken)


def _executable(model: onnx.ModelProto, trunc: int) -> onnx.ModelProto:
    """Write a model as the qonnx executor takes it: one domain, declared in the version of its Trunc."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    for node in made.graph.node:
        node.domain = DOMAINS[0] if node.domain in DOMAINS else node.domain
    standard = [one for one in made.opset_import if not one.domain]
    others = [helper.make_opsetid(DOMAINS[0], trunc), helper.make_opsetid(LAST, standard[0].version)]
    del made.opset_import[:]
    made.opset_import.extend([*standard, *others])
    return made


def _model(b: Builder, shape: tuple[int, ...], stream: Stream, *, declared: bool) -> onnx.ModelProto:
    port = helper.make_tensor_value_info
    whole = any(node.op_type in ("ArgMax", "TopK") for node in b.nodes[-1:])
    kind = TensorProto.INT64 if whole else TensorProto.FLOAT
    ends = [port("x", TensorProto.FLOAT, shape)], [port(stream.name, kind, stream.shape)]
    imports = [helper.make_opsetid("", b.opset)]
    if declared:
        used = sorted({node.domain for node in b.nodes} - {""})
        imports += [helper.make_opsetid(name, b.opset if name == LAST else b.trunc) for name in used]
    known = [port(name, TensorProto.FLOAT, shape) for name, shape in b.shapes.items() if name not in ("x", stream.name)]
    graph = helper.make_graph(b.nodes, "g", *ends, b.constants, value_info=known)
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def _quantizers(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type in ("Quant", "IntQuant")]


def attribute(b: Builder, model: onnx.ModelProto) -> bool:
    """An attribute that nothing knows."""
    found = _quantizers(model)
    if found:
        b.pick(found).attribute.append(helper.make_attribute(b.pick(("axis", "signd", "group_size")), 1))
    return bool(found)


def another_input(b: Builder, model: onnx.ModelProto) -> bool:
    """An input that nothing reads."""
    found = _quantizers(model)
    if found:
        node = b.pick(found)
        node.input.append(node.input[1])
    return bool(found)


def fewer_inputs(b: Builder, model: onnx.ModelProto) -> bool:
    """A node without its last input."""
    found = _quantizers(model)
    if found:
        b.pick(found).input.pop()
    return bool(found)


def number(b: Builder, model: onnx.ModelProto) -> bool:
    """A scale, width or zero point that makes no sense."""
    found = _quantizers(model)
    if found:
        name = b.pick(found).input[int(b.draw.integers(1, 4))]
        value = np.float32(b.pick((-1.0, float("nan"), float("inf"), 2.5, 1e9, -3.5)))
        for one in model.graph.initializer:
            if one.name == name:
                array = np.full_like(numpy_helper.to_array(one), value)
                one.CopyFrom(numpy_helper.from_array(array, name))
    return bool(found)


def rounding(b: Builder, model: onnx.ModelProto) -> bool:
    """A rounding that nobody defines."""
    found = _quantizers(model)
    if found:
        node = b.pick(found)
        kept = [one for one in node.attribute if one.name != "rounding_mode"]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute("rounding_mode", "SIDEWAYS")])
    return bool(found)


def domain(b: Builder, model: onnx.ModelProto) -> bool:
    """A domain that nobody knows."""
    found = _quantizers(model)
    if found:
        b.pick(found).domain = "com.example.fast"
    return bool(found)


def open_scale(b: Builder, model: onnx.ModelProto) -> bool:
    """A scale that the network computes."""
    found = [node for node in _quantizers(model) if node.input[0] != "x"]
    if found:
        b.pick(found).input[1] = "x"
    return bool(found)


BROKEN = (attribute, another_input, fewer_inputs, number, rounding, domain, open_scale)
"""Ways to break a graph; each must be refused."""
