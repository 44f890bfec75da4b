"""A recipe for a float network that has none: drafted from the network and its data as a file that can be edited."""

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from math import ceil, floor, log2, log10
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.call import Describes
from hwcost.sweep.entering import fewest_bits
from hwcost.sweep.experiment import Experiment
from hwcost.sweep.recipe import Recipe
from hwcost.sweep.settings import Settings
from hwcost.sweep.study_files import write_text
from hwcost.sweep.trial import design
from hwcost.sweep.user_call import ask, built
from hwcost.train.data import Data
from hwcost.train.split import CHUNK
from hwcost.train.tree import called

FILE = "recipe.py"
"""Name of a drafted recipe in the folder of its study."""

DRAFTED = "# Drafted by: hwcost sweep "
"""Beginning of the line of a drafted recipe that names network, data and shape."""

MOST_BITS, COVERED = 8, 0.999
"""Bits of what enters, at most; share of the values that the range of a quantizer in front covers."""

STEPS, EPOCHS, BATCHES = 400, (3, 20), (8, 128)
"""Steps that a training aims at; fewest and most epochs, smallest and largest batch."""

TEXT = Template('''"""Recipe of $name: a draft, to be edited before its study begins, or for another one (`--out`)."""

$drafted

from collections import OrderedDict
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from optuna.distributions import FloatDistribution, IntDistribution
from torch import nn

import hwcost
from hwcost.graph.ranges import integers, unknown
from hwcost.quant import QuantIdentity, const_input, convert, learned_activation, learned_weight, uniform
from hwcost.sweep.recipe import load_object

Net = load_object($network, {})
DATA = Path($data)
SHAPE = $shape  # of one sample


def data(path):
    """Read --data, or DATA; a fifth for each of validation and test where the files do not divide the samples."""
    return hwcost.Data.from_files(path or DATA, shape=SHAPE$classes)


def float_network():
    """Build the network as it is: its score is what the trials are held against."""
    return $float_network


def network(params):
    """Convert the network; each width is learned, from three bits above its floor on."""
    weight, activation = params["weight_base"], params["activation_base"]
    policy = uniform(
        weight=partial(learned_weight, bits=weight + 3, base=weight),
        activation=partial(learned_activation, bits=activation + 3, base=activation),
    )
    net = convert(Net(), policy, example=torch.zeros(1, *SHAPE))
    return $quantized


recipe = hwcost.Recipe(
    name="$name",
    network=network,
    float_network=float_network,
    data=data,
    input=$enters,
    example=SHAPE,
    task=$task,
    training=hwcost.Training($training),
    space={
        "weight_base": IntDistribution(2, 5),  # bits that a width keeps at least
        "activation_base": IntDistribution(2, 5),
        "lut_headroom": FloatDistribution(0, 1),  # the budget, from all widths at their floors to all at their start
    },
    budget=lambda params: {"LUT": hwcost.Headroom(params["lut_headroom"])},
    objectives=("score", "LUT", "BRAM18"),
    anchors=(
        {"weight_base": 5, "activation_base": 5, "lut_headroom": 1.0},
        {"weight_base": 2, "activation_base": 2, "lut_headroom": 0.0},
    ),
    plain={"weight_base": 2, "activation_base": 2, "lut_headroom": 1.0},  # where --bits searches every width
    device="$device",
    fps=$fps,  # frames/s that PE and SIMD are chosen for
    clock_mhz=$clock,
)
''')

FRONT = {
    "float_network": "nn.Sequential(OrderedDict(enters=nn.Identity(), net=Net()))",
    "quantized": "nn.Sequential(OrderedDict(enters=QuantIdentity($quantizer), net=net))",
    "enters": "unknown()",
}
"""Texts of a recipe where floats enter, which a quantizer in front makes integers of."""

SIGN = """hwcost.Task(  # one score: above 0 for label 1
        name="accuracy",
        unit="%",
        loss=lambda out, x, y: F.binary_cross_entropy_with_logits(out.flatten(), y.float()),
        judge=lambda out, x, y: (out.flatten() > 0) == (y > 0),
        score=lambda right, y: right.double().mean(),
    )"""
"""Task of a network with one score for two classes."""


def study_name(reference: str) -> str:
    """A name for the study of a network, from `file.py:name` or `package.module:name`."""
    return re.sub(r"\W", "-", reference.rpartition(":")[2]).lower()


def drafted(network: Callable[[], Any], settings: Settings, shape: tuple[int, ...] | None) -> tuple[str, bool]:
    """Draft the recipe of a float network into the folder of its study, unless it is there.

    Args:
        network: makes a fresh float network; found by the reference in `settings.recipe`.
        settings: of the sweep; part, frame rate and clock become those of the recipe where they are given.
        shape: of one sample; None takes it from the data.

    Returns:
        The reference of the recipe, and whether it was drafted now.

    Raises:
        BadOption: no data, a recipe of something else in the folder, no network, or none for these targets.
        BadData: as `hwcost.Data.from_files`. HwcostError: what `convert`, `trace` and the hardware model refuse.
    """
    if isinstance(network, nn.Module):
        raise BadOption(
            f"{settings.recipe}: one network, but each trial trains a fresh one; name its class, or a function without "
            "arguments that returns it"
        )
    path, where = settings.out / FILE, _absolute(settings.recipe)
    reference = f"{path}:recipe"
    if path.is_file():
        _check_same(path, where, settings.data, shape)
        return reference, False
    if settings.data is None:
        raise BadOption(
            f"{settings.recipe}: a network, not a recipe; give its data set with --data, an npz file or a folder of "
            "samples, or write a recipe"
        )
    data = Data.from_files(settings.data, shape=shape)
    facts = _facts(where, network, data) | {
        "drafted": DRAFTED + _command(where, settings.data, tuple(data.train.example.shape[1:])),
        "name": study_name(where),
        "network": repr(where),
        "data": repr(str(settings.data.resolve())),
        "device": settings.part or "xc7z020",
        "fps": f"{settings.fps or 1_000:_.12g}".removesuffix(".0"),
        "clock": f"{settings.clock_mhz or 100:.12g}",
    }
    text = TEXT.substitute(facts)
    _build(_executed(text), settings, data)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return reference, True


