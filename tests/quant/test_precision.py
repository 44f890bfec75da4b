"""State dicts say how their numbers are to be read; whoever holds a number of a part holds its meaning."""

import copy
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant import (
    FLOAT,
    LOG,
    POW2,
    ConstBits,
    ConstScale,
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    NarrowedBits,
    QuantLinear,
    QuantReLU,
    Restrict,
    RunningScale,
    abs_max,
    const_input,
    learned_activation,
    learned_weight,
)

State = dict[str, Any]


def loaded(part: nn.Module, state: State) -> Any:
    part.load_state_dict(state)
    return part


@pytest.mark.parametrize("base", [0, 1, 2, 4, 6])
@pytest.mark.parametrize("width", [6.0, 7.4, 9.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_width_keeps_its_value_when_it_is_loaded_into_another_base(base: int, width: float, sign: float) -> None:
    stored = LearnedBits(width, base=2, most=16)
    stored.offset.data *= sign
    found = loaded(LearnedBits(8, base=base, most=12), stored.state_dict())
    assert float(found().detach()) == float(stored().detach())
    found().backward()
    assert abs(float(found.offset.grad)) == 1


@pytest.mark.parametrize("restrict,width", [(Restrict.FLOAT, 5.3), (Restrict.POW2, 8)])
def test_other_restrictions_keep_their_widths_too(restrict: Restrict, width: float) -> None:
    stored = LearnedBits(width, base=2, restrict=restrict)
    found = loaded(LearnedBits(4, base=4, most=8, restrict=restrict), stored.state_dict())
    assert float(found().detach()) == pytest.approx(width)


def test_an_offset_beyond_its_bound_is_the_width_of_that_bound() -> None:
    stored = LearnedBits(8, base=2, most=8)
    stored.offset.data.fill_(50.0)
    assert float(loaded(LearnedBits(8, base=2, most=16), stored.state_dict())().detach()) == 8


@pytest.mark.parametrize(
    "stored,part,message",
    [
        (LearnedBits(3, base=2), LearnedBits(8, base=4), r"stored widths of 3 to 3 bits.*base=4.*build it with base=2"),
        (LearnedBits(12, base=2), LearnedBits(8, most=8), r"12 to 12 bits.*most=8.*most=16"),
        (LearnedBits(3, restrict=Restrict.FLOAT), LearnedBits(3), r"Restrict\.FLOAT.*Restrict\.WHOLE"),
        (LearnedScale(1.0, domain=POW2), LearnedScale(1.0), r"domain=POW2.*domain=LOG"),
        (LearnedScale(1.0, domain=FLOAT), LearnedScale(1.0, domain=POW2), r"domain=FLOAT.*domain=POW2"),
        (RunningScale(abs_max, domain=POW2), RunningScale(abs_max), r"domain=POW2.*domain=FLOAT"),
        (NarrowedBits(2, least=2), NarrowedBits(2, least=4), r"least=2.*least=4"),
    ],
)
def test_what_cannot_be_converted_is_refused_by_name(stored: nn.Module, part: nn.Module, message: str) -> None:
    net, other = nn.ModuleDict({"part": part}), nn.ModuleDict({"part": stored})
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(BadOption, match=f"part: .*{message}"):
        net.load_state_dict(other.state_dict())
    after = net.state_dict()
    assert all(torch.allclose(after[key], value, equal_nan=True) for key, value in before.items())


@pytest.mark.parametrize("one,other", [(FLOAT, LOG), (LOG, FLOAT)])
def test_a_threshold_is_converted_into_its_logarithm_and_back(one: Any, other: Any) -> None:
    stored = LearnedScale(torch.tensor([[0.3], [6.0]]), domain=one)
    found = loaded(LearnedScale(torch.ones(2, 1), domain=other), stored.state_dict())
    torch.testing.assert_close(found(), stored())


def net() -> nn.Sequential:
    layers = [QuantLinear(3, 4, weight_quant=learned_weight()), QuantReLU(learned_activation(bits=5))]
    return nn.Sequential(*layers, QuantReLU(IntQuantizer(bits=3, scale=RunningScale(abs_max), signed=False)))


def test_a_checkpoint_of_an_earlier_version_loads_strictly() -> None:
    """A file that version 0.1 wrote: its state dict has no word on how to read the numbers."""
    file = Path(__file__).parent / "state_dict_0_1.pt"
    state = torch.load(file, weights_only=True)
    assert not any("_extra_state" in key for key in state)
    fresh = net()
    fresh.load_state_dict(state, strict=True)
    assert float(fresh[0].weight_quant.bits().detach()) == 7 and float(fresh[1].quant.bits().detach()) == 3
    torch.testing.assert_close(fresh[1].quant.scale().detach(), torch.tensor(2.5))
    torch.testing.assert_close(fresh[2].quant.scale.running, torch.tensor(0.75))


def test_a_state_of_a_later_format_is_refused() -> None:
    state = net().state_dict()
    key = "1.quant.bits._extra_state"
    state[key] = state[key] + torch.tensor([1, *[0] * (len(state[key]) - 1)])
    with pytest.raises(BadOption, match=r"1\.quant\.bits: stored in format 2.*format 1"):
        net().load_state_dict(state)


def test_a_state_dict_is_made_of_tensors_and_survives_files_and_copies() -> None:
    stored = net()
    stored(torch.rand(4, 3))
    assert all(isinstance(value, Tensor) for value in stored.state_dict().values())
    file = io.BytesIO()
    torch.save({key: value.clone() for key, value in stored.state_dict().items()}, file)
    file.seek(0)
    fresh = loaded(net(), torch.load(file, weights_only=True))
    assert all(torch.equal(value, fresh.state_dict()[key]) for key, value in stored.state_dict().items())


@pytest.mark.parametrize("strict", [True, False])
def test_assigned_parameters_are_read_alike(strict: bool) -> None:
    stored, part = LearnedBits(6, base=2), LearnedBits(6, base=0)
    part.load_state_dict(stored.state_dict(), assign=True, strict=strict)
    assert float(part().detach()) == 6 and isinstance(part.offset, nn.Parameter)


def from_statistic() -> nn.Sequential:
    return nn.Sequential(QuantReLU(IntQuantizer(bits=4, scale=LearnedScale.from_stat(abs_max), signed=False)))


def test_an_average_of_models_starts_with_the_scale_that_it_averages() -> None:
    model = from_statistic()
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.5))
    with pytest.raises(BadOption, match="no statistic yet"):
        average(torch.rand(3))
    model[0].quant.scale.start(torch.tensor([1.5, -3.0]))
    average.update_parameters(model)
    x = torch.rand(20)
    assert torch.equal(average(x), model(x))


