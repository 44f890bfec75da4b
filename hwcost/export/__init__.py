"""Export to files that other tools read: QONNX, ONNX, FINN folding, Verilog."""

from hwcost.export.finn import finn_folding

__all__ = ["finn_folding"]
