"""Published checkpoints: every tensor finds its place, and a file that is wrong is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hwcost.errors import BadData, BadOption
from hwcost.quant import LearnedScale
from hwcost.zoo.checkpoint import load_published
from hwcost.zoo.mobilenet import MobileNetV1
from hwcost.zoo.precision import Precision
from hwcost.zoo.proxylessnas import ProxylessNASMobile14

SIDE = 64
FOUR = Precision(4, 4)
SMALL: dict[str, Callable[[], nn.Module]] = {
    "mobilenet": lambda: MobileNetV1(FOUR, width=0.25, image=SIDE, classes=10),
    "mobilenet without padding": lambda: MobileNetV1(FOUR, width=0.25, image=SIDE, classes=10, stem_padding=0),
    "proxyless": lambda: ProxylessNASMobile14(FOUR, image=SIDE, classes=10),
    "proxyless 4b5b": lambda: ProxylessNASMobile14(FOUR, depthwise=Precision(5, 5), image=SIDE, classes=10),
    "proxyless hadamard": lambda: ProxylessNASMobile14(FOUR, hadamard=True, image=SIDE, classes=10),
}


def published(net: nn.Module, *, early: bool) -> dict[str, Tensor]:
    """A checkpoint of `net` with other values, in the names and shapes of Brevitas' state dicts."""
    proxy, value = ("act_quant_proxy", "learned_value") if early else ("act_quant", "value")
    random = torch.Generator().manual_seed(1)
    shared: dict[int, Tensor] = {}
    state: dict[str, Tensor] = {}
    for key, tensor in net.state_dict(keep_vars=True).items():
        if ".quants." in key:  # the sum here has the quantizer of the activation; Brevitas adds with +
            continue
        if key.endswith("_extra_state"):  # how our numbers are to be read; Brevitas has none
            continue
        if key.endswith(".quant.scale.value"):
            layer = key.removesuffix(".quant.scale.value")
            key = f"{layer}.{proxy}.fused_activation_quant_proxy.tensor_quant.scaling_impl.{value}"
        fresh = torch.rand(tensor.shape, generator=random) + 0.5
        state[key] = shared.setdefault(id(tensor), fresh if tensor.is_floating_point() else torch.tensor(7))
    return state


@pytest.mark.parametrize("early", [True, False], ids=["early", "later"])
@pytest.mark.parametrize("name", ["mobilenet without padding", "proxyless", "proxyless 4b5b", "proxyless hadamard"])
def test_a_published_checkpoint_is_loaded_tensor_by_tensor(name: str, early: bool, tmp_path: Path) -> None:
    net = SMALL[name]()
    before = dict(net.named_parameters())
    state = published(net, early=early)
    torch.save({"state_dict": state} if early else state, tmp_path / "net.pth")
    load_published(net, tmp_path / "net.pth")
    assert all(before[key] is parameter for key, parameter in net.named_parameters())
    for key, tensor in net.state_dict().items():
        if key in state:
            assert torch.equal(tensor, state[key]), key
    thresholds = [module for module in net.modules() if isinstance(module, LearnedScale)]
    for scale in thresholds:  # the logarithm is what is stored
        assert 2**0.5 <= scale().min().item() <= scale().max().item() <= 2**1.5
    assert net.eval()(torch.rand(1, 3, SIDE, SIDE)).isfinite().all()


def test_a_checkpoint_of_another_network_is_refused_with_all_that_differs(tmp_path: Path) -> None:
    net = SMALL["mobilenet"]()
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    state = published(net, early=True)
    state["output.weight"] = torch.zeros(7, 256)
    state["features.extra.weight"] = torch.zeros(1)
    del state["features.init_block.conv.weight"]
    threshold = "features.stage2.unit1.dw_conv.activation"
    del state[f"{threshold}.act_quant_proxy.fused_activation_quant_proxy.tensor_quant.scaling_impl.learned_value"]
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(BadOption) as refused:
        load_published(net, tmp_path / "net.pth")
    for part in (
        f"2 missing: features.init_block.conv.weight, {threshold}.quant.scale.value",
        "1 not in the network: features.extra.weight",
        "1 of another shape: output.weight (7, 256) for (10, 256)",
    ):
        assert part in str(refused.value)
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(BadData, match=r"net\.pth"):
        load_published(SMALL["mobilenet"](), tmp_path / "net.pth")
    torch.save([1, 2], tmp_path / "net.pth")
    with pytest.raises(BadData, match="holds no state dict"):
        load_published(SMALL["mobilenet"](), tmp_path / "net.pth")
