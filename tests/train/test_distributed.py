"""Two processes under DistributedDataParallel train as one process on both halves of the batch."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from two_processes import PROCESSES, data, network, trained, work


@pytest.mark.slow
@pytest.mark.skipif(not dist.is_available(), reason="this build of PyTorch has no torch.distributed")
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    mp.spawn(work, args=(str(tmp_path),), nprocs=PROCESSES)
    alone = trained(network(), *data())
    for rank in range(PROCESSES):
        found = torch.load(tmp_path / f"{rank}.pt")
        assert found.keys() == alone.keys()
        for name, parameter in alone.items():
            torch.testing.assert_close(found[name], parameter, rtol=1e-4, atol=1e-5, msg=f"{name} of rank {rank}")
