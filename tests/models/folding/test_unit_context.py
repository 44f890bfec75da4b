"""A unit with what depends on its fold: all parts together are the pipeline."""

from __future__ import annotations

import pytest
from block_strategies import dense

from hwcost.graph.ranges import integers
from hwcost.graph.spec import (
    Layer,
    LayerSpec,
    Link,
    MatVec,
    Signal,
    Thresholds,
)
from hwcost.models import AREAS, FORMULAS, Dataflow, Fold, Job, Placed, Setting, place
from hwcost.models.folding.assign import Chooser
from hwcost.models.folding.unit_context import Surroundings, priced
from hwcost.models.formulas.formula import Adapter

INTERVAL = 64


def pipeline() -> list[Placed]:
    signal = Signal(range=integers(4, signed=False), shape=(1,))
    layers = []
    for index, (rows, cols) in enumerate(((8, 4), (6, 8))):
        unit = dense(rows, cols, 2)
        act = Thresholds(channels=rows, vectors=2, input=unit.acc, output=integers(4, signed=False))
        output = Signal(range=act.output, shape=(1,))
        spec = LayerSpec(output=output, blocks=(unit, act))
        layers.append(Layer(name=f"l{index}", kind="t", inputs=(signal,), spec=spec))
        signal = output
    return list(place(layers))


def job(item: Placed, fold: Fold | None) -> Job:
    return Job(item.layer, item.block, fold, adapter=Adapter() if isinstance(item.block, Link) else None)


FOLDS = [Fold(1, 1), Fold(4, 2), Fold(2, 4)]


def test_units_with_their_surroundings_and_the_rest_are_the_pipeline() -> None:
    placed = pipeline()
    first, second = (at for at, item in enumerate(placed) if isinstance(item.block, MatVec))
    setting = Dataflow(device="xc7z020", folding={}).setting
    around = Surroundings(placed, setting, INTERVAL, job)
    bill = around.price(first, FOLDS, {second: Fold(1, 1)})
    for row, fold in enumerate(FOLDS):
        chooser = Chooser(lambda item: FORMULAS[type(item.block)], {first: fold, second: Fold(1, 1)}, job, False)
        whole = priced(chooser.jobs(placed, INTERVAL), setting).sum(0)
        here = {first: fold, second: Fold(1, 1)}
        other = around.price(second, [Fold(1, 1)], here)
        rest = priced(around.rest(here), setting)
        for column, name in enumerate(AREAS):
            found = float(bill[name][row] + other[name][0] + rest[:, column].sum())
            assert found == pytest.approx(float(whole[column])), (name, fold)


@pytest.mark.parametrize("flow", ["rtl", "hls"])
def test_without_the_unit_its_surroundings_alone_are_priced(flow: str) -> None:
    """In HLS the activation belongs to its unit, so that two units share the link between them."""
    placed = pipeline()
    first, second = (at for at, item in enumerate(placed) if isinstance(item.block, MatVec))
    setting = Setting("DSP48E2", "parallel", flow, "shared")
    around = Surroundings(placed, setting, INTERVAL, job)
    both, alone = (around.price(first, FOLDS, {second: Fold(1, 1)}, alone=alone) for alone in (False, True))
    unit = priced([job(placed[first], fold) for fold in FOLDS], setting)
    for column, name in enumerate(AREAS):
        assert (both[name] - alone[name]).tolist() == pytest.approx(unit[:, column].tolist()), name
    assert around.coupled == (flow == "hls") and {first, second} <= around.owned
