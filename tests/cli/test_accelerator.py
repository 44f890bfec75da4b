"""Files of an accelerator land in their folder, or the reason why not is told."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pyosys", reason="pyosys is not installed: nothing was built; pip install 'hwcost[synth]'")

from accelerated import STEP, folded, traced

from hwcost.cli.accelerator import Order, write
from hwcost.cli.laboratory import Tools
from hwcost.cost.estimate import estimate
from hwcost.errors import BadOption


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    pipeline = traced("dense")
    model = folded(pipeline, 40)
    place = tmp_path / "taken"
    place.write_text("", encoding="utf-8")
    order = Order(name="net", frames=None, simulator="auto", seed=0, input_step=STEP)
    tools = Tools(tool=None, cache=None, jobs=None, limit_s=600)
    with pytest.raises(BadOption, match="cannot be written"):
        write(place, pipeline, model, estimate(pipeline, model), order, tools)
    written = write(tmp_path / "made", pipeline, model, estimate(pipeline, model), order, tools)
    assert written.checked is None and {path.name for path in (tmp_path / "made").iterdir()} == {*written.files}
    assert {*written.design} == {"net.v", *(f"net_{unit}.v" for unit in written.units)} and not written.in_dsp