def _absolute(reference: str) -> str:
    file, _, name = reference.rpartition(":")
    return f"{Path(file).resolve()}:{name}" if file.endswith(".py") else reference


def _command(where: str, data: Path, shape: tuple[int, ...]) -> str:
    return shlex.join([where, "--data", str(data.resolve()), "--input", ",".join(map(str, shape))])


def _check_same(path: Path, where: str, data: Path | None, shape: tuple[int, ...] | None) -> None:
    """Refuse the recipe of another network, or of other data."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    said = next((shlex.split(line.removeprefix(DRAFTED)) for line in lines if line.startswith(DRAFTED)), [])
    known = dict(zip(("network", "", "data", "", "input"), said, strict=False))
    asked = {"network": where}
    asked |= {} if data is None else {"data": str(data.resolve())}
    asked |= {} if shape is None else {"input": ",".join(map(str, shape))}
    if other := next((name for name, value in asked.items() if known.get(name) != value), None):
        raise BadOption(
            f"{path}: is there already, for another {other}, {known.get(other, 'which it does not name')}, not "
            f"{asked[other]}; give another --out, or sweep it as it is: hwcost sweep {path}:recipe --out {path.parent}"
        )


def _facts(where: str, network: Callable[[], Any], data: Data) -> dict[str, str]:
    """Describe a network and its data, as the text of a recipe has them, by name.

    Raises:
        BadOption: no float network, or one whose output does not fit the targets.
    """
    net = built(where, network)
    if any(isinstance(module, Describes) for module in net.modules()):
        raise BadOption(f"{where}: it is quantized already; write a recipe that says what the search may choose")
    x = data.train.take(slice(0, CHUNK))[0]
    shape = tuple(x.shape[1:])
    with torch.no_grad():
        out = ask(f"{where}: with a batch of shape {(1, *shape)}, from the data or --input,", called, net.eval(), x[:1])
    if not isinstance(out, Tensor):
        raise BadOption(f"{where}: returns a {type(out).__name__}; write a recipe, whose task says what each output is")
    task, classes = _task(where, data, tuple(out.shape[1:]))
    found = fewest_bits(data, MOST_BITS)
    bits, signed = found or (MOST_BITS, bool((x < 0).any()))
    highest = _round_up(float(np.quantile(x.abs().numpy(), COVERED)))
    texts = {"float_network": "Net()", "quantized": "net", "enters": f"integers({bits}, signed={signed})"}
    quantizer = f"const_input(bits={bits}, max_val={highest:g}, signed={signed})"
    return {
        **{key: Template(text).substitute(quantizer=quantizer) for key, text in (texts if found else FRONT).items()},
        "shape": repr(shape),
        "classes": "" if classes is None else f", classes={classes}",
        "task": task,
        "training": _training(len(data.train)),
    }


def _task(where: str, data: Data, out: tuple[int, ...]) -> tuple[str, int | None]:
    """The task of a recipe, and the number of classes where the network has more scores than there are labels."""
    y, classes = data.train.y, data.classes
    pixels = tuple(y.shape[1:])
    if classes is None:
        if out != (wanted := pixels or (1,)):
            raise BadOption(f"{where}: gives {out} for a sample, but {data.name} has targets of {wanted}; mend the one")
        return 'hwcost.regression("RMSE")', None
    if out == (1,) and classes == 2 and not pixels:
        return SIGN, None
    if len(out) != 1 + len(pixels) or out[1:] != pixels or out[0] < classes:
        raise BadOption(
            f"{where}: gives {out} for a sample, but {data.name} has labels of {classes} classes; give a network with "
            f"{(classes, *pixels)}, or numbers to predict as floats"
        )
    return "hwcost.SEGMENTATION" if pixels else "hwcost.CLASSIFICATION", out[0] if out[0] > classes else None


def _training(samples: int) -> str:
    """Arguments of the training: a few hundred steps, of more samples where there are many."""
    batch = min(BATCHES[1], max(BATCHES[0], 2 ** int(log2(max(1, samples / 16)))))
    epochs = min(EPOCHS[1], max(EPOCHS[0], ceil(STEPS * batch / samples)))
    return f"epochs={epochs}, batch={batch}, lr=4e-3"


def _round_up(value: float) -> float:
    """Two digits, at least as large; 1 for 0."""
    unit = 10.0 ** (floor(log10(value)) - 1) if value > 0 else 1.0
    return ceil(value / unit) * unit or 1.0


def _executed(text: str) -> Recipe:
    names: dict[str, Any] = {"__name__": FILE}
    exec(compile(text, FILE, "exec"), names)  # the text is ours, and what is found in it was named by the user
    found: Recipe = names["recipe"]
    return found


def _build(recipe: Recipe, settings: Settings, data: Data) -> None:
    """Build its networks and their hardware, so that what is refused is refused before the file is there."""
    searched = settings.bits is None
    plain: dict[str, Any] = {"bits": None, "warm": None, "ramp": None, "sampler": None}
    plain["limits"] = dict(settings.bounds.speeds)
    fixed: dict[str, Any] = {} if searched else {"architecture": None, "widths": None}
    experiment = Experiment(recipe, replace(settings, **plain, **fixed))
    for params in recipe.anchors:
        design(experiment, params, data, settings.seed)
