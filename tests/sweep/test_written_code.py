"""Code that users write is part of a study: what they change most is noticed, comments and layout are not."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import torch
from sweeps import experiment, run
from tiny_recipe import made, recipe
from torch import Tensor

from hwcost.errors import BadStudy
from hwcost.sweep.fingerprint import fingerprint_of
from hwcost.sweep.recipe import Params
from hwcost.sweep.written_code import code_digest
from hwcost.train.data import Data, Split
from hwcost.train.ready_tasks import CLASSIFICATION
from hwcost.zoo.digits import recipe as shipped

SOURCE = '''
import math
WEIGHT = 3.0
class Scaled:
    def __init__(self, by):
        self.by = by
    def __call__(self, x):
        return self.by * x
def helper(x):
    return WEIGHT * math.sin(x)
def loss(x):
    """Documented."""
    return helper(x) + 1  # a remark
def unrelated(x):
    return x
scaled = Scaled(2)
SEEN, TABLE = [], {"a": 1}
def counts(x):
    SEEN.append(x)
    return scaled(x) * TABLE["a"]
'''


def _module(folder: Path, source: str) -> ModuleType:
    folder.mkdir(exist_ok=True)
    path = folder / "mine.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(f"mine_{abs(hash(str(folder)))}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("Documented.", "Said otherwise.", True),
        ("  # a remark", "", True),
        ("return x\n", "return x * 2\n", True),  # of the unrelated function
        ("helper(x) + 1", "helper(x) + 2", False),
        ("math.sin", "math.cos", False),
        ("WEIGHT = 3.0", "WEIGHT = 4.0", False),
    ],
)
def test_a_function_counts_with_all_that_it_calls(tmp_path: Path, old: str, new: str, same: bool) -> None:
    before, after = _module(tmp_path / "a", SOURCE), _module(tmp_path / "b", SOURCE.replace(old, new))
    assert (code_digest(before.loss) == code_digest(after.loss)) is same
    assert code_digest(before.loss) == code_digest(before.loss) is not None


@pytest.mark.parametrize(("old", "new"), [("Scaled(2)", "Scaled(3)"), ('{"a": 1}', '{"a": 2}'), ("self.by * x", "x")])
def test_globals_count_by_the_statement_that_makes_them(tmp_path: Path, old: str, new: str) -> None:
    before, after = _module(tmp_path / "a", SOURCE), _module(tmp_path / "b", SOURCE.replace(old, new))
    first = code_digest(before.counts)
    before.counts(3)
    assert code_digest(before.counts) == first != code_digest(after.counts)


def test_objects_and_closures_count_with_their_values(tmp_path: Path) -> None:
    before, after = _module(tmp_path / "a", SOURCE), _module(tmp_path / "b", SOURCE.replace("Scaled(2)", "Scaled(3)"))
    assert code_digest(before.scaled) != code_digest(after.scaled)
    tensors = [partial(before.unrelated, torch.full((3,), value)) for value in (1.0, 1.0, 2.0)]
    assert code_digest(tensors[0]) == code_digest(tensors[1]) != code_digest(tensors[2])


def test_what_ships_counts_by_name() -> None:
    assert code_digest(CLASSIFICATION.loss) is code_digest(shipped.network) is code_digest(torch.relu) is None


def _other_score(right: Tensor, y: Tensor) -> float:
    return 0.5 * float(right.float().mean())


def _other_loss(out: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return CLASSIFICATION.loss(2 * out, x, y)


def _fewer(path: Path | None) -> Data:
    data = made(path)
    return replace(data, train=Split(data.train.x[:-1], data.train.y[:-1]))


def _from_a_file(file: Path) -> Callable[[Params], torch.nn.Module]:
    def network(params: Params) -> torch.nn.Module:
        net = recipe.network(params)
        net.load_state_dict(torch.load(file, weights_only=True))
        return net

    return network


@pytest.mark.usefixtures("undrawn")
def test_a_study_is_resumed_with_the_same_code_alone(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    run(experiment(recipe, folder), 1)
    for changed, part in (
        (replace(recipe, task=replace(CLASSIFICATION, score=_other_score)), "code of score was absent"),
        (replace(recipe, task=replace(CLASSIFICATION, loss=_other_loss)), "code of loss was absent"),
        (replace(recipe, data=_fewer), "code of data was"),
    ):
        with pytest.raises(BadStudy, match=part):
            run(experiment(changed, folder), 1)
    assert run(experiment(recipe, folder), 1).finished == 2


@pytest.mark.usefixtures("undrawn")
def test_another_checkpoint_is_another_study(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    narrow = replace(recipe, anchors=({"base": 3, "lut_budget": recipe.anchors[0]["lut_budget"]},))
    torch.save(recipe.network(narrow.anchors[0]).state_dict(), file)
    loads = experiment(replace(narrow, network=_from_a_file(file)), tmp_path / "study")
    before = fingerprint_of(loads, made(None))
    assert before.upgrade(dict(before.entries)) == before.entries
    tensors = torch.load(file, weights_only=True)
    torch.save({name: 1.01 * one if name == "0.weight" else one for name, one in tensors.items()}, file)
    after = fingerprint_of(loads, made(None))
    upgraded = after.upgrade(dict(before.entries))
    assert [name for name in upgraded if upgraded[name] != after.entries[name]] == ["weights"]
