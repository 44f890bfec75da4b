"""Protocols of hardware models, and the networks that they price."""

from __future__ import annotations

import pytest
from torch import nn

from hwcost.errors import BadOption
from hwcost.models import Dataflow, Finn, Generic, HardwareModel, Unrolled
from hwcost.models.resources import AREAS, COUNTED, RESOURCES, HasLayers, OnPart, check_traced, layers_of


class Lister:
    def layers(self) -> list[object]:
        return ["first", "second"]


def test_anything_that_lists_its_layers_is_a_traced_network() -> None:
    assert isinstance(Lister(), HasLayers)
    assert layers_of(Lister()) == ("first", "second")  # type: ignore[arg-type, comparison-overlap] # stands in


@pytest.mark.parametrize("thing", [nn.Linear(2, 2), "net", None])
def test_a_network_that_is_not_traced_is_refused_with_the_call(thing: object) -> None:
    with pytest.raises(BadOption, match=rf"a {type(thing).__name__} is no traced network; trace it first: pipeline ="):
        check_traced(thing)  # type: ignore[arg-type] # what a user may give


def test_a_module_with_layers_is_no_traced_network() -> None:
    class Net(nn.Module, Lister):
        pass

    with pytest.raises(BadOption, match="a Net is no traced network"):
        check_traced(Net())  # type: ignore[arg-type] # what a user may give


def test_which_models_have_a_part() -> None:
    models = (Dataflow(device="xc7z020", folding={}), Unrolled(device="xc7z020"), Generic())
    assert all(isinstance(model, HardwareModel) for model in models)
    assert [isinstance(model, OnPart) for model in models] == [True, True, False]
    assert set(COUNTED) < set(AREAS) < set(RESOURCES) and set(RESOURCES) - set(AREAS) == {"cycles"}
    assert Finn(device="xc7z020", folding={}).resources[0] == "LUT"