def test_another_process_starts_with_the_parameters_that_are_sent_to_it() -> None:
    """DistributedDataParallel writes the Parameters of rank 0 into those of the other ranks, and nothing else."""
    first, second = from_statistic(), from_statistic()
    first[0].quant.scale.start(torch.tensor([1.5, -3.0]))
    with torch.no_grad():
        for mine, sent in zip(second.parameters(), first.parameters(), strict=True):
            mine.copy_(sent)
    x = torch.rand(20)
    assert torch.equal(second(x), first(x))


def test_a_started_scale_that_becomes_nan_is_no_unstarted_one() -> None:
    scale = LearnedScale.from_stat(abs_max)
    scale.start(torch.ones(3))
    assert scale.started
    scale.value.data.fill_(float("nan"))
    assert bool(scale().isnan())


def test_constructed_without_memory_filled_and_loaded() -> None:
    def build() -> nn.Sequential:
        weight = IntQuantizer(bits=4, scale=LearnedScale.from_stat(abs_max, channel_dim=0), narrow=True)
        return nn.Sequential(
            QuantReLU(const_input(bits=4, max_val=2.0)), QuantLinear(3, 2, weight_quant=weight), *net()[1:]
        )

    real = build()
    real(torch.rand(5, 3))
    with torch.device("meta"):
        empty = build()
        assert empty(torch.empty(5, 3)).is_meta
    empty.to_empty(device="cpu")
    empty.load_state_dict(real.state_dict())
    x = torch.rand(7, 3)
    assert torch.equal(empty.eval()(x), real.eval()(x))


def test_constants_survive_an_emptied_module() -> None:
    with torch.device("meta"):
        bits, scale = ConstBits(5), ConstScale(1.3, domain=POW2)
        several = ConstScale(torch.tensor([[0.5], [2.0]], device="cpu"))
    assert bits().is_meta and scale().is_meta
    for part in (bits, scale):
        part.to_empty(device="cpu")
    assert float(bits()) == 5 and float(scale()) == 2 and several().tolist() == [[0.5], [2.0]]
    with torch.device("meta"), pytest.raises(BadOption, match="above 0"):
        LearnedScale(-1.0)
