"""MobileNet V1 and ProxylessNAS Mobile14: their published sizes, pricing, a training step, published checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import hwcost
from hwcost.errors import BadData, BadOption
from hwcost.graph.spec import MatVec
from hwcost.quant import LearnedScale, QuantAvgPool2d, QuantConv2d
from hwcost.zoo import mobilenet, proxylessnas
from hwcost.zoo.checkpoint import load_published
from hwcost.zoo.mobilenet import MobileNetV1
from hwcost.zoo.precision import Precision
from hwcost.zoo.proxylessnas import ProxylessNASMobile14

FOUR = Precision(4, 4)
SIDE = 64
SMALL: dict[str, Callable[[], nn.Module]] = {
    "mobilenet": lambda: MobileNetV1(FOUR, width=0.25, image=SIDE, classes=10),
    "mobilenet without padding": lambda: MobileNetV1(FOUR, width=0.25, image=SIDE, classes=10, stem_padding=0),
    "mobilenet learned": lambda: MobileNetV1(Precision(2, 2, learned=True), width=0.25, image=SIDE, classes=10),
    "mobilenet float": lambda: MobileNetV1(None, width=0.25, image=SIDE, classes=10),
    "proxyless": lambda: ProxylessNASMobile14(FOUR, image=SIDE, classes=10),
    "proxyless 4b5b": lambda: ProxylessNASMobile14(FOUR, depthwise=Precision(5, 5), image=SIDE, classes=10),
    "proxyless hadamard": lambda: ProxylessNASMobile14(FOUR, hadamard=True, image=SIDE, classes=10),
    "proxyless learned": lambda: ProxylessNASMobile14(Precision(2, 2, learned=True), image=SIDE, classes=10),
    "proxyless float": lambda: ProxylessNASMobile14(None, image=SIDE, classes=10),
}


def parameters(net: nn.Module) -> int:
    """Weights, biases and batch norms; no thresholds and widths."""
    inside = [name for name, _ in net.named_parameters() if "quant" not in name]
    return sum(net.get_parameter(name).numel() for name in inside)


def macs(pipeline: hwcost.Pipeline) -> int:
    blocks = [block for layer in pipeline.layers() for block in layer.blocks if isinstance(block, MatVec)]
    return sum(block.rows * block.groups * block.cols * block.vectors for block in blocks)


def traced(net: nn.Module, side: int = 224) -> hwcost.Pipeline:
    return hwcost.trace(net, torch.zeros(1, 3, side, side), input_bits=8)


def widths(pipeline: hwcost.Pipeline) -> dict[str, tuple[float, float]]:
    """Layer -> widths of its weights and of what enters."""
    return {
        layer.name: (float(block.weight.bits.max()), float(block.input.bits.max()))
        for layer in pipeline.layers()
        for block in layer.blocks
        if isinstance(block, MatVec)
    }


def test_mobilenet_has_the_published_sizes_and_widths() -> None:
    """4.2 million and 569 million: arXiv:1704.04861, table 4; 4,231,976: osmr/imgclsmob, pytorchcv/models/mobilenet."""
    net = mobilenet.reference()
    pipeline = traced(net)
    assert parameters(net) == 4_231_976
    assert macs(pipeline) == 568_740_352
    found = widths(pipeline)
    assert found.pop("features.init_block.conv") == (8, 8)
    assert set(found.values()) == {(4, 4)} and len(found) == 27
    assert {layer.output.range.bits.item() for layer in pipeline.layers() if layer.name == "final_pool"} == {4}


def test_proxylessnas_has_the_published_sizes_and_widths() -> None:
    """581 million: mit-han-lab/proxylessnas, README; 6,857,568: osmr/imgclsmob, pytorchcv/models/proxylessnas.py."""
    net = proxylessnas.reference()
    pipeline = traced(net)
    assert parameters(net) == 6_857_568
    assert round(macs(pipeline) / 1e6) == 581
    assert set(widths(pipeline).values()) == {(8, 8), (4, 4)}
    mixed = widths(traced(proxylessnas.mixed()))
    assert mixed["features.stage3.unit2.body.dw_conv.conv"] == (5, 5)
    assert mixed["features.stage3.unit2.body.bc_conv.conv"] == mixed["output"] == (4, 4)


def test_the_hadamard_classifier_stores_no_weights() -> None:
    net = proxylessnas.with_hadamard()
    assert parameters(net) == 6_857_568 - 1000 * (1792 + 1) + 1
    assert widths(traced(net))["output"] == (1, 4)


@pytest.mark.parametrize("name", SMALL)
def test_a_step_trains_every_parameter(name: str) -> None:
    net = SMALL[name]()
    net(torch.rand(2, 3, SIDE, SIDE)).square().mean().backward()
    for key, parameter in net.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), key
    stem = next(module for module in net.modules() if isinstance(module, QuantConv2d))
    assert stem.weight.grad is not None and bool((stem.weight.grad != 0).any())


@pytest.mark.parametrize("name", [name for name in SMALL if "learned" in name])
def test_every_learned_width_has_a_price(name: str) -> None:
    pipeline = traced(SMALL[name](), SIDE)
    model = hwcost.Dataflow(device="xczu7ev", folding=hwcost.target_fps(pipeline, 100))
    used = hwcost.hardware_cost(pipeline, model)
    assert used["LUT"].item() > 1_000
    assert used["LUT"].requires_grad


@pytest.mark.slow
@pytest.mark.parametrize("build", [mobilenet.reference, proxylessnas.reference], ids=["mobilenet", "proxyless"])
def test_a_step_at_full_size(build: Callable[[], nn.Module]) -> None:
    net = build()
    scores = net(torch.rand(2, 3, 224, 224))
    assert scores.shape == (2, 1000)
    scores.square().mean().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.parametrize("image", [0, 33])
def test_images_that_do_not_shrink_to_whole_maps_are_refused(image: int) -> None:
    for build in (MobileNetV1, ProxylessNASMobile14):
        with pytest.raises(BadOption, match=f"image={image}"):
            build(FOUR, image=image)


def published(net: nn.Module, *, early: bool) -> dict[str, Tensor]:
    """A checkpoint of `net` with other values, in the names and shapes of Brevitas' state dicts."""
    proxy, value = ("act_quant_proxy", "learned_value") if early else ("act_quant", "value")
    random = torch.Generator().manual_seed(1)
    shared: dict[int, Tensor] = {}
    state: dict[str, Tensor] = {}
    for key, tensor in net.state_dict(keep_vars=True).items():
        if ".quants." in key:  # the sum here has the quantizer of the activation; Brevitas adds with +
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


def test_the_average_is_a_sum_and_a_shift() -> None:
    net = SMALL["mobilenet"]()
    pool = net.final_pool
    assert isinstance(pool, QuantAvgPool2d) and (pool.least, pool.most, pool.kernel_size) == (4, 4, 2)
