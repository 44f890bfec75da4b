"""ProxylessNAS Mobile14: its published sizes and widths, and what its units share."""

from __future__ import annotations

import pytest
from network_sizes import macs, parameters, traced, widths

from hwcost.errors import BadOption
from hwcost.zoo import proxylessnas
from hwcost.zoo.precision import Precision
from hwcost.zoo.proxylessnas import STAGES, ProxylessNASMobile14


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


def test_all_summands_of_a_group_share_a_grid() -> None:
    net = ProxylessNASMobile14(Precision(4, 4), image=32, classes=2)
    for number, units in enumerate(STAGES, start=1):
        grid = None
        for place, unit in enumerate(units, start=1):
            made = net.features.get_submodule(f"stage{number}.unit{place}")
            assert made.residual == unit.residual == hasattr(made, "add")
            grid = made.shared_act if not unit.residual else grid
            assert made.shared_act is grid
            if unit.residual:
                assert made.add.quantizer(0, 2) is made.add.quantizer(1, 2) is grid.quant  # type: ignore[union-attr]


def test_depthwise_widths_need_a_precision() -> None:
    with pytest.raises(BadOption, match="depthwise without precision; give both, or neither for float"):
        ProxylessNASMobile14(None, depthwise=Precision(5, 5))
