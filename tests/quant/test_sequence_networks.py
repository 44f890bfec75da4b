"""Networks on sequences learn an epoch of made data, are priced with a gradient to every width, and leave by name."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from sequence_networks import CASES, built
from torch import Tensor, nn

import hwcost
from hwcost.errors import HwcostError
from hwcost.integer import IntegerNetwork
from hwcost.models import Dataflow, Finn, Generic, target_fps
from hwcost.quant import LearnedBits

ZOO = ("vit", "keywords", "tagger", "encoder")


def made(name: str, count: int) -> tuple[Tensor, Tensor]:
    """Samples and targets that can be learned: the place of the largest of four sums, or a token modulo three."""
    torch.manual_seed(1)
    case = CASES[name]
    x = case.batch(count)
    if case.tokens:
        return x, x % 3
    x = x.float()
    return x, x.flatten(1).unfold(1, x[0].numel() // 4, x[0].numel() // 4)[:, :4].sum(2).argmax(1)


def loss_of(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    scores = net(x)
    scores = scores[..., :4].mean(1) if scores.ndim == 3 and y.ndim == 1 else scores
    return F.cross_entropy(scores.flatten(0, -2), y.flatten())


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_a_network_learns_and_its_integers_are_what_it_has_learned(name: str) -> None:
    case, net = CASES[name], CASES[name].build()
    x, y = made(name, 512)
    weights = [p for n, p in net.named_parameters() if not n.endswith("offset")]
    optimizer = torch.optim.Adam(weights, 3e-3)
    net.train()
    losses = []
    for _ in range(4):
        for rows in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            loss = loss_of(net, x[rows], y[rows])
            torch.autograd.backward([loss])
            optimizer.step()
            losses.append(loss.item())
    assert sum(losses[-8:]) < 0.9 * sum(losses[:8])
    net.double().eval()
    x = x[:8] if case.tokens else x[:8].double()
    whole = IntegerNetwork.of(hwcost.trace(net, x[:1], input_range=case.wire), input_step=1.0 if case.tokens else None)
    with torch.no_grad():
        assert torch.allclose(whole.values(x), net(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["attention", "lstm", "gru", "layer norm"])
def test_every_learned_width_has_a_price_that_does_not_fall(name: str) -> None:
    net, case = built(name), CASES[name]
    pipeline = hwcost.trace(net, case.batch(1))
    model = Dataflow(device="ZCU104", folding=target_fps(pipeline, 20_000))
    bill = hwcost.hardware_cost(pipeline, model)
    torch.autograd.backward([bill["LUT"]])
    widths = [part for part in net.modules() if isinstance(part, LearnedBits)]
    before = {resource: float(bill[resource].detach()) for resource in ("LUT", "FF", "BRAM18")}
    assert widths
    for width in widths:
        assert width.offset.grad is not None and float(width.offset.grad.sum()) > 0
        with torch.no_grad():
            width.offset += 1
            wider = hwcost.hardware_cost(pipeline, model)
            width.offset -= 1
        assert all(float(wider[resource]) >= amount for resource, amount in before.items())


@pytest.mark.parametrize("name", ["attention", "gru", "tagger", "layer norm"])
def test_copies_compute_and_cost_the_same(name: str) -> None:
    case, net = CASES[name], built(name)
    x = case.batch(3)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(other(x), net(x))
        bills = [hwcost.hardware_cost(hwcost.trace(one, x, input_range=case.wire), Generic()) for one in (net, other)]
        assert bills[0]["BOPs"] == bills[1]["BOPs"] > 0


@pytest.mark.parametrize(("name", "told"), [("attention", "scores"), ("lstm", "layers.0"), ("gru", "layers.0")])
def test_what_only_a_stream_can_do_is_refused_by_name(name: str, told: str) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed; pip install 'hwcost[onnx]'")
    from hwcost.export.qonnx import qonnx

    case = CASES[name]
    pipeline = hwcost.trace(built(name), case.batch(1))
    with pytest.raises(HwcostError, match=told):
        qonnx(pipeline)
    with pytest.raises(HwcostError, match=told):
        hwcost.price(pipeline, hwcost.Unrolled(device="ZCU104"))
    with pytest.raises(HwcostError, match=told):
        hwcost.price(pipeline, Finn(device="ZCU104", folding=target_fps(pipeline, 2_000)))
