"""Inputs of a data set against the integers that its recipe promises: what is off the grid is refused at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sweeps import experiment, run
from tiny_recipe import made, recipe
from torch import Tensor
from torch.utils.data import TensorDataset

from hwcost.errors import BadData, BadRecipe
from hwcost.graph.ranges import Range, between, binary, integers, unknown
from hwcost.sweep.entering import check_input
from hwcost.sweep.study_files import read_run
from hwcost.train.data import Data, Split


def _data(x: Tensor) -> Data:
    split = Split(x, torch.zeros(len(x), dtype=torch.int64))
    return Data(name="drawn", train=split, validation=split, test=split)


PIXELS = torch.randint(0, 256, (1500, 3, 4, 4), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("x", "wire", "step"),
    [
        (PIXELS, integers(8, signed=False), 1.0),
        (PIXELS.to(torch.uint8), integers(8, signed=False), 1.0),
        (PIXELS / 256, integers(8, signed=False), 1 / 256),
        (PIXELS / 255, integers(8, signed=False), 1 / 255),
        (0.3 * (PIXELS % 16 - 8), integers(4, signed=True), 0.3),
        (PIXELS % 17 / 16, between(0, 16), 1 / 16),
        (2.0 * (PIXELS % 2) - 1, binary(), 1.0),
        (torch.randn(20, 3), unknown(), None),
    ],
)
def test_the_step_is_found_in_the_data(x: Tensor, wire: Range, step: float | None) -> None:
    found = check_input("recipe r", _data(x), wire, None)
    assert found == (step if step is None else pytest.approx(step, rel=1e-7))
    assert check_input("recipe r", _data(x), wire, found) == found


@pytest.mark.parametrize(
    ("x", "wire", "step", "part"),
    [
        (torch.randn(30, 4), integers(8, signed=False), None, "train sample 0 holds .* no integer from 0 to 255"),
        (PIXELS / 255, integers(8, signed=False), 1 / 256, "with the step 0.00390625; quantize in front"),
        (PIXELS / 256, integers(7, signed=False), 1 / 256, "from 0 to 127"),
        (torch.tensor([[1.0], [float("nan")]]), unknown(), None, "train sample 1 holds nan"),
    ],
)
def test_values_that_the_hardware_cannot_get_are_refused(x: Tensor, wire: Range, step: float | None, part: str) -> None:
    with pytest.raises(BadData, match=part):
        check_input("recipe r", _data(x), wire, step)


def test_each_split_is_read_to_its_end() -> None:
    data = _data(PIXELS / 256)
    late = torch.cat([PIXELS / 256, PIXELS[:1] / 256 + 1e-3])
    bad = replace(data, test=Split(late, torch.zeros(len(late), dtype=torch.int64)))
    with pytest.raises(BadData, match="test sample 1500 holds"):
        check_input("recipe r", bad, integers(8, signed=False), None)


def test_channels_have_ranges_of_their_own() -> None:
    wire = Range(torch.zeros(2), torch.tensor([1.0, 3.0]), torch.tensor([1.0, 2.0]))
    x = torch.tensor([[1.0, 3.0], [0.0, 2.0]])
    assert check_input("recipe r", _data(x), wire, 1.0) == 1.0
    with pytest.raises(BadData, match="sample 0 holds 3"):
        check_input("recipe r", _data(x.flip(1)), wire, 1.0)


def test_a_sweep_on_standardised_floats_is_refused_before_training(tmp_path: Path) -> None:
    def floats(path: Path | None) -> Data:
        data = made(path)
        return replace(data, train=Split((data.train.x - 0.5) * 3.3, data.train.y))

    with pytest.raises(BadData, match=r"recipe tiny: train sample 0 .* input_step="):
        run(experiment(replace(recipe, input=integers(4, signed=False), data=floats), tmp_path / "study"), 1)
    assert not (tmp_path / "study").exists()


def test_the_step_is_recorded(tmp_path: Path, undrawn: None) -> None:
    run(experiment(recipe, tmp_path), 1)
    assert read_run(tmp_path)["data"]["step"] == 1 / 16


@pytest.mark.parametrize("step", [0, -1.0, float("nan"), "1/256", True])
def test_a_step_that_is_none(step: object) -> None:
    with pytest.raises(BadRecipe, match="input_step"):
        replace(recipe, input_step=step)  # type: ignore[arg-type]


def test_targets_are_read_too_and_named_by_their_sample() -> None:
    x, y = torch.rand(1100, 2), torch.arange(1100) % 3
    numbers = torch.rand(1100)
    numbers[1050] = torch.nan
    for targets, what in ((numbers, "as target"), ({"place": numbers, "kind": y}, "as target 'place'")):
        split = Split(x, targets)
        bad = Data(name="d", train=Split(x, y), validation=split, test=split)
        with pytest.raises(BadData, match=f"r: validation sample 1050 holds nan {what}; remove it, or fill it in"):
            check_input("r", bad, unknown(), None)
    labels = y.clone()
    labels[1030] = 7
    data = Data(name="d", train=TensorDataset(x, labels), validation=(x, y), test=(x, y), classes=3)  # type: ignore[arg-type]
    with pytest.raises(
        BadData, match=r"d: train has labels 0 to 7 \(torch.int64\), 7 in sample 1030; give whole numbers"
    ):
        check_input("r", data, unknown(), None)
