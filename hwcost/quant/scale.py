"""Scales: what value the largest integer stands for (the threshold). Calling one with x gives it as a tensor."""

from __future__ import annotations

from enum import Enum
from math import isfinite, nan
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant.fused import Kind
from hwcost.quant.numbers import scalar_quant
from hwcost.quant.precision import FullPrecision
from hwcost.quant.rows import Rows, row_quant
from hwcost.quant.stats import Dims, Stat, abs_max
from hwcost.ste import ceil_log2, ceil_ste

LEAST = 2.0**-16
"""No threshold falls below it: a channel of zeros still has a finite step and finite gradients."""


Numbers = tuple[Tensor, int, int]
"""Widths to be read outside of autograd: (offset, base, most), as `ste.whole_bits`."""


class Domain(Enum):
    """How a threshold is represented.

    FLOAT: as it is. LOG: by its logarithm, so that it stays positive and learns in ratios. POW2: rounded up to a power
    of two, so that rescaling is a shift.
    """

    FLOAT = "float"
    LOG = "log"
    POW2 = "pow2"


FLOAT, LOG, POW2 = Domain.FLOAT, Domain.LOG, Domain.POW2


@runtime_checkable
class Scale(Protocol):
    """Anything that gives a quantizer its threshold."""

    domain: Domain
    channel_dim: int | None

    def __call__(self, x: Tensor | None = None) -> Tensor:
        """Threshold, above 0; (), or broadcastable to x with one per channel."""
        ...


def _domain(domain: Domain, owner: str) -> Domain:
    if not isinstance(domain, Domain):
        raise BadOption(f"{owner}: domain={domain!r}; give FLOAT, LOG or POW2")
    return domain


def _restricted(threshold: Tensor, domain: Domain) -> Tensor:
    """A computed threshold in its domain. The clamp stands before the logarithm, whose gradient at 0 is infinite."""
    clamped = threshold.clamp(min=LEAST)
    return torch.exp2(ceil_log2(clamped)) if domain is POW2 else clamped


def _two_to(power: Tensor) -> Tensor:
    """2^power, rounded once: as Python, which reads a single threshold, computes it."""
    wide = power if power.device.type == "mps" else power.double()  # which has no float64
    return torch.exp2(wide).to(power.dtype)


def reduced(x: Tensor, channel_dim: int | None) -> Dims:
    """The dimensions of x that a statistic per `channel_dim` reduces; None for a statistic per tensor."""
    if channel_dim is None:
        return None
    if not -x.ndim <= channel_dim < x.ndim:
        raise BadOption(f"channel_dim={channel_dim} of a tensor of shape {tuple(x.shape)}; give one of its dimensions")
    return tuple(dim for dim in range(x.ndim) if dim != channel_dim % x.ndim)


class ConstScale(FullPrecision):
    """A constant threshold.

    Args:
        value: above 0 and finite: one number, or a tensor that broadcasts against x.
        domain: POW2 rounds up to a power of two.
    """

    threshold: Tensor

    def __init__(self, value: float | Tensor, *, domain: Domain = FLOAT) -> None:
        super().__init__()
        number = torch.as_tensor(value, dtype=torch.float32).clone()
        if not bool((number.isfinite() & (number > 0)).all()):
            raise BadOption(f"ConstScale({value!r}): give a finite threshold above 0")
        self.domain = _domain(domain, "ConstScale")
        self.channel_dim: int | None = _channel_dim(number)
        self.register_buffer("threshold", _restricted(number, domain), persistent=False)

    def by_numbers(self, x: Tensor, width: Numbers, kind: Kind, prune: bool) -> Tensor | None:
        """Quantize x by way of Python numbers; None if there are several."""
        if prune or self.channel_dim is not None or width[0].numel() != 1 or type(self) is not ConstScale:
            return None
        offset, base, most = width
        return scalar_quant(x, self.threshold, offset, (False, False, 0.0, base, most, kind))

    def forward(self, x: Tensor | None = None) -> Tensor:
        """The threshold; no gradient."""
        return self.threshold

    def extra_repr(self) -> str:
        """For `print(model)`."""
        return f"{self.threshold.tolist()}, domain={self.domain.value}"


def _channel_dim(number: Tensor) -> int | None:
    long = [dim for dim, size in enumerate(number.shape) if size > 1]
    return long[0] if long else None


