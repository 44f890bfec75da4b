"""Padding in the stream of an image; windows behind it are simulated in test_window.py."""

from __future__ import annotations

import pytest

pytest.importorskip("amaranth", reason="amaranth is not installed: no RTL was simulated; pip install 'hwcost[synth]'")

from hwcost.errors import UnknownOperation
from hwcost.graph.ranges import integers
from hwcost.graph.spec import Window
from hwcost.synth.circuit import Circuit
from hwcost.synth.padding import padded_stream


def window(pad: int) -> Window:
    return Window(
        channels=1, image=(4, 4), kernel=(2, 2), stride=(1, 1), dilation=(1, 1), padding=((pad, pad), (0, 0)),
        output=(3 + 2 * pad, 3), input=integers(4, signed=False),
    )  # fmt: skip


def test_an_image_without_padding_passes_as_it_is() -> None:
    circuit = Circuit()
    stream = (circuit.input("data", 4), circuit.input("valid", 1), circuit.input("ready", 1))
    found = padded_stream(circuit, window(0), [0], stream)
    assert all(one is other for one, other in zip(found, stream, strict=True)) and not circuit.nodes


def test_pixels_that_are_cut_off_are_refused() -> None:
    circuit = Circuit()
    stream = (circuit.input("data", 4), circuit.input("valid", 1), circuit.input("ready", 1))
    with pytest.raises(UnknownOperation, match="cuts pixels off"):
        padded_stream(circuit, window(-1), [0], stream)
