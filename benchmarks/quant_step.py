"""Time, operations and memory of a quantized training step and evaluation, compared with plain float and Brevitas.

Every column runs in its own process; the columns are interleaved, round by round, so that load affects all alike,
and a ratio is the median of the ratios within a round. A training step is forward, loss, backward and SGD, with
learned widths, one weight scale per output channel and learned activation scales.

    python benchmarks/quant_step.py --columns float,learned,brevitas_learned

Columns: float, float_compiled; constant, learned, learned_pow2, learned_per_weight, learned_compiled, learned_cost
(with the price of the network in LUT and BRAM18); brevitas_constant, brevitas_learned (they need brevitas).

On the CPU, times are those of the process. With `--accelerator cuda` they are from the first launch until the device is
idle, batches are larger (`--grow`), and the peak is what PyTorch allocated there.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import multiprocessing as mp
import os
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

COLUMNS = (
    "float",
    "float_compiled",
    "constant",
    "learned",
    "learned_pow2",
    "learned_per_weight",
    "learned_compiled",
    "learned_cost",
    "brevitas_constant",
    "brevitas_learned",
)
BATCHES = {"mlp": 1024, "lenet": 128, "cnv": 32, "mobilenet": 16}
KEEPING = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000"}
"""Settings that let glibc keep memory between steps: otherwise some runs of any column spend a third on page faults."""

RETURNING = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
"""Settings that let glibc return memory at once, so that the resident size shows what is in use."""

WARM_UP = 8  # past Brevitas' collection of statistics, and past compiling


class Float:
    """Makes the layers of a network in plain float; other columns override what they quantize."""

    def input(self, bits: int) -> Any:
        from torch import nn

        return nn.Identity()

    def linear(self, inputs: int, outputs: int, bias: bool, bits: int) -> Any:
        from torch import nn

        return nn.Linear(inputs, outputs, bias=bias)

    def conv(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, pad: int = 0, *, groups: int = 1, bits: int
    ) -> Any:
        from torch import nn

        return nn.Conv2d(inputs, outputs, kernel, stride, pad, groups=groups, bias=False)

    def act(self, bits: int) -> Any:
        from torch import nn

        return nn.ReLU()

    def pool(self, side: int) -> Any:
        from torch import nn

        return nn.AvgPool2d(side)


class Ours(Float):
    """Layers of this package."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def _weight(self, bits: int, shape: tuple[int, ...]) -> Any:
        from hwcost.quant import (
            FLOAT,
            POW2,
            IntQuantizer,
            LearnedBits,
            StatScale,
            abs_max,
            const_weight,
            learned_weight,
        )

        if self.kind == "constant":
            return const_weight(bits=bits)
        if self.kind == "per_weight":
            scale = StatScale(abs_max, channel_dim=0, domain=POW2)
            return IntQuantizer(bits=LearnedBits(bits, base=0, shape=shape), scale=scale, narrow=True)
        return learned_weight(bits=bits, domain=POW2 if self.kind == "pow2" else FLOAT)

    def _activation(self, bits: int, *, signed: bool) -> Any:
        from hwcost.quant import const_activation, learned_activation

        make = const_activation if self.kind == "constant" else learned_activation
        return make(bits=bits, max_val=3.0 if signed else 6.0, signed=signed)

    def input(self, bits: int) -> Any:
        from hwcost.quant import QuantIdentity

        return QuantIdentity(self._activation(bits, signed=True))

    def linear(self, inputs: int, outputs: int, bias: bool, bits: int) -> Any:
        from hwcost.quant import QuantLinear

        return QuantLinear(inputs, outputs, bias, weight_quant=self._weight(bits, (outputs, inputs)))

    def conv(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, pad: int = 0, *, groups: int = 1, bits: int
    ) -> Any:
        from hwcost.quant import QuantConv2d

        weight = self._weight(bits, (outputs, inputs // groups, kernel, kernel))
        return QuantConv2d(inputs, outputs, kernel, stride, pad, groups=groups, bias=False, weight_quant=weight)

    def act(self, bits: int) -> Any:
        from hwcost.quant import QuantReLU

        return QuantReLU(self._activation(bits, signed=False))

    def pool(self, side: int) -> Any:
        from hwcost.quant import QuantAvgPool2d

        return QuantAvgPool2d(side, truncate=False)


class Brevitas(Float):
    """The same network in Brevitas 0.13: scales per channel, activation scales learned from statistics."""

    def __init__(self, *, learned: bool) -> None:
        self.learned = learned

    def _weight(self, bits: int) -> dict[str, Any]:
        from brevitas.quant import Int8WeightPerChannelFloat

        options = {"weight_quant": Int8WeightPerChannelFloat, "weight_bit_width": bits}
        if not self.learned:
            return options
        return options | {
            "weight_scaling_impl_type": "parameter_from_stats",
            "weight_bit_width_impl_type": "parameter",
        }

    def _activation(self, bits: int) -> dict[str, Any]:
        options: dict[str, Any] = {"bit_width": bits, "collect_stats_steps": 2}
        return options | {"bit_width_impl_type": "parameter"} if self.learned else options

    def input(self, bits: int) -> Any:
        import brevitas.nn as qnn
        from brevitas.quant import Int8ActPerTensorFloat

        return qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, **self._activation(bits))

    def linear(self, inputs: int, outputs: int, bias: bool, bits: int) -> Any:
        import brevitas.nn as qnn

        return qnn.QuantLinear(inputs, outputs, bias=bias, **self._weight(bits))

    def conv(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, pad: int = 0, *, groups: int = 1, bits: int
    ) -> Any:
        import brevitas.nn as qnn

        return qnn.QuantConv2d(
            inputs, outputs, kernel, stride=stride, padding=pad, groups=groups, bias=False, **self._weight(bits)
        )

    def act(self, bits: int) -> Any:
        import brevitas.nn as qnn
        from brevitas.quant import Uint8ActPerTensorFloat

        return qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat, **self._activation(bits))


