"""Settings of a sweep: what the user chose, validated once, with one spelling for every file that keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Annotated

from hwcost.errors import BadOption
from hwcost.quant.granularity import PER
from hwcost.search import LONGEST_BEAT_S, Share, masked
from hwcost.search.storage.masking import masked_if_url
from hwcost.sweep.architecture import ARCHITECTURES
from hwcost.sweep.flag_texts import parse_time
from hwcost.sweep.limits import Bounds
from hwcost.sweep.spelling import Flag, Role, declared_by, read, spelled

TRIALS = 32
"""Trials that a call adds, unless it says otherwise."""

MOST = 1_000_000
"""The largest count that is no slip of the hand: of trials, epochs, processes."""

NEEDS = {"warm": "bits", "storage": "artifacts", "artifacts": "storage"}
"""Setting -> the setting without which it has no meaning."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All choices of a user for a sweep, besides its recipe.

    A new setting is a field here, with its role, and an option in `hwcost.cli.sweep`; files, workers, fingerprint and
    replay follow.

    Attributes:
        recipe: reference of the recipe, as the user gave it.
        out: study folder, made when missing.
        data: path of the data set; None where it ships with a dependency.
        trials: to add, at least 1; failed ones count. None for `TRIALS`, or with `time` as many as it allows.
        time: of a call, e.g. "10m", or a number of seconds: after it, no trial begins; those that run end. The float
            network and a ramp count; a call trains one trial at least. Where all trials are epochs of a ramp, it is
            CPU time of one thread, for float network and ramp, whose epochs are then at most `ramp`.
        seed: of the search and of every training, 0 to 2**32 - 1.
        sampler: by name; None for "greybox" with `bits`, else "tpe".
        bits: smallest and largest width. With it every learned width of the recipe's `plain` network is a parameter
            of the trial and is frozen during training; without it the recipe's own space is searched.
        warm: with `bits`, epochs of a trial that starts from the weights of the nearest finished trial, or of the float
            network; more where it is coarser than these (`hwcost.sweep.trial.STRETCH`). None trains every trial
            from scratch.
        architecture: "dataflow" or "unrolled", in the place of the recipe's choice.
        widths: with "unrolled" and without `bits`, what has a width of its own, 0 bits among them: each "weight"
            (the default), each output "channel", or each "layer".
        ramp: with `bits`, epochs of one training before the trials, in which all widths learn while the weight of
            their cost rises (`hwcost.sweep.ramp`); its best epochs join the study as finished trials. Unrolled without
            `bits`, these are the trials, and no others follow.
        channels: without `bits`, whether the channels between the layers of a trial may die while it trains; those of a
            layer that are left are a multiple of this number. Folded units alone.
        limits: figure -> its bound. Of a resource, with `bits` and the grey-box sampler, the most that a trial may use:
            a candidate that exceeds it, or does not fit the part, is never trained. Of latency_us, latency_cycles or
            interval_cycles the most; the hardware is chosen by it, and a trial that cannot keep it is not trained. Of
            the score the worst that is of use.
        device, fps, clock_mhz: replace those of the recipe; None keeps the recipe's. Of several parts the search is for
            the first, and the finished trials are priced for the others too.
        accelerator: where trainings run, by PyTorch's name: cpu, cuda, cuda:1, mps.
        jobs: trials at once, a process for each, at least 1.
        storage: URL of the database of a shared study; None keeps the study in `out`.
        artifacts: with `storage`, a folder that every machine can reach, or s3://BUCKET, for the weights.
        heartbeat_s: with `storage`, seconds between two signs of life of a process, at least 1.
        prune: whether a training ends where most finished trials that cost no more were ahead of it, see
            `hwcost.sweep.pruning`.
        watch: draw the page while trials are still to come (`hwcost.sweep.live_page`); it reloads on its own.
    """

    recipe: Annotated[str, Role.MACHINE] = "digits"
    out: Annotated[Path, Role.MACHINE]
    data: Annotated[Path | None, Role.MACHINE] = None
    trials: Annotated[int | None, Role.CALL] = None
    time: Annotated[str | float | None, Role.CALL] = None
    seed: Annotated[int, Role.RESOLVED] = 0
    sampler: Annotated[str | None, Role.RESOLVED] = None
    bits: Annotated[tuple[int, int] | None, Role.STUDY] = None
    warm: Annotated[int | None, Role.STUDY] = None
    ramp: Annotated[int | None, Role.STUDY] = None
    architecture: Annotated[str | None, Role.STUDY] = None
    widths: Annotated[str | None, Role.STUDY] = None
    channels: Annotated[int | None, Role.STUDY] = None
    limits: Annotated[Mapping[str, float], Role.RESOLVED, Flag("limit")] = field(default_factory=dict)
    prune: Annotated[bool, Role.STUDY] = False
    device: Annotated[str | tuple[str, ...] | None, Role.RESOLVED] = None
    fps: Annotated[float | None, Role.RESOLVED] = None
    clock_mhz: Annotated[float | None, Role.RESOLVED, Flag("clock")] = None
    accelerator: Annotated[str, Role.RESOLVED] = "cpu"
    jobs: Annotated[int, Role.CALL] = 1
    storage: Annotated[str | None, Role.MACHINE] = None
    artifacts: Annotated[str | None, Role.MACHINE] = None
    heartbeat_s: Annotated[int, Role.MACHINE, Flag("heartbeat")] = 15
    watch: Annotated[bool, Role.CALL] = False

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("trials", 1 if self.bound is None else self.bound, 1, MOST),
            ("jobs", self.jobs, 1, MOST),
            ("heartbeat", self.heartbeat_s, 1, LONGEST_BEAT_S),
            ("seed", self.seed, 0, 2**32 - 1),
            ("warm", 1 if self.warm is None else self.warm, 1, MOST),
            ("ramp", 1 if self.ramp is None else self.ramp, 1, MOST),
            ("channels", 1 if self.channels is None else self.channels, 1, MOST),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise BadOption(f"{name}={value!r}: give a whole number from {least} to {most}")
        for name, amount in (("fps", self.fps), ("clock", self.clock_mhz)):
            if amount is not None and not (isfinite(amount) and amount > 0):
                raise BadOption(f"{name}={amount:g}: give a finite number above 0")
        for name, needed in NEEDS.items():
            if getattr(self, name) and not getattr(self, needed):
                flag = _DECLARED[name].flag
                raise BadOption(f"{flag} needs {needed}, which is not given; add {needed}, or omit {flag}")
        self._check_architecture()
        self._check_time()
        if (limits := self.bounds.resources) and self.method != "greybox":
            raise BadOption(
                f"limits {dict(limits)}: the sampler {self.method} cannot keep them; give --bits and leave "
                "--sampler out, or set the recipe's budget"
            )

    def _check_architecture(self) -> None:
        for name, allowed in (("architecture", ARCHITECTURES), ("widths", PER)):
            if (value := getattr(self, name)) is not None and value not in allowed:
                raise BadOption(f"{name} {value!r}: give one of {', '.join(allowed)}")
        if self.channels is not None and (self.bits is not None or self.architecture not in (None, "dataflow")):
            raise BadOption(f"channels={self.channels} needs folded units, and no bits; omit the one or the other")
        if self.ramp is not None and self.bits is None and self.architecture != "unrolled":
            raise BadOption("ramp needs bits, or architecture unrolled; add one of them, or omit ramp")
        if self.widths is not None and (self.architecture != "unrolled" or self.bits is not None):
            raise BadOption(
                f"widths {self.widths!r} needs architecture unrolled, without bits; add the one, omit the other"
            )

    def _check_time(self) -> None:
        if self.time_s is None:
            return
        if self.storage is not None and self.trials is None:
            raise BadOption(f"time {self.time!r}: a shared study plans ahead; give --trials, the most to add, too")

    @property
    def time_s(self) -> float | None:
        """The time of a call in seconds; None without an end."""
        return None if self.time is None else parse_time(self.time)

    @property
    def part(self) -> str | None:
        """The part that the search is for, where the settings name one."""
        return self.device[0] if isinstance(self.device, tuple) else self.device

    @property
    def further(self) -> tuple[str, ...]:
        """Parts that the finished trials are priced for as well."""
        return self.device[1:] if isinstance(self.device, tuple) else ()

    @property
    def bounds(self) -> Bounds:
        """The limits, by what keeps them."""
        return Bounds.of(self.limits)

    @property
    def bound(self) -> int | None:
        """The number of trials that a call adds, unless its time ends first; None where its time alone decides."""
        return TRIALS if self.trials is None and self.time is None else self.trials

    @property
    def granularity(self) -> str | None:
        """Owner of a width, where networks are refined for constants in the fabric: a name of `PER`; else None."""
        return (self.widths or PER[0]) if self.architecture == "unrolled" and self.bits is None else None

    @property
    def ramp_alone(self) -> bool:
        """Whether the points of a ramp are all trials of the study."""
        return self.granularity is not None and self.ramp is not None

    @property
    def method(self) -> str:
        """The sampler, by name."""
        return self.sampler or ("tpe" if self.bits is None else "greybox")

    @property
    def share(self) -> Share | None:
        """The database that machines meet at; None for a study in a folder."""
        if self.storage is None or self.artifacts is None:
            return None
        return Share(self.storage, self.artifacts, self.heartbeat_s)

    def to_dict(self, *roles: Role) -> dict[str, bool | int | float | str | list[str]]:
        """The settings as plain values for JSON and TOML, in the spelling of the flags.

        Passwords are masked. Settings that are None or empty are left out.

        Args:
            roles: of the settings wanted; none for all.

        Returns:
            Flag -> value; `from_dict` reads it back.
        """
        found: dict[str, bool | int | float | str | list[str]] = {}
        for name, declared in _DECLARED.items():
            value = getattr(self, name)
            if value is None or value == {} or (roles and declared.role not in roles):
                continue
            text = masked(value) if name == "storage" else spelled(value)
            found[declared.flag] = masked_if_url(text) if isinstance(text, str) else text
        return found

    @classmethod
    def from_dict(cls, given: Mapping[str, object]) -> Settings:
        """Read settings from plain values.

        Args:
            given: flag -> value, as `to_dict` writes it; None stands for the default.

        Raises:
            BadOption: an unknown name, a value of the wrong type, or one that makes no sense.
        """
        names = {declared.flag: name for name, declared in _DECLARED.items()}
        unknown = sorted(given.keys() - names.keys())
        if unknown:
            raise BadOption(f"setting {unknown[0]!r}: unknown; known are {', '.join(names)}")
        values = {
            names[flag]: read(names[flag], _DECLARED[names[flag]], value)
            for flag, value in given.items()
            if value is not None
        }
        if "out" not in values:
            raise BadOption("setting out: missing; give the study folder")
        return cls(**values)

    def chosen(self) -> dict[str, str]:
        """The settings of role STUDY that differ from their defaults, as text for the fingerprint."""
        defaults = {declared.name: declared.default for declared in fields(self)}
        return {
            _DECLARED[name].flag: str(spelled(getattr(self, name)))
            for name, default in defaults.items()
            if _DECLARED[name].role is Role.STUDY and getattr(self, name) != default
        }


_DECLARED = declared_by(Settings)
