"""Every configuration that ours and brevitas both have, built in both; `test_brevitas_live.py` compares them.

Needs brevitas 0.13.4 (with setuptools below 81); whoever imports this without it is skipped.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from hwcost.quant import (
    FLOAT,
    LOG,
    POW2,
    BinaryQuantizer,
    ConstScale,
    IntQuantizer,
    LearnedBits,
    LearnedScale,
    QuantIdentity,
    QuantReLU,
    StatScale,
    TernaryQuantizer,
    abs_max,
    abs_mean,
    he,
    mean_of_channel_max,
    mean_sigma,
    percentile,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # brevitas imports what torch calls deprecated
    brevitas = pytest.importorskip("brevitas", reason="brevitas is not installed: nothing was compared with it")
    import brevitas.nn as qnn
    from brevitas.core.function_wrapper import CeilSte as CeilSte
    from brevitas.core.function_wrapper import RoundSte as RoundSte
    from brevitas.core.zero_point import ZeroZeroPoint
    from brevitas.inject.enum import (
        BitWidthImplType,
        FloatToIntImplType,
        QuantType,
        RestrictValueType,
        ScalingImplType,
        StatsOp,
    )
    from brevitas.quant import Int8Bias as Int8Bias
    from brevitas.quant.solver import ActQuantSolver, WeightQuantSolver

ROWS, COLS = 4, 6
INT = dict(
    quant_type=QuantType.INT,
    bit_width_impl_type=BitWidthImplType.CONST,
    bit_width=4,
    float_to_int_impl_type=FloatToIntImplType.ROUND,
    zero_point_impl=ZeroZeroPoint,
    scaling_min_val=2**-16,
    restrict_scaling_type=RestrictValueType.FP,
    restrict_value_float_to_int_impl=CeilSte,
    scaling_per_output_channel=False,
)
LEARNED = {"bit_width_impl_type": BitWidthImplType.PARAMETER}
DOMAINS = {FLOAT: RestrictValueType.FP, LOG: RestrictValueType.LOG_FP, POW2: RestrictValueType.POWER_OF_TWO}


def weight_injector(**options: Any) -> Any:
    defaults = {"signed": True, "narrow_range": True, "scaling_impl_type": ScalingImplType.STATS}
    return type("Weight", (WeightQuantSolver,), INT | defaults | options)


def activation_injector(**options: Any) -> Any:
    defaults = {"signed": False, "narrow_range": False, "scaling_impl_type": ScalingImplType.PARAMETER}
    return type("Activation", (ActQuantSolver,), INT | defaults | options)


@dataclass(frozen=True)
class Pair:
    """One configuration in both.

    Attributes:
        ours: a quantizer.
        theirs: options of the injector.
        parameters: names of parameters that correspond, ours to theirs (by how the name ends).
    """

    ours: Callable[[], Any]
    theirs: dict[str, Any]
    parameters: dict[str, str] = field(default_factory=dict)


WIDTH = {"bits.offset": "bit_width_offset"}
VALUE = {"scale.value": "scaling_impl.value"}


def _stat(stat: Any, op: StatsOp, channel: int | None, domain: Any = FLOAT, bits: int = 4, **options: Any) -> Pair:
    """A statistic with a learned width."""
    return Pair(
        lambda: IntQuantizer(
            bits=LearnedBits(bits), scale=StatScale(stat, channel_dim=channel, domain=domain), narrow=True
        ),
        {
            "scaling_stats_op": op,
            "scaling_per_output_channel": channel is not None,
            "restrict_scaling_type": DOMAINS[domain],
            "bit_width": bits,
            **LEARNED,
            **options,
        },
        WIDTH,
    )


def _from_stat(domain: Any, channel: int | None) -> Pair:
    return Pair(
        lambda: IntQuantizer(
            bits=LearnedBits(4),
            scale=LearnedScale.from_stat(abs_max, channel_dim=channel, domain=domain),
            narrow=True,
        ),
        {
            "scaling_impl_type": ScalingImplType.PARAMETER_FROM_STATS,
            "scaling_stats_op": StatsOp.MAX,
            "scaling_per_output_channel": channel is not None,
            "restrict_scaling_type": DOMAINS[domain],
            **LEARNED,
        },
        WIDTH | VALUE,
    )


def _constant(value: float, scaling: Any, narrow: bool = True) -> Pair:
    return Pair(
        lambda: IntQuantizer(bits=LearnedBits(4), scale=ConstScale(value), narrow=narrow),
        {"scaling_impl_type": scaling, "scaling_init": value, "narrow_range": narrow, **LEARNED},
        WIDTH,
    )


def _binary(stat: Any, op: StatsOp, channel: int | None) -> Pair:
    return Pair(
        lambda: BinaryQuantizer(scale=StatScale(stat, channel_dim=channel)),
        {
            "quant_type": QuantType.BINARY,
            "bit_width": 1,
            "scaling_stats_op": op,
            "scaling_per_output_channel": channel is not None,
        },
    )


def _ternary(threshold: float, channel: int | None) -> Pair:
    return Pair(
        lambda: TernaryQuantizer(scale=StatScale(abs_mean, channel_dim=channel), threshold=threshold),
        {
            "quant_type": QuantType.TERNARY,
            "bit_width": 2,
            "threshold": threshold,
            "scaling_stats_op": StatsOp.AVE,
            "scaling_per_output_channel": channel is not None,
        },
    )


WEIGHTS: dict[str, Pair] = {
    **{
        f"largest {where} {domain.value} {bits}": _stat(abs_max, StatsOp.MAX, channel, domain, bits)
        for where, channel in (("of all", None), ("of channel", 0))
        for domain in DOMAINS
        for bits in (3, 5)
    },
    "mean": _stat(abs_mean, StatsOp.AVE, None),
    "mean of channel": _stat(abs_mean, StatsOp.AVE, 0),
    "mean of channel max": _stat(mean_of_channel_max, StatsOp.MAX_AVE, None),
    "mean and sigma": _stat(mean_sigma(2.0), StatsOp.MEAN_SIGMA_STD, None, sigma=2.0),
    "mean and sigma of channel": _stat(mean_sigma(3.0), StatsOp.MEAN_SIGMA_STD, 0, sigma=3.0),
    "percentile": _stat(percentile(90), StatsOp.PERCENTILE, None, high_percentile_q=90.0),
    "percentile of channel": _stat(percentile(75), StatsOp.PERCENTILE, 0, high_percentile_q=75.0),
    **{
        f"learned from statistic {where} {domain.value}": _from_stat(domain, channel)
        for where, channel in (("of all", None), ("of channel", 0))
        for domain in DOMAINS
    },
    "constant scale": _constant(0.3, ScalingImplType.CONST),
    "constant scale, full range": _constant(0.3, ScalingImplType.CONST, narrow=False),
    "he": Pair(
        lambda: IntQuantizer(bits=LearnedBits(4), scale=ConstScale(he(COLS)), narrow=True),
        {"scaling_impl_type": ScalingImplType.HE, **LEARNED},
        WIDTH,
    ),
    "full range": Pair(
        lambda: IntQuantizer(bits=LearnedBits(4), scale=StatScale(abs_max)),
        {"scaling_stats_op": StatsOp.MAX, "narrow_range": False, **LEARNED},
        WIDTH,
    ),
    "constant width": Pair(
        lambda: IntQuantizer(bits=4, scale=StatScale(abs_max, channel_dim=0), narrow=True),
        {"scaling_stats_op": StatsOp.MAX, "scaling_per_output_channel": True},
    ),
    "binary mean": _binary(abs_mean, StatsOp.AVE, None),
    "binary mean of channel": _binary(abs_mean, StatsOp.AVE, 0),
    "binary largest": _binary(abs_max, StatsOp.MAX, None),
    "ternary": _ternary(0.5, None),
    "ternary of channel": _ternary(0.7, 0),
}


def _activation(domain: Any, signed: bool, learned: bool, narrow: bool = False, bits: int = 4) -> Pair:
    return Pair(
        lambda: IntQuantizer(
            bits=LearnedBits(bits) if learned else bits,
            scale=LearnedScale(1.7, domain=domain),
            signed=signed,
            narrow=narrow,
        ),
        {
            "scaling_init": 1.7,
            "restrict_scaling_type": DOMAINS[domain],
            "signed": signed,
            "narrow_range": narrow,
            "bit_width": bits,
            **(LEARNED if learned else {}),
        },
        VALUE | (WIDTH if learned else {}),
    )


ACTIVATIONS: dict[str, Pair] = {
    **{
        " ".join(
            (domain.value, "signed" if signed else "unsigned", "learned" if learned else "constant", str(bits))
        ): _activation(domain, signed, learned, bits=bits)
        for domain in DOMAINS
        for signed in (False, True)
        for learned in (False, True)
        for bits in (2, 6)
    },
    "narrow": _activation(LOG, True, True, narrow=True),
    "constant scale": Pair(
        lambda: IntQuantizer(bits=LearnedBits(4), scale=ConstScale(1.7), signed=False),
        {"scaling_impl_type": ScalingImplType.CONST, "scaling_init": 1.7, **LEARNED},
        WIDTH,
    ),
    "binary": Pair(
        lambda: BinaryQuantizer(scale=LearnedScale(1.7, domain=FLOAT), clipped=True),
        {"quant_type": QuantType.BINARY, "bit_width": 1, "signed": True, "scaling_init": 1.7},
        VALUE,
    ),
    "ternary": Pair(
        lambda: TernaryQuantizer(scale=LearnedScale(1.7, domain=LOG)),
        {
            "quant_type": QuantType.TERNARY,
            "bit_width": 2,
            "threshold": 0.5,
            "signed": True,
            "scaling_init": 1.7,
            "restrict_scaling_type": RestrictValueType.LOG_FP,
        },
        VALUE,
    ),
    "scale per channel": Pair(
        lambda: IntQuantizer(bits=4, scale=LearnedScale(torch.full((1, COLS), 1.7), domain=LOG)),
        {
            "signed": True,
            "scaling_init": 1.7,
            "restrict_scaling_type": RestrictValueType.LOG_FP,
            "scaling_per_output_channel": True,
            "per_channel_broadcastable_shape": (1, COLS),
        },
        VALUE,
    ),
}


def activation_pair(pair: Pair) -> tuple[Any, Any]:
    """The layer of ours and of theirs."""
    quantizer = pair.ours()
    here = (QuantIdentity if quantizer.signed else QuantReLU)(quantizer).double()
    kind = qnn.QuantIdentity if quantizer.signed else qnn.QuantReLU
    return here, kind(act_quant=activation_injector(**pair.theirs), return_quant_tensor=True).double()


def close(a: Tensor, b: Tensor, what: str) -> None:
    assert torch.allclose(a.double().reshape(-1), b.double().reshape(-1), rtol=1e-5, atol=1e-6), f"{what}: {a} and {b}"
