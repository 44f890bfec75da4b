"""The arithmetic of quantization, in three forms with one meaning: tensors, one scalar step, rows of numbers."""