def make(column: str) -> Float:
    """The layers of a column."""
    if column.startswith("float"):
        return Float()
    if column.startswith("brevitas"):
        return Brevitas(learned=column.endswith("learned"))
    kind = column.removeprefix("learned_") if column.startswith("learned_") else column
    return Ours("learned" if kind in ("compiled", "cost") else kind)


def mlp(layers: Float) -> tuple[list[Any], tuple[int, ...], int]:
    """16-64-32-32-5, 6 bits."""
    modules = [layers.input(8)]
    for inputs, outputs in ((16, 64), (64, 32), (32, 32)):
        modules += [layers.linear(inputs, outputs, True, 6), layers.act(6)]
    return [*modules, layers.linear(32, 5, True, 6)], (16,), 5


def lenet(layers: Float) -> tuple[list[Any], tuple[int, ...], int]:
    """LeNet-5 on 32 by 32 colour images, 8 bits."""
    from torch import nn

    modules = [layers.conv(3, 6, 5, bits=8), layers.act(8), nn.MaxPool2d(2)]
    modules += [layers.conv(6, 16, 5, bits=8), layers.act(8), nn.MaxPool2d(2), nn.Flatten()]
    modules += [layers.linear(400, 120, True, 8), layers.act(8), layers.linear(120, 84, True, 8), layers.act(8)]
    return [*modules, layers.linear(84, 10, False, 8)], (3, 32, 32), 10


def cnv(layers: Float) -> tuple[list[Any], tuple[int, ...], int]:
    """CNV on 32 by 32 colour images, 2-bit weights and activations."""
    from torch import nn

    modules, inputs = [layers.input(8)], 3
    for outputs, pool in ((64, False), (64, True), (128, False), (128, True), (256, False), (256, False)):
        modules += [layers.conv(inputs, outputs, 3, bits=2), nn.BatchNorm2d(outputs), layers.act(2)]
        modules += [nn.MaxPool2d(2)] if pool else []
        inputs = outputs
    modules.append(nn.Flatten())
    for inputs, outputs in ((256, 512), (512, 512)):
        modules += [layers.linear(inputs, outputs, False, 2), nn.BatchNorm1d(outputs), layers.act(2)]
    return [*modules, layers.linear(512, 10, False, 2)], (3, 32, 32), 10


def mobilenet(layers: Float) -> tuple[list[Any], tuple[int, ...], int]:
    """MobileNetV1, a quarter of the channels, on 64 by 64 colour images, 4 bits."""
    from torch import nn

    modules = [layers.input(8), layers.conv(3, 8, 3, 2, 1, bits=8), nn.BatchNorm2d(8), layers.act(4)]
    plan = [(32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2)]
    plan += [(512, 512, 1)] * 5 + [(512, 1024, 2), (1024, 1024, 1)]
    for full_in, full_out, stride in plan:
        inputs, outputs = full_in // 4, full_out // 4
        modules += [layers.conv(inputs, inputs, 3, stride, 1, groups=inputs, bits=4), nn.BatchNorm2d(inputs)]
        modules += [layers.act(4), layers.conv(inputs, outputs, 1, bits=4), nn.BatchNorm2d(outputs), layers.act(4)]
    return [*modules, layers.pool(2), nn.Flatten(), layers.linear(256, 10, True, 8)], (3, 64, 64), 10


