"""Networks of other tools: QONNX files and live Brevitas models."""
