"""Export to files that other tools read: QONNX, ONNX, FINN folding, Verilog."""

from hwcost.export.finn import finn_folding
from hwcost.export.finn_design import finn_design

__all__ = ["finn_design", "finn_folding"]
