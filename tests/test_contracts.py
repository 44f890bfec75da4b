"""What every public object promises: it is copied, pickled, saved by PyTorch, compared and printed."""

from __future__ import annotations

import inspect
import io
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from copy import copy, deepcopy
from importlib import import_module
from typing import Any

import pytest
import torch
from public_samples import FORMS, IDENTICAL, PLAIN, SAMPLES, UNPICKLED, traced
from torch import nn
from torch.optim.swa_utils import AveragedModel

import hwcost
import hwcost.models
import hwcost.train.loop


def through_pickle(thing: Any) -> Any:
    return pickle.loads(pickle.dumps(thing))


def through_torch(thing: Any) -> Any:
    file = io.BytesIO()
    torch.save(thing, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def test_every_public_name_has_a_sample() -> None:
    for package in ("hwcost", "hwcost.models"):
        for name in import_module(package).__all__:
            public = getattr(import_module(package), name)
            if inspect.isfunction(inspect.unwrap(public)):
                assert through_pickle(public) is public
            elif inspect.isclass(public) and issubclass(public, Exception):
                again = through_pickle(public("conv1: 3 is wrong"))
                assert type(again) is public and str(again) == "conv1: 3 is wrong"
            else:
                assert name in SAMPLES.keys() | FORMS | PLAIN, f"{name}: add a sample"


@pytest.mark.parametrize(
    ("name", "again"),
    [
        (name, again)
        for name in SAMPLES
        for again in (copy, deepcopy, through_pickle, through_torch)
        if again is copy or name not in UNPICKLED
    ],
)
def test_a_copy_is_as_good(name: str, again: Callable[[Any], Any]) -> None:
    thing = SAMPLES[name]()
    other = again(thing)
    assert type(other) is type(thing)
    assert isinstance(thing == other, bool)
    assert repr(thing) and repr(other)
    if type(thing).__eq__ is not object.__eq__ and name not in IDENTICAL:
        assert thing == other


@pytest.mark.parametrize("again", [deepcopy, through_pickle, through_torch])
def test_a_copy_prices_alike(again: Callable[[Any], Any]) -> None:
    _, pipeline, model = traced()
    models = [model, *(SAMPLES[name]() for name in ("Finn", "Generic", "Refolding"))]
    for one in models:
        with torch.no_grad():
            bill, other = hwcost.hardware_cost(pipeline, one), hwcost.hardware_cost(pipeline, again(one))
        assert {name: float(amount) for name, amount in bill.items()} == {n: float(a) for n, a in other.items()}
    priced = hwcost.price(pipeline, model)
    assert priced.amounts["LUT"].requires_grad and not again(priced).amounts["LUT"].requires_grad
    assert all(torch.equal(amount, priced.amounts[name]) for name, amount in again(priced).amounts.items())
    first, second = (hwcost.hardware_cost(one, model)["LUT"] for one in (pipeline, again(pipeline)))
    assert torch.equal(first, second) and second.requires_grad


def test_a_network_that_holds_its_hardware_can_be_averaged() -> None:
    net, pipeline, model = traced()
    holder = nn.Module()
    holder.net, holder.pipeline, holder.fpga = deepcopy(net), pipeline, model  # type: ignore[assignment] # no module
    assert AveragedModel(holder).module.fpga.folding == model.folding


@pytest.mark.slow
def test_every_sample_reaches_a_process_that_is_spawned() -> None:
    things = [make() for name, make in SAMPLES.items() if name not in UNPICKLED]
    # an executor: it says so when its process dies, where a multiprocessing.Pool would wait for ever
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(type, things)) == [type(thing) for thing in things]
