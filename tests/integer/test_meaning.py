"""The meaning of integers on a wire, and the thresholds behind it, against every integer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hwcost.errors import UnknownPrecision
from hwcost.graph.ranges import between, integers
from hwcost.integer.meaning import Meaning, comparators, direction

NONE = torch.zeros((), dtype=torch.float64)


def meaning(*steps: float, offset: float = 0.0) -> Meaning:
    step = torch.tensor(steps if len(steps) > 1 else steps[0], dtype=torch.float64)
    return Meaning(step=step, offset=NONE + offset)


def test_values_are_steps_an_offset_and_maps_in_order() -> None:
    codes = torch.tensor([[[2, -1]], [[0, 3]]]).transpose(0, 1)  # (1, 2 channels, 2)
    found = meaning(0.5, 2.0, offset=1.0).then(lambda x: -x).then(torch.relu).value(codes)
    assert found.tolist() == [[[0.0, 0.0], [0.0, 0.0]]]
    assert meaning(0.5, 2.0, offset=1.0).value(codes).tolist() == [[[2.0, 0.5], [1.0, 7.0]]]


def test_a_step_is_plain_only_where_nothing_else_stands_in_between() -> None:
    assert meaning(0.5).plain_step() == 0.5 and meaning(1.0, 2.0).channel_step().tolist() == [1, 2]
    for given in (meaning(0.5, offset=1.0), meaning(0.5).then(torch.relu)):
        with pytest.raises(UnknownPrecision, match=r"a float map \(bias, batch norm, ReLU\) stands between"):
            given.channel_step()
    with pytest.raises(UnknownPrecision, match="the channels of its input have scales of their own"):
        meaning(1.0, 2.0).plain_step()


def test_flattened_features_keep_the_meaning_of_their_channel() -> None:
    shape = (2, 3, 2)
    given = meaning(1.0, 10.0, offset=0.5).then(lambda x: x * torch.tensor([1.0, -1.0]).reshape(2, 1, 1))
    codes = torch.arange(12).reshape(1, *shape)
    flat = given.flattened(shape)
    assert flat.step.tolist() == [1.0] * 6 + [10.0] * 6
    assert torch.equal(flat.value(codes.flatten(1)), given.value(codes).flatten(1))


def quantize(x: Tensor) -> Tensor:
    return torch.round(x / 0.7).clamp(-3, 4).long()


@pytest.mark.parametrize("factor", [1.0, -1.0, -0.01, 40.0])
@pytest.mark.parametrize("wire", [integers(5, signed=True), integers(4, signed=False), between(3, 3)])
def test_comparators_give_the_code_of_every_integer(wire: object, factor: float) -> None:
    given = meaning(0.3, 0.05).then(lambda x: x * factor + 0.1)
    low, high = int(wire.low), int(wire.high)  # type: ignore[attr-defined] # a range
    found = comparators(given, wire, quantize, between(-3, 4), channels=2, rank=2)  # type: ignore[arg-type]
    codes = torch.arange(low, high + 1).reshape(-1, 1).expand(-1, 2)
    assert torch.equal(found(codes), quantize(given.value(codes)))


def test_a_channel_that_is_turned_around_has_another_direction() -> None:
    given = meaning(1.0).then(lambda x: x * torch.tensor([1.0, -2.0, 0.0]))
    assert direction(given, integers(4, signed=True), 3, 2).tolist() == [1, -1, 1]
