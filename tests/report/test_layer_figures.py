"""The figures of the layers: widths, LUTs, and a training."""

from __future__ import annotations

import re
from itertools import pairwise

import pandas as pd
import pytest
from made_up_study import made_up_run, made_up_trials
from matplotlib.patches import Rectangle

from hwcost.report import read_study
from hwcost.report.layer_figures import bit_width_figure, lut_figure, training_figure
from hwcost.report.style import house_style


def test_the_bit_width_map_shows_each_width() -> None:
    study = read_study(made_up_trials(), made_up_run())
    with house_style():
        drawing = bit_width_figure(study)
    assert drawing is not None
    weights = drawing.figure.axes[0]
    names = [label.get_text() for label in weights.get_yticklabels()]
    shown = {(round(t.get_position()[0]), names[round(t.get_position()[1])]): int(t.get_text()) for t in weights.texts}
    expected = {
        (column, entry["layer"]): entry["weight_bits"]
        for column, layers in enumerate(study.front["layers"])
        for entry in layers
        if entry["weight_bits"] is not None
    }
    assert shown == expected


def test_the_bars_add_up_to_the_layers() -> None:
    study = read_study(made_up_trials(), made_up_run())
    with house_style():
        drawing = lut_figure(study)
    assert drawing is not None
    patches = [patch for patch in drawing.figure.axes[0].patches if isinstance(patch, Rectangle)]
    bars = [(round(p.get_y() + p.get_height() / 2), p.get_width()) for p in patches]
    total = pd.DataFrame(bars, columns=["bar", "LUT"]).groupby("bar")["LUT"].sum()
    heads = [label.get_text() for label in drawing.figure.axes[0].get_yticklabels()]
    for position, head in enumerate(heads):
        number = int(head.split(",")[0].removeprefix("trial "))
        layers = study.trials.set_index("number")["layers"][number]
        assert total[position] == pytest.approx(sum(entry["LUT"] for entry in layers))
    marked = {int(study.complete["number"][mark.row]) for mark in study.marks}
    assert marked <= {int(head.split(",")[0].removeprefix("trial ")) for head in heads}


def test_the_training_figure_names_every_width() -> None:
    with house_style():
        drawing = training_figure(read_study(made_up_trials(), made_up_run()))
    assert drawing is not None
    words = {label.get_text() for label in drawing.figure.axes[1].get_yticklabels()}
    assert words >= {"conv1.weight", "conv1.activation", "quant.weight", "fc2.weight"}
    assert re.search(r"conv2.weight \d to \d", drawing.alternative)


def test_a_box_is_a_width_as_long_as_it_stayed() -> None:
    study = read_study(made_up_trials(), made_up_run())
    with house_style():
        drawing = training_figure(study)
    assert drawing is not None
    number = int(drawing.alternative.split()[3])
    epochs = study.trials.set_index("number")["epochs"][number]
    names = [label.get_text() for label in drawing.figure.axes[1].get_yticklabels()]
    boxes = [patch for patch in drawing.figure.axes[1].patches if isinstance(patch, Rectangle)]
    for row, name in enumerate(names):
        own = [box for box in boxes if round(box.get_y() + box.get_height() / 2) == row]
        assert sum(box.get_width() for box in own) == len(epochs)
        assert len(own) == 1 + sum(a["widths"][name] != b["widths"][name] for a, b in pairwise(epochs))
