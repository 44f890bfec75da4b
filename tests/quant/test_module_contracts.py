"""What every quantizer and layer keeps as a torch module: copies, checkpoints, compilation, precision, layout."""

import copy
import io
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from contract_cases import COLS, LAYERS, PARTS, QUANTIZERS, ROWS
from torch import Tensor, nn

from hwcost.quant import const_input

Inputs = tuple[Tensor, ...]


def _sourced(name: str) -> Callable[[], nn.Module]:
    """A layer that computes on integers is given the quantizer in front, so that it takes plain tensors."""
    case = LAYERS[name]

    def build() -> nn.Module:
        layer: Any = case.build()
        if hasattr(layer, "set_source"):
            layer.set_source(const_input(bits=4, signed=bool(case.wire.low < 0)))
        return layer

    return build


MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    **{f"quantizer {name}": (build, (ROWS, COLS), 1) for name, build in QUANTIZERS.items()},
    **{f"layer {name}": (_sourced(name), (4, *case.shape), case.streams) for name, case in LAYERS.items()},
}
EVERY = pytest.mark.parametrize("name", MODULES)


def built(name: str) -> Any:
    torch.manual_seed(3)
    return MODULES[name][0]()


def inputs(name: str, dtype: torch.dtype = torch.float32) -> Inputs:
    _, shape, streams = MODULES[name]
    generator = torch.Generator().manual_seed(5)
    return tuple(torch.rand(shape, generator=generator).to(dtype) for _ in range(streams))


def trained(module: nn.Module, given: Inputs, to: Callable[..., Any] | None = None) -> dict[str, Tensor]:
    """Output and gradients of one step."""
    leaves = [x.detach().clone(memory_format=torch.preserve_format).requires_grad_() for x in given]
    module.zero_grad()
    y = (module if to is None else to)(*leaves)
    torch.linspace(-1, 2, y.numel()).reshape(y.shape).to(y).mul(y).sum().backward()
    found = {name: parameter.grad for name, parameter in module.named_parameters() if parameter.grad is not None}
    received = {f"x{number}": leaf.grad for number, leaf in enumerate(leaves) if leaf.grad is not None}
    return {"y": y.detach(), **received, **{name: grad.clone() for name, grad in found.items()}}


def alike(first: dict[str, Tensor], second: dict[str, Tensor], *, rtol: float = 1e-4, atol: float = 1e-5) -> None:
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert value.shape == second[key].shape, key
        assert torch.allclose(value.float(), second[key].float(), rtol=rtol, atol=atol), key


@EVERY
def test_deepcopy_and_pickle(name: str) -> None:
    module = built(name)
    module(*inputs(name))
    expected = trained(module, inputs(name))
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        found = trained(twin, inputs(name))
        assert all(torch.equal(found[key], value) for key, value in expected.items())


@pytest.mark.parametrize("name", PARTS)
def test_parts_can_be_copied_and_pickled(name: str) -> None:
    part = PARTS[name]()
    state = part.state_dict()
    for twin in (copy.deepcopy(part), pickle.loads(pickle.dumps(part))):
        assert all(torch.equal(twin.state_dict()[key], value) for key, value in state.items())
        assert repr(twin) == repr(part)


@EVERY
def test_state_dict_round_trip_keeps_every_parameter_object(name: str) -> None:
    module, twin = built(name), built(name)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(0.7)
    objects = {key: id(parameter) for key, parameter in twin.named_parameters()}
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    twin.load_state_dict(torch.load(file, weights_only=True), strict=True)
    assert {key: id(parameter) for key, parameter in twin.named_parameters()} == objects
    assert torch.equal(module.eval()(*inputs(name)), twin.eval()(*inputs(name)))


# torch's own tracer makes an object of every autograd.Function to follow its forward, and is warned of it
DYNAMO = pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")


@pytest.mark.slow
@DYNAMO
@EVERY
def test_compiled_in_one_graph(name: str) -> None:
    module, given = built(name), inputs(name)
    torch._dynamo.reset()
    expected = trained(copy.deepcopy(module), given)
    # layers add nothing to the backward pass of their quantizers: tracing it once is enough
    backend = "aot_eager" if name.startswith("quantizer") else "eager"
    compiled = torch.compile(module, fullgraph=True, backend=backend)
    alike(trained(module, given, compiled), expected)


IN_FLOAT32 = {
    *(f"quantizer preset {name}" for name in ("learned_activation", "const_activation", "const_input", "int8_input")),
    *(
        f"quantizer {name}"
        for name in ("grid", "grid of file", "thresholds", "thresholds per channel", "threshold bipolar")
    ),
}
"""Codes of the first reach 255, which bfloat16 holds in few steps; quantizers of files promise at least float32."""


# a bias quantizer is called by its layer, which chooses the precision
@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith("quantizer bias")])
def test_bfloat16(name: str) -> None:
    module = built(name)
    before = {key: value.clone() for key, value in module.state_dict().items() if "offset" in key or "scale." in key}
    module.bfloat16()
    for key, value in before.items():
        assert torch.equal(module.state_dict()[key], value), f"{key} changed with the precision"
    found = trained(module, inputs(name, torch.bfloat16))
    assert found["y"].dtype == (torch.float32 if name in IN_FLOAT32 else torch.bfloat16)
    assert all(bool(value.isfinite().all()) for value in found.values())


@EVERY
def test_autocast(name: str) -> None:
    module = built(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = trained(module, inputs(name))
    assert all(bool(value.isfinite().all()) for value in found.values())
    assert {parameter.dtype for parameter in module.parameters()} <= {torch.float32}


@pytest.mark.parametrize("name", [name for name, (_, shape, _) in MODULES.items() if len(shape) == 4])
def test_channels_last_has_the_same_gradients(name: str) -> None:
    plain, last = built(name), built(name).to(memory_format=torch.channels_last)
    given = tuple(x.to(memory_format=torch.channels_last) for x in inputs(name))
    alike(trained(plain, inputs(name)), trained(last, given), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name, (_, shape, _) in MODULES.items() if len(shape) == 4])
def test_transposed_memory_has_the_same_gradients(name: str) -> None:
    module = built(name)
    given = tuple(x.transpose(2, 3).contiguous().transpose(2, 3) for x in inputs(name))
    alike(trained(module, inputs(name)), trained(module, given), rtol=1e-4, atol=1e-5)


COMPILED = """
import copy
import torch
from torch import nn
from hwcost.quant import QuantLinear, QuantReLU, learned_activation, learned_weight
from test_module_contracts import alike, trained

net = nn.Sequential(
    QuantLinear(8, 8, weight_quant=learned_weight(bits=4)), QuantReLU(learned_activation(bits=4, max_val=1.0))
)
given = (torch.rand(4, 8),)
expected = trained(copy.deepcopy(net), given)
alike(trained(net, given, torch.compile(net, fullgraph=True)), expected)
"""


@pytest.mark.slow
def test_compiled_to_machine_code(tmp_path: Path) -> None:
    # a process and a cache of its own: what others compiled, or are just writing, has aborted it
    paths = os.pathsep.join(
        [str(Path(__file__).parent), str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    given = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path), "PYTHONPATH": paths}
    ended = subprocess.run([sys.executable, "-c", COMPILED], env=given, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
