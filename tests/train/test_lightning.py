"""The budget as a Lightning callback: the same gradients as a plain loop, settling, checkpoints, two optimizers."""

from __future__ import annotations

import copy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import hwcost
from hwcost.errors import BadOption
from hwcost.quant import LearnedBits
from hwcost.zoo.mlp import MLP
from hwcost.zoo.precision import Precision

if find_spec("lightning") is None:
    pytest.skip("lightning is not installed; pip install 'hwcost[lightning]'", allow_module_level=True)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning"),  # advice of the Trainer: workers, logging interval
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

SHARE = 0.75
"""Of what the network uses at its starting widths, the budget."""


def parts() -> tuple[MLP, hwcost.Pipeline, hwcost.Dataflow, hwcost.Budget]:
    torch.manual_seed(0)
    net = MLP((16, 24, 5), Precision(2, 2, learned=True))
    pipeline = hwcost.trace(net, torch.zeros(1, 16), input_bits=4)
    model = hwcost.Dataflow(device="PYNQ-Z1", folding=hwcost.target_fps(pipeline, 1e6))
    return net, pipeline, model, hwcost.Budget({"LUT": SHARE * luts(pipeline, model)}, strength=10.0)


def luts(pipeline: hwcost.Pipeline, model: hwcost.Dataflow) -> float:
    return float(hwcost.hardware_cost(pipeline, model)["LUT"].detach())


def samples(count: int = 32) -> TensorDataset:
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(0, 16, (count, 16), generator=generator) / 16
    return TensorDataset(x, torch.randint(0, 5, (count,), generator=generator))


