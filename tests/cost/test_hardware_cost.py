"""The cost of a network as a loss term: the widths shrink what they can be made to shrink."""

from __future__ import annotations

import optuna
import pytest
import torch
from torch import nn

from hwcost.cost.bill import price
from hwcost.cost.hardware_cost import hardware_cost
from hwcost.graph.trace import trace
from hwcost.models import Dataflow, target_fps
from hwcost.quant import LearnedBits, QuantLinear, QuantReLU, learned_activation, learned_weight


def test_it_needs_no_data_and_drives_every_width_down() -> None:
    net = nn.Sequential(
        QuantLinear(16, 8, bias=False, weight_quant=learned_weight(bits=6)),
        QuantReLU(learned_activation(bits=5)),
        QuantLinear(8, 4, bias=False, weight_quant=learned_weight(bits=6)),
    )
    pipeline = trace(net, torch.zeros(1, 16), input_bits=8)
    model = Dataflow(device="xc7z020", folding=target_fps(pipeline, 1e6))
    before = hardware_cost(pipeline, model)
    before["LUT"].backward()
    widths = [module.offset for module in net.modules() if isinstance(module, LearnedBits)]
    assert len(widths) == 3 and all(width.grad is not None and float(width.grad) > 0 for width in widths)
    with torch.no_grad():
        for width in widths:
            width -= 1
    after = hardware_cost(pipeline, model)
    assert after["LUT"] < before["LUT"] and after["FF"] < before["FF"]
    whole = price(pipeline, model).total()
    assert {name: amount.item() for name, amount in after.items()} == {
        name: pytest.approx(amount.item(), rel=0) for name, amount in whole.items()
    }


@pytest.mark.slow
def test_an_objective_of_optuna_runs_in_threads() -> None:
    """Each trial traces, folds and prices a network of its own, as one at a time does."""

    def luts(trial: optuna.Trial) -> float:
        hidden = trial.suggest_int("hidden", 2, 16)
        net = nn.Sequential(
            QuantLinear(16, hidden, bias=False, weight_quant=learned_weight(bits=6)),
            QuantReLU(learned_activation(bits=5)),
            QuantLinear(hidden, 4, bias=False, weight_quant=learned_weight(bits=6)),
        )
        pipeline = trace(net, torch.zeros(1, 16), input_bits=8)
        used = hardware_cost(pipeline, Dataflow(device="xc7z020", folding=target_fps(pipeline, 1e6)))["LUT"]
        used.backward()
        return float(used.detach())

    found = {}
    for threads in (1, 2):
        study = optuna.create_study(sampler=optuna.samplers.GridSampler({"hidden": list(range(2, 17))}, seed=0))
        study.optimize(luts, n_trials=15, n_jobs=threads)
        assert {trial.state for trial in study.trials} == {optuna.trial.TrialState.COMPLETE}
        found[threads] = {trial.params["hidden"]: trial.value for trial in study.trials}
    assert all(found[1][hidden] == value for hidden, value in found[2].items()) and len(found[2]) >= 14
