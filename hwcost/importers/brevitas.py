"""Import of live Brevitas networks, by way of Brevitas' own QONNX export."""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption, HwcostError, UnknownOperation, UntraceableNetwork

if TYPE_CHECKING:
    from hwcost.importers.qonnx import QonnxNetwork


def from_brevitas(model: nn.Module, example_input: Tensor) -> QonnxNetwork:
    """Read a network of `brevitas.nn` layers; needs `pip install 'hwcost[brevitas]'` (tested with 0.13.4).

    The model stays as it is: a copy of it is exported, in evaluation and on the CPU.

    Args:
        model: in training or evaluation. Scales that collect statistics are those collected so far.
        example_input: (N, ...), float; the values do not matter.

    Returns:
        The network in evaluation, with the values that the model has in evaluation. Weights are those that its
        quantizers make; widths, scales and signs are constants. For one that begins with a Brevitas quantizer,
        `trace(net, example_input)` is enough; otherwise describe the integers that enter: `input_bits=` or
        `input_range=`.

    Raises:
        BadOption: a package is missing, or the example is no tensor. UntraceableNetwork: Brevitas cannot export the
            model. UnknownOperation: every layer or function that has no counterpart here, by name and at once.
    """
    if not isinstance(example_input, Tensor):
        raise BadOption(f"from_brevitas: example_input={type(example_input).__name__}; give one tensor (N, ...)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what Brevitas and torch's exporter call deprecated
        export = _exporter()
        from hwcost.importers.qonnx import from_qonnx

        twin = copy.deepcopy(model).cpu().eval()
        try:
            with torch.no_grad():
                _size_pools(twin, example_input[:1].detach().cpu())
                graph = export(twin, args=example_input[:1].detach().cpu(), dynamo=False)
                _quantize_weights(graph, twin)
        except HwcostError:
            raise
        except Exception as error:
            reason = next(iter(str(error).splitlines()), repr(error))
            raise UntraceableNetwork(
                f"{type(model).__name__}: Brevitas cannot export it to QONNX: {reason}; check the example's shape, "
                "and that no layer needs what its QONNX export lacks"
            ) from error
        return from_qonnx(graph)


def _exporter() -> Any:
    try:
        import onnxoptimizer  # noqa: F401 # Brevitas' export needs it
        from brevitas.export import export_qonnx
    except ModuleNotFoundError as error:
        raise BadOption(f"from_brevitas: {error.name} is not installed; pip install 'hwcost[brevitas]'") from None
    return export_qonnx


def _size_pools(net: nn.Module, x: Tensor) -> None:
    """Replace adaptive averages by averages of fixed windows; ONNX would compute the windows at run time."""
    from brevitas.nn import TruncAdaptiveAvgPool2d, TruncAvgPool2d

    pools = {name: one for name, one in net.named_modules() if isinstance(one, nn.AdaptiveAvgPool2d)}
    sizes: dict[str, tuple[int, int]] = {}

    def note(name: str, given: Any) -> None:
        sizes[name] = tuple(given[0].shape[-2:])

    hooks = [
        pool.register_forward_pre_hook(lambda _, given, name=name: note(name, given)) for name, pool in pools.items()
    ]
    net(x)
    for hook in hooks:
        hook.remove()
    for name, (height, width) in sizes.items():
        pool = pools[name]
        out = pool.output_size if isinstance(pool.output_size, tuple) else (pool.output_size,) * 2
        rows, columns = (size if each is None else each for size, each in zip((height, width), out, strict=True))
        side = height // rows
        if side * rows != height or side * columns != width:
            raise UnknownOperation(
                f"{name}: averages {height} x {width} pixels to {rows} x {columns}; give equal square windows that do "
                "not overlap"
            )
        fixed: nn.Module = nn.AvgPool2d(side)
        if isinstance(pool, TruncAdaptiveAvgPool2d):
            fixed = TruncAvgPool2d(side, return_quant_tensor=pool.return_quant_tensor)
            fixed.trunc_quant = pool.trunc_quant
        net.set_submodule(name, fixed.eval())


def _quantize_weights(model: Any, net: nn.Module) -> None:
    """Write the values that Brevitas' quantizers make: a Quant node alone knows no dead band and no A2Q rounding."""
    from onnx import numpy_helper

    written = {one.name: one for one in model.graph.initializer}
    for name, layer in net.named_modules():
        place = f"{name}.weight" if name else "weight"
        if place in written and getattr(layer, "is_weight_quant_enabled", False):
            quantized: Any = layer.quant_weight()  # of a layer of Brevitas
            written[place].CopyFrom(numpy_helper.from_array(quantized.value.detach().numpy(), place))
