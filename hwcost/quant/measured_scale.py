"""Scales that are measured: a statistic of the tensor, at every call or as a running mean."""

import weakref
from math import isfinite
from typing import Self

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.graph.ste import held, transformed
from hwcost.quant.kernels import Largest
from hwcost.quant.precision import Described, FullPrecision, Stored
from hwcost.quant.scale import FLOAT, LEAST, POW2, Domain, as_domain, other_domain, ratio_of, reduced, restricted
from hwcost.quant.stats import Stat, abs_max

OF_ALL, OF_ROWS = Largest(False, LEAST), Largest(True, LEAST)


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
        self.domain = as_domain(domain, "StatScale")
        self.stat, self.channel_dim = stat, channel_dim
        self.over = tuple(over)  # a tuple, so that the layers are not registered below their own quantizer
        self.gain: nn.Parameter | None = None
        self.bias: nn.Parameter | None = None
        if affine and channel_dim is not None and channels is None:
            raise BadOption("StatScale: affine with channel_dim needs channels=, the number of channels")
        if affine:
            size = (1,) if channel_dim is None or channels is None else (channels,)
            self.gain, self.bias = nn.Parameter(torch.ones(size)), nn.Parameter(torch.zeros(size))

    @property
    def measured(self) -> bool:
        """Whether it is a statistic of what is quantized, so that nobody else knows it."""
        return not self.over

    def plain(self) -> Largest | None:
        """The largest magnitude of each row, or of all; None of another statistic, or of more than it."""
        if self.stat is not abs_max or self.over or self.gain is not None:
            return None
        return OF_ALL if self.channel_dim is None else OF_ROWS if self.channel_dim == 0 else None

    @torch.no_grad()
    def follow(self, before: Tensor, after: Tensor) -> None:
        """Move with weights that change: the statistic does; its learned addend grows by the same factor."""
        if self.bias is not None:
            self.bias.mul_(ratio_of(self.stat, before, after, self.channel_dim).reshape(self.bias.shape))

    def forward(self, x: Tensor | None = None) -> Tensor:
        """The threshold. Gradient: through the statistic to x (or to the tensors of `over`), and to gain and bias."""
        found = self._statistic(x)
        if self.gain is not None and self.bias is not None:
            found = (self.gain.reshape(found.shape) * found + self.bias.reshape(found.shape)).abs()
            found = held(found, least=LEAST)
        return restricted(found, self.domain)

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
        name = getattr(self.stat, "__name__", type(self.stat).__name__)
        return f"{name}, channel_dim={self.channel_dim}, domain={self.domain.value}, affine={self.gain is not None}"


class RunningScale(Described):
    """A threshold for activations: the statistic of the batch in training, its running mean in evaluation.

    Whatever is quantized in training is measured, once: give a quantizer with such a scale one place in the network.
    Those who read the grid of its values in the same forward pass (`source=` of a layer behind it) get the threshold
    of that measurement from `latest`. The scale keeps it until the backward pass reaches it, the next measurement, or a
    change of mode, and never copies or saves it.

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
    measured = True

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
        self.domain = as_domain(domain, "RunningScale")
        size = () if channels is None else (channels,)
        self.register_buffer("running", torch.full(size, init if init is not None else float("nan")))
        self.register_buffer("batches", torch.tensor(0 if init is None else 1))
        self._latest: tuple[Tensor, object | None] | None = None  # the threshold, and a mark of its measurement

    def forward(self, x: Tensor | None = None) -> Tensor:
        """The threshold for values that are now quantized; in training it measures them.

        Args:
            x: float values; None reads the running mean.

        Returns:
            () or one per channel, broadcastable to x. Gradient: in training, through the statistic to x.

        Raises:
            BadOption: evaluation before any training batch, with no `init`; training inside of torch.func.
        """
        if self.training and x is not None:
            return self._measure(x)
        if not transformed() and not self.batches.is_meta and int(self.batches) == 0:
            raise BadOption("RunningScale: no batch seen yet; run a batch in training mode, or give init=")
        if x is None or self.channel_dim is None:
            return restricted(self.running, self.domain)
        shape = [-1 if dim == self.channel_dim % x.ndim else 1 for dim in range(x.ndim)]
        return restricted(self.running.reshape(shape), self.domain)

    def latest(self, x: Tensor) -> Tensor:
        """The threshold of values that have been quantized, for those who read their grid.

        Args:
            x: the values; nothing is measured.

        Returns:
            In training, what the measurement of this forward pass gave, with its gradient; else as a call.

        Raises:
            BadOption: nothing was measured in this forward pass.
        """
        if not self.training:
            return self(x)  # type: ignore[no-any-return] # Module.__call__ is untyped
        if self._latest is None:
            raise BadOption(
                "RunningScale: in training the step is that of the latest measurement, and nothing was measured in "
                "this forward pass; run the quantizer in front first, or call eval()"
            )
        return self._latest[0]

    def _measure(self, x: Tensor) -> Tensor:
        if transformed() and not torch.compiler.is_compiling():
            raise BadOption("RunningScale: torch.func cannot update its running mean; call eval() first")
        found = held(self.stat(x, reduced(x, self.channel_dim)).to(self.running.dtype), least=LEAST)
        self._remember(found.detach().reshape(self.running.shape))
        threshold = restricted(found, self.domain)
        mark = None if torch.compiler.is_compiling() else object()
        self._latest = (threshold, mark)
        if threshold.requires_grad and mark is not None:
            scale = weakref.ref(self)

            def forget(g: Tensor) -> None:
                alive = scale()
                if alive is not None and alive._latest is not None and alive._latest[1] is mark:
                    alive._latest = None

            threshold.register_hook(forget)  # type: ignore[no-untyped-call] # torch leaves it untyped
        return threshold

    @torch.no_grad()
    def _remember(self, found: Tensor) -> None:
        rate = 1 / (self.batches + 1) if self.momentum is None else self.momentum
        mean = self.running + rate * (found - self.running)
        self.running.copy_(torch.where(self.batches == 0, found, mean))
        self.batches += 1

    @torch.no_grad()
    def set_threshold(self, number: Tensor) -> None:
        """Set the running mean, as many numbers as it has, above 0; it counts as one batch."""
        self.running.copy_(number.clamp(min=LEAST).reshape(self.running.shape))
        self.batches.fill_(1)

    @torch.no_grad()
    def follow(self, before: Tensor, after: Tensor) -> None:
        """Move with weights that change: by the factor by which their statistic grows."""
        self.running.mul_(ratio_of(self.stat, before, after, self.channel_dim).reshape(self.running.shape))

    def train(self, mode: bool = True) -> Self:
        """Change the mode; what was measured in the other one is forgotten."""
        self._latest = None
        return super().train(mode)

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_latest": None}

    def reading(self) -> tuple[int, ...]:
        return (int(self.domain is POW2),)

    def converted(self, state: Stored, prefix: str, reading: tuple[int, ...]) -> Stored:
        """Refuse: as a power of two the same mean is another threshold."""
        raise other_domain(prefix, POW2 if reading[0] else FLOAT, self.domain)

    def extra_repr(self) -> str:
        name = getattr(self.stat, "__name__", type(self.stat).__name__)
        return f"{name}, momentum={self.momentum}, channel_dim={self.channel_dim}, domain={self.domain.value}"
