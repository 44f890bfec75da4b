"""Messages that name a number as the remedy: whoever gives that number is not refused again."""

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from optuna.distributions import IntDistribution
from torch import nn

import hwcost
from hwcost.cli.network import _example
from hwcost.cost.width_table import WidthPrices
from hwcost.errors import BadData, HwcostError
from hwcost.graph.ranges import dot, integers
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, Fold, target_fps
from hwcost.models.amounts import at_least_zero, positive, whole
from hwcost.models.folding.most_fps import least_share
from hwcost.models.rates import interval_cycles
from hwcost.quant import (
    Accumulator,
    BiasQuantizer,
    BoundedQuantizer,
    ConstBits,
    ConstScale,
    HadamardClassifier,
    IntQuantizer,
    LearnedBits,
    NarrowedBits,
    QuantAvgPool2d,
    QuantConv2d,
    QuantLinear,
    QuantReLU,
    RunningScale,
    ScaleBias,
    const_activation,
    const_weight,
    learned_weight,
    mean_sigma,
    steady_widths,
)
from hwcost.quant.stats import he, percentile
from hwcost.report.pareto import cheapest_within
from hwcost.search import GreyBoxSampler
from hwcost.search.samplers.exhaustive import EverySampler
from hwcost.search.study import check_count
from hwcost.sweep.settings import Settings
from hwcost.sweep.width_space import WidthSpace, fix_widths
from hwcost.train.budget import Budget
from hwcost.train.data import Data, Split
from hwcost.train.lightning import HardwareBudget
from hwcost.train.loop import Training
from hwcost.train.penalties import Ramp, TargetControl
from hwcost.zoo.mlp import MLP
from hwcost.zoo.mobilenet import MobileNetV1
from hwcost.zoo.pictures import image_folder
from hwcost.zoo.precision import Precision
from hwcost.zoo.proxylessnas import ProxylessNASMobile14


class Case(NamedTuple):
    """A message, and whoever gets it.

    Attributes:
        says: part of the message, § for a number.
        attempt: something with a number.
        wrong: a number that is refused.
        use: which of the numbers that are named to give, one after the other; all of them where empty.
        together: give all of them at once.
    """

    says: str
    attempt: Callable[[Any], object]
    wrong: Any
    use: tuple[int, ...] = ()
    together: bool = False


def chain() -> nn.Module:
    return nn.Sequential(
        QuantConv2d(4, 6, 3, groups=2, bias=False, weight_quant=const_weight(bits=4)),
        QuantReLU(const_activation(bits=4, max_val=4.0)),
        nn.Flatten(),
        QuantLinear(6 * 36, 10, bias=False, weight_quant=learned_weight(bits=5, base=3)),
    )


NET = chain()
PIPELINE = trace(NET, torch.zeros(1, 4, 8, 8), input_bits=4)
FREE = {"0": Fold(1, 1), "3": Fold(1, 1)}
MODEL = Dataflow(device="ZCU104", folding=FREE)
WIDTH = "3.weight_quant.bits"
SPACE = {"w": IntDistribution(2, 8), "a": IntDistribution(2, 8)}


def unit_of(pe: int) -> object:
    return hwcost.estimate(PIPELINE, Dataflow(device="ZCU104", folding=FREE | {"0": Fold(pe, 3)}))


def searched(lut: float) -> None:
    def price(of: Any) -> dict[str, Any]:
        return {"LUT": 9.5 * of["w"] * of["a"], "FF": of["w"] + of["a"]}

    GreyBoxSampler(SPACE, price, {1: "FF"}, limits={"LUT": lut, "FF": 1e9}, seed=0).check_limits()


def loaded(bounds: tuple[int, int]) -> object:
    base, most = bounds
    stored = nn.ModuleDict({"b": LearnedBits(3, base=1, most=9)})
    return nn.ModuleDict({"b": LearnedBits(most, base=base, most=most)}).load_state_dict(stored.state_dict())


def bounded(**given: Any) -> object:
    settings = {"bits": ConstBits(4), "scale": ConstScale(1.0), "acc_bits": 16, "input_bits": 4}
    return BoundedQuantizer(**(settings | given))


def steady(margin: float) -> None:
    with steady_widths(NET, margin=margin):
        pass


