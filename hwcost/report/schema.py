"""The records of a study on disk: run.json, trials.json and front.json, as `hwcost.sweep` writes and reports read them.

The checks of `read_study` hold files against these forms; front.schema.json in this package is the form of front.json
for other programs.
"""  # no postponed annotations here: they hide which keys are required

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypedDict

Amounts = Mapping[str, float]
Params = Mapping[str, Any]
"""Parameters of a trial: name -> number, text, or any choice that JSON can hold."""


class ObjectiveRecord(TypedDict):
    """An objective of the search: a column of the trials, which way is better, and the worst value that counts."""

    name: str
    direction: Literal["maximize", "minimize"]
    worst: NotRequired[float]


class DataRecord(TypedDict, total=False):
    """The data set: its name, a hash of all samples, the value of one integer of its inputs, and its splits' sizes."""

    name: str
    fingerprint: str
    step: float
    train: int
    validation: int
    test: int
    validation_is_test: bool


class DeviceRecord(TypedDict, total=False):
    """The part: names, clock, how much of each resource it has, and which of these no public document confirms."""

    name: str
    part: str
    clock_mhz: float
    LUT: float
    FF: float
    DSP: float
    BRAM18: float
    URAM: float
    LUTRAM: float
    unconfirmed: list[str]


class FloatRecord(TypedDict, total=False):
    """Scores of the float network, and whether it was given, and not trained."""

    validation: float
    test: float
    given: bool


class PartRecord(TypedDict):
    """A further part that the finished trials were priced on: how many fit it, and the front among those.

    An entry of `front` has number, accuracy, the resources, fps and latency_us, the cheapest first.
    """

    name: str
    capacity: Amounts
    finished: int
    fitting: int
    front: list[dict[str, float]]


class RunRecord(TypedDict):
    """run.json: how a study was made.

    `trial_command` trains a trial again, `commands` (name -> command) continue from one; {number} stands for the trial.
    `settings` holds the settings of the last call in the spelling of the flags; `seed`, `sampler`, `bits`, `warm`,
    `ramp` and `limits` are those that tell studies apart on a page.
    """

    hwcost: str
    study: str
    recipe: str
    command: str
    seed: int
    sampler: str
    versions: Mapping[str, str]
    device: DeviceRecord
    float: FloatRecord
    objectives: list[ObjectiveRecord]
    data: DataRecord
    started: str
    machine: str
    settings: NotRequired[Mapping[str, object]]
    fingerprint: NotRequired[Mapping[str, str | int | float]]
    trial_command: NotRequired[str]
    commands: NotRequired[Mapping[str, str]]
    score: NotRequired[str | Mapping[str, object]]
    bits: NotRequired[tuple[int, int] | None]
    warm: NotRequired[int | None]
    ramp: NotRequired[int | None]
    limits: NotRequired[Amounts]
    target_fps: NotRequired[float | None]
    error_band: NotRequired[Mapping[str, list[float]]]
    parts: NotRequired[list[PartRecord]]


class LayerRecord(TypedDict, total=False):
    """A layer of a trial: widths in bits, folding, and what it costs."""

    layer: str
    kind: str | None
    weight_bits: float | None
    input_bits: float | None
    activation_bits: float | None
    pe: float | None
    simd: float | None
    LUT: float | None
    FF: float | None
    DSP: float | None
    BRAM18: float | None
    URAM: float | None
    LUTRAM: float | None
    cycles: float | None


class EpochRecord(TypedDict, total=False):
    """An epoch of a trial: mean training loss, validation score (`accuracy`), cost and widths at its end."""

    epoch: int
    loss: float
    accuracy: float
    LUT: float
    DSP: float
    BRAM18: float
    widths: Mapping[str, int]


class RepeatRecord(TypedDict):
    """A training of a front trial with another seed; without scores where it failed."""

    seed: int
    accuracy: float | None
    test_accuracy: float | None
    error: NotRequired[str]


class TrialRecord(TypedDict):
    """A row of trials.json; objectives of other names and the attributes of a trial are further keys.

    `figures` are those that the recipe's own training returned.
    """

    number: int
    state: Literal["COMPLETE", "FAIL", "PRUNED", "RUNNING"]
    seed: NotRequired[int]
    seconds: NotRequired[float | None]
    params: NotRequired[Params]
    accuracy: NotRequired[float | None]
    test_accuracy: NotRequired[float | None]
    refit_accuracy: NotRequired[float | None]
    LUT: NotRequired[float | None]
    FF: NotRequired[float | None]
    DSP: NotRequired[float | None]
    BRAM18: NotRequired[float | None]
    URAM: NotRequired[float | None]
    LUTRAM: NotRequired[float | None]
    cycles: NotRequired[float | None]
    latency_cycles: NotRequired[float | None]
    latency_us: NotRequired[float | None]
    fps: NotRequired[float | None]
    energy_uj: NotRequired[float | None]
    fits: NotRequired[bool | None]
    budget: NotRequired[Amounts | None]
    within_budget: NotRequired[bool | None]
    budget_reachable: NotRequired[bool | None]
    figures: NotRequired[Mapping[str, float] | None]
    parent: NotRequired[int | None]
    polish: NotRequired[int | None]
    ramp_epoch: NotRequired[int | None]
    checkpoint: NotRequired[str | None]
    layers: NotRequired[list[LayerRecord]]
    epochs: NotRequired[list[EpochRecord]]
    repeats: NotRequired[list[RepeatRecord]]
    error: NotRequired[str | None]


class MarkRecord(TypedDict):
    """A front point worth a name."""

    number: int
    names: list[str]


class FrontRecord(TypedDict):
    """front.json without the name of its schema: the non-dominated trials, cheapest first."""

    study: str
    score: Mapping[str, str]
    objectives: list[ObjectiveRecord]
    finished: int
    hypervolume: float | None
    marks: list[MarkRecord]
    points: list[Mapping[str, object]]


def standing(state: str, error: str | None) -> str:
    """Outcome of a trial: complete, running, pruned, failed, or interrupted, which is no fault of its own.

    >>> standing("FAIL", "interrupted; retried as trial 9"), standing("FAIL", "loss is NaN")
    ('interrupted', 'failed')
    """
    stopped = state == "FAIL" and str(error or "").startswith("interrupted") and "given up" not in str(error)
    return "interrupted" if stopped else {"FAIL": "failed"}.get(state, state.lower())
