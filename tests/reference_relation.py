"""What is trained, executed, priced and exported is one network: the relation, checked on one plan."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from typing import Any

import torch
from network_generator import Builder, Network, Plan
from torch import Tensor, nn

from hwcost import Dataflow, Fold, Generic, LiveCost, estimate, from_qonnx, hardware_cost, trace
from hwcost.errors import BadFolding, HwcostError
from hwcost.export.qonnx import qonnx
from hwcost.graph.spec import MatVec
from hwcost.graph.trace import Pipeline
from hwcost.integer import IntegerNetwork
from hwcost.models import HardwareModel
from hwcost.quant import BinaryQuantizer, BoundedQuantizer, QuantAdd, QuantConcat, QuantIdentity, TernaryQuantizer

NEAR = 1e-4
"""Samples with a value nearer to where its code changes, in steps, are left out: there rounding decides."""


class Disagreement(Exception):
    """Two readings of one network differ; the message begins with the part of the relation that fails."""


@dataclass
class Outcome:
    """What became of one plan.

    Attributes:
        verdict: "accepted", "refused", "unbuildable" (torch cannot run it), or "disagrees".
        reason: why, in words without names and numbers.
        detail: the whole message.
        samples: that were compared.
        exported: "equal", or what QONNX cannot say.
    """

    verdict: str
    reason: str = ""
    detail: str = ""
    samples: int = 0
    exported: str = ""


def reason_of(error: BaseException) -> str:
    """The first line of a message, without names of layers, and with N for every number."""
    line = next((line for line in str(error).splitlines() if not line.endswith(("no QONNX:", "no layers for"))), "")
    line = re.sub(r"^(layers|input|[a-z_]+\d*)[^ ]*( \(\w+\))?: ", "", line)
    line = re.sub(r"\([\d, ]*\)", "SHAPE", re.sub(r"\[[^]]*\]", "LIST", line))
    return f"{type(error).__name__}: {re.sub(r'-?[0-9]+(?:[.][0-9]+)?', 'N', line)[:110]}"


def check(plan: Plan) -> Outcome:
    """Build the network of a plan and check every part of the relation."""
    try:
        builder = Builder(plan)
        try:
            net = builder.network()
        except (RuntimeError, ValueError, IndexError, AssertionError) as error:
            if isinstance(error, HwcostError):
                raise
            return Outcome("unbuildable", reason_of(error), str(error))  # torch's own: shapes that do not fit
        pipeline = _traced(net, builder)
    except HwcostError as error:
        return Outcome("refused", reason_of(error), str(error))
    except Exception as error:
        return Outcome("disagrees", f"traceback: {type(error).__name__}", traceback.format_exc())
    outcome = Outcome("accepted")
    try:
        integer = _integers(pipeline, builder)
        x = _executed(net, builder, integer)
        outcome.samples = len(x)
        _priced(net, pipeline)
        outcome.exported = _exported(net, builder, pipeline, integer, x)
    except Disagreement as error:
        return Outcome("disagrees", str(error).split(":")[0], str(error))
    except Exception as error:
        return Outcome("disagrees", f"traceback: {type(error).__name__}", traceback.format_exc())
    return outcome


def minimal(plan: Plan, reason: str) -> Plan:
    """The smallest part of a plan, found by leaving out nodes one by one, that fails for the same reason."""
    place = len(plan.nodes) - 1
    while place >= 0:
        if len(plan.nodes) > 1:
            smaller = plan.without(place)
            if check(smaller).reason == reason:
                plan = smaller
        place = min(place, len(plan.nodes)) - 1
    return plan


def _traced(net: nn.Module, builder: Builder) -> Pipeline:
    return trace(net, builder.data(1), input_bits=builder.plan.input_bits)


def _integers(pipeline: Pipeline, builder: Builder) -> IntegerNetwork:
    try:
        return IntegerNetwork.of(pipeline, input_step=None if builder.plan.input_bits is None else builder.step)
    except HwcostError as error:
        raise Disagreement(f"integers refuse what trace accepts: {error}") from error


def _executed(net: Network, builder: Builder, integer: IntegerNetwork) -> Tensor:
    """Integers equal the forward pass, and stay in their described ranges (which `run` checks); on which data."""
    x, expected = _samples(net, builder)
    if not len(x):
        return x
    whole = x if builder.plan.input_bits is None else integer.codes(x)
    try:
        found = integer.run(whole)
    except HwcostError as error:
        raise Disagreement(f"integers: {error}") from error
    for name, values in expected.items():
        place = next((number for number, each in enumerate(integer.steps) if each.name == name), None)
        if place is None or integer.steps[place].meaning is None:
            continue
        ours: Tensor = integer.steps[place].meaning.value(found[name])  # type: ignore[union-attr] # not None
        far = (ours - values).abs() > 1e-9 * (1 + values.abs())
        if bool(far.any()):
            raise Disagreement(
                f"integers differ from forward: {name}: {int(far.sum())} of {far.numel()}, "
                f"{ours[far][0]} for {values[far][0]}"
            )
    return x


def _samples(net: Network, builder: Builder) -> tuple[Tensor, dict[str, Tensor]]:
    """Data without values so near a threshold that rounding decides, and every layer's values on it."""
    x = builder.data(24)
    nearest = torch.full((len(x),), 1.0, dtype=torch.float64)

    def look(module: Any, given: tuple[Tensor, ...]) -> None:
        for quantizer, value in _quantized(module, given):
            # without rounding errors ties are decided alike; only half a ternary step is 0 in a Quant node
            if builder.plan.exact and not isinstance(quantizer, TernaryQuantizer):
                continue
            nearest.copy_(torch.minimum(nearest, _distance(quantizer, value).flatten(1).amin(1)))

    hooks = [module.register_forward_pre_hook(look) for module in net.layers]
    with torch.no_grad():
        net(x)
    for hook in hooks:
        hook.remove()
    x = x[nearest > NEAR]
    values: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda _, __, y, name=name: values.setdefault(name, y))
        for name, module in net.named_modules()
        if name.startswith("layers.") and name.count(".") == 1
    ]
    with torch.no_grad():
        net(x)
    for hook in hooks:
        hook.remove()
    return x, values


