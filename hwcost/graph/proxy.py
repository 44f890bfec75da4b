"""Values of a graph while torch.fx finds it: what Python may ask of them."""

import dis
import inspect
from types import FrameType
from typing import Any

from torch import Tensor, fx

SEEN = "seen on the example"
"""Key of a node's value, while it is traced."""


class Proxy(fx.Proxy):
    """A value of the graph: what Python asks of its shape is answered by the example, and assertions hold."""

    def _seen(self) -> object:
        return self.node.meta.get(SEEN)

    def __getattr__(self, k: str) -> Any:
        if k in ("shape", "ndim"):  # fx makes their node late, and of a class of its own
            return self.tracer.create_proxy("call_function", getattr, (self, k), {})
        return super().__getattr__(k)

    def __bool__(self) -> bool:
        seen = self._seen()
        if isinstance(seen, bool | int | float):
            return bool(seen)
        frame = inspect.currentframe()
        if frame is not None and frame.f_back is not None and _asserts(frame.f_back):
            return True
        return bool(super().__bool__())

    def __len__(self) -> int:
        seen: Any = self._seen()
        return len(seen) if isinstance(seen, tuple | list | Tensor) else int(super().__len__())

    def __index__(self) -> int:
        seen = self._seen()
        if not isinstance(seen, int):
            raise fx.proxy.TraceError("a size that depends on the input is used as a number of Python")
        return seen

    __int__ = __index__

    def __iter__(self) -> Any:
        whole: Any = self
        seen, frame = self._seen(), inspect.currentframe()
        count = len(seen) if isinstance(seen, tuple | list) else 0
        if not count and frame is not None and frame.f_back is not None:
            count = _unpacked(frame.f_back)
        return iter([whole[at] for at in range(count)]) if count else super().__iter__()


def _unpacked(frame: FrameType) -> int:
    """Names that a frame gives to the parts of a value; 0 where it does something else with it."""
    found = next((one for one in dis.get_instructions(frame.f_code) if one.offset == frame.f_lasti), None)
    return int(found.argval) if found is not None and found.opname == "UNPACK_SEQUENCE" else 0


def _asserts(frame: FrameType) -> bool:
    """Whether the value that a frame asks for only decides on an AssertionError."""
    code = {one.offset: one.opname for one in dis.get_instructions(frame.f_code)}
    jump = next(
        (one for one in dis.get_instructions(frame.f_code) if one.offset >= frame.f_lasti and "JUMP" in one.opname),
        None,
    )
    if jump is None:
        return False
    behind = next((name for offset, name in code.items() if offset > jump.offset), "")
    return "LOAD_ASSERTION_ERROR" in (behind, code.get(int(jump.argval or 0)))  # one by one, or joined by `and`
