"""A call finds its entry by exact meaning, and survives pickle."""

import pickle

import torch
import torch.nn.functional as F
from torch import nn

from hwcost.graph.call import Call, entry


def test_arguments_by_place_by_name_and_of_a_module() -> None:
    call = Call(module=None, target=F.max_pool2d, args=(torch.zeros(1), 3), kwargs={"stride": 2})
    assert (call.argument(1, "kernel_size"), call.argument(2, "stride"), call.argument(3, "padding", 0)) == (3, 2, 0)
    assert Call(module=nn.MaxPool2d(5), args=(), kwargs={}).argument(1, "kernel_size") == 5


def test_a_function_that_pickle_takes_for_a_local_one_is_found_again() -> None:
    call = Call(module=None, target=F.max_pool2d, args=(), kwargs={})
    assert pickle.loads(pickle.dumps(call)).target is F.max_pool2d
    assert entry({F.max_pool2d: 1}, call) == 1 and entry({}, call) is None