def labelled(label: int) -> Data:
    split = Split(torch.zeros(1, 1), torch.tensor([label]))
    return Data(name="d", train=split, validation=split, test=split, classes=4, fingerprint="f")


def bare(make: Callable[[], object]) -> object:
    """Build a large network without its memory."""
    with torch.device("meta"):
        return make()


def pictures(size: int) -> None:
    try:
        image_folder("nowhere", size=size)
    except BadData:  # there are none
        pass


CASES = [
    Case("give a whole number of at least §", lambda n: whole("n", n), -3),
    Case("give a whole number of at least §", lambda n: trace(NET, torch.zeros(1, 4, 8, 8), input_bits=n), 0),
    Case("it must be above 0, at most §", lambda n: positive("n", n, 5.5), 6),
    Case("give a finite number of at least §", lambda n: at_least_zero("n", n), -1),
    Case("ask for at least § frames/s", lambda n: interval_cycles(n, 133.3), 1e-320),
    Case("ask for at most § frames/s", lambda n: target_fps(PIPELINE, n, clock_mhz=133.3), 1e9),
    Case("ask for at most § frames/s", lambda n: least_share(PIPELINE, n, device="xc7z020", clock_mhz=133.3), 1e9),
    Case("give at least §, or narrow", lambda n: target_fps(PIPELINE, 1.0, max_stream_bits=n), 3),
    Case("in a grouped unit needs PE=§", unit_of, 1),
    Case("the nearest needs {'LUT': §}", searched, 20.0),
    Case(
        "at most § make a grid",
        lambda n: EverySampler(
            {"a": IntDistribution(1, 40), "b": IntDistribution(1, 50), "c": IntDistribution(1, n // 2000)}
        ),
        102_000,
    ),
    Case("give a whole number of bits, § to §", ConstBits, 33),
    Case("give § <= base <= bits <= most <= §", lambda n: LearnedBits(n, base=0, most=32), 33),
    Case("build it with base=§, most=§", loaded, (4, 9), together=True),
    Case("give § to § and § to §", lambda n: bounded(acc_bits=n), 33, (0, 1)),
    Case("give § to § and § to §", lambda n: bounded(input_bits=n), 33, (2, 3)),
    Case("one width of at least § bits", lambda n: bounded(bits=LearnedBits(4, base=n)), 0),
    Case("give at least §, 0 to allow pruning", lambda n: IntQuantizer(bits=n, scale=ConstScale(1.0)), 1),
    Case("bit; give at least §", lambda n: BiasQuantizer(bits=n), 1),
    Case("bit; give at least §", lambda n: Accumulator(bits=n, mode="saturate"), 1),
    Case("give removed >= §, § <= least", NarrowedBits, -1, (0,)),
    Case("give removed >= §, § <= least", lambda n: NarrowedBits(least=n), 0, (1,)),
    Case("stride=None; give one number of at least §", QuantAvgPool2d, 0),
    Case("give § <= least <= most", lambda n: QuantAvgPool2d(2, least=n), 0),
    Case("channels=0; give at least §", ScaleBias, 0),
    Case("give at least § of each", lambda n: HadamardClassifier(n, n), 0),
    Case("above 0, at most §", steady, 0.6),
    Case("above 0, at most §", percentile, 101),
    Case("give a number of at least §", mean_sigma, -1),
    Case("a fan-in of at least §", he, 0),
    Case("< momentum <= §", lambda n: RunningScale(mean_sigma(1), momentum=n), 1.5),
    Case("products; give at least §", lambda n: dot(integers(4, signed=False), integers(4, signed=True), n), 0),
    Case("give a whole number from § to §", lambda n: WidthPrices(NET, PIPELINE, MODEL).price(np.array([[n]])), 99),
    Case("can be § to § bits", lambda n: WidthSpace(NET, PIPELINE, MODEL, (n, n)), 99),
    Case("it can be § to §", lambda n: fix_widths(chain(), {WIDTH: n}), 99),
    Case("at least §", check_count, 0),
    Case("give a whole number from § to §", lambda n: Settings(out=Path("x"), trials=n), 0),
    Case("give a whole number of at least §", lambda n: Training(epochs=n), 0),
    Case("give a number of at least §", lambda n: Training(width_lr=n), -1),
    Case("steps=0; give at least §", lambda n: Ramp(1.0, 2.0, n), 0),
    Case("give a finite number of at least §", lambda n: TargetControl({"LUT": 5}, integral=n), -1),
    Case("of at least §", lambda n: Budget({"DSP": n}), -1),
    Case("give § or more updates", lambda n: Budget({"LUT": 5}, warmup=n), -1),
    Case("share of the epochs, § to", lambda n: HardwareBudget(NET, PIPELINE, MODEL, Budget({"LUT": 5}), settle=n), 2),
    Case("as many of each, at least §", lambda n: Split(torch.zeros(n), torch.zeros(n)), 0),
    Case("give whole numbers from § to §", labelled, 9),
    Case("at least § each", lambda n: MLP((n, n), None), 0),
    Case("a multiple of §, a share", lambda n: bare(lambda: MobileNetV1(None, image=n)), 33),
    Case("a multiple of §", lambda n: bare(lambda: ProxylessNASMobile14(None, image=n)), 33),
    Case("give at least § pixel", pictures, 0),
    Case("give § to §", lambda n: Precision(n, 4), 9),
    Case("give § to §", lambda n: Precision(n, 4, learned=True), 1),
    Case("a drop of § or more", lambda n: cheapest_within([0.9], [1.0], 0.9, n), -0.1),
    Case("give at most §", lambda n: _example("net", (n,)), 2**26 + 1),
]


@pytest.mark.parametrize("case", CASES, ids=[f"{at}-{case.says}" for at, case in enumerate(CASES)])
def test_the_number_that_a_message_names_works(case: Case) -> None:
    with pytest.raises(HwcostError) as refused:
        case.attempt(case.wrong)
    pattern = re.escape(case.says).replace("§", r"(\d[\d,]*\.?\d*(?:e[+-]?\d+)?)")
    found = re.search(pattern, str(refused.value))
    assert found is not None, f"{case.says!r} is not in {str(refused.value)!r}"
    numbers = [float(text.rstrip(",").replace(",", "")) for text in found.groups()]
    named = [int(number) if number.is_integer() else number for number in numbers]
    for number in [named] if case.together else [named[at] for at in case.use or range(len(named))]:
        case.attempt(number)


NAMED = re.compile(
    r"(?:at least|at most|multiple of|<=|base=|>=) ?§|(?:numbers? from|be|bits,|give) § to|§ or more|epochs, §"
)

NO_NUMBER_TO_GIVE = {
    "returned §; return numbers, at most §": "a function of the recipe",
    "codes from § to §; give at least two": "a file holds them",
    "rounds § codes (§); use FLOOR": "a file holds them",
    "takes several groups of § channels; choose PE": "tried where it is built, tests/build/test_layers.py",
    "not a multiple of §": "a file is torn",
    "§ sub-folders; give one": "folders of pictures",
    "(N, C, H, W), at least §": "shape of an array",
    "(N, features), at least §": "shape of an array",
    "give at least two each of": "shape of an array",
    "is no multiple of input_step": "describes",
    "must be powers of two": "describes",
    "counts are at least §": "what a corpus holds",
    "least=§, most=§; build it with the stored": "describes",
}


def messages() -> dict[str, str]:
    """Text of every error that is raised -> its place; § for what is filled in, and for numbers."""
    found = {}
    package = Path(hwcost.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and node.exc is not None:
                for text in _texts(node.exc):
                    found[re.sub(r"\d[\d_]*\.?\d*", "§", text)] = f"{path.relative_to(package)}:{node.lineno}"
    return found


def _texts(node: ast.AST) -> list[str]:
    if isinstance(node, ast.JoinedStr):
        return ["".join(str(part.value) if isinstance(part, ast.Constant) else "§" for part in node.values)]
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    return [text for child in ast.iter_child_nodes(node) for text in _texts(child)]


def test_every_message_that_names_a_number_is_tried() -> None:
    covered = [re.sub(r"\d+", "§", case.says) for case in CASES] + list(NO_NUMBER_TO_GIVE)
    missing = {
        text: place
        for text, place in messages().items()
        if NAMED.search(text) and not any(says in text for says in covered)
    }
    assert not missing
