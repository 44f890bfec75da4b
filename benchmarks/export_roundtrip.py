"""Comparison of exported networks, run by other tools, with ours: every code of every output.

python benchmarks/export_roundtrip.py --inputs 100     # minutes; writes reports/export.md
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model
from qonnx.util.inference_cost import inference_cost
from torch import Tensor, nn

from hwcost.cli.network import NETWORKS, pipeline_of
from hwcost.errors import HwcostError
from hwcost.export.qonnx import plain_onnx, qonnx
from hwcost.graph.ranges import integers
from hwcost.graph.spec import MatVec
from hwcost.graph.trace import Pipeline, trace
from hwcost.integer import IntegerNetwork
from hwcost.sweep.recipe import load_object

STEP = 1 / 256
SMALL = (
    "digits",
    "letter",
    "tfc-w1a1",
    "lenet",
    "autoencoder",
    "ds-cnn",
    "resnet8",
    "cnv-w1a1",
    "cnv-w1a2",
    "cnv-w2a2",
)
LARGE = ("mobilenet-v1", "proxylessnas", "proxylessnas-4b5b", "proxylessnas-hadamard")
PAGE = """\
# Out and back: exported networks in other tools

Written by `python benchmarks/export_roundtrip.py --inputs {inputs}`. Networks of the zoo as they are built, untrained,
with a random bias and mean in every batch norm, on random inputs ({few} for the four ImageNet networks).

"Codes" are the integers that leave the last layer; those of `hwcost.integer.IntegerNetwork` are what the hardware
computes. QONNX: the executor of qonnx {qonnx} after its cleanup. Standard nodes: onnxruntime {onnxruntime}, once as
written and once with its own optimizations, whose fused integer kernels round in places of their own. "Worst" is the
largest difference of a value that leaves, of the largest value of the same output. MACs are those of
`qonnx.util.inference_cost`, equal to those that hwcost prices unless both stand there. The ImageNet networks scale each
channel in front of a depthwise convolution, so no one integer stands for a value: their floats are compared.

{table}"""


def shaken(pipeline: Pipeline) -> Pipeline:
    """Fresh batch norms put sign(0) where a rounding error decides."""
    for call in (step.call for step in pipeline.steps):
        if call is not None and isinstance(call.module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(call.module.bias, -0.5, 0.5)
            assert isinstance(call.module.running_mean, Tensor)
            nn.init.uniform_(call.module.running_mean, -0.5, 0.5)
    return pipeline


def row(name: str, inputs: int) -> str:
    """One network."""
    torch.manual_seed(0)
    pipeline = shaken(pipeline_of(name, None, None)[0])
    (entering,) = pipeline.inputs
    step = STEP if entering.range.known else None
    x = torch.randint(0, 256, (inputs, *entering.shape)).float() * STEP
    if step is not None:
        x = x.clamp(max=float(entering.range.high) * STEP)
    model = cleanup_model(ModelWrapper(qonnx(pipeline, input_step=step)))
    try:
        whole = IntegerNetwork.of(pipeline, input_step=step)
    except HwcostError:
        return by_value(name, model, x)
    last = whole.steps[whole.outputs[0] - len(whole.inputs)]
    plain = plain_onnx(pipeline, input_step=step).SerializeToString()
    careful = onnxruntime.SessionOptions()
    careful.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    sessions = [onnxruntime.InferenceSession(plain, careful), onnxruntime.InferenceSession(plain)]
    (source,), (sink,) = model.graph.input, model.graph.output
    same, codes, worst = np.zeros(3), 0, np.zeros(3)
    for place in range(inputs):
        one = x[place : place + 1]
        wanted = whole.run(one if step is None else whole.codes(one))[last.name]
        value = last.meaning.value(wanted)
        found = [execute_onnx(model, {source.name: one.numpy()})[sink.name]]
        found += [session.run(None, {session.get_inputs()[0].name: one.numpy()})[0] for session in sessions]
        codes += wanted.numel()
        for which, got in enumerate(torch.from_numpy(each).double() for each in found):
            half = last.meaning.step.reshape(1, -1, *[1] * (value.ndim - 2)) / 2
            same[which] += int(((got - value).abs() < half).sum())
            worst[which] = max(worst[which], float((got - value).abs().max() / value.abs().max()))
    macs = inference_cost(ModelWrapper(qonnx(pipeline, input_step=step)), discount_sparsity=False)["total_cost"][
        "total_macs"
    ]
    ours = sum(b.macs for layer in pipeline.layers() for b in layer.spec.blocks if isinstance(b, MatVec))
    figures = [f"{part / codes:.3%} | {far:.1%}" for part, far in zip(same, worst, strict=True)]
    counts = f"{macs:,.0f}" if macs == ours else f"{macs:,.0f}, ours {ours:,}"
    return f"| {name} | {len(model.graph.node)} | {inputs} | {counts} | {' | '.join(figures)} |"


def macs_of(pipeline: Pipeline, step: float | None) -> float:
    """MACs of the network as the qonnx package counts them."""
    model = ModelWrapper(qonnx(pipeline, input_step=step))
    return float(inference_cost(model, discount_sparsity=False)["total_cost"]["total_macs"])


def by_value(name: str, model: ModelWrapper, x: Tensor) -> str:
    """A network that has no integers of one step everywhere: its float values, of the same untrained weights."""
    torch.manual_seed(0)
    net = load_object(NETWORKS[name].factory, {})().eval()
    (source,), (sink,) = model.graph.input, model.graph.output
    pipeline = trace(net, x[:1], input_range=integers(8, signed=False))
    model = cleanup_model(ModelWrapper(qonnx(pipeline, input_step=STEP)))
    far = 0.0
    for place in range(len(x)):
        one = x[place : place + 1]
        got = torch.from_numpy(execute_onnx(model, {source.name: one.numpy()})[sink.name])
        with torch.no_grad():
            value = net(one)
        far = max(far, float((got - value).abs().max() / value.abs().max()))
    macs = inference_cost(ModelWrapper(qonnx(pipeline, input_step=STEP)), discount_sparsity=False)["total_cost"][
        "total_macs"
    ]
    return f"| {name} | {len(model.graph.node)} | {len(x)} | {macs:,.0f} | by value | {far:.1%} | | | | |"


def main() -> None:
    """Write the page."""
    options = argparse.ArgumentParser()
    options.add_argument("--inputs", type=int, default=100)
    options.add_argument("--few", type=int, default=2)
    options.add_argument("--networks", nargs="*")
    options.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "reports" / "export.md")
    given = options.parse_args()
    titles = ["network", "nodes", "inputs", "MACs"]
    titles += [f"{tool}: {what}" for tool in ("QONNX", "as written", "fused") for what in ("codes equal", "worst")]
    table = f"| {' | '.join(titles)} |\n"
    table += "| --- " * 10 + "|\n"
    for name in given.networks or (*SMALL, *LARGE):
        try:
            line = row(name, given.few if name in LARGE else given.inputs)
        except Exception as error:  # a network that cannot be exported is a result too
            said = " ".join(str(error).split())
            line = f"| {name} | {type(error).__name__}: {said} |" + " |" * 8
        print(line, flush=True)
        table += line + "\n"
    given.out.write_text(
        PAGE.format(
            inputs=given.inputs,
            few=given.few,
            table=table,
            qonnx=version("qonnx"),
            onnxruntime=version("onnxruntime"),
        )
    )


if __name__ == "__main__":
    main()
