"""Encoders of transformers taken apart: their layers one by one, where torch has a single module for all."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from hwcost.errors import BadOption
from hwcost.quant.kernels import watched


class EncoderLayer(nn.Module):
    """nn.TransformerEncoderLayer, whose forward calls attention, norms, linear layers and the activation itself.

    Args:
        layer: whose modules it shares, under the same names.
    """

    def __init__(self, layer: nn.TransformerEncoderLayer) -> None:
        super().__init__()
        self.self_attn, self.dropout, self.dropout1 = layer.self_attn, layer.dropout, layer.dropout1
        self.linear1, self.linear2, self.dropout2 = layer.linear1, layer.linear2, layer.dropout2
        self.norm1, self.norm2 = layer.norm1, layer.norm2
        self.norm_first = layer.norm_first
        self.activation: Callable[[Tensor], Tensor] = layer.activation

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """(N, time, features) -> the same; masks are handed to the attention."""
        masks = {"attn_mask": src_mask, "key_padding_mask": src_key_padding_mask, "is_causal": is_causal}
        if self.norm_first:
            src = src + self._attended(self.norm1(src), masks)
            fed: Tensor = src + self._fed(self.norm2(src))
            return fed
        src = self.norm1(src + self._attended(src, masks))
        found: Tensor = self.norm2(src + self._fed(src))
        return found

    def _attended(self, x: Tensor, masks: dict[str, Tensor | bool | None]) -> Tensor:
        given = {name: mask for name, mask in masks.items() if mask is not None and mask is not False}
        found: Tensor = self.dropout1(self.self_attn(x, x, x, need_weights=False, **given)[0])
        return found

    def _fed(self, x: Tensor) -> Tensor:
        found: Tensor = self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))
        return found


class Encoder(nn.Module):
    """nn.TransformerEncoder as a plain loop over its layers.

    Args:
        encoder: whose modules it shares, under the same names.
    """

    def __init__(self, encoder: nn.TransformerEncoder) -> None:
        super().__init__()
        self.layers, self.norm = encoder.layers, encoder.norm

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """(N, time, features) -> the same; masks are handed to every layer."""
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, bool(is_causal))
        return src if self.norm is None else self.norm(src)


_MADE: dict[type[nn.Module], Callable[[nn.Module], nn.Module]] = {
    nn.TransformerEncoderLayer: EncoderLayer,  # type: ignore[dict-item] # each is given its own kind
    nn.TransformerEncoder: Encoder,  # type: ignore[dict-item]
}


@contextmanager
def taken_apart(net: nn.Module, keep: Collection[str]) -> Iterator[nn.Module]:
    """The network with its encoders taken apart, in place; put back where an error is raised.

    Args:
        net: may be an encoder itself.
        keep: names of parts that stay as they are.

    Raises:
        BadOption: an encoder has hooks, which would be lost.
    """
    before: list[tuple[nn.Module, str, nn.Module]] = []
    fresh: dict[int, nn.Module] = {}
    if type(net) in _MADE and "" not in keep:
        net = _apart("", net)
    try:
        for path, parent in list(net.named_modules()):
            _children(path, parent, keep, fresh, before)
        yield net
    except BaseException:
        for parent, key, child in reversed(before):
            parent._modules[key] = child
        raise


def _children(
    path: str,
    parent: nn.Module,
    keep: Collection[str],
    fresh: dict[int, nn.Module],
    before: list[tuple[nn.Module, str, nn.Module]],
) -> None:
    """Take the children of a module apart."""
    for key, child in list(parent._modules.items()):
        name = f"{path}.{key}".lstrip(".")
        kept = any(f"{name}.".startswith(f"{part}.") for part in keep)
        if child is None or type(child) not in _MADE or kept:
            continue
        if id(child) not in fresh:
            fresh[id(child)] = _apart(name, child)
        before.append((parent, key, child))
        parent._modules[key] = fresh[id(child)]


def _apart(name: str, module: nn.Module) -> nn.Module:
    if watched(module):
        raise BadOption(f"{name or type(module).__name__} has hooks, which would be lost; remove them, or use keep=")
    return _MADE[type(module)](module).train(module.training)
