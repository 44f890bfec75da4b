"""The tie between a layer that computes in the step of its input, and the quantizer that gave it."""

from torch import Tensor, nn

from hwcost.errors import BadOption, UnknownPrecision
from hwcost.graph.ranges import widest
from hwcost.graph.spec import Signal
from hwcost.quant.quantizers import Quantizer, checked, common_range, common_step
from hwcost.quant.tensor import QuantTensor


class Sourced(nn.Module):
    """A layer that may need the step of what enters it, and so the quantizer that made it."""

    _source: tuple[Quantizer | None] = (None,)  # a tuple, so that a quantizer in front is not registered here again

    @property
    def source(self) -> Quantizer | None:
        """The quantizer in front whose step the layer reads; None where it needs none."""
        return self._source[0]

    def set_source(self, source: Quantizer | None) -> None:
        """Read the step of another quantizer from now on.

        Args:
            source: the quantizer of the activation in front.

        Raises:
            BadOption: no quantizer, or one whose step is a statistic of each tensor: nobody behind it knows that step.
        """
        name = type(self).__name__
        self._source = (checked(source, f"{name}: source"),)
        if getattr(source, "measured", False) and not hasattr(getattr(source, "scale", None), "latest"):
            raise BadOption(
                f"{name}: the step of source= is a statistic of each tensor, which is lost behind it; give its "
                "quantizer a RunningScale or LearnedScale"
            )

    def check_tie(self, signal: Signal) -> None:
        """Check that what enters was made by `source`.

        Args:
            signal: what enters, as described.

        Raises:
            UnknownPrecision: it was made by something else, so that values would be read in another step.
        """
        source = self.source
        if source is None:
            return
        remedy = "call set_source() with the quantizer in front, or give the layer an input_quant="
        if signal.grid is not None and signal.grid is not source:
            raise UnknownPrecision(
                f"its source= is not what makes its input ({type(signal.grid).__name__}): one of them was replaced, or "
                f"the layer was copied without the other; {remedy}"
            )
        wire, made = widest(signal.range), widest(common_range(source))
        if signal.range.known and bool(((wire.low < made.low) | (wire.high > made.high)).any()):
            raise UnknownPrecision(
                f"its source= makes integers from {float(made.low):g} to {float(made.high):g}, and from "
                f"{float(wire.low):g} to {float(wire.high):g} enter; {remedy}"
            )

    def on_grid(self, x: Tensor, remedy: str) -> QuantTensor:
        """Plain values together with the step and the range that `source` gave them.

        Args:
            x: the values.
            remedy: what else to do where there is no source.

        Raises:
            UnknownPrecision: no source.
        """
        if self.source is None:
            raise UnknownPrecision(
                f"{type(self).__name__}: it needs the step of its input; give source= (the quantizer of the activation "
                f"in front), pass a QuantTensor, or {remedy}"
            )
        return QuantTensor(x, common_step(self.source, x), common_range(self.source))
