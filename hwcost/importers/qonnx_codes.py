"""Nodes that quantize, of QONNX and FINN: Quant, IntQuant, BipolarQuant and MultiThreshold."""

from dataclasses import replace

import torch
from torch import Tensor

from hwcost.errors import UnknownOperation
from hwcost.importers.qonnx_node import Node
from hwcost.importers.qonnx_quantizers import bounds
from hwcost.importers.qonnx_reader import Reader
from hwcost.importers.qonnx_values import Codes, Value, by_channel, number
from hwcost.quant import ThresholdQuantizer
from hwcost.quant.grid_quantizer import ROUNDINGS


def rounding(node: Node, default: str) -> str:
    """Read the name of a rounding; ROUND is half to even."""
    name = str(node.attribute("rounding_mode", default)).upper()
    name = {"ROUND": "HALF_EVEN", "ROUND_TO_ZERO": "DOWN"}.get(name, name)
    if name not in ROUNDINGS:
        raise UnknownOperation(f"rounding_mode={name}; there are ROUND, {', '.join(ROUNDINGS)}")
    return name


def integer_quant(reader: Reader, node: Node) -> None:
    """Read Quant or IntQuant."""
    x, scale, zero, bits = (node.input(place) for place in range(4))
    signed, narrow = bool(node.attribute("signed", 1)), bool(node.attribute("narrow", 1))
    mode, offset = rounding(node, "ROUND"), reader.single(zero)
    width = reader.single(bits)
    step = reader.number(scale).double()
    if offset != round(offset):
        raise UnknownOperation(f"zero point {offset:g}; give a whole number")
    if width == 1 and signed:
        if offset:
            raise UnknownOperation("one signed bit, which is -1 and +1, with a zero point; give zero point 0")
        codes = Codes(step=step, factor=step, bipolar=True)
    else:
        low, high = bounds(width, signed, narrow)
        place = int(offset)
        codes = Codes(step=step, factor=step, rounding=mode, low=low - place, high=high - place, zero_point=place)
    _quantize(reader, node, x, codes)


def bipolar_quant(reader: Reader, node: Node) -> None:
    """Read BipolarQuant."""
    step = reader.number(node.input(1)).double()
    _quantize(reader, node, node.input(0), Codes(step=step, factor=step, bipolar=True))


def _quantize(reader: Reader, node: Node, x: str, codes: Codes) -> None:
    """Quantize a constant at once, and a stream where it is read."""
    if not bool(((codes.step > 0) & codes.step.isfinite()).all()):
        raise UnknownOperation(f"scale {codes.step.flatten()[:4].tolist()}; give numbers above 0")
    if x in reader.constants:
        constant(reader, node.output, reader.constants[x].float(), codes)
        return
    value = reader.read(x)
    reader.put(node, reader.quantized(value, aligned(value, codes), node.output))


def aligned(value: Value, codes: Codes) -> Codes:
    """Bring the steps of codes into the axes of a stream.

    Raises:
        UnknownOperation: they differ along another axis than the channels.
    """
    step = value.aligned(codes.step)
    if step.ndim and not by_channel(step):
        raise UnknownOperation(
            f"scales of shape {tuple(codes.step.shape)} differ along another axis than the channels; give one for each "
            "channel, or one"
        )
    return replace(codes, step=step, factor=step)


def constant(reader: Reader, name: str, x: Tensor, codes: Codes) -> None:
    """Quantize a constant, as a node of the qonnx package does it, and keep its codes."""
    step = codes.step.float()
    if codes.bipolar:
        values = torch.where(x >= 0, 1.0, -1.0) * step
    else:
        raw = x / step + codes.zero_point
        raw = raw.clamp(codes.low + codes.zero_point, codes.high + codes.zero_point)
        values = (ROUNDINGS[codes.rounding](raw) - codes.zero_point) * step
    if values.shape != x.shape:
        raise UnknownOperation(f"a scale of shape {tuple(step.shape)} for a constant of shape {tuple(x.shape)}")
    reader.constants[name] = values
    full = codes.factor.expand(x.shape)
    reader.codes[name] = Codes(step=full, factor=full, low=codes.low, high=codes.high, bipolar=codes.bipolar)


LAYOUTS = {2: "NC", 3: "NWC", 4: "NCHW"}
"""Order of the axes that MultiThreshold assumes without data_layout, by rank."""


def multi_threshold(reader: Reader, node: Node) -> None:
    """Read MultiThreshold of FINN: the count of thresholds reached, times out_scale, plus out_bias."""
    x, thresholds = node.input(0), reader.number(node.input(1)).double()
    scale, bias = float(node.attribute("out_scale", 1.0)), float(node.attribute("out_bias", 0.0))
    node.attribute("out_dtype")  # says what the others already do
    value = reader.read(x)
    layout = node.attribute("data_layout", "") or LAYOUTS.get(len(value.shape), "NC")
    if "C" not in layout or len(layout) != len(value.shape) or value.axis(layout.index("C")) != 1:
        raise UnknownOperation(f"data_layout={layout} of a stream of shape {value.view}; its channels are axis 1 here")
    if thresholds.ndim != 2 or thresholds.shape[0] not in (1, value.shape[1]) or not scale > 0:
        raise UnknownOperation(
            f"thresholds of shape {tuple(thresholds.shape)}, out_scale={scale:g}; give (channels or 1, levels) and a "
            "scale above 0"
        )
    levels, offset = thresholds.shape[1], 0.0
    if levels == 1 and bias == -scale / 2:
        quantizer = ThresholdQuantizer(thresholds.float(), step=scale / 2, low=-1, bipolar=True)
    else:
        low = round(bias / scale) if abs(bias / scale - round(bias / scale)) < 1e-6 else 0
        offset = 0.0 if low or not bias else bias
        quantizer = ThresholdQuantizer(thresholds.float(), step=scale, low=low)
    reader.put(node, reader.activated(value, quantizer, node.output))
    if offset:
        reader.values[node.output] = reader.values[node.output].shifted(number(offset))