def _quantized(module: Any, given: tuple[Tensor, ...]) -> list[tuple[Any, Tensor]]:
    """What a layer quantizes of what enters it."""
    if isinstance(module, QuantIdentity):
        return [(module.quant, module.function(given[0]))]
    if isinstance(module, QuantAdd | QuantConcat):
        count = len(given)
        return [(module.quantizer(n, count), x) for n, x in enumerate(given) if n not in module.ready]
    entered = getattr(module, "input_quant", None)
    return [] if entered is None else [(entered, given[0])]


def _distance(quantizer: Any, x: Tensor) -> Tensor:
    """How far each value is from where its code changes, in steps."""
    steps = x / quantizer.step(x)
    if isinstance(quantizer, BinaryQuantizer):
        return steps.abs()
    if isinstance(quantizer, TernaryQuantizer):
        return (steps.abs() - quantizer.threshold).abs()
    return (steps - torch.floor(steps) - 0.5).abs()


def _model(pipeline: Pipeline) -> HardwareModel:
    """Every unit folded to one multiplier, or, where a window cannot keep up with such small units, operations."""
    units = [layer.name for layer in pipeline.layers() for block in layer.blocks if isinstance(block, MatVec)]
    folded = Dataflow(device="xczu7ev", folding=dict.fromkeys(units, Fold(pe=1, simd=1)))
    try:
        hardware_cost(pipeline, folded)
    except BadFolding:
        return Generic()
    return folded


def _priced(net: nn.Module, pipeline: Pipeline) -> None:
    """One price and one gradient, whoever computes it."""
    if not any(layer.blocks for layer in pipeline.layers()):
        return
    model = _model(pipeline)
    parameters = [parameter for name, parameter in net.named_parameters() if name.endswith("offset")]
    plain, cached = hardware_cost(pipeline, model), LiveCost(net, pipeline, model)()
    totals = estimate(pipeline, model).total
    for name in model.resources:
        if not float(plain[name]) == float(cached[name]) == totals[name]:
            raise Disagreement(f"prices: {name}: {float(plain[name])}, {float(cached[name])}, {totals[name]}")
    if not parameters:
        return
    slopes = []
    for costs in (plain, cached):
        amount = torch.stack([costs[name] for name in model.resources]).sum()
        if not amount.requires_grad:
            slopes.append([torch.zeros_like(one) for one in parameters])
            continue
        found = torch.autograd.grad(amount, parameters, allow_unused=True)
        slopes.append([torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)])
    for one, other in zip(*slopes, strict=True):
        if not torch.allclose(one, other, rtol=1e-9, atol=1e-9):
            raise Disagreement(f"gradients of prices: {one.tolist()} and {other.tolist()}")


def _exported(net: Network, builder: Builder, pipeline: Pipeline, before: IntegerNetwork, x: Tensor) -> str:
    """Out to QONNX and in again: the same values and the same price, or refused by name."""
    step = None if builder.plan.input_bits is None else builder.step
    try:
        model = qonnx(pipeline, input_step=step)
    except HwcostError as error:
        return f"no export, {reason_of(error)}"
    try:
        again = from_qonnx(model).double()
        after = trace(again, builder.data(1))
    except HwcostError as error:
        return f"no way back, {reason_of(error)}"
    place = before.outputs[0] - len(before.inputs)
    if len(x) and place >= 0 and before.steps[place].meaning is not None:
        ours = before.values(before.codes(x) if step is not None else x)
        theirs = IntegerNetwork.of(after).values(x)
        far = (ours - theirs).abs() > 1e-4 * (1 + ours.abs())
        if bool(far.any()):
            raise Disagreement(
                f"QONNX values differ: {int(far.sum())} of {far.numel()}, {theirs[far][0]} for {ours[far][0]}"
            )
    prices = [
        {name: float(amount) for name, amount in hardware_cost(each, _model(each)).items() if name != "latency_cycles"}
        for each in (pipeline, after)
        if any(layer.blocks for layer in each.layers())
    ]
    if len(prices) < 2 or prices[0] == prices[1]:
        return "equal"
    for module in net.modules():
        quantizer = getattr(module, "weight_quant", None)
        if isinstance(quantizer, BoundedQuantizer):
            return "equal values; QONNX has no bound on sums, which the price counts on"
        if getattr(quantizer, "prune", False):
            return "equal values; QONNX has no width of 0 bits for weights that are all zero"
        if getattr(quantizer, "several", False):
            return "equal values; QONNX has one width for a tensor of weights, and the price is that of the widest"
    raise Disagreement(f"QONNX price differs: {prices[0]} and {prices[1]}")
