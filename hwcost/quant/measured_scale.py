"""Scales that are measured: a statistic of the tensor, at every call or as a running mean."""

from __future__ import annotations

from math import isfinite

import torch
from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant.kernels.rows import Rows, row_quant
from hwcost.quant.kernels.tensor import Kind
from hwcost.quant.precision import FullPrecision
from hwcost.quant.scale import FLOAT, LEAST, Domain, Numbers, as_domain, reduced, restricted
from hwcost.quant.stats import Stat, abs_max


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
        self.domain = as_domain(domain, "RunningScale")
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
            return restricted(found, self.domain)
        if not torch.compiler.is_compiling() and int(self.batches) == 0:
            raise BadOption("RunningScale: no batch seen yet; run a batch in training mode, or give init=")
        if x is None or self.channel_dim is None:
            return restricted(self.running, self.domain)
        shape = [-1 if dim == self.channel_dim % x.ndim else 1 for dim in range(x.ndim)]
        return restricted(self.running.reshape(shape), self.domain)

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
