"""Layers and epochs of a trial as its record has them."""

import tiny_recipe
import torch

import hwcost
from hwcost.graph.ranges import between
from hwcost.sweep.trial_record import activations_of, epoch_record, layer_record
from hwcost.train.run import Epoch


def test_an_activation_is_what_has_thresholds() -> None:
    pipeline = hwcost.trace(tiny_recipe.TinyNet(2), torch.zeros(1, 1, 4, 4), input_range=between(0, 15))
    assert activations_of(pipeline) == {"2"}
    fpga = hwcost.Dataflow(device="PYNQ-Z1", folding=hwcost.target_fps(pipeline, tiny_recipe.FPS))
    conv, relu, *_ = (
        layer_record(row, activations_of(pipeline)) for row in hwcost.estimate(pipeline, fpga).record()["layers"]
    )
    assert (conv["layer"], conv["weight_bits"], conv["activation_bits"], conv["pe"]) == ("0", 5, None, 1)
    assert (relu["layer"], relu["activation_bits"]) == ("2", 5)


def test_an_epoch_has_the_widths_of_weights_and_activations() -> None:
    widths = {"0": {"weight_bits": 3, "output_bits": 9}, "2": {"output_bits": 4}, "3": {"output_bits": 4}}
    cost = {"LUT": 9.0, "DSP": 0.0, "BRAM18": 1.0, "FF": 3.0}
    epoch = Epoch(epoch=2, loss=0.5, accuracy=0.9, cost=cost, widths=widths)
    assert epoch_record(epoch, frozenset({"2"})) == {
        "epoch": 2, "loss": 0.5, "accuracy": 0.9, "LUT": 9.0, "DSP": 0.0, "BRAM18": 1.0,
        "widths": {"0 weights": 3, "2 activations": 4},
    }  # fmt: skip