class LearnedScale(FullPrecision):
    """A learned threshold.

    Args:
        init: starting threshold, above 0: one number, or a tensor that broadcasts against x.
        domain: FLOAT keeps the threshold itself, LOG and POW2 its logarithm to base 2.

    Attributes:
        value: the Parameter. Keep weight decay away from it.
    """

    def __init__(self, init: float | Tensor, *, domain: Domain = LOG) -> None:
        super().__init__()
        number = torch.as_tensor(init, dtype=torch.float32).clone()
        if not bool((number.isfinite() & (number > 0)).all()):
            raise BadOption(f"LearnedScale({init!r}): give a finite starting threshold above 0")
        self.domain = _domain(domain, "LearnedScale")
        self.channel_dim: int | None = _channel_dim(number)
        self.stat: Stat | None = None
        self.started = True
        self.value = nn.Parameter(self._stored(number))

    @classmethod
    def from_stat(cls, stat: Stat, *, channel_dim: int | None = None, domain: Domain = LOG) -> Self:
        """A learned threshold that starts at a statistic: of the weight it is given to, or of a batch.

        A layer starts the scale of its weight by itself; for an activation call `start(batch)`.

        Args:
            stat: from `hwcost.quant.stats`.
            channel_dim: one threshold per index of this dimension; None for one in all.
            domain: as above.
        """
        scale = cls(1.0, domain=domain)
        scale.stat, scale.channel_dim, scale.started = stat, channel_dim, False
        scale.value.data.fill_(nan)  # so that a state dict tells whether the scale that it was taken from had started
        return scale

    def start(self, x: Tensor) -> None:
        """Set the threshold to the statistic of x, without gradient. The Parameter stays the same object."""
        if self.stat is None:
            raise BadOption("LearnedScale.start: this scale has a starting value; build it with from_stat()")
        with torch.no_grad():
            number = self.stat(x.detach(), reduced(x, self.channel_dim)).to(self.value)
            self.value.data = self._stored(number.clamp(min=LEAST))
        self.started = True

    def _stored(self, number: Tensor) -> Tensor:
        return number if self.domain is FLOAT else number.log2()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        stored = state_dict.get(prefix + "value")
        if self.stat is not None and isinstance(stored, Tensor):
            if stored.shape != self.value.shape:  # one per channel: how many, only the statistic tells
                self.value.data = self.value.data.new_full(stored.shape, nan)
            self.started = not bool(stored.isnan().any())
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def by_numbers(self, x: Tensor, width: Numbers, kind: Kind, prune: bool) -> Tensor | None:
        """Quantize x by way of Python numbers; None if there are several."""
        if prune or self.channel_dim is not None or not self.started or width[0].numel() != 1:
            return None
        if type(self) is not LearnedScale:  # one of the user's own, or parametrized
            return None
        value: Any = self._parameters["value"]
        offset, base, most = width
        return scalar_quant(x, value, offset, (self.domain is not FLOAT, kind.power, LEAST, base, most, kind))

    def forward(self, x: Tensor | None = None) -> Tensor:
        """The threshold. Gradient to value: 1 (FLOAT) or threshold ln 2; 0 where it is at its least, 2^-16."""
        if not self.started:
            raise BadOption("LearnedScale.from_stat: no statistic yet; call start() with a tensor first")
        if self.domain is FLOAT:
            return self.value.clamp(min=LEAST)
        power = self.value if self.domain is LOG else ceil_ste(self.value)
        return _two_to(power).clamp(min=LEAST)

    def extra_repr(self) -> str:
        """For `print(model)`."""
        return f"domain={self.domain.value}, shape={tuple(self.value.shape)}"