NETWORKS: dict[str, Callable[[Float], tuple[list[Any], tuple[int, ...], int]]] = {
    "mlp": mlp,
    "lenet": lenet,
    "cnv": cnv,
    "mobilenet": mobilenet,
}


class Bench:
    """One network of one column, in a process of its own."""

    def __init__(self, network: str, column: str, batch: int, threads: int, device: str) -> None:
        import torch
        from torch import nn

        torch.set_num_threads(threads)
        torch.manual_seed(0)
        modules, shape, classes = NETWORKS[network](make(column))
        self.device = torch.device(device)
        self.net = nn.Sequential(*modules).to(self.device)
        self.run = torch.compile(self.net) if column.endswith("compiled") else self.net
        self.cost = _priced(self.net, shape) if column.endswith("cost") else None
        self.x = torch.randn(batch, *shape).to(self.device)
        self.y = torch.randint(0, classes, (batch,)).to(self.device)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=1e-3)

    def train(self) -> None:
        """One step."""
        import torch.nn.functional as F

        self.optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(self.run(self.x), self.y)
        if self.cost is not None:
            used = self.cost()
            loss = loss + 1e-6 * (used["LUT"] + used["BRAM18"])
        loss.backward()
        self.optimizer.step()

    def evaluate(self) -> None:
        """One batch."""
        import torch

        with torch.no_grad():
            self.run(self.x)

    def timed(self, phase: str, count: int) -> float:
        """Seconds of one call."""
        self.net.train(phase == "train")
        call = self.train if phase == "train" else self.evaluate
        gc.collect()
        start = self.now()
        for _ in range(count):
            call()
        return (self.now() - start) / count

    def now(self) -> float:
        """CPU seconds of this process; on an accelerator, seconds at which it has nothing left to do."""
        if self.device.type == "cpu":
            return time.process_time()
        import torch

        torch.accelerator.synchronize()
        return time.perf_counter()

    def peak(self) -> float | None:
        """Megabytes that a step adds to what stays between steps, at its highest; None where Linux cannot tell.

        The process must return memory at once: MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_ of `RETURNING`.
        """
        self.net.train()
        if self.device.type == "cuda":
            return self._allocated()
        high_water = Path("/proc/self/clear_refs")
        if not high_water.exists():
            return None
        found = []
        for _ in range(5):
            self.optimizer.zero_grad(set_to_none=True)
            gc.collect()
            before = _resident("VmRSS")
            high_water.write_text("5", encoding="ascii")  # resets the high-water mark
            self.train()
            found.append(_resident("VmHWM") - before)
        return median(found) / 2**20

    def _allocated(self) -> float:
        import torch

        self.optimizer.zero_grad(set_to_none=True)
        gc.collect()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        self.train()
        return (torch.cuda.max_memory_allocated() - before) / 2**20

    def counts(self) -> dict[str, float]:
        """Operations, autograd nodes and Python calls of a step, and megabytes saved for backward."""
        import torch
        import torch.nn.functional as F
        from torch.profiler import ProfilerActivity, profile

        self.net.train()
        self.train()
        with profile(activities=[ProfilerActivity.CPU]) as recorded:
            self.train()
        events = list(recorded.events() or ())
        calls = cProfile.Profile()
        calls.enable()
        self.train()
        calls.disable()
        own = {parameter.untyped_storage().data_ptr() for parameter in self.net.parameters()}
        storages: dict[int, int] = {}
        kept = []

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
            kept.append(tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = F.cross_entropy(self.net(self.x), self.y)
        saved = sum(size for address, size in storages.items() if address not in own)
        del loss
        return {
            "operations": sum(event.name.startswith("aten::") for event in events),
            "nodes": sum(event.name.startswith("autograd::engine::evaluate_function") for event in events),
            "calls": sum(entry.callcount for entry in calls.getstats()),
            "saved_mb": saved / 2**20,
        }


def _resident(name: str) -> int:
    """A size of this process from Linux, in bytes: VmRSS now, VmHWM at its highest."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(name + ":")[1].split()[0]) * 1024


def _priced(net: Any, shape: tuple[int, ...]) -> Any:
    import torch

    import hwcost.quant

    first = isinstance(net[0], hwcost.quant.QuantIdentity)
    example = torch.zeros(1, *shape, device=next(net.parameters()).device)
    pipeline = hwcost.trace(net, example, input_bits=None if first else 8)
    model = hwcost.Dataflow(device="xc7z020", folding=hwcost.target_fps(pipeline, 1000))
    return hwcost.LiveCost(net, pipeline, model, ("LUT", "BRAM18"))


def work(pipe: Connection, network: str, column: str, batch: int, threads: int, device: str) -> None:
    """Answer the coordinator until it hangs up."""
    import warnings

    warnings.filterwarnings("ignore")  # of Brevitas
    bench = Bench(network, column, batch, threads, device)
    for phase in ("train", "eval"):
        bench.timed(phase, WARM_UP)
    pipe.send("ready")
    while True:
        try:
            phase, count = pipe.recv()
        except EOFError:
            return
        asked = {"counts": bench.counts, "peak": bench.peak}.get(phase)
        pipe.send(asked() if asked else bench.timed(phase, count))


def measure(  # noqa: C901 - one protocol with a process for each column, easier to follow in one place
    network: str, batch: int, columns: list[str], options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Measure all columns: figures by column, ratios to the first column."""
    context = mp.get_context("spawn")
    pipes: dict[str, Connection] = {}

    def start(column: str) -> None:
        pipes[column], theirs = context.Pipe()
        settings = (theirs, network, column, batch, options.threads, options.accelerator)
        context.Process(target=work, args=settings, daemon=True).start()
        theirs.close()

    def begin() -> None:
        for column in columns:
            start(column)
        for column in columns:
            pipes[column].recv()

    os.environ.update(KEEPING)
    begin()
    found: dict[str, dict[str, Any]] = {column: {} for column in columns}

    def ask(column: str, phase: str, count: int) -> Any:
        pipes[column].send((phase, count))
        return pipes[column].recv()

    for phase in ("train", "eval"):
        counts = {column: max(1, round(options.slice / ask(column, phase, 2))) for column in columns}
        rounds = [{column: ask(column, phase, counts[column]) for column in columns} for _ in range(options.rounds)]
        for column in columns:
            found[column][phase] = 1e3 * median(times[column] for times in rounds)
            found[column][phase + "_ratio"] = median(times[column] / times[columns[0]] for times in rounds)
    for column in columns:
        compiled = column.endswith("compiled")
        found[column] |= {} if compiled else ask(column, "counts", 1)
    if options.accelerator == "cpu":  # only a process that returns memory shows what it uses
        for column in columns:
            pipes[column].close()
        os.environ.update(RETURNING)
        begin()
    for column in columns:
        found[column]["peak_mb"] = ask(column, "peak", 1)
        pipes[column].close()
    for name in KEEPING:
        os.environ.pop(name)
    return found


def table(network: str, batch: int, found: dict[str, dict[str, Any]], rounds: int, time_of: str) -> str:
    """Table in Markdown."""
    first = next(iter(found))
    heads = ("column", f"train, {time_of} ms", "ratio", f"eval, {time_of} ms", "ratio")
    heads += ("ATen ops", "nodes", "Python calls")
    heads += ("saved MB", "peak MB")
    lines = [
        f"### {network}, batch {batch} (ratios to {first}, median of {rounds} interleaved rounds)",
        "",
        "| " + " | ".join(heads) + " |",
        "|---" * len(heads) + "|",
    ]
    for column, row in found.items():
        counted = [f"{row[name]:.0f}" if name in row else "" for name in ("operations", "nodes", "calls")]
        sizes = [f"{row[name]:.1f}" if row.get(name) is not None else "" for name in ("saved_mb", "peak_mb")]
        times = [f"{row['train']:.2f}", f"{row['train_ratio']:.2f}", f"{row['eval']:.2f}", f"{row['eval_ratio']:.2f}"]
        lines.append("| " + " | ".join([column, *times, *counted, *sizes]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default="mlp,lenet,cnv,mobilenet")
    parser.add_argument("--columns", default="float,constant,learned,learned_pow2,learned_per_weight,learned_cost")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--slice", type=float, default=0.25, help="seconds per column and round")
    parser.add_argument("--accelerator", default="cpu", help="by PyTorch's name: cpu, cuda")
    parser.add_argument("--grow", type=int, default=1, help="factor on the batches")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    columns = options.columns.split(",")
    unknown = {*columns} - {*COLUMNS} | {*options.networks.split(",")} - {*NETWORKS}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; columns {COLUMNS}, networks {tuple(NETWORKS)}")
    for network in options.networks.split(","):
        batch = BATCHES[network] * options.grow
        found = measure(network, batch, columns, options)
        time_of = "CPU" if options.accelerator == "cpu" else options.accelerator
        print(table(network, batch, found, options.rounds, time_of) + "\n", flush=True)


if __name__ == "__main__":
    main()
