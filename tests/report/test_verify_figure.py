"""The figure of estimates beside measurements."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.figure import Figure

from hwcost.report.style import Drawing
from hwcost.report.verify_figure import verify_picture


def test_two_bars_per_layer_and_the_residual(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []

    def keep(drawing: Drawing, kind: str) -> bytes:
        drawn.append(drawing.figure)
        return kind.encode()

    monkeypatch.setattr("hwcost.report.verify_figure.picture", keep)
    layers = pd.DataFrame({"layer": ["conv1", "flat", "fc"], "LUT": [90.0, 10.0, 200.0], "LUT_measured": [100, 0, 160]})
    assert verify_picture(layers, "lenet") == b"png"
    (axes,) = drawn[0].axes
    widths = [patch.get_width() for patch in axes.patches]  # type: ignore[attr-defined] # rectangles
    assert widths == [90, 10, 200, 100, 0, 160]
    assert [text.get_text().strip() for text in axes.texts] == ["-10%", "+25%"]  # nothing where nothing was measured
    assert [label.get_text() for label in axes.get_yticklabels()] == ["conv1", "flat", "fc"]
    assert axes.get_title(loc="left") == "lenet: 300 LUT estimated, 260 synthesized, +15.4%"
