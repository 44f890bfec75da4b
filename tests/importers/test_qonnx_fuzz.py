"""Random QONNX graphs, sound and malformed, against the executor of the qonnx package: equal or refused."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="onnx is not installed: no graph was compared; pip install 'hwcost[onnx]'")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: no graph was compared; pip install it")
pytest.importorskip("qonnx", reason="qonnx is not installed: no graph was compared; pip install it")

from qonnx_graphs import PARTS, drawn
from qonnx_relation import LEAST, check, failed, shares


@pytest.mark.slow
def test_random_graphs_are_equal_or_refused() -> None:
    graphs = [(seed, drawn(seed)) for seed in range(100)]
    outcomes = [(graph, check(graph, seed)) for seed, graph in graphs]
    assert not [(seed, outcome) for (seed, _), (_, outcome) in zip(graphs, outcomes, strict=True) if failed(outcome)]
    assert sum(outcome.verdict == "equal" for _, outcome in outcomes) >= 55
    assert sum(outcome.hardware == "equal" for _, outcome in outcomes) >= 35


@pytest.mark.slow
@pytest.mark.parametrize("group", sorted(PARTS))
def test_of_every_kind_of_node_enough_is_read(group: str) -> None:
    outcomes = [(graph, check(graph, seed)) for seed in range(20) for graph in [drawn(seed, group)]]
    assert not [outcome for _, outcome in outcomes if failed(outcome)]
    count, share = shares(outcomes).get(group, (0, 0.0))
    assert share >= LEAST.get(group, 0.0) - 0.25 and (count >= 5 or group == "unknown")