def network_of(net: nn.Module, optimizers: int = 1) -> Any:
    from lightning.pytorch import LightningModule

    class Classifier(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net
            self.automatic_optimization = optimizers == 1

        def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
            loss = F.cross_entropy(self.net(batch[0]), batch[1])
            if not self.automatic_optimization:
                chosen = self.optimizers()
                for optimizer in chosen:
                    optimizer.zero_grad()
                self.manual_backward(loss)
                for optimizer in chosen:
                    optimizer.step()
            return loss

        def configure_optimizers(self) -> Any:
            groups = hwcost.parameter_groups(self.net, lr=0.1, width_lr=0.1, weight_decay=0.0)
            if self.automatic_optimization:
                return torch.optim.SGD(groups)
            return [torch.optim.SGD([groups.weights, groups.rest]), torch.optim.SGD([groups.widths])]

    return Classifier()


def trainer(folder: Path, epochs: int, *callbacks: Any, **options: Any) -> Any:
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import ModelCheckpoint

    return Trainer(
        max_epochs=epochs,
        callbacks=list(callbacks),
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=any(isinstance(one, ModelCheckpoint) for one in callbacks),
        default_root_dir=folder,
        **options,
    )


def callback(*given: Any, **options: Any) -> Any:
    from hwcost.train.lightning import HardwareBudget

    return HardwareBudget(*given, **options)


def weights(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize("optimizers", [1, 2])
def test_it_trains_as_a_plain_loop_does(optimizers: int, tmp_path: Path) -> None:
    net, pipeline, model, budget = parts()
    loader = DataLoader(samples(), batch_size=16)
    plain, same = copy.deepcopy(net), copy.deepcopy(budget)
    trainer(tmp_path, 2, callback(net, pipeline, model, budget, settle=0)).fit(network_of(net, optimizers), loader)
    again = hwcost.trace(plain, torch.zeros(1, 16), input_bits=4)
    optimizer = torch.optim.SGD(hwcost.parameter_groups(plain, lr=0.1, width_lr=0.1, weight_decay=0.0))
    for _ in range(2):
        for x, y in loader:
            used = hwcost.hardware_cost(again, model)
            loss = F.cross_entropy(plain(x), y) + same.penalty(used)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            same.update(used)
    expected = weights(plain)
    for name, found in weights(net).items():
        torch.testing.assert_close(found, expected[name], rtol=1e-4, atol=1e-5, msg=name)
    assert budget.multipliers.item() > 0
    torch.testing.assert_close(budget.multipliers, same.multipliers)


def test_accumulated_batches_are_one_step_of_the_budget(tmp_path: Path) -> None:
    net, pipeline, model, budget = parts()
    budgeted = callback(net, pipeline, model, budget, settle=0)
    loader = DataLoader(samples(64), batch_size=16)
    trainer(tmp_path, 1, budgeted, accumulate_grad_batches=2, precision="bf16-mixed").fit(network_of(net), loader)
    assert int(budget.steps) == 2
    assert all(bool(tensor.isfinite().all()) for tensor in weights(net).values())


def test_widths_land_and_stand_still_and_a_checkpoint_resumes(tmp_path: Path) -> None:
    net, pipeline, model, budget = parts()
    budgeted = callback(net, pipeline, model, budget, settle=0.5)
    assert luts(pipeline, model) > budget.limits["LUT"]
    loader = DataLoader(samples(), batch_size=16)
    run = trainer(tmp_path, 4, budgeted)
    run.fit(network_of(net), loader)
    assert budgeted.settled and int(budget.steps) == 4
    assert luts(pipeline, model) <= budget.limits["LUT"]
    assert run.callback_metrics["hardware/LUT"] > 0
    run.save_checkpoint(tmp_path / "run.ckpt")

    other, pipeline, model, fresh = parts()
    resumed = callback(other, pipeline, model, fresh, settle=0.5)
    trainer(tmp_path, 4, resumed).fit(network_of(other), loader, ckpt_path=tmp_path / "run.ckpt")
    assert resumed.settled and torch.equal(fresh.multipliers, budget.multipliers)
    assert not any(module.offset.requires_grad for module in other.modules() if isinstance(module, LearnedBits))
    assert weights(other).keys() == weights(net).keys()


def test_what_cannot_work_is_refused(tmp_path: Path) -> None:
    net, pipeline, model, budget = parts()
    with pytest.raises(BadOption, match="settle=1"):
        callback(net, pipeline, model, budget, settle=1)
    with pytest.raises(BadOption, match="no learned width"):
        callback(MLP((16, 4), Precision(4, 4)), pipeline, model, budget)
    endless = trainer(tmp_path, -1, callback(net, pipeline, model, budget), max_steps=2)
    with pytest.raises(BadOption, match="max_epochs"):
        endless.fit(network_of(net), DataLoader(samples(), batch_size=16))


def worsening(net: nn.Module) -> Any:
    """A module whose watched loss rises from epoch to epoch, as one does whose widths shrink."""
    module = network_of(net)

    class Worsening(type(module)):  # type: ignore[misc]
        def validation_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
            self.log("loss", float(self.current_epoch))

    module.__class__ = Worsening
    return module


def test_early_stopping_waits_until_the_widths_have_landed(tmp_path: Path) -> None:
    """They never landed: LUT 490 of 196."""
    from lightning.pytorch.callbacks import EarlyStopping

    net, pipeline, model, budget = parts()
    stopping = EarlyStopping("loss", patience=1)
    one = trainer(tmp_path, 10, callback(net, pipeline, model, budget, settle=0.5), stopping, num_sanity_val_steps=0)
    loader = DataLoader(samples(), batch_size=16)
    one.fit(worsening(net), loader, loader)
    assert luts(pipeline, model) <= budget.limits["LUT"]
    assert one.current_epoch == 7  # the first settling epoch is the best of these; the next one is worse


def test_the_best_checkpoint_is_one_that_has_landed(tmp_path: Path) -> None:
    from lightning.pytorch.callbacks import ModelCheckpoint

    net, pipeline, model, budget = parts()
    keeping = ModelCheckpoint(tmp_path / "kept", monitor="loss", filename="{epoch}")
    loader = DataLoader(samples(), batch_size=16)
    one = trainer(tmp_path, 6, callback(net, pipeline, model, budget, settle=0.5), keeping, num_sanity_val_steps=0)
    one.fit(worsening(net), loader, loader)
    assert keeping.best_model_path.endswith("epoch=3.ckpt") and float(keeping.best_model_score) == 3.0  # type: ignore[arg-type]
    net.load_state_dict(
        {
            name.removeprefix("net."): tensor
            for name, tensor in torch.load(keeping.best_model_path, weights_only=False)["state_dict"].items()
        }
    )
    assert luts(pipeline, model) <= budget.limits["LUT"]


def test_a_training_that_ends_early_lands_and_says_so(tmp_path: Path) -> None:
    net, pipeline, model, budget = parts()
    loader = DataLoader(samples(), batch_size=16)
    with pytest.warns(UserWarning, match="ended in epoch 1, before the settling epochs; the widths have landed"):
        trainer(tmp_path, 6, callback(net, pipeline, model, budget), max_steps=2).fit(network_of(net), loader)
    assert luts(pipeline, model) <= budget.limits["LUT"]


def test_a_limit_out_of_reach_is_told(tmp_path: Path) -> None:
    net, pipeline, model, _ = parts()
    loader = DataLoader(samples(), batch_size=16)
    tight = hwcost.Budget({"LUT": 20.0})
    with pytest.warns(UserWarning, match=r"HardwareBudget: LUT [\d,]+ of 20 after landing; no widths of this network"):
        trainer(tmp_path, 2, callback(net, pipeline, model, tight)).fit(network_of(net), loader)