class StatScale(FullPrecision):
    """A threshold recomputed from the tensor at every call, e.g. the largest weight of each channel.

    Args:
        stat: from `hwcost.quant.stats`, or a Module (`LearnedSigma`).
        channel_dim: one threshold per index of this dimension (weights: 0); None for one in all.
        domain: POW2 rounds up to a power of two; LOG equals FLOAT here.
        affine: |gain statistic + bias| with learned gain (starts at 1) and bias (starts at 0).
        channels: number of channels; needed only by affine with channel_dim.
        over: layers whose `weight`s share one statistic; per channel they must agree in that dimension's size.
    """

    def __init__(
        self,
        stat: Stat,
        *,
        channel_dim: int | None = None,
        domain: Domain = FLOAT,
        affine: bool = False,
        channels: int | None = None,
        over: tuple[nn.Module, ...] = (),
    ) -> None:
        super().__init__()
        self.domain = _domain(domain, "StatScale")
        self.stat, self.channel_dim = stat, channel_dim
        self.over = tuple(over)  # a tuple, so that the layers are not registered below their own quantizer
        self.gain: nn.Parameter | None = None
        self.bias: nn.Parameter | None = None
        if affine and channel_dim is not None and channels is None:
            raise BadOption("StatScale: affine with channel_dim needs channels=, the number of channels")
        if affine:
            size = (1,) if channel_dim is None or channels is None else (channels,)
            self.gain, self.bias = nn.Parameter(torch.ones(size)), nn.Parameter(torch.zeros(size))

    def by_numbers(self, x: Tensor, width: Numbers, kind: Kind, prune: bool) -> Tensor | None:
        """Quantize x by rows; None unless the threshold is plainly the largest magnitude of each row, or of all."""
        plain = self.stat is abs_max and not self.over and self.gain is None and type(self) is StatScale
        if not (plain and kind.signed and self.channel_dim in (None, 0)):
            return None
        offset, base, most = width
        return row_quant(x, offset, Rows(kind, self.channel_dim is not None, LEAST, base, most))

    def forward(self, x: Tensor | None = None) -> Tensor:
        """The threshold. Gradient: through the statistic to x (or to the tensors of `over`), and to gain and bias."""
        found = self._statistic(x)
        if self.gain is not None and self.bias is not None:
            found = (self.gain.reshape(found.shape) * found + self.bias.reshape(found.shape)).abs()
        return _restricted(found, self.domain)

    def _statistic(self, x: Tensor | None) -> Tensor:
        if not self.over:
            if x is None:
                raise BadOption("StatScale: the threshold is a statistic of the tensor; pass it")
            return self.stat(x, reduced(x, self.channel_dim))
        weights = [layer.weight for layer in self.over if isinstance(layer.weight, Tensor)]
        if self.channel_dim is None:
            return self.stat(torch.cat([weight.reshape(-1) for weight in weights]), None)
        rows = [weight.movedim(self.channel_dim, 0).flatten(1) for weight in weights]
        found = self.stat(torch.cat(rows, dim=1), (1,))
        if x is None:
            return found
        return found.reshape([-1 if dim == self.channel_dim % x.ndim else 1 for dim in range(x.ndim)])

    def extra_repr(self) -> str:
        """For `print(model)`."""
        name = getattr(self.stat, "__name__", type(self.stat).__name__)
        return f"{name}, channel_dim={self.channel_dim}, domain={self.domain.value}, affine={self.gain is not None}"


class RunningScale(FullPrecision):
    """A threshold for activations: the statistic of the batch in training, its running mean in evaluation.

    Args:
        stat: from `hwcost.quant.stats`, or a Module.
        momentum: weight of a new batch, 0 < momentum <= 1; None averages all batches evenly.
        channel_dim: one threshold per index of this dimension (images: 1); needs `channels`.
        domain: POW2 rounds up to a power of two.
        init: starting value; None lets the first batch set it.

    Attributes:
        running, batches: buffers; the only state that a forward pass writes.
    """

    running: Tensor
    batches: Tensor

    def __init__(
        self,
        stat: Stat,
        *,
        momentum: float | None = 0.1,
        channel_dim: int | None = None,
        channels: int | None = None,
        domain: Domain = FLOAT,
        init: float | None = None,
    ) -> None:
        super().__init__()
        if momentum is not None and not 0 < momentum <= 1:
            raise BadOption(f"RunningScale: momentum={momentum!r}; give 0 < momentum <= 1, or None for a plain mean")
        if init is not None and not (isfinite(init) and init > 0):
            raise BadOption(f"RunningScale: init={init!r}; give a threshold above 0, or None")
        if (channel_dim is None) != (channels is None):
            raise BadOption("RunningScale: channel_dim and channels go together; give both or neither")
        self.stat, self.momentum, self.channel_dim = stat, momentum, channel_dim
        self.domain = _domain(domain, "RunningScale")
        size = () if channels is None else (channels,)
        self.register_buffer("running", torch.full(size, init if init is not None else float("nan")))
        self.register_buffer("batches", torch.tensor(0 if init is None else 1))

    def forward(self, x: Tensor | None = None) -> Tensor:
        """The threshold. Gradient: in training, through the statistic to x.

        Raises:
            BadOption: evaluation before any training batch, with no `init`.
        """
        if self.training and x is not None:
            found = self.stat(x, reduced(x, self.channel_dim)).to(self.running.dtype)
            self._remember(found.detach().reshape(self.running.shape))
            return _restricted(found, self.domain)
        if not torch.compiler.is_compiling() and int(self.batches) == 0:
            raise BadOption("RunningScale: no batch seen yet; run a batch in training mode, or give init=")
        if x is None or self.channel_dim is None:
            return _restricted(self.running, self.domain)
        shape = [-1 if dim == self.channel_dim % x.ndim else 1 for dim in range(x.ndim)]
        return _restricted(self.running.reshape(shape), self.domain)

    @torch.no_grad()
    def _remember(self, found: Tensor) -> None:
        rate = 1 / (self.batches + 1) if self.momentum is None else self.momentum
        mean = self.running + rate * (found - self.running)
        self.running.copy_(torch.where(self.batches == 0, found, mean))
        self.batches += 1

    def extra_repr(self) -> str:
        """For `print(model)`."""
        name = getattr(self.stat, "__name__", type(self.stat).__name__)
        return f"{name}, momentum={self.momentum}, channel_dim={self.channel_dim}, domain={self.domain.value}"
