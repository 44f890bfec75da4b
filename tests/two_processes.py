"""A training of two processes, in a module that each of them can import."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from hwcost.quant import QuantIdentity, QuantLinear, QuantReLU, learned_activation, learned_weight

PROCESSES, STEPS = 2, 5


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        QuantIdentity(learned_activation(bits=8, max_val=2.0, signed=True)),
        QuantLinear(6, 8, weight_quant=learned_weight(bits=4)),
        QuantReLU(learned_activation(bits=4, max_val=2.0)),
        QuantLinear(8, 3, weight_quant=learned_weight(bits=4)),
    )


def trained(net: nn.Module, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
    for _ in range(STEPS):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return {name.removeprefix("module."): parameter.detach() for name, parameter in net.named_parameters()}


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(32, 6, generator=generator), torch.randint(0, 3, (32,), generator=generator)


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=PROCESSES)
    x, y = (part.chunk(PROCESSES)[rank] for part in data())
    torch.save(trained(DistributedDataParallel(network()), x, y), f"{folder}/{rank}.pt")
    dist.destroy_process_group()
