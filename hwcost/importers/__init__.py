"""Import of networks of other tools: QONNX files and live Brevitas models."""
