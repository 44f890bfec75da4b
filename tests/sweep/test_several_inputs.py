"""Networks of several inputs, given as a tuple or a dict: the whole chain from samples to integers and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from sweeps import experiment
from torch import Tensor, nn
from torch.utils.data import Dataset

import hwcost
from hwcost.errors import BadData, BadOption, UnknownOperation, UntraceableNetwork
from hwcost.export.verilog import verilog
from hwcost.graph.ranges import integers, unknown
from hwcost.integer import IntegerNetwork
from hwcost.quant import QuantAdd, QuantIdentity, QuantLinear, const_activation, const_input
from hwcost.sweep.finish import finish
from hwcost.sweep.recipe import Recipe
from hwcost.zoo.floors import floors
from hwcost.zoo.precision import Precision, relu, weight

FORMS = ("tuple", "dict", "dataset")


class Both(nn.Module):
    """A picture and its sensors, each with layers of their own in front."""

    def __init__(self, precision: Precision | None, *, quantizes: bool = False) -> None:
        super().__init__()
        grids = [const_input(bits=bits, max_val=4.0) if quantizes else None for bits in (8, 6)]
        self.eye, self.hand = (QuantIdentity(grid) if grid is not None else nn.Identity() for grid in grids)
        self.flat, self.see = nn.Flatten(), QuantLinear(36, 64, bias=False, weight_quant=weight(precision))
        self.look = nn.Sequential(nn.BatchNorm1d(64), relu(precision))
        self.feel = QuantLinear(3, 8, bias=False, weight_quant=weight(precision))
        self.felt = nn.Sequential(nn.BatchNorm1d(8), relu(precision))
        self.left, self.right = (QuantLinear(size, 16, bias=False, weight_quant=weight(precision)) for size in (64, 8))
        grid = const_activation(bits=6, max_val=4.0, signed=True)
        self.sum = None if precision is None else QuantAdd(grid)
        self.join = nn.Sequential(nn.BatchNorm1d(16), relu(precision))
        self.out = QuantLinear(16, 3, bias=False, weight_quant=weight(precision, per_channel=False))

    def forward(self, picture: Tensor, sensors: Tensor) -> Tensor:
        """(N, 1, 6, 6) and (N, 3) -> (N, 3)."""
        seen = self.left(self.look(self.see(self.flat(self.eye(picture)))))
        felt = self.right(self.felt(self.feel(self.hand(sensors))))
        return self.out(self.join(seen + felt if self.sum is None else self.sum(seen, felt)))


class _Pairs(Dataset[Any]):
    """Samples of a dict, as a Dataset gives them."""

    def __init__(self, x: Mapping[str, Tensor], y: Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, at: int) -> Any:
        return {name: one[at] for name, one in self.x.items()}, int(self.y[at])


def both(path: Path | None, form: str = "dict", count: int = 120) -> hwcost.Data:
    """The label shows in the picture and in the sensors, as 8-bit integers."""
    draw = torch.Generator().manual_seed(0)

    def split(size: int) -> Any:
        y = torch.randint(0, 3, (size,), generator=draw)
        picture = 80 + 40 * y[:, None, None, None] + torch.randint(-60, 60, (size, 1, 6, 6), generator=draw)
        sensors = 60 + 90 * F.one_hot(y, 3) + torch.randint(-60, 60, (size, 3), generator=draw)
        x = {"sensors": sensors.clamp(0, 255) / 256, "picture": picture.clamp(0, 255) / 256}  # in another order
        if form == "dataset":
            return _Pairs(x, y)
        return hwcost.Split(x if form == "dict" else (x["picture"], x["sensors"]), y)

    return hwcost.Data(name="both", train=split(2 * count), validation=split(count), test=split(count), classes=3)


def recipe_of(form: str) -> Recipe:
    """The recipe of a form of inputs."""
    shapes = {"sensors": (3,), "picture": (1, 6, 6)}
    return Recipe(
        name="both", data=partial(both, form=form), input=integers(8, signed=False), device="PYNQ-Z1", fps=50_000,
        training=hwcost.Training(epochs=4, batch=16, lr=2e-2),
        example=((1, 6, 6), (3,)) if form == "tuple" else shapes, **floors(Both),
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_from_sweep_to_integers_and_export(form: str, tmp_path: Path) -> None:
    recipe = recipe_of(form)
    study = hwcost.run_sweep(recipe, trials=2, out=tmp_path, quiet=True)
    assert study.frame()["score"].max() > 0.6 and study.input_step == 1 / 256
    finish(experiment(recipe, tmp_path), refit=1)
    assert study.frame()["refit_score"].max() > 0.5
    number = int(study.front()["number"][0])
    design, x = study.design(number), recipe.data(None).validation.take(slice(0, 32))[0]
    picture, sensors = (x["picture"], x["sensors"]) if isinstance(x, dict) else x
    with torch.no_grad():
        out = design.net.eval()(picture, sensors)
    whole = IntegerNetwork.of(design.pipeline, input_step=study.input_step)
    found = whole.values(whole.codes(picture, 0), whole.codes(sensors, 1))
    torch.testing.assert_close(found.float(), out, rtol=1e-4, atol=1e-4)
    assert design.estimate().total["LUT"] == study.front()["LUT"][0]
    with pytest.raises(UnknownOperation, match="2 inputs, 1 outputs: give a network with one of each"):
        verilog(design.pipeline, input_step=study.input_step)
    if find_spec("onnxruntime") is None:
        return
    import onnxruntime

    from hwcost.export.qonnx import plain_onnx

    model = plain_onnx(design.pipeline, input_step=study.input_step)
    as_written = onnxruntime.SessionOptions()  # its fused integer kernels round in places of their own
    as_written.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), as_written)
    for at in range(32):
        given = {"input": picture[at : at + 1].numpy(), "input1": sensors[at : at + 1].numpy()}
        (answer,) = session.run(None, given)
        torch.testing.assert_close(torch.from_numpy(answer), out[at : at + 1], rtol=1e-4, atol=1e-4)


def _changed(form: str, **changes: Any) -> Recipe:
    return replace(recipe_of(form), **changes)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("sensors", 0.3, r"train sample 5 holds 0.3\d* as input 'sensors', which no integer from 0 to 255"),
        ("picture", float("nan"), "train sample 5 holds nan as input 'picture'; remove it"),
    ],
)
def test_a_stray_value_is_told_with_the_name_of_its_input(name: str, value: float, told: str, tmp_path: Path) -> None:
    data = both(None)
    data.train.x[name][5].flatten()[0] = value
    recipe = _changed("dict", data=lambda path: data, input_step=1 / 256)
    with pytest.raises(BadData, match=f"recipe both: {told}"):
        hwcost.run_sweep(recipe, trials=1, out=tmp_path / "study", quiet=True)


def test_inputs_of_other_names_are_refused(tmp_path: Path) -> None:
    x = torch.zeros(4, 1, 6, 6)
    with pytest.raises(UntraceableNetwork, match=r"Both: inputs 'picture', 'sensor': .*name the arguments of forward"):
        hwcost.trace(Both(Precision(4, 4)), {"picture": x, "sensor": torch.zeros(4, 3)}, input_bits=8)
    tuples = {"left": x, "right": torch.zeros(4, 3)}
    data = hwcost.Data(name="both", train=(tuples, torch.arange(4)), validation=(tuples, torch.arange(4)),
                       test=(tuples, torch.arange(4)))  # type: ignore[arg-type] # fmt: skip
    with pytest.raises(UntraceableNetwork, match="'left', 'right'"):
        hwcost.run_sweep(_changed("dict", data=lambda path: data, input_step=1.0), trials=1, out=tmp_path / "s")


def test_a_ready_task_that_compares_one_tensor_refuses_several(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="both: its inputs are a dict; this task compares one tensor"):
        hwcost.run_sweep(_changed("dict", task=hwcost.RECONSTRUCTION), trials=1, out=tmp_path / "s", quiet=True)


def test_inputs_on_grids_of_their_own_are_quantized_in_front() -> None:
    net, x = Both(Precision(4, 4), quantizes=True).eval(), both(None, "tuple").train.take(slice(0, 8))[0]
    pipeline = hwcost.trace(net, x, input_range=unknown())
    found = IntegerNetwork.of(pipeline).values(*x)
    torch.testing.assert_close(found.float(), net(*x), rtol=1e-4, atol=1e-4)
